/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cut: stands in the place of ssh (xl migrate -s '/lab/cut RULE[,RULE...]'), carries xl's handshake
 * and does something to it at a message of it:
 *
 *     RULE = before-MESSAGE=ACTION | after-MESSAGE=ACTION
 *
 * Messages, in their order (tools/xl/xl.h): banner, ready, report, code, permission from the
 * target; go from the source, which is what it says first after "ready". Actions:
 *
 *     cut            ssh dies; both ends see the end of the connection
 *     kill-xl        the source's xl dies; what it said last is lost with it
 *     kill-xl-late   so it does, and what it said last arrives all the same
 *     kill-receiver  the target's xl dies
 *     link-down      nothing goes over eth2 any more; 5 s later ssh dies here
 *     garble         the message's first byte is another
 *
 * Any other command than a migrate-receive goes by ssh as it is.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GO_BYTES sizeof("domain is yours, you are cleared to unpause")

static const struct {
    const char *name;
    size_t bytes;
} messages[] = {
    {"banner", sizeof("xl migration receiver ready, send binary domain data.\n") - 1},
    {"ready", sizeof("domain received, ready to unpause")},
    {"report", sizeof("my copy unpause results are as follows")},
    {"code", 1},
    {"permission", GO_BYTES},
};

#define MESSAGES (sizeof(messages) / sizeof(messages[0]))

static const char *rules, *host;
static pid_t ssh;
static int to_ssh = -1, from_ssh = -1;
static bool dropped; /* what xl says is lost */

static void write_all(int fd, const char *data, size_t bytes)
{
    while (bytes) {
        ssize_t n = write(fd, data, bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* nobody listens: they will see */
        data += n;
        bytes -= (size_t)n;
    }
}

/* Of the rules the action for this moment, or "". */
static void find_action(const char *when, const char *message, char action[32])
{
    char key[64];
    const char *at = rules;
    size_t n = (size_t)snprintf(key, sizeof(key), "%s-%s=", when, message);

    action[0] = 0;
    while (at) {
        if (!strncmp(at, key, n))
            snprintf(action, 32, "%.*s", (int)strcspn(at + n, ","), at + n);
        at = strchr(at, ',');
        at = at ? at + 1 : NULL;
    }
}

static void die_with_ssh(void)
{
    kill(ssh, SIGKILL);
    waitpid(ssh, NULL, 0);
    _exit(255);
}

static void kill_receiver(void)
{
    /* Not the one that stays with a guest that has arrived: it reads nothing. */
    static const char command[] =
        "for p in $(pgrep -x xl); do case $(readlink /proc/$p/exe) in */xl) ;; *) continue ;; "
        "esac; "
        "tr '\\0' ' ' </proc/$p/cmdline | grep -q migrate-receive || continue; "
        "[ \"$(readlink /proc/$p/fd/0)\" = /dev/null ] || kill -9 $p; done";
    pid_t pid = fork();

    if (!pid) {
        dup2(2, 1);
        execlp("ssh", "ssh", "-n", host, command, (char *)NULL);
        _exit(127);
    }
    waitpid(pid, NULL, 0);
}

static void act(const char *when, const char *message, char *data)
{
    char action[32];

    find_action(when, message, action);
    if (!action[0])
        return;
    fprintf(stderr, "cut: %s-%s: %s\n", when, message, action);
    if (!strcmp(action, "cut")) {
        die_with_ssh();
    } else if (!strncmp(action, "kill-xl", 7)) {
        dropped = strcmp(action, "kill-xl-late") && !strcmp(when, "before");
        kill(getppid(), SIGKILL);
    } else if (!strcmp(action, "kill-receiver")) {
        kill_receiver();
    } else if (!strcmp(action, "link-down")) {
        if (system("ip link set eth2 down"))
            fprintf(stderr, "cut: eth2 cannot be set down\n");
        if (!strcmp(message, "go"))
            write_all(to_ssh, data, GO_BYTES); /* into ssh, and no further */
        sleep(5);
        die_with_ssh();
    } else if (!strcmp(action, "garble")) {
        data[0] ^= 1;
    } else {
        fprintf(stderr, "cut: what is '%s'?\n", action);
        die_with_ssh();
    }
}

static void start_ssh(char **argv)
{
    int in[2], out[2];

    if (pipe(in) || pipe(out)) {
        perror("cut");
        exit(255);
    }
    ssh = fork();
    if (!ssh) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(in[0]);
        close(in[1]);
        close(out[0]);
        close(out[1]);
        execvp("ssh", argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    to_ssh = in[1];
    from_ssh = out[0];
}

/* What the target says, message by message. Returns false at its end. */
static bool take_from_ssh(unsigned *next, char *message, size_t *n)
{
    char data[4096];
    ssize_t got = read(from_ssh, data, sizeof(data));

    if (got <= 0) {
        write_all(1, message, *n);
        return false;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (*next == MESSAGES) {
            write_all(1, data + i, (size_t)(got - i));
            break;
        }
        message[(*n)++] = data[i];
        if (*n < messages[*next].bytes)
            continue;
        act("before", messages[*next].name, message);
        write_all(1, message, *n);
        act("after", messages[*next].name, message);
        *n = 0;
        (*next)++;
    }
    return true;
}

/* What the source says: its stream, and after "ready" the go. Returns false at its end. */
static bool take_from_xl(bool ready)
{
    static char data[65536];
    static bool gone;
    ssize_t got = read(0, data, sizeof(data));

    if (got <= 0)
        return false;
    bool go = ready && !gone;
    gone |= go;
    if (go)
        act("before", "go", data);
    if (dropped)
        return false;
    write_all(to_ssh, data, (size_t)got);
    if (go)
        act("after", "go", data);
    return true;
}

int main(int argc, char **argv)
{
    bool receive = false;
    char message[64];
    unsigned next = 0;
    size_t n = 0;
    int status = 0;

    if (argc < 4)
        return 255;
    rules = argv[1];
    host = argv[2];
    for (int i = 3; i < argc; i++)
        receive |= !strcmp(argv[i], "migrate-receive");
    argv[1] = (char[]){"ssh"};
    if (!receive) {
        execvp("ssh", argv + 1);
        return 255;
    }
    signal(SIGPIPE, SIG_IGN);
    start_ssh(argv + 1);
    struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = from_ssh, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents && !take_from_xl(next >= 2)) {
            close(to_ssh);
            fds[0].fd = -1;
        }
        if (fds[1].revents && !take_from_ssh(&next, message, &n))
            break;
    }
    waitpid(ssh, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}
