/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a guest's arrival is over, and when it is announced. Its interfaces are those of
   tests/e2e/arrival.sh: here it has none that this host knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "xl-plugin/arrival/arrival.h"

/* Each look takes the next of its states, of which there are at most three. */
struct guest {
    int domid;
    const enum xf_guest_state *states;
    unsigned looks, nics;
    int receiver[2];
    char told[400];
};

static int find(void *arg)
{
    return ((struct guest *)arg)->domid;
}

static enum xf_guest_state look(void *arg, int domid)
{
    struct guest *g = arg;

    assert_int_equal(domid, g->domid);
    assert_true(g->looks < 3);
    return g->states[g->looks++];
}

static unsigned nics(void *arg, int domid, struct xf_nic to[XF_NICS_MAX])
{
    struct guest *g = arg;

    (void)domid;
    for (unsigned i = 0; i < g->nics; i++)
        to[i] = (struct xf_nic){.devid = i, .name = "xf-no-such", .mac = {0, 0x16, 0x3e}};
    return g->nics;
}

static void tell(void *arg, const char *line)
{
    struct guest *g = arg;

    strncat(g->told, line, sizeof(g->told) - strlen(g->told) - 1);
}

static void run(struct guest *g, bool receiver_ended)
{
    static const struct xf_arrival_guest guest = {.find = find, .look = look, .nics = nics};
    struct xf_arrival a = {.guest = &guest, .tell = tell, .arg = g, .announce = true};

    assert_int_equal(pipe(g->receiver), 0);
    if (receiver_ended)
        close(g->receiver[1]);
    a.receiver = g->receiver[0];
    assert_int_equal(xf_arrival_run(&a), 0);
    close(g->receiver[0]);
    if (!receiver_ended)
        close(g->receiver[1]);
    assert_string_equal(g->told, "xl-fast: arrival {\"over\":true}");
}

static void a_guest_that_never_comes_ends_with_its_receiver(void **state)
{
    struct guest g = {.domid = -1};

    (void)state;
    run(&g, true);
}

static void a_guest_that_is_gone_is_over(void **state)
{
    static const enum xf_guest_state states[] = {XF_GUEST_WAITS, XF_GUEST_WAITS, XF_GUEST_GONE};
    struct guest g = {.domid = 0x7fffffff, .states = states, .nics = 1};

    (void)state;
    run(&g, false);
    assert_int_equal(g.looks, 3);
}

static void a_guest_that_was_not_started_ends_with_its_receiver(void **state)
{
    static const enum xf_guest_state states[] = {XF_GUEST_WAITS, XF_GUEST_WAITS, XF_GUEST_WAITS};
    struct guest g = {.domid = 0x7fffffff, .states = states, .nics = 1};

    (void)state;
    run(&g, true);
    assert_int_equal(g.looks, 2);
}

static void a_guest_without_interfaces_is_over_when_it_runs(void **state)
{
    static const enum xf_guest_state states[] = {XF_GUEST_WAITS, XF_GUEST_RUNS};
    struct guest g = {.domid = 0x7fffffff, .states = states};

    (void)state;
    run(&g, false);
    assert_int_equal(g.looks, 2);
}

/* QEMU's announce-initial, announce-step and announce-rounds by default: 50, 100, 5. */
static void it_is_announced_as_often_as_by_qemu(void **state)
{
    static const int gaps_ms[] = {0, 50, 150, 250, 350, -1, -1};

    (void)state;
    for (unsigned i = 0; i < sizeof(gaps_ms) / sizeof(gaps_ms[0]); i++)
        assert_int_equal(xf_arrival_gap_ms(i), gaps_ms[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_that_never_comes_ends_with_its_receiver),
        cmocka_unit_test(a_guest_that_is_gone_is_over),
        cmocka_unit_test(a_guest_that_was_not_started_ends_with_its_receiver),
        cmocka_unit_test(a_guest_without_interfaces_is_over_when_it_runs),
        cmocka_unit_test(it_is_announced_as_often_as_by_qemu),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
