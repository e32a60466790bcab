/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One end of the demo's migration in a process of its own, so that tests/compat/versions.sh can put
 * an end of this version beside one of another:
 *
 *     end source|target MEMIF-SOCKET PEER-FD MEMORY-BYTES
 *
 * What versions share is the memif, the socket PEER-FD (of packets: a byte from the target when it
 * listens, then the source's OFFER), and this talk, which stays as it is from 0.9.0 on. On stdout a
 * line each: `up`, `landed` (source), `result HASH`, `resumed`, `failed WHY`. On stdin a line each:
 * `seen`, `resume`, `quit`. All else between this process and its child is this version's own
 * (xl-plugin/demo/demo_parts.h).
 */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xl-plugin/demo/demo_parts.h"

/* Of a guest that writes, with pages of all kinds, and a link that loses some packets. */
static struct xf_demo_options options = {
    .fill = XF_FILL_MIXED,
    .dirty_bytes_per_s = 8 << 20,
    .writers = 1,
    .faults = {.loss_pct = 0.5, .reorder_pct = 0.5},
    .seed = 1,
    .compress = XF_COMPRESS_LZ4,
    .lanes = 2,
};

static void say(const struct xf_demo_message *m)
{
    switch (m->kind) {
    case DEMO_UP:
        puts("up");
        break;
    case DEMO_LANDED:
        puts("landed");
        break;
    case DEMO_RESULT:
        printf("result %016" PRIx64 "%016" PRIx64 "\n", m->result.hash[0], m->result.hash[1]);
        break;
    case DEMO_RESUMED:
        puts("resumed");
        break;
    case DEMO_STAYED:
    case DEMO_FAILED:
        printf("failed %s\n", m->reason);
        break;
    default: /* progress, and what other versions may have besides */
        break;
    }
    fflush(stdout);
}

static void obey(int child, const char *line)
{
    char order = !strcmp(line, "seen\n")     ? DEMO_SEEN
                 : !strcmp(line, "resume\n") ? DEMO_RESUME
                                             : DEMO_QUIT;

    if (send(child, &order, 1, MSG_NOSIGNAL) < 0)
        perror("end: send");
}

/* Until the child has gone; its exit status. */
static int look_after(pid_t pid, int child)
{
    struct pollfd from[2] = {{.fd = child, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    struct xf_demo_message m;
    char line[64];
    int status;

    setvbuf(stdin, NULL, _IONBF, 0);
    while (poll(from, 2, -1) > 0) {
        if (from[0].revents) {
            if (recv(child, &m, sizeof(m), 0) != (ssize_t)sizeof(m))
                break;
            say(&m);
        }
        if (from[1].revents && fgets(line, sizeof(line), stdin))
            obey(child, line);
        else if (from[1].revents)
            break;
    }
    kill(pid, SIGKILL); /* it has ended, or whoever drives this has gone */
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
    struct xf_demo_end end = {.options = &options};
    struct xf_control control;
    bool source = argc > 1 && !strcmp(argv[1], "source");
    int talk[2];
    pid_t pid, parent;

    if (argc != 5 || (!source && strcmp(argv[1], "target") != 0) ||
        socketpair(AF_UNIX, SOCK_SEQPACKET, 0, talk))
        return 2;
    xf_control_init(&control); /* which nobody opens */
    end.control = &control;
    end.memif_socket = argv[2];
    end.peers[0] = atoi(argv[3]);
    options.memory_bytes = strtoull(argv[4], NULL, 10);
    parent = getpid();
    pid = fork();
    if (!pid) {
        xf_ends_be_child(parent, argv[1]); /* it waits for orders, however long */
        close(talk[0]);
        end.parent = talk[1];
        dup2(STDERR_FILENO, STDOUT_FILENO);
        exit(source ? xf_demo_source_main(&end) : xf_demo_target_main(&end));
    }
    close(talk[1]);
    close(end.peers[0]);
    return pid < 0 ? 1 : look_after(pid, talk[0]);
}
