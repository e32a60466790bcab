/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of options: what is taken in each spelling, and what each error says, in one line. */
#include "tests/unit/common/unit.h"

#include <unistd.h>

#include "transport/base/version.h"
#include "xl-plugin/cli/cli.h"

struct values {
    bool json, dry_run;
    const char *report;
    struct xf_option_texts keep;
    uint64_t memory, dirty, bandwidth, downtime_us, wait_s, seed;
    unsigned writers, on_busy, fast, port;
    double loss;
};

static const char *const busy_words[] = {"go", "abort", NULL};
static const char *const fast_words[] = {"always", "auto", NULL};

static const char *take_port(const char *text, void *to)
{
    if (strncmp(text, "eth", 3) != 0)
        return "a port: such as eth1";
    *(unsigned *)to = (unsigned)atoi(text + 3);
    return NULL;
}

#define TO(member) .to = offsetof(struct values, member)

static const struct xf_option rows[] = {
    {.name = "memory", .value = "SIZE", .kind = XF_OPTION_SIZE, TO(memory), .help = "of the guest"},
    {.name = "dirty-rate", .value = "SIZE", .kind = XF_OPTION_BYTE_RATE, TO(dirty), .help = "x"},
    {.name = "bandwidth", .value = "RATE", .kind = XF_OPTION_RATE, TO(bandwidth), .help = "x"},
    {.name = "max-downtime",
     .value = "MS",
     .kind = XF_OPTION_MS,
     .min = 1,
     .max = 3600000,
     TO(downtime_us),
     .help = "the downtime to aim for, which is a long text that goes on and on "
             "until it needs a second line"},
    {.kind = XF_OPTION_HEADING, .help = "More of them:"},
    {.name = "wait",
     .letter = 'w',
     .value = "SECONDS",
     .kind = XF_OPTION_SECONDS,
     .min = 0,
     .max = 100,
     TO(wait_s),
     .help = "x"},
    {.name = "dry-run", .letter = 'n', TO(dry_run), .help = "x"},
    {.name = "json", TO(json), .help = "x"},
    {.name = "report", .value = "FILE", .kind = XF_OPTION_TEXT, TO(report), .help = "x"},
    {.name = "keep",
     .letter = 'k',
     .value = "DOMAIN",
     .kind = XF_OPTION_TEXTS,
     TO(keep),
     .help = "x"},
    {.name = "writers",
     .value = "N",
     .kind = XF_OPTION_COUNT,
     .min = 1,
     .max = 64,
     TO(writers),
     .help = "x"},
    {.name = "threads", .value = "N", .kind = XF_OPTION_SAME, .help = "writers"},
    {.name = "seed", .value = "N", .kind = XF_OPTION_NUMBER, TO(seed), .help = "x"},
    {.name = "loss", .value = "PCT", .kind = XF_OPTION_PERCENT, TO(loss), .help = "x"},
    {.name = "on-busy",
     .value = "WHAT",
     .kind = XF_OPTION_CHOICE,
     .words = busy_words,
     TO(on_busy),
     .help = "x"},
    {.name = "fast",
     .value = "auto",
     .kind = XF_OPTION_CHOICE,
     .words = fast_words,
     .optional = true,
     TO(fast),
     .help = "x"},
    {.name = "port",
     .letter = 'P',
     .value = "PORT",
     .kind = XF_OPTION_OWN,
     .take = take_port,
     TO(port),
     .help = "x"},
    {0},
};

static const struct xf_command command = {.name = "try",
                                          .summary = "a test",
                                          .operands = "DOMAIN [HOST]",
                                          .about = "It tries.\n",
                                          .options = rows,
                                          .exits = 1u << XF_EXIT_CANNOT_TELL};
static const struct xf_command passing = {.name = "pass",
                                          .summary = "another",
                                          .operands = "HOST...",
                                          .rest = "WORD...",
                                          .about = "It passes.\n",
                                          .options = rows};

/* What a run says on stdout or stderr. */
static char said[8192];

static int parse(const struct xf_command *c, struct values *v, struct xf_operands *o,
                 const char *line)
{
    static char copy[512];
    static char *argv[32];
    char *rest = copy, *word;
    int argc = 0, kept[2] = {dup(1), dup(2)}, status;
    FILE *f = tmpfile();
    size_t n;

    snprintf(copy, sizeof(copy), "%s", line);
    while ((word = strsep(&rest, " ")))
        argv[argc++] = word;
    argv[argc] = NULL;
    fflush(stdout);
    fflush(stderr);
    dup2(fileno(f), 1);
    dup2(fileno(f), 2);
    memset(v, 0, sizeof(*v));
    status = xf_options_parse(c, v, argc, argv, o);
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++)
        dup2(kept[i], i + 1), close(kept[i]);
    rewind(f);
    n = fread(said, 1, sizeof(said) - 1, f);
    said[n] = 0;
    fclose(f);
    return status;
}

static void test_each_spelling_is_taken(void **state)
{
    static const char *const lines[] = {
        "try -n -w 5 web1 hostb",
        "try -nw5 web1 hostb",
        "try web1 hostb --wait=5 --dry-run",
        "try --wait 5 web1 -n hostb",
        "try -w5s -n -- web1 hostb",
        "try -n --wait=5000ms web1 hostb",
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct xf_operands o;
        struct values v;

        if (parse(&command, &v, &o, lines[i]) != XF_GO_ON || !v.dry_run || v.wait_s != 5 ||
            o.n != 2 || strcmp(o.words[0], "web1") || strcmp(o.words[1], "hostb"))
            fail_msg("%s: %s", lines[i], said);
    }
}

static void test_units_as_people_type_them(void **state)
{
    struct xf_operands o;
    struct values v;

    (void)state;
    assert_int_equal(parse(&command, &v, &o,
                           "try d --memory=64MiB --dirty-rate=20MiB/s --bandwidth=10Mbit/s "
                           "--max-downtime=0.3s --loss=1% --seed 0x10 --on-busy=abort -Peth7"),
                     XF_GO_ON);
    assert_int_equal(v.memory, 64 << 20);
    assert_int_equal(v.dirty, 20 << 20);
    assert_int_equal(v.bandwidth, 1250000);
    assert_int_equal(v.downtime_us, 300000);
    assert_true(v.loss == 1);
    assert_int_equal(v.seed, 16);
    assert_int_equal(v.on_busy, 1);
    assert_int_equal(v.port, 7);
    assert_int_equal(
        parse(&command, &v, &o, "try d --memory=10MB --bandwidth 1G --max-downtime 2s --threads 3"),
        XF_GO_ON);
    assert_int_equal(v.memory, 10000000);
    assert_int_equal(v.bandwidth, 125000000);
    assert_int_equal(v.downtime_us, 2000000);
    assert_int_equal(v.writers, 3);
    assert_int_equal(parse(&command, &v, &o, "try d --memory 64M --max-downtime 300 --fast"),
                     XF_GO_ON);
    assert_int_equal(v.memory, 64 << 20);
    assert_int_equal(v.downtime_us, 300000);
    assert_int_equal(v.fast, 0);
    assert_int_equal(parse(&command, &v, &o, "try d -k a --keep=b --fast=auto"), XF_GO_ON);
    assert_int_equal(v.keep.n, 2);
    assert_string_equal(v.keep.texts[1], "b");
    assert_null(v.keep.texts[2]);
    assert_int_equal(v.fast, 1);
}

static void test_errors_are_one_line_that_names_what(void **state)
{
    static const struct {
        const char *line, *says;
    } wrong[] = {
        {"try d --max-downtme 5", "unknown option '--max-downtme'; did you mean '--max-downtime'?"},
        {"try d --max-downtme=5", "unknown option '--max-downtme'; did you mean '--max-downtime'?"},
        {"try d -json", "unknown option '-json'; did you mean '--json'?"},
        {"try d -x", "unknown option '-x'; see xl-fast try --help"},
        {"try d -nx", "unknown option '-x'; see xl-fast try --help"},
        {"try d --frobnicate", "unknown option '--frobnicate'; see xl-fast try --help"},
        {"try d --d", "option '--d' may be '--dirty-rate' or '--dry-run'"},
        {"try d --memory", "--memory needs a value: SIZE; see xl-fast try --help"},
        {"try d -w", "--wait needs a value: SECONDS; see xl-fast try --help"},
        {"try d --report=", "--report needs a value: FILE; see xl-fast try --help"},
        {"try d --json=1", "--json takes no value"},
        {"try d --help=1", "--help takes no value"},
        {"try d --memory 12Q", "--memory: '12Q' is not a size: such as 64M or 64MiB"},
        {"try d --memory -1", "--memory: '-1' is not a size: such as 64M or 64MiB"},
        {"try d --memory 1e5", "--memory: '1e5' is not a size: such as 64M or 64MiB"},
        {"try d --bandwidth 8Gb", "--bandwidth: '8Gb' is not a rate: such as 10Mbit or 2.5Gbit/s"},
        {"try d --max-downtime 0",
         "--max-downtime: '0' is not a time from 1 to 3600000 ms: such as 300, 300ms or 2s"},
        {"try d -w 0.5", "--wait: '0.5' is not a time from 0 to 100 s: such as 5, 5s or 2m"},
        {"try d --writers 65", "--writers: '65' is not a number from 1 to 64"},
        {"try d --threads 65", "--writers: '65' is not a number from 1 to 64"},
        {"try d --loss 101%", "--loss: '101%' is not a percentage: such as 1% or 0.5"},
        {"try d --on-busy abrot",
         "--on-busy: 'abrot' is not one of go, abort; did you mean 'abort'?"},
        {"try d --on-busy x", "--on-busy: 'x' is not one of go, abort"},
        {"try d --port wlan", "--port: 'wlan' is not a port: such as eth1"},
        {"try d h x", "unexpected 'x'; see xl-fast try --help"},
        {"try", "DOMAIN is missing; see xl-fast try --help"},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct xf_operands o;
        struct values v;
        char want[256];

        snprintf(want, sizeof(want), "xl-fast try: %s\n", wrong[i].says);
        if (parse(&command, &v, &o, wrong[i].line) != XF_EXIT_USAGE || strcmp(said, want))
            fail_msg("%s:\n%s%s", wrong[i].line, said, want);
    }
}

static void test_help_and_version(void **state)
{
    static const char *const lines[] = {"try -h", "try --help", "try -n --help x y z", "try -nh"};
    struct xf_operands o;
    struct values v;

    (void)state;
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (parse(&command, &v, &o, lines[i]) != XF_EXIT_OK ||
            strncmp(said, "usage: xl-fast try [OPTION...] DOMAIN [HOST]\n\nIt tries.\n", 50))
            fail_msg("%s: %s", lines[i], said);
    assert_non_null(strstr(said, "\n      --memory SIZE      of the guest\n"
                                 "      --dirty-rate SIZE  x\n"));
    assert_non_null(strstr(said, "\n  -w, --wait SECONDS     x\n"));
    assert_non_null(strstr(said, "\n  -h, --help             this text\n"));
    assert_non_null(strstr(said, "\n      --fast[=auto]      x\n"));
    assert_non_null(strstr(said, "\n      --threads N        the same as --writers\n"));
    assert_non_null(strstr(said, "\n      --max-downtime MS  the downtime to aim for, which is a "
                                 "long text that\n                         goes on"));
    assert_non_null(strstr(said, "\nMore of them:\n  -w"));
    assert_non_null(strstr(said,
                           "Exit status: 0 done, 1 failed, 2 wrong command line, 3 cannot tell "
                           "who owns the\nguest."));
    for (const char *line = said; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 79);
    assert_int_equal(parse(&command, &v, &o, "try --version"), XF_EXIT_OK);
    assert_string_equal(said, "xl-fast " XF_VERSION "\n");
}

static void test_what_follows_two_dashes_may_be_anothers(void **state)
{
    struct xf_operands o;
    struct values v;

    (void)state;
    assert_int_equal(parse(&passing, &v, &o, "pass hosta --keep -- -n hostb -- --memory 1 -- x"),
                     XF_GO_ON);
    assert_string_equal(v.keep.texts[0], "--");
    assert_int_equal(o.n, 2);
    assert_string_equal(o.words[1], "hostb");
    assert_string_equal(o.rest[0], "--memory");
    assert_string_equal(o.rest[3], "x");
    assert_null(o.rest[4]);
    assert_int_equal(parse(&passing, &v, &o, "pass -nk -- hosta"), XF_GO_ON);
    assert_string_equal(v.keep.texts[0], "--");
    assert_int_equal(o.n, 1);
    assert_null(o.rest[0]);
    assert_int_equal(parse(&passing, &v, &o, "pass hosta --"), XF_GO_ON);
    assert_null(o.rest[0]);
    assert_int_equal(parse(&passing, &v, &o, "pass -- hosta"), XF_EXIT_USAGE);
}

static void test_a_word_is_guessed_only_from_near(void **state)
{
    static const char *const names[] = {"demo", "doctor", "recover", "report", "help"};

    (void)state;
    assert_string_equal(xf_did_you_mean("dmeo", names, 5), "demo");
    assert_string_equal(xf_did_you_mean("docter", names, 5), "doctor");
    assert_string_equal(xf_did_you_mean("recovre", names, 5), "recover");
    assert_null(xf_did_you_mean("frobnicate", names, 5));
    assert_null(xf_did_you_mean("xy", names, 5));
    assert_null(xf_did_you_mean("", names, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_spelling_is_taken),
        cmocka_unit_test(test_units_as_people_type_them),
        cmocka_unit_test(test_errors_are_one_line_that_names_what),
        cmocka_unit_test(test_help_and_version),
        cmocka_unit_test(test_what_follows_two_dashes_may_be_anothers),
        cmocka_unit_test(test_a_word_is_guessed_only_from_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
