/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lane's thread has its name, and is kept on its CPU. */
#include "tests/unit/common/unit.h"

#include <stdbool.h>

#include <pthread.h>
#include <sched.h>

#include "dpdk/thread.h"

static struct xf_threads threads;

struct seen {
    unsigned thread, cpus;
    bool here; /* the CPU that was asked for is among them */
    unsigned cpu;
    char name[16];
};

static void *run(void *arg)
{
    struct seen *s = arg;
    cpu_set_t set;

    threads.begin(threads.arg, s->thread);
    if (sched_getaffinity(0, sizeof(set), &set))
        return NULL;
    s->cpus = (unsigned)CPU_COUNT(&set);
    s->here = CPU_ISSET(s->cpu, &set);
    pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
    threads.end(threads.arg, s->thread);
    return arg;
}

static struct seen look(unsigned thread, unsigned cpu)
{
    struct seen s = {.thread = thread, .cpu = cpu};
    pthread_t id;
    void *rc;

    assert_int_equal(pthread_create(&id, NULL, run, &s), 0);
    assert_int_equal(pthread_join(id, &rc), 0);
    assert_non_null(rc);
    return s;
}

static void lanes_are_kept_on_their_cpus(void **state)
{
    struct xf_cpu_list cpus = {.n = 0};
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (unsigned cpu = 0; cpu < XF_CPU_MAX && cpus.n < 2; cpu++)
        if (CPU_ISSET(cpu, &set))
            cpus.cpus[cpus.n++] = (uint16_t)cpu;
    threads = xf_dpdk_threads(3, &cpus);
    assert_int_equal(threads.count, 3);
    for (unsigned i = 0; i < threads.count; i++) {
        struct seen s = look(i, cpus.cpus[i % cpus.n]);

        assert_int_equal(s.cpus, 1);
        assert_true(s.here);
    }
    assert_string_equal(look(2, 0).name, "xl-fast lane 2");
}

static void without_a_list_they_run_anywhere(void **state)
{
    const struct xf_cpu_list none = {.n = 0}, one = {.cpus = {0}, .n = 1};
    cpu_set_t set;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    threads = xf_dpdk_threads(2, &none);
    assert_int_equal(threads.count, 2);
    assert_int_equal(look(1, 0).cpus, CPU_COUNT(&set));
    threads = xf_dpdk_threads(2, NULL);
    assert_int_equal(look(1, 0).cpus, CPU_COUNT(&set));
    /* One lane needs no thread, unless it is to be on a CPU. */
    assert_int_equal(xf_dpdk_threads(1, NULL).count, 0);
    assert_int_equal(xf_dpdk_threads(1, &none).count, 0);
    assert_int_equal(xf_dpdk_threads(1, &one).count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lanes_are_kept_on_their_cpus),
        cmocka_unit_test(without_a_list_they_run_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
