/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xl-fast-gate: what an ssh key of another host may do here, if authorized_keys says
 *
 *     restrict,command="/usr/lib/xl-fast/xl-fast-gate" ssh-ed25519 AAAA...
 *
 * sshd then runs this instead of the command that was asked for, which is in SSH_ORIGINAL_COMMAND.
 * It is read as words, each of which has to be one of those that follow, and is executed as words:
 * no shell sees it.
 *
 *     [env LIBXL_SAVE_HELPER=DIR/xl-fast-helper XL_FAST=1|early [XL_FAST_MARKS=1]
 *         [XL_FAST_CLONE=1] DIR/xl-fast-receive UUID ATTEMPT] xl [-v...] migrate-receive [-e] [-d]
 * [-p] exec sh -c 'echo xl-fast-answer; exec DIR/PROGRAM WORDS' (xl-plugin/recover/recover_reach.h)
 *
 * PROGRAM and WORDS: the questions of a migration's source, of doctor, recover and evacuate, and
 * the two steps that recover takes at a target. Exit status 126: refused.
 */
#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xl-plugin/cli/quote.h"
#include "xl-plugin/recover/recover_look.h"
#include "xl-plugin/recover/recover_reach.h"

#define REFUSED    126
#define WORDS_MAX  16u
#define WORD_BYTES XF_NAME_SIZE

struct command {
    char words[WORDS_MAX][WORD_BYTES];
    unsigned n;
};

static int refuse(const char *why)
{
    fprintf(stderr, "xl-fast: %s\n", why);
    return REFUSED;
}

/* ---- words --------------------------------------------------------------------------------- */

/* Words with one blank between them. */
static bool split(const char *text, struct command *c)
{
    c->n = 0;
    while (text && *text && c->n < WORDS_MAX) {
        text = xf_quote_read(text, c->words[c->n++], WORD_BYTES);
        if (text && *text && *++text == 0)
            return false;
    }
    return text && !*text && c->n;
}

static bool is_number(const char *word)
{
    size_t n = strspn(word, "0123456789");

    return n > 0 && n < 20 && !word[n];
}

static bool is_dotted(const char *word)
{
    size_t n = strspn(word, "0123456789./");

    return n > 0 && n < 24 && !word[n];
}

static bool is_name(const char *word)
{
    return word[0] != 0;
}

/* ---- questions and steps ------------------------------------------------------------------- */

static const struct {
    const char *program, *verb;
    bool (*words[5])(const char *);
} questions[] = {
    {"xl-fast-preflight", "target", {is_number, is_dotted, is_number, is_dotted}},
    {"xl-fast-preflight", "examine", {NULL}},
    {"xl-fast-domain", "look", {is_name}},
    {"xl-fast-domain", "look", {is_name, xf_uuid_ok}},
    {"xl-fast-domain", "stop-receiver", {is_name, xf_uuid_ok}},
    {"xl-fast-domain", "destroy-unrun", {is_name, xf_uuid_ok}},
};

static bool is_program(const char *word, const char *dir, const char *name)
{
    char path[WORD_BYTES];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

    return n > 0 && (size_t)n < sizeof(path) && !strcmp(word, path);
}

static bool is_question(const struct command *c, const char *dir)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        unsigned n = 0;

        if (c->n < 2 || !is_program(c->words[0], dir, questions[i].program) ||
            strcmp(c->words[1], questions[i].verb) != 0)
            continue;
        while (questions[i].words[n] && n + 2 < c->n && questions[i].words[n](c->words[n + 2]))
            n++;
        if (!questions[i].words[n] && n + 2 == c->n)
            return true;
    }
    return false;
}

/* ---- the receiver -------------------------------------------------------------------------- */

/* xl [-v...] migrate-receive [-e] [-d] [-p], from the word at i on: what xl migrate asks for. */
static bool is_receiver(const struct command *c, unsigned i)
{
    if (i >= c->n || strcmp(c->words[i++], "xl") != 0)
        return false;
    if (i < c->n && c->words[i][0] == '-' && c->words[i][1] &&
        strspn(c->words[i] + 1, "v") == strlen(c->words[i] + 1))
        i++;
    if (i >= c->n || strcmp(c->words[i++], "migrate-receive") != 0)
        return false;
    for (; i < c->n; i++)
        if (c->words[i][0] != '-' || !strchr("edp", c->words[i][1]) || !c->words[i][1] ||
            c->words[i][2])
            return false;
    return true;
}

/* With our helper. Its environment is put into ours, and *first is the word after it. */
static bool take_fast(const struct command *c, const char *dir, unsigned *first)
{
    char helper[WORD_BYTES + 32];
    unsigned i = 1;

    snprintf(helper, sizeof(helper), "LIBXL_SAVE_HELPER=%s/xl-fast-helper", dir);
    if (c->n < 7 || strcmp(c->words[0], "env") != 0 || strcmp(c->words[i++], helper) != 0 ||
        (strcmp(c->words[i], "XL_FAST=1") && strcmp(c->words[i], "XL_FAST=early")))
        return false;
    const char *fast = strchr(c->words[i++], '=') + 1;
    bool marks = !strcmp(c->words[i], "XL_FAST_MARKS=1");

    i += marks;
    bool clone = !strcmp(c->words[i], "XL_FAST_CLONE=1");

    i += clone;
    if (i + 4 > c->n || !is_program(c->words[i], dir, "xl-fast-receive") ||
        !xf_uuid_ok(c->words[i + 1]) || !xf_uuid_ok(c->words[i + 2]) || !is_receiver(c, i + 3))
        return false;
    setenv("LIBXL_SAVE_HELPER", strchr(helper, '=') + 1, 1);
    setenv("XL_FAST", fast, 1);
    if (marks)
        setenv("XL_FAST_MARKS", "1", 1);
    if (clone)
        setenv("XL_FAST_CLONE", "1", 1);
    *first = i;
    return true;
}

/* -------------------------------------------------------------------------------------------- */

/* What stands between the words that every question begins and ends with. */
static char *question_of(const char *text)
{
    const size_t begin = sizeof(XF_REACH_BEGIN) - 1, end = sizeof(XF_REACH_END) - 1,
                 n = strlen(text);

    if (n < begin + end || strncmp(text, XF_REACH_BEGIN, begin) != 0 ||
        strcmp(text + n - end, XF_REACH_END) != 0)
        return NULL;
    return strndup(text + begin, n - begin - end);
}

static int execute(const struct command *c, unsigned first)
{
    char *argv[WORDS_MAX + 1];
    unsigned n = 0;

    for (unsigned i = first; i < c->n; i++)
        argv[n++] = (char *)(uintptr_t)c->words[i];
    argv[n] = NULL;
    execvp(argv[0], argv);
    fprintf(stderr, "xl-fast: %s: %s\n", argv[0], strerror(errno));
    return errno == ENOENT ? 127 : REFUSED;
}

int main(void)
{
    const char *text = getenv("SSH_ORIGINAL_COMMAND");
    char self[WORD_BYTES], *question = text ? question_of(text) : NULL;
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    static struct command c;
    unsigned first = 0;
    bool ok = false;

    self[n > 0 ? n : 0] = 0;
    const char *dir = dirname(self);

    if (question) {
        ok = split(question, &c) && is_question(&c, dir);
        if (ok && (fputs(XF_REACH_MARK, stdout) < 0 || fflush(stdout)))
            return REFUSED;
    } else if (text && split(text, &c)) {
        ok = is_receiver(&c, 0) || take_fast(&c, dir, &first);
    }
    free(question);
    if (ok)
        return execute(&c, first);
    return refuse("this key is for xl migrate and xl-fast alone (xl-fast-gate)");
}
