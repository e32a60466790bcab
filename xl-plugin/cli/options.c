/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Options: from a command's table to its structure, to its help and to completion. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "exits.h"
#include "number.h"
#include "transport/base/rate.h"
#include "transport/base/version.h"

#define OPTIONS_MAX 64u
/* What getopt_long() returns for row i is ROW + i: letters stay below it. */
#define ROW     0x100
#define HELP    (ROW + (int)OPTIONS_MAX)
#define VERSION (HELP + 1)

#define LINE_COLUMNS 79u
#define HEAD_COLUMNS 28u /* an option with a longer head has its help in the next line */

static const struct xf_option help_row = {.name = "help", .letter = 'h', .help = "this text"};
static const struct xf_option version_row = {.name = "version", .help = "xl-fast's version"};

static bool is_last(const struct xf_option *o)
{
    return !o->name && !o->letter && !o->help;
}

static unsigned count_rows(const struct xf_command *c)
{
    unsigned n = 0;

    while (c->options && n < OPTIONS_MAX && !is_last(&c->options[n]))
        n++;
    return n;
}

static bool takes_value(const struct xf_option *o)
{
    return o->value != NULL;
}

/* The row that the option stands for. */
static const struct xf_option *resolve(const struct xf_command *c, const struct xf_option *o)
{
    if (o->kind != XF_OPTION_SAME)
        return o;
    for (const struct xf_option *p = c->options; !is_last(p); p++)
        if (p->name && p != o && !strcmp(p->name, o->help))
            return p;
    return o;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* Edits from a to b: a letter more, less, another, or two that change places. */
static unsigned distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    unsigned rows[3][MAX + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    size_t n = strlen(a), m = strlen(b);

    if (n > MAX || m > MAX)
        return UINT16_MAX;
    for (size_t j = 0; j <= m; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        unsigned *oldest = before;
        before = last, last = row, row = oldest;
    }
    return last[m];
}

const char *xf_did_you_mean(const char *word, const char *const *names, unsigned n)
{
    const char *best = NULL;
    unsigned least = 2 + (unsigned)strlen(word) / 5; /* as many edits are one too many */

    for (unsigned i = 0; i < n; i++) {
        unsigned d = distance(word, names[i]);

        if (d < least && d < strlen(names[i]))
            least = d, best = names[i];
    }
    return best;
}

int xf_usage_error(const struct xf_command *c, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "xl-fast %s: ", c->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    return XF_EXIT_USAGE;
}

/* The long names that an error may suggest. */
static unsigned list_names(const struct xf_command *c, const char *names[OPTIONS_MAX + 2])
{
    unsigned n = 0, rows = count_rows(c);

    for (unsigned i = 0; i < rows; i++)
        if (c->options[i].name && c->options[i].kind != XF_OPTION_HEADING && !c->options[i].hidden)
            names[n++] = c->options[i].name;
    names[n++] = help_row.name;
    names[n++] = version_row.name;
    return n;
}

static int unknown_long(const struct xf_command *c, const char *word)
{
    const char *names[OPTIONS_MAX + 2], *meant, *first = NULL;
    unsigned n = list_names(c, names);
    char name[64];

    snprintf(name, sizeof(name), "%.*s", (int)strcspn(word, "="), word);
    for (unsigned i = 0; i < n && name[0]; i++) { /* an abbreviation of several */
        if (strncmp(names[i], name, strlen(name)) != 0)
            continue;
        if (first)
            return xf_usage_error(c, "option '--%s' may be '--%s' or '--%s'", name, first,
                                  names[i]);
        first = names[i];
    }
    meant = xf_did_you_mean(name, names, n);
    if (meant)
        return xf_usage_error(c, "unknown option '--%s'; did you mean '--%s'?", name, meant);
    return xf_usage_error(c, "unknown option '--%s'; see xl-fast %s --help", name, c->name);
}

/* The word is `near` or the one after it: getopt goes on only when it has all letters. */
static int unknown_letter(const struct xf_command *c, int letter, char *const *near)
{
    const char *names[OPTIONS_MAX + 2];
    unsigned n = list_names(c, names);

    for (unsigned i = 0; i < n; i++) /* -json is --json with a dash too few */
        for (unsigned j = 0; j < 2 && near[j]; j++)
            if (near[j][0] == '-' && !strcmp(near[j] + 1, names[i]))
                return xf_usage_error(c, "unknown option '-%s'; did you mean '--%s'?", names[i],
                                      names[i]);
    return xf_usage_error(c, "unknown option '-%c'; see xl-fast %s --help", letter, c->name);
}

/* The option as the user knows it best: by its long name. */
static const char *show(char out[64], const struct xf_option *o)
{
    if (o->name)
        snprintf(out, 64, "--%s", o->name);
    else
        snprintf(out, 64, "-%c", o->letter);
    return out;
}

static int bad_choice(const struct xf_command *c, const struct xf_option *o, const char *text)
{
    char all[256] = "", shown[64];
    const char *meant;
    unsigned n = 0;

    for (; o->words[n]; n++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", n ? ", " : "", o->words[n]);
    meant = xf_did_you_mean(text, o->words, n);
    if (meant)
        return xf_usage_error(c, "%s: '%s' is not one of %s; did you mean '%s'?", show(shown, o),
                              text, all, meant);
    return xf_usage_error(c, "%s: '%s' is not one of %s", show(shown, o), text, all);
}

static int no_value(const struct xf_command *c, const struct xf_option *o)
{
    char shown[64];

    return xf_usage_error(c, "%s needs a value: %s; see xl-fast %s --help", show(shown, o),
                          o->value, c->name);
}

/* ---- values --------------------------------------------------------------------------------- */

static uint64_t max_of(const struct xf_option *o)
{
    return o->max ? o->max : UINT64_MAX;
}

/* NULL, or what the text is not. */
static const char *take(const struct xf_option *o, const char *text, char *at, char limits[128])
{
    struct xf_option_texts *texts = (struct xf_option_texts *)at;
    uint64_t us;

    switch (o->kind) {
    case XF_OPTION_TEXT:
        memcpy(at, &text, sizeof(text));
        return NULL;
    case XF_OPTION_TEXTS:
        if (texts->n == XF_OPTION_TEXTS_MAX)
            return "accepted: too many arguments";
        texts->texts[texts->n++] = text;
        return NULL;
    case XF_OPTION_SIZE:
        return xf_number_size(text, (uint64_t *)at) ? "a size: such as 64M or 64MiB" : NULL;
    case XF_OPTION_BYTE_RATE:
        return xf_number_byte_rate(text, (uint64_t *)at)
                   ? "a size per second: such as 20M or 20MiB/s"
                   : NULL;
    case XF_OPTION_RATE:
        return xf_rate_parse(text, (uint64_t *)at) ? "a rate: such as 10Mbit or 2.5Gbit/s" : NULL;
    case XF_OPTION_MS:
        snprintf(limits, 128, "a time from %llu to %llu ms: such as 300, 300ms or 2s",
                 (unsigned long long)o->min, (unsigned long long)o->max);
        if (xf_number_time(text, 1000, &us) || us < o->min * 1000 || us > o->max * 1000)
            return limits;
        memcpy(at, &us, sizeof(us));
        return NULL;
    case XF_OPTION_SECONDS:
        snprintf(limits, 128, "a time from %llu to %llu s: such as 5, 5s or 2m",
                 (unsigned long long)o->min, (unsigned long long)o->max);
        if (xf_number_time(text, 1000000, &us) || us % 1000000 || us / 1000000 < o->min ||
            us / 1000000 > o->max)
            return limits;
        us /= 1000000;
        memcpy(at, &us, sizeof(us));
        return NULL;
    case XF_OPTION_COUNT:
        snprintf(limits, 128, "a number from %llu to %llu", (unsigned long long)o->min,
                 (unsigned long long)o->max);
        return xf_number_unsigned(text, (unsigned)o->min, (unsigned)o->max, (unsigned *)at) ? limits
                                                                                            : NULL;
    case XF_OPTION_NUMBER:
        snprintf(limits, 128, "a number from %llu to %llu", (unsigned long long)o->min,
                 (unsigned long long)o->max);
        if (!xf_number_u64(text, o->min, max_of(o), (uint64_t *)at))
            return NULL;
        return o->max ? limits : "a whole number";
    case XF_OPTION_PERCENT:
        return xf_number_percent(text, (double *)(void *)at) ? "a percentage: such as 1% or 0.5"
                                                             : NULL;
    case XF_OPTION_OWN:
        return o->take(text, at);
    default:
        return "of a kind that is known";
    }
}

/* text is NULL for a flag, and for an optional value that is not given. */
static int take_row(const struct xf_command *c, const struct xf_option *o, const char *text,
                    void *to)
{
    char *at = (char *)to + o->to, shown[64], limits[128];
    const char *wrong;

    if (o->kind == XF_OPTION_FLAG) {
        *(bool *)at = true;
        return 0;
    }
    if (o->kind == XF_OPTION_CHOICE) {
        unsigned i = 0;

        while (text && o->words[i] && strcmp(text, o->words[i]) != 0)
            i++;
        if (!o->words[i])
            return bad_choice(c, o, text);
        memcpy(at, &i, sizeof(i));
        return 0;
    }
    if ((o->kind == XF_OPTION_TEXT || o->kind == XF_OPTION_TEXTS) && !text[0])
        return no_value(c, o);
    wrong = take(o, text, at, limits);
    return wrong ? xf_usage_error(c, "%s: '%s' is not %s", show(shown, o), text, wrong) : 0;
}

/* ---- parsing -------------------------------------------------------------------------------- */

struct parser {
    struct option longs[OPTIONS_MAX + 3];
    char letters[3 * OPTIONS_MAX + 8];
};

static void add_long(struct option *to, const struct xf_option *o, int value)
{
    *to = (struct option){.name = o->name,
                          .has_arg = !takes_value(o) ? no_argument
                                     : o->optional   ? optional_argument
                                                     : required_argument,
                          .val = value};
}

static void make_parser(const struct xf_command *c, struct parser *p)
{
    unsigned n = 0, rows = count_rows(c);
    char *letter = p->letters;

    *letter++ = ':'; /* tells what lacks a value from what is unknown */
    *letter++ = 'h';
    for (unsigned i = 0; i < rows; i++) {
        const struct xf_option *o = &c->options[i];

        if (o->kind == XF_OPTION_HEADING)
            continue;
        if (o->name)
            add_long(&p->longs[n++], o, ROW + (int)i);
        if (o->letter) {
            *letter++ = o->letter;
            if (takes_value(o))
                *letter++ = ':';
        }
    }
    add_long(&p->longs[n++], &help_row, HELP);
    add_long(&p->longs[n++], &version_row, VERSION);
    p->longs[n] = (struct option){0};
    *letter = 0;
}

static const struct xf_option *row_of(const struct xf_command *c, int value)
{
    unsigned rows = count_rows(c);

    if (value >= ROW)
        return value - ROW < (int)rows ? &c->options[value - ROW] : NULL;
    for (unsigned i = 0; value && i < rows; i++)
        if (c->options[i].letter == value && c->options[i].kind != XF_OPTION_HEADING)
            return &c->options[i];
    return NULL;
}

/* Where the words for another program begin: after the first -- that is no option's value. */
static int find_rest(const struct parser *p, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *found;

        if (!strcmp(word, "--"))
            return i;
        if (!strncmp(word, "--", 2) && !strchr(word, '=')) {
            unsigned matches = 0, value = 0;

            for (const struct option *o = p->longs; o->name; o++) {
                if (strncmp(o->name, word + 2, strlen(word + 2)) != 0)
                    continue;
                bool whole = !strcmp(o->name, word + 2);

                matches = whole ? 1 : matches + 1;
                value = o->has_arg == required_argument;
                if (whole)
                    break;
            }
            i += matches == 1 && value;
        } else if (word[0] == '-' && word[1] != '-') {
            for (const char *l = word + 1; *l; l++) {
                found = *l == ':' ? NULL : strchr(p->letters, *l);
                if (found && found[1] == ':') {
                    i += !l[1];
                    break;
                }
            }
        }
    }
    return argc;
}

/* "DOMAIN HOST", "[HOST]", "HOST...": how many, and the first that may be missing. */
static int check_operands(const struct xf_command *c, const struct xf_operands *o)
{
    char spec[128], *rest = spec, *word;
    int n = 0;
    bool many = false;

    snprintf(spec, sizeof(spec), "%s", c->operands ? c->operands : "");
    while ((word = strsep(&rest, " ")) && *word) {
        char *dots = strstr(word, "...");

        many = dots != NULL;
        if (n >= o->n && word[0] != '[')
            return xf_usage_error(c, "%.*s is missing; see xl-fast %s --help",
                                  (int)(dots ? (size_t)(dots - word) : strlen(word)), word,
                                  c->name);
        n++;
    }
    if (!many && o->n > n)
        return xf_usage_error(c, "unexpected '%s'; see xl-fast %s --help", o->words[n], c->name);
    return XF_GO_ON;
}

int xf_options_parse(const struct xf_command *c, void *to, int argc, char **argv,
                     struct xf_operands *operands)
{
    int ours = argc, value, status;
    char shown[64];
    struct parser p;

    *operands = (struct xf_operands){.words = argv + argc, .rest = argv + argc};
    make_parser(c, &p);
    if (c->rest)
        ours = find_rest(&p, argc, argv);
    opterr = 0;
    optind = 0; /* glibc's: begin anew, whatever an earlier call has left */
    while ((value = getopt_long(ours, argv, p.letters, p.longs, NULL)) != -1) {
        const struct xf_option *o = row_of(c, value == '?' || value == ':' ? optopt : value);

        if (value == 'h' || value == HELP) {
            xf_command_help(c, stdout);
            return XF_EXIT_OK;
        }
        if (value == VERSION) {
            puts("xl-fast " XF_VERSION);
            return XF_EXIT_OK;
        }
        if (value == ':' && o)
            return no_value(c, o);
        if (value == '?' && (optopt == HELP || optopt == VERSION))
            o = optopt == HELP ? &help_row : &version_row;
        if (value == '?' && o)
            return xf_usage_error(c, "%s takes no value", show(shown, o));
        if (!o && optopt)
            return unknown_letter(c, optopt, argv + optind - 1);
        if (!o)
            return unknown_long(c, argv[optind - 1] + 2);
        status = take_row(c, resolve(c, o), optarg, to);
        if (status)
            return status;
    }
    *operands = (struct xf_operands){
        .words = argv + optind, .n = ours - optind, .rest = argv + (ours < argc ? ours + 1 : argc)};
    return check_operands(c, operands);
}

int xf_subcommand_run(const struct xf_command *c, int argc, char **argv)
{
    const char *names[16], *meant;
    char all[128] = "";
    unsigned n = 0;

    for (; c->commands[n]; n++) {
        const struct xf_command *sub = c->commands[n];

        names[n] = strrchr(sub->name, ' ') + 1;
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", n ? ", " : "", names[n]);
        if (argc > 1 && !strcmp(argv[1], names[n]))
            return sub->run(argc - 1, argv + 1);
    }
    if (argc > 1 && argv[1][0] == '-') {
        struct xf_command bare = *c;
        struct xf_operands operands;

        bare.operands = "COMMAND...";
        return xf_options_parse(&bare, NULL, argc, argv, &operands);
    }
    if (argc < 2)
        return xf_usage_error(c, "which of %s? see xl-fast %s --help", all, c->name);
    meant = xf_did_you_mean(argv[1], names, n);
    if (meant)
        return xf_usage_error(c, "unknown command '%s'; did you mean '%s'?", argv[1], meant);
    return xf_usage_error(c, "unknown command '%s': it has %s", argv[1], all);
}

/* ---- help ----------------------------------------------------------------------------------- */

/* "  -w, --wait SECONDS" */
static unsigned make_head(char out[128], const struct xf_option *o)
{
    char name[80] = "";

    if (o->name)
        snprintf(name, sizeof(name), "--%s", o->name);
    return (unsigned)snprintf(out, 128, o->letter ? "  -%c%s%s%s%s%s" : "   %c  %s%s%s%s%s",
                              o->letter ? o->letter : ' ', o->letter && o->name ? ", " : "", name,
                              !o->value     ? ""
                              : o->optional ? "[="
                                            : " ",
                              o->value ? o->value : "", o->optional ? "]" : "");
}

/* Text from a column on, over as many lines as it takes. */
static void put_wrapped(FILE *to, const char *text, unsigned column)
{
    unsigned at = column;

    while (*text) {
        unsigned n = (unsigned)strcspn(text, " \n"); /* the source has its own lines */

        if (at > column && at + 1 + n > LINE_COLUMNS) {
            fprintf(to, "\n%*s", (int)column, "");
            at = column;
        } else if (at > column) {
            putc(' ', to);
            at++;
        }
        fwrite(text, 1, n, to);
        at += n;
        text += n + (text[n] != 0);
    }
    putc('\n', to);
}

static void put_row(const struct xf_command *c, const struct xf_option *o, unsigned column,
                    FILE *to)
{
    char head[128], same[80];
    const char *text = o->help;

    if (o->hidden)
        return;
    if (o->kind == XF_OPTION_HEADING) {
        fprintf(to, "\n%s\n", o->help);
        return;
    }
    if (o->kind == XF_OPTION_SAME) {
        char shown[64];

        snprintf(same, sizeof(same), "the same as %s", show(shown, resolve(c, o)));
        text = same;
    }
    if (make_head(head, o) + 2 > column)
        fprintf(to, "%s\n%*s", head, (int)column, "");
    else
        fprintf(to, "%-*s", (int)column, head);
    put_wrapped(to, text, column);
}

static void put_exits(const struct xf_command *c, FILE *to)
{
    static const char *const texts[] = XF_EXIT_TEXTS;
    char line[512] = "Exit status:";

    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = i == XF_EXIT_OK && c->done         ? c->done
                           : i == XF_EXIT_FAILED && c->failed ? c->failed
                                                              : texts[i];

        if (i <= XF_EXIT_USAGE || c->exits & XF_EXIT_BIT(i))
            snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s %u %s", i ? "," : "", i,
                     text);
    }
    if (c->exits & XF_EXIT_BY_SIGNAL)
        snprintf(line + strlen(line), sizeof(line) - strlen(line),
                 ", 129, 130 or 143 cancelled by SIGHUP, SIGINT or SIGTERM");
    strcat(line, ".");
    putc('\n', to);
    put_wrapped(to, line, 0);
}

void xf_command_help(const struct xf_command *c, FILE *to)
{
    unsigned rows = count_rows(c), column = 0;
    char head[128];

    fprintf(to, "usage: xl-fast %s%s [OPTION...]%s%s", c->name, c->commands ? " COMMAND" : "",
            c->operands ? " " : "", c->operands ? c->operands : "");
    if (c->commands && c->options)
        fprintf(to, "\n       xl-fast %s [OPTION...]", c->name);
    fprintf(to, c->rest ? " [-- %s]\n\n" : "\n\n", c->rest);
    put_wrapped(to, c->about, 0);
    putc('\n', to);
    if (c->commands) {
        for (const struct xf_command *const *sub = c->commands; *sub; sub++)
            fprintf(to, "  %-10s %s\n", strrchr((*sub)->name, ' ') + 1, (*sub)->summary);
        fprintf(to, "\n`xl-fast %s COMMAND --help` says more.\n", c->name);
    }
    if (c->commands && !c->options)
        return;
    if (c->commands)
        putc('\n', to);
    for (unsigned i = 0; i < rows + 1; i++) {
        const struct xf_option *o = i < rows ? &c->options[i] : &help_row;
        unsigned n = o->kind == XF_OPTION_HEADING || o->hidden ? 0 : make_head(head, o) + 2;

        if (n <= HEAD_COLUMNS && n > column)
            column = n;
    }
    for (unsigned i = 0; i < rows; i++)
        put_row(c, &c->options[i], column, to);
    put_row(c, &help_row, column, to);
    put_row(c, &version_row, column, to);
    if (c->more) {
        putc('\n', to);
        put_wrapped(to, c->more, 0);
    }
    put_exits(c, to);
}

/* ---- data ----------------------------------------------------------------------------------- */

static void put_words(const struct xf_option *o, FILE *to)
{
    for (unsigned i = 0; o->words && o->words[i]; i++)
        fprintf(to, "%s%s", i ? "," : "", o->words[i]);
    putc('\n', to);
}

static void put_data(const struct xf_command *c, const struct xf_option *o, FILE *to)
{
    const struct xf_option *means = o->kind == XF_OPTION_SAME ? resolve(c, o) : o;
    const char *value = o->value ? o->value : "";

    if (o->hidden || o->kind == XF_OPTION_HEADING)
        return;
    if (o->name) {
        fprintf(to, "option\t%s\t--%s%s\t%s\t", c->name, o->name, o->optional ? "[=]" : "", value);
        put_words(means, to);
    }
    if (o->letter) {
        fprintf(to, "option\t%s\t-%c\t%s\t", c->name, o->letter, value);
        put_words(means, to);
    }
}

void xf_command_data(const struct xf_command *c, FILE *to)
{
    unsigned rows = count_rows(c);

    fprintf(to, "command\t%s\t%s\t%s\t%s\n", c->name, c->hidden ? "hidden" : "shown",
            c->operands ? c->operands : "", c->summary);
    for (unsigned i = 0; i < rows; i++)
        put_data(c, &c->options[i], to);
    put_data(c, &help_row, to);
    put_data(c, &version_row, to);
    for (unsigned i = 0; c->commands && c->commands[i]; i++)
        xf_command_data(c->commands[i], to);
}
