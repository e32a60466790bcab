/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events of whole sessions on a virtual clock: their order, their sums, the downtime's parts. */
#include "tests/unit/common/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/events.h"

/* What the lines say. */
struct seen {
    unsigned starts, connects, begun, over, suspends, progress, ends, started, exits;
    unsigned long long repaired, parts[4];
    bool suspended_before_last;
    char end[4200], start[4200], suspend[4200], running[4200], reachable[4200];
};

static unsigned long long number(const char *line, const char *key)
{
    char name[40];
    const char *at;

    snprintf(name, sizeof(name), "\"%s\":", key);
    at = strstr(line, name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static bool is(const char *line, const char *event)
{
    char text[60];

    snprintf(text, sizeof(text), "{\"version\":2,\"event\":\"%s\"", event);
    return !strncmp(line, text, strlen(text));
}

static void look(FILE *file, struct seen *s)
{
    char line[4200];
    unsigned long long last_us = 0;

    memset(s, 0, sizeof(*s));
    rewind(file);
    while (fgets(line, sizeof(line), file)) {
        assert_string_equal(line + strlen(line) - 2, "}\n");
        if (!is(line, "exit")) {
            assert_true(number(line, "t_us") >= last_us);
            last_us = number(line, "t_us");
        }
        if (is(line, "round_begin")) {
            assert_int_equal(s->begun, s->over);
            assert_int_equal(number(line, "round"), ++s->begun);
            s->suspended_before_last = strstr(line, "\"suspended\":true");
            assert_int_equal(s->suspended_before_last, s->suspends);
        } else if (is(line, "round_end")) {
            assert_int_equal(number(line, "round"), ++s->over);
            assert_int_equal(!strstr(line, "dirty_pages"), s->suspends);
            s->repaired += number(line, "repaired");
        } else if (is(line, "done") || is(line, "failed")) {
            s->ends++;
            snprintf(s->end, sizeof(s->end), "%s", line);
        } else if (is(line, "start")) {
            s->starts++;
            snprintf(s->start, sizeof(s->start), "%s", line);
        } else {
            s->connects += is(line, "connected");
            if (is(line, "suspend"))
                snprintf(s->suspend, sizeof(s->suspend), "%s", line);
            if (is(line, "started"))
                snprintf(s->running, sizeof(s->running), "%s", line);
            if (is(line, "reachable"))
                snprintf(s->reachable, sizeof(s->reachable), "%s", line);
            s->suspends += is(line, "suspend");
            s->started += is(line, "started");
            s->progress += is(line, "progress");
            s->exits += is(line, "exit");
        }
    }
    s->parts[0] = number(s->end, "freeze_us");
    s->parts[1] = number(s->end, "copy_us");
    s->parts[2] = number(s->end, "verify_us");
    s->parts[3] = number(s->end, "context_us");
}

static void progress(void *arg, const struct xf_progress *p)
{
    xf_events_progress(arg, p);
}

static FILE *open_events(struct xf_events *e)
{
    char path[40];
    FILE *file = tmpfile();

    assert_non_null(file);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fileno(file));
    xf_events_init(e);
    assert_int_equal(xf_events_open(e, path), 0);
    e->start_us = 0; /* the virtual clock's */
    return file;
}

static void sessions_tell_what_they_do(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        struct pair_config c = pair_defaults(seed);
        struct xf_events e;
        struct pair p;
        struct seen s;
        FILE *file = open_events(&e);

        c.features = seed % 2 ? XF_FEATURE_VERIFY : 0;
        if (seed % 4 < 2) /* then there is nothing left for the last round */
            c.writes_per_ms = 0;
        if (seed % 3)
            c.faults = (struct xf_fault_config){.loss_pct = 2, .reorder_pct = 2};
        c.progress = progress;
        c.progress_arg = &e;
        xf_events_start(&e, &(struct xf_events_start){.program = "demo", .domid = -1});
        pair_open(&p, &c);
        pair_run(&p, 20000000);
        pair_assert_same(&p);
        const struct xf_stats *stats = xf_source_stats(p.source);
        xf_events_end(&e, &(struct xf_events_end){.stats = stats, .verified = -1, .context_us = 7});
        xf_events_started(&e, &(struct xf_events_started){.downtime_us = 9}, 99000000);
        xf_events_exit(&e, 0);

        look(file, &s);
        if (s.begun != stats->rounds || s.over != s.begun)
            fail_msg("seed %llu: %u rounds, %u begun, %u over", (unsigned long long)seed,
                     stats->rounds, s.begun, s.over);
        assert_int_equal(s.starts + s.connects + s.suspends + s.ends + s.started + s.exits, 6);
        assert_true(is(s.end, "done"));
        assert_true(s.suspended_before_last);
        assert_int_equal(s.repaired, stats->pages_repaired);
        assert_int_equal(s.parts[0] + s.parts[1] + s.parts[2], stats->done_us - stats->suspend_us);
        assert_true(s.parts[0] > 0 && (s.parts[1] > 0 || !c.writes_per_ms));
        assert_int_equal(s.parts[2] > 0, seed % 2);
        assert_int_equal(!!strstr(s.end, "verify_us"), seed % 2);
        assert_int_equal(s.parts[3], 7);
        assert_in_range(s.progress, 1, stats->done_us / 200000 + 1);
        xf_events_close(&e);
        pair_close(&p);
        fclose(file);
    }
}

/* What is not known is not there; what comes besides the copy is added only where it is known. */
static void only_what_is_known_is_told(void **state)
{
    struct xf_stats stats = {.suspend_us = 10, .suspended_us = 30, .copied_us = 80, .done_us = 80};
    struct seen s;

    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        struct xf_events e;
        FILE *file = open_events(&e);

        if (known)
            e.fixed_us = 1000;
        xf_events_start(&e, &(struct xf_events_start){.program = "migrate", .domid = -1});
        xf_events_suspend(&e, 10, 50);
        xf_events_end(
            &e, &(struct xf_events_end){.stats = &stats, .verified = -1, .context_us = known * 7});
        xf_events_started(&e,
                          &(struct xf_events_started){.downtime_us = 77,
                                                      .devices_us = known * 600,
                                                      .go_us = known * 50,
                                                      .limited_by = known ? "the \"link\"" : "",
                                                      .vifs = known * 2},
                          UINT64_C(1) << 60);
        xf_events_reachable(&e,
                            &(struct xf_events_reachable){
                                .vif = 3, .mac = "00:16:3e:00:00:03", .seen = known, .after_us = 9},
                            UINT64_C(1) << 60);
        look(file, &s);
        assert_int_equal(number(s.suspend, "predicted_copy_us"), 50);
        assert_int_equal(number(s.suspend, "predicted_downtime_us"), known * 1050);
        assert_non_null(strstr(s.end, known ? "{\"freeze_us\":20,\"copy_us\":50,\"context_us\":7}"
                                            : "{\"freeze_us\":20,\"copy_us\":50}"));
        assert_int_equal(number(s.running, "downtime_us"), 77);
        assert_int_equal(number(s.running, "devices_us"), known * 600);
        assert_int_equal(!strstr(s.running, "go_us"), !known);
        assert_int_equal(!strstr(s.running, "\"vifs\":2"), !known);
        assert_non_null(strstr(s.reachable, "\"vif\":3,\"mac\":\"00:16:3e:00:00:03\","));
        assert_non_null(strstr(s.reachable, known ? "\"reachable_after_us\":9}"
                                                  : "\"reachable_after_us\":null}"));
        assert_int_equal(!strstr(s.running, "\"limited_by\":\"the \\\"link\\\"\""), !known);
        assert_non_null(strstr(s.end, "\"time_pct\":{\"guest\":0,"));
        xf_events_close(&e);
        fclose(file);
    }
}

/* The longest texts, all of them to be escaped, still make a line. */
static void texts_of_any_length_fit(void **state)
{
    struct xf_stats stats = {.pages_sent = UINT64_MAX};
    struct xf_events e;
    struct seen s;
    char text[5000];
    FILE *file = open_events(&e);

    (void)state;
    memset(text, 1, sizeof(text));
    text[sizeof(text) - 1] = 0;
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        stats.rejects[i] = UINT64_MAX;
    xf_events_start(&e, &(struct xf_events_start){.program = "demo", .guest = text, .host = text});
    xf_events_end(&e, &(struct xf_events_end){.error = text, .stats = &stats, .verified = 0});
    look(file, &s);
    assert_int_equal(s.starts, 1);
    assert_int_equal(s.ends, 1);
    assert_true(is(s.end, "failed"));
    xf_events_close(&e);
    fclose(file);
}

/* Only what was set is told. */
static void what_is_set_is_told(void **state)
{
    static const char *const lines[] = {
        "{\"version\":2,\"event\":\"set\",\"t_us\":5,\"max_downtime_us\":50000}\n",
        "{\"version\":2,\"event\":\"set\",\"t_us\":7,\"bandwidth_bps\":0,\"throttle\":false,"
        "\"now\":true}\n",
    };
    struct xf_steer s = {.what = XF_STEER_MAX_DOWNTIME, .max_downtime_us = 50000};
    struct xf_events e;
    FILE *file = open_events(&e);
    char line[4200];

    (void)state;
    xf_events_set(&e, &s, 5);
    s.what = XF_STEER_ALL & ~XF_STEER_MAX_DOWNTIME;
    xf_events_set(&e, &s, 7);
    rewind(file);
    for (unsigned i = 0; i < 2; i++) {
        assert_non_null(fgets(line, sizeof(line), file));
        assert_string_equal(line, lines[i]);
    }
    xf_events_close(&e);
    xf_events_set(&e, &s, 9); /* to nobody */
    fclose(file);
}

static void what_nobody_reads_is_counted(void **state)
{
    char buf[65536], path[40];
    struct xf_events e;
    int fds[2];
    ssize_t n;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[1]);
    xf_events_init(&e);
    assert_int_equal(xf_events_open(&e, path), 0);
    for (unsigned i = 0; i < 5000; i++)
        xf_events_exit(&e, 0);
    assert_true(e.dropped > 0 && e.dropped < 5000);
    unsigned long long dropped = e.dropped;
    assert_true(read(fds[0], buf, sizeof(buf)) > 0);
    xf_events_exit(&e, 1);
    assert_int_equal(e.dropped, 0);
    assert_true((n = read(fds[0], buf, sizeof(buf) - 1)) > 0);
    buf[n] = 0;
    assert_int_equal(number(strstr(buf, "\"status\":1"), "dropped"), dropped);

    /* Nobody is there any more: neither a signal nor an error. */
    close(fds[0]);
    xf_events_exit(&e, 2);
    assert_int_equal(e.dropped, 1);
    xf_events_close(&e);
    close(fds[1]);
    xf_events_exit(&e, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sessions_tell_what_they_do),
        cmocka_unit_test(only_what_is_known_is_told),
        cmocka_unit_test(texts_of_any_length_fit),
        cmocka_unit_test(what_is_set_is_told),
        cmocka_unit_test(what_nobody_reads_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
