/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* evacuate: who moves, in what order, to where. */
#include "tests/unit/common/unit.h"

#include "xl-plugin/evacuate/evacuate_plan.h"

#define UUID "6f1c9a52-0001-4000-8000-0123456789ab"
#define MAX  24u

struct plan {
    struct xf_evacuate_guest guests[MAX];
    struct xf_evacuate_host hosts[4];
    unsigned guests_n, hosts_n;
};

static struct xf_evacuate_guest *add(struct plan *p, const char *name, uint64_t need_mib)
{
    struct xf_evacuate_guest *g = &p->guests[p->guests_n++];

    assert_true(p->guests_n <= MAX);
    memset(g, 0, sizeof(*g));
    g->domid = p->guests_n;
    snprintf(g->name, sizeof(g->name), "%s", name);
    snprintf(g->uuid, sizeof(g->uuid), "6f1c9a52-%04x-4000-8000-0123456789ab", p->guests_n);
    g->need_kib = need_mib << 10;
    return g;
}

static void add_host(struct plan *p, const char *name, uint64_t free_mib)
{
    p->hosts[p->hosts_n++] =
        (struct xf_evacuate_host){.name = name, .usable = true, .free_kib = free_mib << 10};
}

static void decide(struct plan *p, const char *const *keep)
{
    static const char *const none[] = {NULL};

    xf_evacuate_sort_out(p->guests, p->guests_n, keep ? keep : none);
    xf_evacuate_plan(p->guests, p->guests_n, p->hosts, p->hosts_n);
}

static const struct xf_evacuate_guest *find(const struct plan *p, const char *name)
{
    for (unsigned i = 0; i < p->guests_n; i++)
        if (!strcmp(p->guests[i].name, name))
            return &p->guests[i];
    fail_msg("no guest %s", name);
    return NULL;
}

/* "web1>b db>-": in the order of the plan, those that move or have no place. */
static void planned(const struct plan *p, const char *expected)
{
    char text[1024] = "";

    for (unsigned i = 0; i < p->guests_n; i++) {
        const struct xf_evacuate_guest *g = &p->guests[i];
        size_t n = strlen(text);

        if (g->fate == XF_FATE_KEPT || g->fate == XF_FATE_ALONE)
            continue;
        snprintf(text + n, sizeof(text) - n, "%s%s>%s", n ? " " : "", g->name,
                 g->fate == XF_FATE_MOVES ? p->hosts[g->to].name : "-");
    }
    assert_string_equal(text, expected);
}

static void has_fate(const struct plan *p, const char *name, enum xf_evacuate_fate fate,
                     const char *words)
{
    const struct xf_evacuate_guest *g = find(p, name);

    assert_int_equal(g->fate, fate);
    if (!strstr(g->why, words))
        fail_msg("%s: '%s' has no '%s'", name, g->why, words);
}

/* ---- who ----------------------------------------------------------------------------------- */

static void test_who_moves(void **state)
{
    static const char *const keep[] = {"infra-*", "db[12]", NULL};
    struct plan p = {0};
    char full[XF_NAME_SIZE];

    (void)state;
    memset(full, 'x', sizeof(full) - 1);
    full[sizeof(full) - 1] = 0;
    add_host(&p, "b", 100000);
    add(&p, "Domain-0", 0)->domid = 0;
    add(&p, "web1", 10);
    add(&p, "infra-dns", 10);
    add(&p, "db2", 10);
    add(&p, "db3", 10);
    add(&p, "dying", 10)->state = XF_STATE_DYING;
    add(&p, "", 10);
    add(&p, "a--incoming", 10)->state = XF_STATE_PAUSED;
    add(&p, "b--migratedaway", 10)->state = XF_STATE_SUSPENDED;
    add(&p, "paused", 10)->state = XF_STATE_PAUSED;
    add(&p, "suspended", 10)->state = XF_STATE_SUSPENDED;
    add(&p, "ended", 10)->state = XF_STATE_ENDED;
    add(&p, "17", 10);
    add(&p, "-x", 10);
    add(&p, "m\xc3\xbcnchen", 10);
    add(&p, "dev's pc", 10);
    add(&p, "a\tb", 10);
    add(&p, full, 10);
    add(&p, "unknown", 0);
    decide(&p, keep);
    has_fate(&p, "Domain-0", XF_FATE_ALONE, "this host");
    has_fate(&p, "web1", XF_FATE_MOVES, "");
    has_fate(&p, "infra-dns", XF_FATE_KEPT, "--keep");
    has_fate(&p, "db2", XF_FATE_KEPT, "--keep");
    has_fate(&p, "db3", XF_FATE_MOVES, "");
    has_fate(&p, "dying", XF_FATE_ALONE, "destroyed");
    has_fate(&p, "", XF_FATE_ALONE, "no name");
    has_fate(&p, "a--incoming", XF_FATE_ALONE, "to this host");
    has_fate(&p, "b--migratedaway", XF_FATE_ALONE, "xl-fast recover");
    has_fate(&p, "paused", XF_FATE_LEFT, "xl unpause");
    has_fate(&p, "suspended", XF_FATE_LEFT, "suspended");
    has_fate(&p, "ended", XF_FATE_LEFT, "shut down");
    has_fate(&p, "17", XF_FATE_LEFT, "xl rename");
    has_fate(&p, "-x", XF_FATE_MOVES, "");
    has_fate(&p, "m\xc3\xbcnchen", XF_FATE_MOVES, "");
    has_fate(&p, "dev's pc", XF_FATE_MOVES, "");
    has_fate(&p, "a\tb", XF_FATE_LEFT, "xl rename");
    has_fate(&p, full, XF_FATE_LEFT, "xl rename");
    has_fate(&p, "unknown", XF_FATE_LEFT, "not known");
}

static void needs(struct xf_evacuate_guest *g, unsigned host, unsigned place, uint64_t mib)
{
    struct xf_evacuate_disks *d = &g->disks[host];

    d->move = true;
    d->bytes += mib << 20;
    d->needs[d->n].place = place;
    d->needs[d->n++].bytes = mib << 20;
}

static void add_place(struct plan *p, unsigned host, const char *name, uint64_t mib)
{
    struct xf_evacuate_host *h = &p->hosts[host];

    strcpy(h->places[h->places_n].name, name);
    h->places[h->places_n++].free_bytes = mib << 20;
}

/* Those with disks go last, by what is to be sent; they share what is free in a place. */
static void test_disks(void **state)
{
    struct plan p = {0};
    struct xf_evacuate_guest *g;

    (void)state;
    add_host(&p, "b", 1000);
    add_host(&p, "c", 900);
    add_place(&p, 0, "/srv", 100);
    add_place(&p, 0, "vg", 20);
    add_place(&p, 1, "/srv", 60);
    for (unsigned host = 0; host < 2; host++) {
        g = host ? &p.guests[0] : add(&p, "long", 400);
        needs(g, host, 0, 60);
        g = host ? &p.guests[1] : add(&p, "short", 100);
        needs(g, host, 0, 50);
    }
    add(&p, "none", 50);
    decide(&p, NULL);
    /* "none" is placed last, for it needs the least memory, and moves first. */
    planned(&p, "none>c short>c long>b");

    /* All of a guest's places count. */
    memset(&p, 0, sizeof(p));
    add_host(&p, "b", 1000);
    add_place(&p, 0, "/srv", 100);
    add_place(&p, 0, "vg", 20);
    g = add(&p, "two", 10);
    needs(g, 0, 0, 10);
    needs(g, 0, 1, 21);
    decide(&p, NULL);
    has_fate(&p, "two", XF_FATE_LEFT, "room for its 10 MiB and its disks");
    p.hosts[0].places[1].free_bytes++;
    decide(&p, NULL);
    has_fate(&p, "two", XF_FATE_LEFT, "its disks");
    p.hosts[0].places[1].free_bytes = 21 << 20;
    decide(&p, NULL);
    planned(&p, "two>b");
}

/* A kept guest is kept whatever its state: nobody wants it moved. */
static void test_kept_comes_first(void **state)
{
    static const char *const keep[] = {"*", NULL};
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 1000);
    add(&p, "paused", 10)->state = XF_STATE_PAUSED;
    add(&p, "Domain-0", 0)->domid = 0;
    decide(&p, keep);
    has_fate(&p, "paused", XF_FATE_KEPT, "--keep");
    has_fate(&p, "Domain-0", XF_FATE_ALONE, "");
}

/* ---- in what order ------------------------------------------------------------------------- */

static void test_order(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 100000);
    add(&p, "small", 10);
    add(&p, "busy", 20)->busy_permille = 900;
    add(&p, "large", 3000);
    add(&p, "idle", 20)->busy_permille = 10;
    add(&p, "a", 10);
    decide(&p, NULL);
    planned(&p, "large>b idle>b busy>b a>b small>b");
}

static void test_carry_over(void **state)
{
    struct plan before = {0}, now = {0};

    (void)state;
    add(&before, "one", 10)->cpu_time_ns = 5000000000;
    add(&before, "two", 10)->cpu_time_ns = 7;
    before.guests[0].tried = 2;
    before.guests[0].tries = 1;
    strcpy(before.guests[0].failed, "so");
    add(&now, "one", 10)->cpu_time_ns = 5500000000;
    add(&now, "new", 10)->cpu_time_ns = 9;
    now.guests[1].domid = 9;
    xf_evacuate_carry_over(now.guests, 2, before.guests, 2, 2000000000);
    assert_int_equal(now.guests[0].busy_permille, 250);
    assert_int_equal(now.guests[0].tried, 2);
    assert_int_equal(now.guests[0].tries, 1);
    assert_string_equal(now.guests[0].failed, "so");
    assert_int_equal(now.guests[1].busy_permille, 0);
    assert_int_equal(now.guests[1].tries, 0);

    /* Another guest that has got its number is another one. */
    strcpy(before.guests[0].uuid, UUID);
    now.guests[0].tries = 0;
    strcpy(now.guests[0].uuid, "6f1c9a52-0009-4000-8000-0123456789ab");
    xf_evacuate_carry_over(now.guests, 2, before.guests, 2, 2000000000);
    assert_int_equal(now.guests[0].tries, 0);
}

/* A guest in a new domain begins anew; one that reboots each time does not for ever. */
static void test_carry_over_reboot(void **state)
{
    struct plan before = {0}, now = {0};
    struct xf_evacuate_guest *then, *g;

    (void)state;
    then = add(&before, "one", 10);
    g = add(&now, "one", 10);
    for (unsigned i = 0; i <= XF_EVACUATE_REBOOTS; i++) {
        assert_int_equal(g->tries, 0);
        *then = *g;
        then->tries = 1;
        then->tried = 2;
        memset(&g->tried, 0, sizeof(g->tried));
        g->domid++;
        xf_evacuate_carry_over(g, 1, then, 1, 2000000000);
        assert_int_equal(g->reboots, i + 1);
        assert_int_equal(g->tried, 0);
    }
    assert_int_equal(g->tries, XF_EVACUATE_TRIES);
    assert_string_equal(g->failed, "has rebooted 4 times while it moved");

    /* One that reboots while others move has not been disturbed. */
    memset(&now, 0, sizeof(now));
    memset(&before, 0, sizeof(before));
    then = add(&before, "one", 10);
    g = add(&now, "one", 10);
    g->domid++;
    xf_evacuate_carry_over(g, 1, then, 1, 2000000000);
    assert_int_equal(g->reboots, 0);
}

/* ---- to where ------------------------------------------------------------------------------ */

/* While there is room: where there is most of it. */
static void test_spread(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 1000);
    add_host(&p, "c", 900);
    add(&p, "one", 300);
    add(&p, "two", 250);
    add(&p, "three", 200);
    decide(&p, NULL);
    planned(&p, "one>b two>c three>b");
}

/* By most room first the last one would find none: then the hosts are packed. */
static void test_tight(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 1000);
    add_host(&p, "c", 800);
    add(&p, "one", 800);
    add(&p, "two", 600);
    add(&p, "three", 400);
    decide(&p, NULL);
    planned(&p, "one>c two>b three>b");
}

/* Where packing does not help more either, it stays even. */
static void test_no_better(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 500);
    add_host(&p, "c", 400);
    add(&p, "huge", 5000);
    add(&p, "one", 300);
    decide(&p, NULL);
    planned(&p, "huge>- one>b");
    has_fate(&p, "huge", XF_FATE_LEFT, "its 5000 MiB");
}

static void test_fits_exactly(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 10);
    add(&p, "one", 10);
    decide(&p, NULL);
    planned(&p, "one>b");
    p.guests[0].need_kib++;
    decide(&p, NULL);
    planned(&p, "one>-");
}

static void test_hosts_that_cannot(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 1000);
    add_host(&p, "c", 500);
    p.hosts[0].usable = false;
    add(&p, "one", 300);
    add(&p, "two", 300);
    decide(&p, NULL);
    planned(&p, "one>c two>-");
    p.hosts_n = 0;
    decide(&p, NULL);
    planned(&p, "one>- two>-");
}

/* A move has failed: another host once, then it is left. Others still may go to the host. */
static void test_tried(void **state)
{
    struct plan p = {0};

    (void)state;
    add_host(&p, "b", 1000);
    add_host(&p, "c", 500);
    add_host(&p, "d", 400);
    add(&p, "one", 300);
    add(&p, "two", 200);
    p.guests[0].tried = 1u << 0;
    p.guests[0].tries = 1;
    strcpy(p.guests[0].failed, "b has failed");
    decide(&p, NULL);
    planned(&p, "one>c two>b");
    p.guests[0].tried |= 1u << 1;
    p.guests[0].tries = 2;
    decide(&p, NULL);
    planned(&p, "one>- two>b");
    has_fate(&p, "one", XF_FATE_LEFT, "b has failed");

    p.guests[0].tries = 1;
    p.hosts[2].free_kib = 0;
    decide(&p, NULL);
    has_fate(&p, "one", XF_FATE_LEFT, "b has failed; no other host has room");
}

/* Whatever there is: nobody is placed where it does not fit, and nothing is given out twice. */
static void test_never_too_much(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 2000; seed++) {
        struct plan p = {0};
        uint64_t used_kib[4] = {0};

        srandom(seed);
        for (unsigned i = 0; i < 3; i++)
            add_host(&p, "h", (uint64_t)random() % 1000);
        p.hosts[random() % 3].usable = random() % 2;
        for (unsigned i = 0; i < MAX; i++)
            add(&p, "g", 1 + (uint64_t)random() % 400)->tried = (uint32_t)random() % 8;
        decide(&p, NULL);
        for (unsigned i = 0; i < p.guests_n; i++) {
            const struct xf_evacuate_guest *g = &p.guests[i];

            assert_true(i == 0 || p.guests[i - 1].need_kib >= g->need_kib);
            if (g->fate != XF_FATE_MOVES)
                continue;
            assert_true(g->to >= 0 && p.hosts[g->to].usable && !(g->tried & 1u << g->to));
            used_kib[g->to] += g->need_kib;
        }
        for (unsigned i = 0; i < 3; i++)
            if (used_kib[i] > p.hosts[i].free_kib)
                fail_msg("seed %u: host %u holds too much", seed, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disks),
        cmocka_unit_test(test_who_moves),
        cmocka_unit_test(test_kept_comes_first),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_carry_over),
        cmocka_unit_test(test_carry_over_reboot),
        cmocka_unit_test(test_spread),
        cmocka_unit_test(test_tight),
        cmocka_unit_test(test_no_better),
        cmocka_unit_test(test_fits_exactly),
        cmocka_unit_test(test_hosts_that_cannot),
        cmocka_unit_test(test_tried),
        cmocka_unit_test(test_never_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
