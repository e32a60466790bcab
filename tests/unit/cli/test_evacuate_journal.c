/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* evacuate's journal: there and back; cut at each byte, and each of its bits turned; what a crash
   while it is written leaves; the lock. */
#include "tests/unit/common/unit.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "xl-plugin/evacuate/evacuate_journal.h"

static const struct xf_journal good = {
    .guest = "web 1=a",
    .uuid = "6f1c9a52-0001-4000-8000-0123456789ab",
    .host = "root@hostb.example",
    .pid = 4711,
    .started = 18446744073709551615u,
};

static void same(const struct xf_journal *a, const struct xf_journal *b)
{
    assert_string_equal(a->guest, b->guest);
    assert_string_equal(a->uuid, b->uuid);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->pid, b->pid);
    assert_true(a->started == b->started);
}

/* ---- as text ------------------------------------------------------------------------------- */

static void test_there_and_back(void **state)
{
    struct xf_journal j;
    char text[1024];
    int n = xf_journal_print(&good, text, sizeof(text));

    (void)state;
    assert_true(n > 0 && (size_t)n == strlen(text));
    assert_int_equal(xf_journal_parse(text, (size_t)n, &j), 0);
    same(&j, &good);
    for (int size = 0; size <= n; size++)
        assert_int_equal(xf_journal_print(&good, text, (size_t)size), -ENAMETOOLONG);
}

static void test_truncated(void **state)
{
    struct xf_journal j;
    char text[1024];
    int n = xf_journal_print(&good, text, sizeof(text));

    (void)state;
    for (int cut = 0; cut < n; cut++)
        assert_int_equal(xf_journal_parse(text, (size_t)cut, &j), -EBADMSG);
}

static void test_garbled(void **state)
{
    struct xf_journal j;
    char text[2048];
    int n = xf_journal_print(&good, text, sizeof(text));

    (void)state;
    for (int bit = 0; bit < n * 8; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(xf_journal_parse(text, (size_t)n, &j), -EBADMSG);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    memset(text + n, 0, sizeof(text) - (size_t)n);
    assert_int_equal(xf_journal_parse(text, (size_t)n, &j), 0);
    assert_int_equal(xf_journal_parse(text, (size_t)n + 1, &j), -EBADMSG);
    assert_int_equal(xf_journal_parse(text, sizeof(text), &j), -EBADMSG);
    memset(text, 0, sizeof(text));
    assert_int_equal(xf_journal_parse(text, (size_t)n, &j), -EBADMSG);
}

static void test_not_to_be_read_back(void **state)
{
    struct xf_journal j = good;
    char text[1024];

    (void)state;
    strcpy(j.guest, "two\nlines");
    assert_int_equal(xf_journal_print(&j, text, sizeof(text)), -EINVAL);
    strcpy(j.guest, "");
    assert_int_equal(xf_journal_print(&j, text, sizeof(text)), -EINVAL);
    j = good;
    strcpy(j.uuid, "none");
    assert_int_equal(xf_journal_print(&j, text, sizeof(text)), -EINVAL);
    j = good;
    j.host[0] = 0;
    assert_int_equal(xf_journal_print(&j, text, sizeof(text)), -EINVAL);
}

/* ---- as a file ----------------------------------------------------------------------------- */

static char dir[] = "/tmp/test_evacuate_journal.XXXXXX";

static void put(const char *name, const char *text)
{
    char path[300];

    snprintf(path, sizeof(path), "%s/xl-fast/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_file(void **state)
{
    struct xf_journal j, other = good;

    (void)state;
    assert_int_equal(xf_journal_read(&j), 0);
    assert_int_equal(xf_journal_remove(), 0);
    assert_int_equal(xf_journal_write(&good), 0);
    assert_int_equal(xf_journal_read(&j), 1);
    same(&j, &good);
    strcpy(other.host, "hostc");
    assert_int_equal(xf_journal_write(&other), 0);
    assert_int_equal(xf_journal_read(&j), 1);
    same(&j, &other);

    /* Killed while a new one was being written: the old one counts. */
    put("evacuate.new", "xl-fast evac");
    assert_int_equal(xf_journal_read(&j), 1);
    same(&j, &other);
    assert_int_equal(xf_journal_write(&good), 0);
    assert_int_equal(xf_journal_read(&j), 1);
    same(&j, &good);
    assert_int_equal(xf_journal_remove(), 0);
    assert_int_equal(xf_journal_read(&j), 0);
    put("evacuate.new", "xl-fast evac");
    assert_int_equal(xf_journal_read(&j), 0);

    put("evacuate", "");
    assert_int_equal(xf_journal_read(&j), -EBADMSG);
    put("evacuate", "xl-fast evacuate 1\nguest=web1\n");
    assert_int_equal(xf_journal_read(&j), -EBADMSG);
    assert_int_equal(xf_journal_remove(), 0);
}

/* A journal that cannot be written is told of, and no old one is lost by it. */
static void test_cannot_write(void **state)
{
    struct xf_journal j;
    char path[300];

    (void)state;
    assert_int_equal(xf_journal_write(&good), 0);
    snprintf(path, sizeof(path), "%s/xl-fast/evacuate.new", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(xf_journal_write(&good), -EISDIR);
    assert_int_equal(xf_journal_read(&j), 1);
    same(&j, &good);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(xf_journal_remove(), 0);
}

/* 0, or the holder, as another process has it. */
static int lock_elsewhere(void)
{
    int status;
    pid_t holder, pid = fork();

    if (!pid)
        _exit(xf_journal_lock(&holder) == -EBUSY ? (holder == getppid() ? 1 : 2) : 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void test_lock(void **state)
{
    pid_t holder;

    (void)state;
    assert_int_equal(lock_elsewhere(), 0); /* and with its end it is free again */
    assert_int_equal(xf_journal_lock(&holder), 0);
    assert_int_equal(lock_elsewhere(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_garbled),        cmocka_unit_test(test_not_to_be_read_back),
        cmocka_unit_test(test_file),           cmocka_unit_test(test_cannot_write),
        cmocka_unit_test(test_lock),
    };
    char command[64];
    int rc;

    if (!mkdtemp(dir))
        return 1;
    setenv("XL_FAST_RUNDIR", dir, 1);
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command) ? 1 : rc;
}
