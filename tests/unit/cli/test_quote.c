/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words of command lines: any bytes of a name pass through shells and come out the same. */

#include "tests/unit/common/unit.h"

#include "xl-plugin/cli/quote.h"

static const char *const names[] = {
    "web1",
    "dev's pc",
    "m\xc3\xbcnchen",
    "m\xfcnchen",
    "a\"b\\c!",
    "$(reboot)",
    "-web",
    "*?[a]",
    "a\nb",
    "\033[2J",
    ("\xc2\x9b"
     "2J"),
    "~root #x; y & z | <>",
    "a  b\tc ",
    "\xed\xa0\x80",
    "%s%n",
    "\\0041",
    "`id`",
    "",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

/* What the shell makes of the word. */
static void run(const char *shell, const char *word, char *out, size_t size)
{
    char command[4096];
    FILE *f;

    setenv("WORD_COMMAND", word, 1);
    snprintf(command, sizeof(command), "exec %s -c \"$WORD_COMMAND\"", shell);
    f = popen(command, "r");
    assert_non_null(f);
    out[fread(out, 1, size - 1, f)] = 0;
    assert_int_equal(pclose(f), 0);
}

static void as_text(void (*quote)(FILE *, const char *), const char *name, char *to, size_t size)
{
    FILE *f = fmemopen(to, size, "w");

    assert_non_null(f);
    quote(f, name);
    assert_int_equal(fclose(f), 0);
}

static void test_pasted(void **state)
{
    char word[2048], command[4096], out[1024], expected[1024];

    (void)state;
    for (size_t i = 0; i < NAMES; i++) {
        as_text(xf_quote, names[i], word, sizeof(word));
        snprintf(command, sizeof(command), "printf '<%%s>' a %s z", word);
        snprintf(expected, sizeof(expected), "<a><%s><z>", names[i]);
        run("bash", command, out, sizeof(out));
        assert_string_equal(out, expected);
        run("dash", command, out, sizeof(out));
        assert_string_equal(out, expected);
        /* And a terminal shows it as it is. */
        for (const char *c = word; *c; c += xf_quote_utf8(c))
            assert_true(xf_quote_utf8(c) > 0);
    }
}

static void test_readable(void **state)
{
    char word[256];

    (void)state;
    assert_string_equal(xf_quote_text(word, sizeof(word), "web1"), "web1");
    assert_string_equal(xf_quote_text(word, sizeof(word), "m\xc3\xbcnchen"), "'m\xc3\xbcnchen'");
    assert_string_equal(xf_quote_text(word, sizeof(word), "dev's pc"), "'dev'\\''s pc'");
    assert_string_equal(xf_quote_text(word, sizeof(word), ""), "''");
    assert_string_equal(xf_quote_text(word, sizeof(word), "a\nb"), "\"$(printf %b \"a\\0012b\")\"");
}

static void test_other_login_shells(void **state)
{
    static const char *const shells[] = {"bash", "dash", "fish", "tcsh"};
    char word[2048], command[4096], out[1024], expected[1024];

    (void)state;
    for (size_t s = 0; s < sizeof(shells) / sizeof(shells[0]); s++) {
        snprintf(command, sizeof(command), "command -v %s >/dev/null", shells[s]);
        if (system(command))
            fail_msg("%s is not installed: scripts/setup check", shells[s]);
        for (size_t i = 0; i < NAMES; i++) {
            as_text(xf_quote_remote, names[i], word, sizeof(word));
            snprintf(command, sizeof(command), "exec sh -c 'printf \"<%%s>\" a %s z'", word);
            snprintf(expected, sizeof(expected), "<a><%s><z>", names[i]);
            run(shells[s], command, out, sizeof(out));
            assert_string_equal(out, expected);
        }
    }
}

static void test_read_back(void **state)
{
    static const char *const others[] = {"$(id)",
                                         "\"a\"",
                                         "a;b",
                                         "a'b",
                                         "\"$(id)\"",
                                         "\"$(printf %b \"a\"",
                                         "\"$(printf %b \"a\")\"b",
                                         "\"$(printf %b \"\\0400\")\"",
                                         "\"$(printf %b \"\\0000\")\"",
                                         "\"$(printf %b \"a b\")\"",
                                         "\"$(printf %b \"\\012\")\"",
                                         "",
                                         " a",
                                         "a\nb"};
    char word[2048], back[1024];

    (void)state;
    for (size_t i = 0; i < NAMES; i++) {
        as_text(xf_quote_remote, names[i], word, sizeof(word));
        strcat(word, " rest");
        const char *after = xf_quote_read(word, back, sizeof(back));
        assert_non_null(after);
        assert_string_equal(after, " rest");
        assert_string_equal(back, names[i]);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_null(xf_quote_read(others[i], back, sizeof(back)));
    assert_null(xf_quote_read("12345678", back, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pasted),
        cmocka_unit_test(test_readable),
        cmocka_unit_test(test_other_login_shells),
        cmocka_unit_test(test_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
