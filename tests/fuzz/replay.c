/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replay: runs a fuzz target over files, without libFuzzer, so that any compiler can build it and
 * the kept inputs are tests: `make check` replays them.  replay-NAME FILE|FOLDER...
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>

#define INPUT_MAX ((size_t)1 << 20)

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
    /* Copied to its own size, so that ASan knows where it ends. */
    uint8_t *input = malloc(n + !n);

    if (!input)
        return -1;
    memcpy(input, buffer, n);
    fprintf(stderr, "%s\n", path); /* the last line names the culprit of an abort */
    LLVMFuzzerTestOneInput(input, n);
    free(input);
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
    int total = 0;

    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);

        if (n < 0)
            return 1;
        total += n;
    }
    printf("%d inputs\n", total);
    return total ? 0 : 1;
}
