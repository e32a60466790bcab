/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replay: runs a fuzz target over files, without libFuzzer, so that any compiler can build it and
 * the kept inputs are tests: `make check` replays them.
 *
 *     replay_NAME [--mutate SEED] FILE|FOLDER...
 *
 * --mutate: each input also cut at every byte, and with every byte changed, once each (of a longer
 * one the first MUTATE_BYTES: behind them are pages); what to follows from the seed.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

#include "transport/base/random.h"

#define INPUT_MAX    ((size_t)1 << 20)
#define MUTATE_BYTES 1024u

static struct {
    bool on;
    struct xf_random random;
} mutate;

/* The input in memory of its own size, so that ASan knows where it ends. */
static int run(const uint8_t *input, size_t n)
{
    uint8_t *exact = malloc(n + !n);

    if (!exact)
        return -1;
    memcpy(exact, input, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
    return 0;
}

static int run_mutations(uint8_t *input, size_t n)
{
    size_t most = n < MUTATE_BYTES ? n : MUTATE_BYTES;
    int rc = 0;

    for (size_t cut = 0; !rc && cut < most; cut++)
        rc = run(input, cut);
    for (size_t at = 0; !rc && at < most; at++) {
        uint8_t was = input[at];

        input[at] ^= (uint8_t)(1 + xf_random_below(&mutate.random, 255));
        rc = run(input, n);
        input[at] = was;
    }
    return rc;
}

static int replay_file(const char *path)
{
    static uint8_t buffer[INPUT_MAX];
    FILE *f = fopen(path, "rb");

    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t n = fread(buffer, 1, sizeof(buffer), f);

    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last line names the culprit of an abort */
    if (run(buffer, n) || (mutate.on && run_mutations(buffer, n)))
        return -1;
    return 1;
}

static int replay(const char *path)
{
    DIR *dir = opendir(path);
    char file[4096];
    int n = 0;

    if (!dir)
        return replay_file(path);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (replay_file(file) < 0) {
            n = -1;
            break;
        }
        n++;
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0, first = 1;

    if (argc > 2 && !strcmp(argv[1], "--mutate")) {
        mutate.on = true;
        mutate.random.state = strtoull(argv[2], NULL, 10);
        first = 3;
    }
    for (int i = first; i < argc; i++) {
        int n = replay(argv[i]);

        if (n < 0)
            return 1;
        total += n;
    }
    printf("%d inputs\n", total);
    return total ? 0 : 1;
}
