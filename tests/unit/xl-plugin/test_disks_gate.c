/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks gate: a guest that stands goes no further unless each xl-fast-disks says that its disks are
 * whole; of several hosts, one that does not is left out if whoever sends to them allows it.
 */
#include "tests/unit/common/unit.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "xl-plugin/plugin/disks_gate.h"

#define HOSTS 3

/* An xl-fast-disks: says this when it is asked; NULL: it is not there; "": it goes without a word.
 */
struct disks {
    const char *says;
    char path[64];
    int listener;
    pthread_t thread;
    bool asked;
};

static struct disks of[HOSTS];
static char lost[128];
static bool may_be_lost;
static unsigned suspends;

static void *serve(void *arg)
{
    struct disks *d = arg;
    char heard[16] = "";
    int fd = accept(d->listener, NULL, NULL);

    d->asked = read(fd, heard, sizeof(heard) - 1) > 0 && !strcmp(heard, "stands\n");
    if (d->says[0])
        assert_int_equal(write(fd, d->says, strlen(d->says)), strlen(d->says));
    close(fd);
    return NULL;
}

static void start(unsigned i, const char *says)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct disks *d = &of[i];

    *d = (struct disks){.says = says, .listener = -1};
    snprintf(d->path, sizeof(d->path), "/tmp/xf-gate-%d-%u", getpid(), i);
    unlink(d->path);
    if (!says)
        return;
    strcpy(address.sun_path, d->path);
    d->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(d->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(d->listener, 1), 0);
    assert_int_equal(pthread_create(&d->thread, NULL, serve, d), 0);
}

static void end(unsigned i)
{
    struct disks *d = &of[i];

    if (!d->says)
        return;
    pthread_join(d->thread, NULL);
    close(d->listener);
    unlink(d->path);
}

static int suspend(void *data)
{
    (void)data;
    suspends++;
    return 1;
}

static bool on_lost(void *arg, const char *host, const char *why)
{
    const size_t n = strlen(lost);

    assert_ptr_equal(arg, of);
    snprintf(lost + n, sizeof(lost) - n, "%s: %s;", host, why);
    return may_be_lost;
}

/* What the suspend says with so many of them. */
static int stand(const char *a, const char *b, const char *c)
{
    const char *says[HOSTS] = {a, b, c};
    struct save_callbacks callbacks = {.suspend = suspend}, wrapped, *used;
    char words[256] = "";

    for (unsigned i = 0; i < HOSTS; i++) {
        start(i, says[i]);
        snprintf(words + strlen(words), sizeof(words) - strlen(words), "%shost%u=%s", i ? " " : "",
                 i, of[i].path);
    }
    setenv("XL_FAST_DISKS", words, 1);
    used = xf_disks_gate_wrap(&wrapped, &callbacks, 5);
    assert_ptr_equal(used, &wrapped);
    suspends = 0;
    lost[0] = 0;
    const int ok = used->suspend(NULL);

    assert_int_equal(suspends, 1);
    for (unsigned i = 0; i < HOSTS; i++) {
        end(i);
        assert_true(!says[i] || of[i].asked);
    }
    return ok;
}

static void without_disks(void **state)
{
    struct save_callbacks callbacks = {.suspend = suspend}, wrapped;

    (void)state;
    unsetenv("XL_FAST_DISKS");
    assert_ptr_equal(xf_disks_gate_wrap(&wrapped, &callbacks, 5), &callbacks);
    setenv("XL_FAST_DISKS", "", 1);
    assert_ptr_equal(xf_disks_gate_wrap(&wrapped, &callbacks, 5), &callbacks);
}

static void all_are_whole(void **state)
{
    (void)state;
    xf_disks_gate_on_lost(NULL, NULL);
    assert_int_equal(stand("done\n", "done\n", "done\n"), 1);
}

/* Each way to fail is one, wherever it stands. */
static void one_is_not(void **state)
{
    static const char *const ways[] = {"failed no room\n", "", "doneX\n", "done", NULL};

    (void)state;
    xf_disks_gate_on_lost(NULL, NULL);
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        assert_int_equal(stand("done\n", ways[i], "done\n"), 0);
        assert_int_equal(stand("done\n", "done\n", ways[i]), 0);
    }
}

static void the_others_go_on(void **state)
{
    (void)state;
    xf_disks_gate_on_lost(on_lost, of);
    may_be_lost = true;
    assert_int_equal(stand("done\n", "failed no room\n", "done\n"), 1);
    assert_string_equal(lost, "host1: failed no room;");
    assert_int_equal(stand(NULL, "done\n", ""), 1);
    assert_string_equal(lost, "host0: No such file or directory;host2: Broken pipe;");
    may_be_lost = false;
    assert_int_equal(stand("done\n", "failed no room\n", "done\n"), 0);
}

/* What is no word of ours is no disk that is whole. */
static void words_that_are_none(void **state)
{
    struct save_callbacks callbacks = {.suspend = suspend}, wrapped;

    (void)state;
    xf_disks_gate_on_lost(NULL, NULL);
    setenv("XL_FAST_DISKS", " nonsense ", 1);
    assert_int_equal(xf_disks_gate_wrap(&wrapped, &callbacks, 5)->suspend(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_disks),       cmocka_unit_test(all_are_whole),
        cmocka_unit_test(one_is_not),          cmocka_unit_test(the_others_go_on),
        cmocka_unit_test(words_that_are_none),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
