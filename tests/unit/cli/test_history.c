/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The history of moves: what is added is read again, by several writers, bounded, with a torn line,
   a full disk, a stuck lock; sums since boot; and the system's log. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/screen/history.h"
#include "xl-plugin/screen/movelog.h"

static char state[64], dir[128], file[160];

static int setup(void **unused)
{
    (void)unused;
    /* In memory, where the disk's time is nothing. */
    strcpy(state,
           access("/dev/shm", W_OK) ? "/tmp/xf-history-XXXXXX" : "/dev/shm/xf-history-XXXXXX");
    if (!mkdtemp(state))
        return -1;
    snprintf(dir, sizeof(dir), "%s/xl-fast", state);
    snprintf(file, sizeof(file), "%s/history.jsonl", dir);
    return setenv("XL_FAST_STATEDIR", state, 1);
}

static int teardown(void **unused)
{
    char command[128];

    (void)unused;
    snprintf(command, sizeof(command), "rm -rf %s", state);
    return system(command);
}

static struct xf_history_move a_move(unsigned n)
{
    struct xf_history_move m = {.uuid = "6f1c9a52-0001-4000-8000-0123456789ab",
                                .to = "hostb",
                                .state = "moved",
                                .time_us = 1700000000000000 + n,
                                .began = true,
                                .done = true,
                                .total_us = 3600000,
                                .downtime = {.have = {true, true, false, true, true, true},
                                             .part_us = {2000, 30000, 0, 8000, 50000, 10000},
                                             .whole = true,
                                             .us = 100000},
                                .predicted_us = 110000,
                                .rounds = 3,
                                .bytes = 1000 + n,
                                .pages = 10,
                                .repaired = 1,
                                .lost = 2,
                                .payload_bps = 1290000000};

    snprintf(m.guest, sizeof(m.guest), "web%u", n);
    return m;
}

struct seen {
    unsigned n, this_boot, in_order, last;
    uint64_t bytes;
    struct xf_history_move newest;
};

static void see(void *arg, const struct xf_history_move *m)
{
    struct seen *s = arg;
    unsigned n = (unsigned)strtoul(m->guest + 3, NULL, 10);

    s->in_order += !s->n || n > s->last;
    s->last = n;
    s->n++;
    s->this_boot += m->this_boot;
    s->bytes += m->bytes;
    s->newest = *m;
}

static struct seen all(void)
{
    struct seen s = {0};

    assert_int_equal(xf_history_read(see, &s), 0);
    return s;
}

static void append_text(const char *text)
{
    FILE *f = fopen(file, "a");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_added_is_read(void **unused)
{
    struct xf_history_move m = a_move(7);
    struct xf_history_sums sums;
    struct seen s;
    struct stat st;

    (void)unused;
    assert_int_equal(all().n, 0);
    assert_int_equal(xf_history_since_boot(&sums), 0);
    assert_int_equal(sums.count[XF_HISTORY_MOVED], 0);
    strcpy(m.guest, "m\374n\"\\chen\n");
    strcpy(m.error, "no \033 luck");
    m.bandwidth_bps = 1000000;
    assert_int_equal(xf_history_add(&m), 0);
    s = all();
    assert_int_equal(s.n, 1);
    assert_string_equal(s.newest.guest, "m\xef\xbf\xbdn\"\\chen\n");
    assert_true(s.newest.from[0]); /* this host */
    strcpy(m.guest, s.newest.guest);
    strcpy(m.from, s.newest.from);
    m.this_boot = true;
    assert_memory_equal(&s.newest, &m, sizeof(m));
    assert_int_equal(s.newest.downtime.us, 100000);

    /* One whose memory never began to move has no figures. */
    m = (struct xf_history_move){.guest = "web8", .to = "hostb", .status = 130, .state = "here"};
    assert_int_equal(xf_history_add(&m), 0);
    s = all();
    assert_int_equal(s.n, 2);
    assert_false(s.newest.began);
    assert_true(s.newest.time_us);
    assert_int_equal(xf_history_since_boot(&sums), 0);
    assert_int_equal(sums.count[XF_HISTORY_MOVED], 1);
    assert_int_equal(sums.count[XF_HISTORY_CANCELLED], 1);
    assert_int_equal(sums.bytes, 1007);
    /* Guests' names are nobody else's to read. */
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* Of more than is kept, the newest are there, in order, and the sums are of all. */
static void test_bounded(void **unused)
{
    struct xf_history_sums sums;
    struct stat now, old;
    struct seen s;
    char path[200];
    const unsigned moves = 900;

    (void)unused;
    for (unsigned i = 1; i <= moves; i++) {
        struct xf_history_move m = a_move(i);

        memset(m.error, 1, sizeof(m.error) - 1); /* six characters of JSON each */
        assert_int_equal(xf_history_add(&m), 0);
    }
    snprintf(path, sizeof(path), "%s.1", file);
    assert_int_equal(stat(file, &now), 0);
    assert_int_equal(stat(path, &old), 0);
    assert_true(now.st_size <= (off_t)XF_HISTORY_BYTES + 4096);
    assert_true(old.st_size <= (off_t)XF_HISTORY_BYTES + 4096);
    s = all();
    assert_true(s.n > 250 && s.n < moves); /* so it was put aside twice, and some are gone */
    assert_int_equal(s.in_order, s.n);
    assert_int_equal(s.last, moves);
    assert_int_equal(xf_history_since_boot(&sums), 0);
    assert_int_equal(sums.count[XF_HISTORY_MOVED], moves);
    assert_int_equal(sums.bytes, (uint64_t)moves * 1000 + (uint64_t)moves * (moves + 1) / 2);

    /* Who put it aside has died before the new one came: one file by two names is read once. */
    assert_int_equal(unlink(path), 0);
    s = all();
    assert_int_equal(link(file, path), 0);
    assert_int_equal(all().n, s.n);
}

static void test_torn_line(void **unused)
{
    struct xf_history_move m = a_move(1);

    (void)unused;
    assert_int_equal(xf_history_add(&m), 0);
    append_text("{\"version\":1,\"guest\":\"web2\",\"status\":0,\"by");
    assert_int_equal(all().n, 1);
    m = a_move(3);
    assert_int_equal(xf_history_add(&m), 0);
    assert_int_equal(all().n, 2);
    assert_int_equal(all().last, 3);
    /* Nor do lines that are something else, or of a version that is not known, cost any. */
    append_text(
        "[]\nnull\n{}\n{\"version\":2,\"guest\":\"web9\"}\n\n\\\n{\"version\":1,\"status\":-5}\n");
    m = a_move(4);
    assert_int_equal(xf_history_add(&m), 0);
    assert_int_equal(all().last, 4);
    assert_int_equal(all().n, 4);
}

/* Several at once, over the bound: no line is lost or mixed with another. */
static void test_writers(void **unused)
{
    const unsigned writers = 4, each = 150;
    struct xf_history_sums sums;
    struct seen s;
    int status;

    (void)unused;
    for (unsigned w = 0; w < writers; w++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (!pid) {
            for (unsigned i = 0; i < each; i++) {
                struct xf_history_move m = a_move(w * each + i);
                memset(m.error, 1, sizeof(m.error) - 1 - i);
                if (xf_history_add(&m))
                    _exit(1);
            }
            _exit(0);
        }
    }
    for (unsigned w = 0; w < writers; w++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(xf_history_since_boot(&sums), 0);
    assert_int_equal(sums.count[XF_HISTORY_MOVED], writers * each);
    assert_int_equal(sums.bytes, (uint64_t)writers * each * 1000 +
                                     (uint64_t)writers * each * (writers * each - 1) / 2);
    s = all();
    assert_true(s.n > 250 && s.n <= writers * each);
}

/* A disk that takes no more, by a limit of the file's size: what did not fit is not there, the
   process lives, and later there is room again. */
static void test_full(void **unused)
{
    struct xf_history_move m = a_move(1);
    struct rlimit before, tight;
    struct stat st;
    off_t size;

    (void)unused;
    assert_int_equal(xf_history_add(&m), 0);
    assert_int_equal(stat(file, &st), 0);
    size = st.st_size;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)size + 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    m = a_move(2);
    assert_true(xf_history_add(&m) < 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_size, size);
    m = a_move(3);
    assert_int_equal(xf_history_add(&m), 0);
    assert_int_equal(all().n, 2);
    assert_int_equal(all().last, 3);
}

static void test_no_place(void **unused)
{
    struct xf_history_move m = a_move(1);
    struct xf_history_sums sums;

    (void)unused;
    setenv("XL_FAST_STATEDIR", "/proc/none", 1);
    assert_true(xf_history_add(&m) < 0);
    assert_int_equal(all().n, 0);
    assert_int_equal(xf_history_since_boot(&sums), 0);
    setenv("XL_FAST_STATEDIR", state, 1);
    /* What is in its place is no file: nobody waits for its reader. */
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkfifo(file, 0600), 0);
    assert_true(xf_history_add(&m) < 0);
}

/* Somebody keeps the lock: it is added all the same. */
static void test_stuck_lock(void **unused)
{
    struct xf_history_move m = a_move(1);
    int other;

    (void)unused;
    assert_int_equal(xf_history_add(&m), 0);
    other = open(dir, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(other, LOCK_EX), 0);
    m = a_move(2);
    assert_int_equal(xf_history_add(&m), 0);
    assert_int_equal(all().n, 2);
    close(other);
}

/* Of before the boot the list has all, and the sums nothing. */
static void test_boot(void **unused)
{
    struct xf_history_move m = a_move(9);
    struct xf_history_sums sums;
    struct seen s;

    (void)unused;
    assert_int_equal(xf_history_add(&m), 0);
    append_text(
        "{\"version\":1,\"boot\":\"00000000-0000-4000-8000-000000000001\",\"sums\":{\"moved\":50}}"
        "\n"
        "{\"version\":1,\"boot\":\"00000000-0000-4000-8000-000000000001\",\"guest\":\"web10\","
        "\"status\":0,\"done\":true,\"bytes\":5}\n"
        "{\"version\":1,\"guest\":\"web11\",\"status\":0,\"done\":true,\"bytes\":5}\n");
    s = all();
    assert_int_equal(s.n, 3);
    assert_int_equal(s.this_boot, 1);
    assert_int_equal(xf_history_since_boot(&sums), 0);
    assert_int_equal(sums.count[XF_HISTORY_MOVED], 1);
    assert_int_equal(sums.bytes, 1009);
}

/* Nobody heard that it was started, or an older version wrote it: parts, and no downtime. */
static void test_parts_alone(void **unused)
{
    struct xf_history_move m = a_move(7);
    struct seen s;

    (void)unused;
    m.downtime.whole = false;
    m.downtime.us = 0;
    assert_int_equal(xf_history_add(&m), 0);
    s = all();
    assert_false(s.newest.downtime.whole);
    assert_int_equal(xf_downtime_sum_us(&s.newest.downtime), 100000);
    append_text(
        "{\"version\":1,\"guest\":\"web9\",\"status\":0,\"done\":true,\"downtime_us\":92000,"
        "\"downtime\":{\"suspend_us\":2000,\"copy_us\":30000,\"verify_us\":0,"
        "\"handover_us\":60000}}\n");
    s = all();
    assert_int_equal(s.n, 2);
    assert_false(s.newest.downtime.whole);
    assert_int_equal(xf_downtime_sum_us(&s.newest.downtime), 30000);
}

static void test_from_events(void **unused)
{
    struct xf_history_move m = {.guest = "web1", .time_us = 5};

    (void)unused;
    xf_history_take_events(&m, "/proc/none", 0);
    assert_false(m.began);
    assert_int_equal(m.time_us, 5);
    assert_int_equal(mkdir(dir, 0700), 0);
    append_text(
        "what was there before\n"
        "{\"version\":2,\"event\":\"start\",\"t_us\":0,\"time_us\":77,\"program\":\"migrate\"}\n"
        "{\"version\":2,\"event\":\"suspend\",\"t_us\":800,\"predicted_downtime_us\":250}\n"
        "{\"version\":2,\"event\":\"failed\",\"t_us\":900,\"error\":\"no luck\",\"rounds\":2,"
        "\"bytes\":5,\"pages_sent\":6,\"rejects\":{}}\n"
        "{\"version\":2,\"event\":\"ex");
    xf_history_take_events(&m, file, 22);
    assert_true(m.began && !m.done && !m.downtime.whole && !xf_downtime_any(&m.downtime));
    assert_int_equal(m.time_us, 77);
    assert_int_equal(m.total_us, 900);
    assert_int_equal(m.predicted_us, 250);
    assert_int_equal(m.rounds, 2);
    assert_int_equal(m.bytes, 5);
    assert_int_equal(m.pages, 6);
    assert_string_equal(m.error, "no luck");
}

/* ---- the system's log --------------------------------------------------------------------- */

static void test_log_text(void **unused)
{
    struct xf_history_move m = a_move(1);
    char text[XF_MOVELOG_BYTES];

    (void)unused;
    assert_int_equal(xf_movelog_text(text, &m), LOG_NOTICE);
    assert_string_equal(text, "web1 (6f1c9a52-0001-4000-8000-0123456789ab) has moved to hostb: "
                              "downtime 100 ms, total 3.6 s, 1001 B");
    m.status = 1;
    strcpy(m.state, "here");
    strcpy(m.error, "the link\nis gone");
    assert_int_equal(xf_movelog_text(text, &m), LOG_WARNING);
    assert_string_equal(text, "web1 (6f1c9a52-0001-4000-8000-0123456789ab) failed to move to hostb "
                              "(exit status 1): the link?is gone; the guest is on this host");
    m.status = 130;
    m.error[0] = 0;
    strcpy(m.state, "paused");
    assert_int_equal(xf_movelog_text(text, &m), LOG_NOTICE);
    assert_non_null(
        strstr(text, "was cancelled on its way to hostb; the guest is on this host, paused"));
    strcpy(m.state, "suspended");
    strcpy(m.guest, "-dev's pc");
    strcpy(m.ssh, "ssh -p 2");
    assert_int_equal(xf_movelog_text(text, &m), LOG_ERR);
    assert_non_null(strstr(text,
                           "is suspended on this host, and may run on the target: xl-fast recover "
                           "-s 'ssh -p 2' -- '-dev'\\''s pc' hostb"));
    memset(m.guest, '\001', sizeof(m.guest) - 1);
    memset(m.error, 'x', sizeof(m.error) - 1);
    xf_movelog_text(text, &m);
    assert_true(strlen(text) < sizeof(text));
}

static int log_socket(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    setenv("XL_FAST_SYSLOG", path, 1);
    return fd;
}

static void test_log_is_sent(void **unused)
{
    struct xf_history_move m = a_move(1);
    char path[100], got[4096], want[64];
    ssize_t n;
    int fd;

    (void)unused;
    snprintf(path, sizeof(path), "%s/log", state);
    fd = log_socket(path);
    xf_movelog_begin(&m);
    n = recv(fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = 0;
    snprintf(want, sizeof(want), "<%d>", LOG_DAEMON | LOG_INFO);
    assert_memory_equal(got, want, strlen(want));
    snprintf(want, sizeof(want), " xl-fast[%d]: web1 (", (int)getpid());
    assert_non_null(strstr(got, want));
    assert_string_equal(strstr(got, ") begins"), ") begins to move to hostb");
    /* Nobody reads: it fills up, and no line waits for room. */
    for (unsigned i = 0; i < 10000; i++)
        xf_movelog_end(&m);
    close(fd);
    xf_movelog_end(&m);
    unlink(path);
    xf_movelog_end(&m);
    unsetenv("XL_FAST_SYSLOG");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_added_is_read), TEST(test_bounded),     TEST(test_torn_line),
        TEST(test_writers),       TEST(test_full),        TEST(test_no_place),
        TEST(test_stuck_lock),    TEST(test_boot),        TEST(test_parts_alone),
        TEST(test_log_text),      TEST(test_log_is_sent), TEST(test_from_events),
        TEST(test_log_text),      TEST(test_log_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
