/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options: a command is a table. From its rows come the parsing (over getopt_long), the text of
 * --help, what completion offers, and what the man pages are checked against. Errors have one
 * grammar and one line:
 *
 *     xl-fast demo: unknown option '--max-downtme'; did you mean '--max-downtime'?
 *     xl-fast demo: --memory: '12Q' is not a size: such as 64M or 64MiB
 *     xl-fast demo: --memory needs a value: SIZE; see xl-fast demo --help
 *
 * Each command takes -h, --help and --version without a row; --opt=value, --opt value, -w5, -nw5
 * and -- everywhere. Threads: none, getopt has one state.
 */
#ifndef XF_CLI_OPTIONS_H
#define XF_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* What a value is, and the type of the member that it goes to. */
enum xf_option_kind {
    XF_OPTION_FLAG,      /* bool; no value */
    XF_OPTION_TEXT,      /* const char *, not empty; points into argv */
    XF_OPTION_TEXTS,     /* struct xf_option_texts: may be given again */
    XF_OPTION_SIZE,      /* uint64_t, bytes: 64M, 64MiB; 10MB is decimal */
    XF_OPTION_BYTE_RATE, /* uint64_t, bytes per second: 20M, 20MiB/s */
    XF_OPTION_RATE,      /* uint64_t, bytes per second, of what is typed in bits: 10Mbit, 2.5G */
    XF_OPTION_MS,        /* uint64_t, microseconds: 300, 300ms, 2s; min and max are milliseconds */
    XF_OPTION_SECONDS,   /* uint64_t, seconds: 5, 5s, 2m; min and max, too */
    XF_OPTION_COUNT,     /* unsigned, from min to max */
    XF_OPTION_NUMBER,    /* uint64_t, from min to max; max 0: any */
    XF_OPTION_PERCENT,   /* double: 0.5, 0.5% */
    XF_OPTION_CHOICE,    /* unsigned or an enum: the word's place in words */
    XF_OPTION_OWN,       /* what take() makes of it */
    XF_OPTION_SAME,      /* another name of the option whose long name is in help */
    XF_OPTION_HEADING,   /* no option: help is a paragraph between rows */
};

#define XF_OPTION_TEXTS_MAX 256u

struct xf_option_texts {
    const char *texts[XF_OPTION_TEXTS_MAX + 1]; /* NULL after the last, if zeroed before */
    unsigned n;
};

/* NULL, or what the text is not, such as "a port: [NETNS/]PORT". */
typedef const char *xf_option_take(const char *text, void *to);

struct xf_option {
    const char *name;  /* long, without --; NULL: there is none */
    char letter;       /* short; 0: there is none */
    const char *value; /* what help calls the value; FILE, DIR, DOMAIN and HOST are completed */
    enum xf_option_kind kind;
    size_t to; /* offsetof() the member in the command's structure */
    const char *help;
    uint64_t min, max;
    const char *const *words; /* CHOICE; also of OWN, for completion; NULL after the last */
    xf_option_take *take;
    bool optional; /* CHOICE: --opt alone leaves the first word, and a value needs the = */
    bool hidden;   /* taken, but not in help, nor completed */
};

/* argv[0] is the command's name, as main()'s is the program's. Returns the exit status. */
typedef int xf_cli_run(int argc, char **argv);

struct xf_command {
    const char *name;     /* as it follows xl-fast: "demo", "bench link" */
    const char *summary;  /* a line of the general help */
    const char *operands; /* "DOMAIN HOST", "[HOST]", "HOST...", "[FILE...]"; NULL: none */
    const char *rest;     /* what follows -- is another program's: how help calls it; or NULL */
    const char *about;    /* paragraphs, with their line ends */
    const struct xf_option *options; /* up to a row without name, letter and help; NULL: none */
    const char *more;                /* what help says after the options; or NULL */
    const char *done, *failed;       /* what 0 and 1 mean, where that is not clear; or NULL */
    unsigned exits;                  /* XF_EXIT_BIT() of the statuses besides 0, 1 and 2 */
    bool hidden;                     /* not in the general help: for other programs of ours */
    xf_cli_run *run;
    const struct xf_command *const *commands; /* "bench" has such; NULL after the last */
};

struct xf_operands {
    char **words; /* in argv, whose order getopt may have changed */
    int n;
    char **rest; /* what followed --, if the command says rest; NULL after the last */
};

#define XF_GO_ON (-1)

/*
 * Puts what argv says into the structure at to, whose members hold the defaults. XF_GO_ON, or the
 * exit status: help or version were asked for and printed, or the error was.
 */
int xf_options_parse(const struct xf_command *c, void *to, int argc, char **argv,
                     struct xf_operands *operands);

/* For what only the command itself can see: prints `xl-fast COMMAND: ...` and returns
   XF_EXIT_USAGE. */
int xf_usage_error(const struct xf_command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Runs the subcommand that argv[1] names, for a command that has such. */
int xf_subcommand_run(const struct xf_command *c, int argc, char **argv);

void xf_command_help(const struct xf_command *c, FILE *to);

/*
 * For completion and tests, lines of fields between tabs; those of subcommands follow.
 *   command NAME shown|hidden OPERANDS SUMMARY
 *   option  NAME --long|-l VALUE WORD,...    VALUE is empty for a flag; --fast[=] if it is optional
 */
void xf_command_data(const struct xf_command *c, FILE *to);

/* The one of n names that the word is probably meant to be, or NULL. */
const char *xf_did_you_mean(const char *word, const char *const *names, unsigned n);

#endif
