/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PV guest's stream through the tunnel: what Xen's restore reads is, byte for byte, what Xen's
 * save wrote, whatever the link loses; and where something ends early, neither end says that the
 * guest has moved.
 */
#include "tests/unit/common/tunnel_pair.h"

#include "transport/control.h"

static struct move small_move(uint64_t seed)
{
    return (struct move){.seed = seed, .frames = 6000, .dirty = {900, 40}};
}

/* Neither end said that the guest has moved, and the restore got no END. */
static void assert_refused(const struct move *m)
{
    assert_int_not_equal(m->save_rc, 0);
    assert_int_not_equal(m->restore_rc, 0);
    assert_false(m->got_end);
}

static void assert_moved(struct move *m)
{
    if (m->save_rc || m->restore_rc)
        fail_msg("seed %llu: save %d, restore %d", (unsigned long long)m->seed, m->save_rc,
                 m->restore_rc);
    assert_int_equal(m->suspends, 1);
    if (m->sent.len != m->got.len || memcmp(m->sent.data, m->got.data, m->sent.len))
        fail_msg("seed %llu: the streams differ: %zu and %zu bytes", (unsigned long long)m->seed,
                 m->sent.len, m->got.len);
    assert_int_equal(m->rest.len, sizeof(AFTER_END));
    assert_memory_equal(m->rest.data, AFTER_END, sizeof(AFTER_END));
}

static void the_stream_arrives_as_it_was_written(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct move m = small_move(seed);

        if (seed > 2)
            m.faults = (struct xf_fault_config){
                .loss_pct = 2, .reorder_pct = 2, .duplicate_pct = 1, .corrupt_pct = 1};
        if (seed == 5)
            m.slow_restore_us = 30000;
        move_run(&m);
        assert_moved(&m);
        move_free(&m);
    }
}

/* What the save writes is the same, and what goes over the link is less. */
static void pages_go_compressed(void **state)
{
    for (uint64_t seed = 1; seed <= 2; seed++) { /* large packets, and small ones */
        uint64_t bytes[2];

        (void)state;
        for (unsigned i = 0; i < 2; i++) {
            struct move m = small_move(seed);
            struct xf_link_stats st;

            m.compress = i ? XF_COMPRESS_LZ4 : XF_COMPRESS_NONE;
            move_run(&m);
            assert_moved(&m);
            m.wire.fault[0]->ops->stats(m.wire.fault[0], &st);
            bytes[i] = st.tx_bytes;
            move_free(&m);
        }
        if (bytes[1] > bytes[0] / 2)
            fail_msg("seed %llu: %llu bytes, uncompressed %llu", (unsigned long long)seed,
                     (unsigned long long)bytes[1], (unsigned long long)bytes[0]);
    }
}

/* More than both buffers hold, over a link slower than the save; the restore is slower still. */
static void both_ends_wait_for_the_slower_one(void **state)
{
    struct move m = {
        .seed = 8, .frames = 40000, .bytes_per_s = 300000000, .slow_restore_us = 15000};

    (void)state;
    m.seed++; /* large packets */
    move_run(&m);
    assert_moved(&m);
    move_free(&m);
}

static void rounds_end_when_they_no_longer_shrink(void **state)
{
    struct move m = small_move(3);

    (void)state;
    for (unsigned i = 0; i < ROUNDS_MAX; i++)
        m.dirty[i] = 1000;
    move_run(&m);
    assert_moved(&m);
    assert_in_range(m.live_rounds, 4, 8);
    move_free(&m);

    m = small_move(4); /* nothing dirty: stop at once */
    memset(m.dirty, 0, sizeof(m.dirty));
    move_run(&m);
    assert_moved(&m);
    assert_int_equal(m.live_rounds, 1);
    move_free(&m);
}

/* It is slowed down until its rounds shrink; however that ends, it has its speed again. */
static void a_busy_guest_is_slowed_down_or_stays(void **state)
{
    static const unsigned steps[] = {50, 25, 12, 100};
    struct move m = small_move(5);

    (void)state;
    m.throttle = true;
    for (unsigned i = 0; i < 4; i++)
        m.dirty[i] = 1000;
    m.dirty[4] = 0;
    move_run(&m);
    assert_moved(&m);
    assert_int_equal(m.throttled_n, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(m.throttled[i], steps[i]);
    assert_int_equal(m.suspended_pct, 100);
    move_free(&m);

    m = small_move(6);
    m.throttle = true;
    m.on_busy = XF_ON_BUSY_ABORT;
    for (unsigned i = 0; i < ROUNDS_MAX; i++)
        m.dirty[i] = 1000;
    move_run(&m);
    assert_int_equal(m.save_rc, -EBUSY);
    assert_int_equal(m.suspends, 0);
    assert_int_equal(m.throttled_n, 7);
    assert_int_equal(m.throttled[5], 1);
    assert_int_equal(m.throttled[6], 100);
    move_free(&m);
}

static void without_a_target_the_guest_is_not_touched(void **state)
{
    struct move m = small_move(1);

    (void)state;
    m.no_target = true;
    m.hasty = true;
    move_run(&m);
    assert_int_equal(m.save_rc, -ETIMEDOUT);
    assert_false(m.stock_save_called);
    move_free(&m);
    for (unsigned end = 1; end <= 2; end++) {
        m = small_move(1);
        m.open_fails_at = end;
        m.hasty = true; /* the other end waits for one that never comes */
        move_run(&m);
        assert_refused(&m);
        assert_false(m.stock_save_called);
        assert_false(m.stock_restore_called);
        move_free(&m);
    }
}

static bool link_down_at_9(struct move *m, unsigned n)
{
    if (n == 9) {
        pthread_mutex_lock(&m->wire.lock);
        xf_simlink_set_down(m->wire.net, 1);
        pthread_mutex_unlock(&m->wire.lock);
    }
    return true;
}

static bool give_up_at_9(struct move *m, unsigned n)
{
    (void)m;
    return n != 9;
}

/* What the helper's handler of SIGTERM does. */
static bool sigterm_at_9(struct move *m, unsigned n)
{
    if (n == 9) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        dup2(null, m->from[1]);
        close(null);
    }
    return true;
}

static void what_ends_early_has_not_moved(void **state)
{
    static bool (*const ways[])(struct move *, unsigned) = {link_down_at_9, give_up_at_9,
                                                            sigterm_at_9};

    (void)state;
    for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct move m = small_move(i + 1);

        m.before_record = ways[i];
        move_run(&m);
        assert_refused(&m);
        assert_true(m.stock_save_called);
        assert_int_equal(m.suspends, 0);
        if (ways[i] == sigterm_at_9)
            assert_int_equal(m.save_rc, -ECANCELED);
        move_free(&m);
    }
    for (unsigned n = 1; n < 14; n += 4) {
        struct move m = small_move(n);

        /* The source may have sent all by then: what keeps the guest is then xl's handshake. */
        m.restore_fails_at = n;
        move_run(&m);
        assert_int_not_equal(m.restore_rc, 0);
        assert_false(m.got_end);
        move_free(&m);
    }
}

static char control[64];
static int late[2];

static bool set_at_9(struct move *m, unsigned n)
{
    const struct xf_steer now = {.what = XF_STEER_NOW | XF_STEER_BANDWIDTH},
                          bandwidth = {.what = XF_STEER_BANDWIDTH};

    if (n == 9)
        assert_int_equal(xf_control_ask(control, &now, 5000), 0);
    if (m->suspends && late[0] == 1) {
        late[0] = xf_control_ask(control, &now, 5000);
        late[1] = xf_control_ask(control, &bandwidth, 5000);
    }
    return true;
}

static bool slowly(struct move *m, unsigned n)
{
    (void)m;
    (void)n;
    usleep(50000);
    return true;
}

/* Though a guest as busy as this one was to stay; and once it stands, it is too late for most. */
static void the_user_steers_it(void **state)
{
    struct move m = small_move(3);

    (void)state;
    snprintf(control, sizeof(control), "/tmp/xl-fast-control-%d", (int)getpid());
    setenv("XL_FAST_CONTROL", control, 1);
    for (unsigned i = 0; i < ROUNDS_MAX; i++)
        m.dirty[i] = 1000;
    m.on_busy = XF_ON_BUSY_ABORT;
    m.before_record = set_at_9;
    late[0] = late[1] = 1;
    move_run(&m);
    unsetenv("XL_FAST_CONTROL");
    assert_moved(&m);
    assert_int_equal(m.live_rounds,
                     2); /* that of the order, and what Xen's own save sends always */
    assert_int_equal(late[0], -EALREADY);
    assert_int_equal(late[1], 0);
    assert_int_equal(access(control, F_OK), -1);
    move_free(&m);
}

static void the_deadline_ends_rounds(void **state)
{
    for (unsigned abort = 0; abort < 2; abort++) {
        struct move m = small_move(3);

        (void)state;
        for (unsigned i = 0; i < ROUNDS_MAX; i++)
            m.dirty[i] = 1000 >> i % 2; /* as little as never to stall three times */
        m.on_busy = abort ? XF_ON_BUSY_ABORT : XF_ON_BUSY_GO;
        m.deadline_s = 1;
        m.before_record = slowly;
        move_run(&m);
        if (abort)
            assert_int_equal(m.save_rc, -EBUSY);
        else
            assert_moved(&m);
        assert_int_equal(m.suspends, !abort);
        assert_in_range(m.live_rounds, 1, 14);
        move_free(&m);
    }
}

/* How many events of a kind there are; the newest one's text is kept in line. */
static unsigned count_events(FILE *file, const char *event, char *line, size_t size)
{
    char text[4200], member[40];
    unsigned n = 0;

    snprintf(member, sizeof(member), "\"event\":\"%s\"", event);
    rewind(file);
    while (fgets(text, sizeof(text), file))
        if (strstr(text, member)) {
            n++;
            snprintf(line, size, "%s", text);
        }
    return n;
}

/* The rounds that are told are the save's, not the link's batches; names may hold anything. */
static void events_tell_the_saves_rounds(void **state)
{
    char path[] = "/tmp/xl-fast-events-XXXXXX", line[4200], rounds[32];
    struct move m = small_move(2);
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "r");
    setenv("XL_FAST_EVENTS", path, 1);
    setenv("XL_FAST_GUEST", "a\"b\\\n\xff</td>\xc3\xa9", 1);
    setenv("XL_FAST_HOST", "hostb", 1);
    move_run(&m);
    assert_moved(&m);
    assert_int_equal(count_events(file, "start", line, sizeof(line)), 1);
    assert_non_null(
        strstr(line, "\"guest\":\"a\\\"b\\\\\\u000a\\ufffd</td>\xc3\xa9\",\"host\":\"hostb\""));
    assert_int_equal(count_events(file, "connected", line, sizeof(line)), 1);
    assert_int_equal(count_events(file, "suspend", line, sizeof(line)), 1);
    unsigned begun = count_events(file, "round_begin", line, sizeof(line));
    assert_non_null(strstr(line, "\"suspended\":true"));
    assert_in_range(begun, m.live_rounds + 1, m.live_rounds + 2);
    assert_int_equal(count_events(file, "round_end", line, sizeof(line)), begun);
    assert_non_null(strstr(line, "\"suspended\":true"));
    assert_int_equal(count_events(file, "done", line, sizeof(line)), 1);
    snprintf(rounds, sizeof(rounds), "\"rounds\":%u,", begun);
    assert_non_null(strstr(line, rounds));
    assert_non_null(strstr(line, "\"downtime\":{\"freeze_us\":"));
    move_free(&m);

    /* A file that cannot be is said, and moves all the same; one that failed says why. */
    setenv("XL_FAST_EVENTS", "/dev/null/none", 1);
    m = small_move(2);
    move_run(&m);
    assert_moved(&m);
    move_free(&m);
    setenv("XL_FAST_EVENTS", path, 1);
    m = small_move(1);
    m.before_record = link_down_at_9;
    move_run(&m);
    assert_refused(&m);
    assert_int_equal(count_events(file, "failed", line, sizeof(line)), 1);
    assert_null(strstr(line, "\"error\":\"\""));
    move_free(&m);
    unsetenv("XL_FAST_EVENTS");
    fclose(file);
    unlink(path);
}

/* Before each round, and once the guest stands, it is asked whether another reads the dirty log. */
static void a_second_reader_ends_it(void **state)
{
    struct move m = small_move(3);

    (void)state;
    move_run(&m);
    assert_moved(&m);
    assert_true(m.looks >= 3); /* how many rounds there are, the speed decides */
    move_free(&m);
    for (unsigned at = 1; at <= 2; at++) {
        m = small_move(3);
        m.other_reader_at = at;
        move_run(&m);
        assert_refused(&m);
        assert_int_equal(m.suspends, 0);
        move_free(&m);
    }
    m = small_move(3);
    m.other_reader_at_stand = true;
    move_run(&m);
    assert_refused(&m);
    assert_int_equal(m.suspends, 1);
    move_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_stream_arrives_as_it_was_written),
        cmocka_unit_test(pages_go_compressed),
        cmocka_unit_test(both_ends_wait_for_the_slower_one),
        cmocka_unit_test(rounds_end_when_they_no_longer_shrink),
        cmocka_unit_test(a_busy_guest_is_slowed_down_or_stays),
        cmocka_unit_test(the_user_steers_it),
        cmocka_unit_test(the_deadline_ends_rounds),
        cmocka_unit_test(without_a_target_the_guest_is_not_touched),
        cmocka_unit_test(what_ends_early_has_not_moved),
        cmocka_unit_test(events_tell_the_saves_rounds),
        cmocka_unit_test(a_second_reader_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
