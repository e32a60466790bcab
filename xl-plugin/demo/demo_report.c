/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Demo, report: the live line on stderr; the table or the JSON object on stdout. */
#include "demo_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "transport/base/clock.h"
#include "xl-plugin/cli/number.h"
#include "xl-plugin/screen/limiter.h"
#include "xl-plugin/screen/timing.h"

static bool is_same(const struct xf_demo_outcome *o, unsigned i)
{
    const struct xf_demo_target *t = &o->targets[i];

    return o->have_source && t->have && !t->dropped[0] && o->source.hash[0] == t->result.hash[0] &&
           o->source.hash[1] == t->result.hash[1];
}

bool xf_demo_verified(const struct xf_demo_outcome *o)
{
    unsigned same = 0, kept = 0;

    for (unsigned i = 0; i < xf_demo_targets(o->options); i++) {
        kept += !o->targets[i].dropped[0];
        same += is_same(o, i);
    }
    return same && same == kept;
}

bool xf_demo_any_dropped(const struct xf_demo_outcome *o)
{
    for (unsigned i = 0; i < o->options->clones; i++)
        if (o->targets[i].dropped[0])
            return true;
    return false;
}

/* The target that the figures are of: of clones, the one that had all of it last. */
static const struct xf_demo_target *last_target(const struct xf_demo_outcome *o)
{
    const struct xf_demo_target *last = &o->targets[0];

    for (unsigned i = 1; i < o->options->clones; i++) {
        const struct xf_demo_target *t = &o->targets[i];

        if (t->have && !t->dropped[0] &&
            (!last->have || last->dropped[0] ||
             t->result.stats.done_us > last->result.stats.done_us))
            last = t;
    }
    return last;
}

static const struct xf_demo_result *target(const struct xf_demo_outcome *o)
{
    return &last_target(o)->result;
}

static bool have_both(const struct xf_demo_outcome *o)
{
    return o->have_source && last_target(o)->have;
}

/* ---- figures ------------------------------------------------------------------------------ */

/* Both clocks are CLOCK_MONOTONIC of one machine, so times of the two ends may be subtracted. */
static uint64_t between(uint64_t from_us, uint64_t to_us)
{
    return from_us && to_us > from_us ? to_us - from_us : 0;
}

/* From the guest's last instruction at the source to its first possible one at the target. */
static uint64_t downtime_us(const struct xf_demo_outcome *o)
{
    return between(o->source.stats.suspend_us, target(o)->stats.done_us);
}

/* From turning to the target, before anything was sent, until it has all and the source knows: as
   QEMU counts its total time. Ports and guests are there before, as its are. */
static uint64_t total_us(const struct xf_demo_outcome *o)
{
    uint64_t source_us = o->source.stats.done_us, target_us = target(o)->stats.done_us;

    return between(o->source.began_us, source_us > target_us ? source_us : target_us);
}

/* When all had landed, as the target knows it. */
static uint64_t landed_us(const struct xf_demo_outcome *o)
{
    const struct xf_stats *s = &o->source.stats;

    return target(o)->stats.done_us > s->suspended_us ? target(o)->stats.done_us : s->done_us;
}

/* Pages that crossed, compressed or not; elided zero pages would flatter. */
static uint64_t payload_bps(const struct xf_demo_outcome *o)
{
    const struct xf_stats *s = &o->source.stats;
    uint64_t us = between(s->live_us, landed_us(o));

    if (!us)
        return 0;
    return (uint64_t)((double)(s->pages_sent - s->pages_zero) * (double)XF_PAGE_BYTES * 8e6 /
                      (double)us);
}

/* With the frames around the packets. */
static uint64_t wire_bps(const struct xf_demo_outcome *o)
{
    const struct xf_stats *s = &o->source.stats;
    uint64_t us = between(s->live_us, s->done_us);

    if (!us)
        return 0;
    return (uint64_t)((double)(s->bytes_wire + s->packets_sent * o->source.frame_bytes) * 8e6 /
                      (double)us);
}

static uint64_t rejects(const struct xf_demo_outcome *o, unsigned i)
{
    return o->source.stats.rejects[i] + target(o)->stats.rejects[i];
}

/* In a sentence, what kept it from going faster. */
static const char *limited_by(char to[XF_LIMITER_BYTES], const struct xf_demo_outcome *o)
{
    const struct xf_stats *s = &o->source.stats;
    struct xf_limiter l = {
        .source = {.known = o->have_source, .lanes = s->lanes},
        .target = {.known = last_target(o)->have, .lanes = target(o)->stats.lanes},
        .memory_us = between(s->live_us, s->done_us),
        .wire_bps = wire_bps(o),
        .bandwidth_bps = s->limit_bytes_per_s * 8,
        .path_bps = s->path_bytes_per_s * 8,
        .packets_sent = s->packets_sent,
        .packets_lost = s->packets_lost,
        .target_dropped = target(o)->link.rx_port_missed,
    };

    xf_spent_of(&l.source.spent, s);
    xf_spent_of(&l.target.spent, &target(o)->stats);
    return xf_limiter_say(to, &l);
}

static struct json_object *time_json(const struct xf_stats *s)
{
    struct json_object *j = json_object_new_object();
    struct xf_spent spent;

    xf_spent_of(&spent, s);
    for (unsigned i = 0; i < XF_SPENT_COUNT; i++)
        json_object_object_add(j, xf_spent_names[i], json_object_new_int((int)spent.pct[i]));
    return j;
}

/* What the measurement before had foretold, at the rate that pages then left. False: nothing. */
static bool foretell(const struct xf_demo_outcome *o, struct xf_forecast *f)
{
    const struct xf_demo_measured *m = &o->measured;
    struct xf_forecast_of of = {.memory_bytes = o->source.stats.pages_total * XF_PAGE_BYTES,
                                .rate = payload_bps(o) / 8,
                                .written = m->looks,
                                .written_n = m->n,
                                .verify = o->options->verify ? XF_FORECAST_VERIFIED_LIVE
                                                             : XF_FORECAST_NOT_VERIFIED};
    struct xf_policy policy;

    if (!m->n || !of.rate)
        return false;
    xf_policy_init(&policy);
    if (o->options->max_downtime_us)
        policy.max_downtime_us = o->options->max_downtime_us;
    xf_forecast(&of, &policy, f);
    return true;
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void put_u64(struct json_object *to, const char *key, uint64_t v)
{
    json_object_object_add(to, key, json_object_new_uint64(v));
}

static void put_hash(struct json_object *to, const char *key, const uint64_t hash[2])
{
    char text[40];

    snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, hash[0], hash[1]);
    json_object_object_add(to, key, json_object_new_string(text));
}

static void put_measured(struct json_object *to, const struct xf_demo_outcome *o)
{
    const struct xf_demo_measured *m = &o->measured;
    struct json_object *j;
    struct xf_forecast f;

    if (!m->n)
        return;
    j = json_object_new_object();
    put_u64(j, "measured_us", m->looks[m->n - 1].us);
    put_u64(j, "dirty_bps", xf_written_rate(m->looks, m->n) * 8);
    put_u64(j, "dirtied_bytes", m->looks[m->n - 1].pages * XF_PAGE_BYTES);
    if (foretell(o, &f)) {
        put_u64(j, "rounds", f.rounds);
        put_u64(j, "downtime_us", f.downtime_us);
    }
    json_object_object_add(to, "measured", j);
}

static void put_settings(struct json_object *to, const struct xf_demo_options *o)
{
    char cpus[256];

    put_u64(to, "seed", o->seed);
    put_u64(to, "memory_bytes", o->memory_bytes);
    json_object_object_add(to, "fill", json_object_new_string(xf_ends_fill_name(o->fill)));
    put_u64(to, "dirty_bps", o->dirty_bytes_per_s * 8);
    put_u64(to, "writers", o->writers);
    put_u64(to, "lanes", o->lanes);
    json_object_object_add(
        to, "cpus",
        o->cpus.n ? json_object_new_string(xf_cpu_list_show(&o->cpus, cpus, sizeof(cpus))) : NULL);
    put_u64(to, "bandwidth_bps", o->bandwidth_bytes_per_s * 8);
    json_object_object_add(to, "throttle", json_object_new_boolean(o->throttle));
    json_object_object_add(to, "verify", json_object_new_boolean(o->verify));
    json_object_object_add(to, "on_busy", json_object_new_string(xf_on_busy_name(o->on_busy)));
    json_object_object_add(to, "compress",
                           json_object_new_string(xf_compress_mode_name(o->compress)));
}

static uint64_t verify_us(const struct xf_stats *s)
{
    return s->copied_us && s->done_us > s->copied_us ? s->done_us - s->copied_us : 0;
}

static void put_results(struct json_object *to, const struct xf_demo_outcome *o)
{
    const struct xf_stats *s = &o->source.stats;
    struct json_object *injected = json_object_new_object();
    struct json_object *rejected = json_object_new_object();
    struct json_object *time = json_object_new_object();
    char limit[XF_LIMITER_BYTES];

    put_u64(to, "pages_total", s->pages_total);
    put_u64(to, "pages_sent", s->pages_sent);
    put_u64(to, "pages_zero", s->pages_zero);
    put_u64(to, "pages_compressed", s->pages_compressed);
    put_u64(to, "bytes_saved", s->bytes_saved);
    put_u64(to, "pages_repaired", s->pages_repaired);
    put_u64(to, "pages_deferred", s->pages_deferred);
    put_u64(to, "pages_verified", s->pages_verified);
    put_u64(to, "pages_verified_live", s->pages_verified_live);
    put_u64(to, "rounds", s->rounds);
    put_u64(to, "bytes_wire", s->bytes_wire);
    put_u64(to, "packets_sent", s->packets_sent);
    put_u64(to, "packets_lost", s->packets_lost);
    put_u64(to, "payload_bps", payload_bps(o));
    put_u64(to, "wire_bps", wire_bps(o));
    put_u64(to, "path_bps", s->path_bytes_per_s * 8);
    put_u64(to, "rtt_us", s->rtt_us);
    put_u64(to, "downtime_us", downtime_us(o));
    put_u64(to, "verify_us", verify_us(s));
    put_u64(to, "predicted_downtime_us", s->predicted_us);
    put_u64(to, "total_us", total_us(o));
    put_u64(to, "throttle_pct", s->throttle_pct ? s->throttle_pct : 100);
    put_u64(to, "resumed_pages", last_target(o)->resumed_pages);
    put_u64(to, "resident_bytes_source", o->source.resident_kib * 1024);
    put_u64(to, "resident_bytes_target", target(o)->resident_kib * 1024);

    put_u64(injected, "lost", o->source.faults.lost + target(o)->faults.lost);
    put_u64(injected, "reordered", o->source.faults.reordered + target(o)->faults.reordered);
    put_u64(injected, "duplicated", o->source.faults.duplicated + target(o)->faults.duplicated);
    put_u64(injected, "corrupted", o->source.faults.corrupted + target(o)->faults.corrupted);
    json_object_object_add(to, "injected", injected);
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        put_u64(rejected, xf_reject_names[i], rejects(o, i));
    json_object_object_add(to, "rejects", rejected);
    json_object_object_add(to, "cycles_per_page",
                           xf_timing_json(&o->source.stats, &target(o)->stats));
    json_object_object_add(time, "source", time_json(&o->source.stats));
    json_object_object_add(time, "target", time_json(&target(o)->stats));
    json_object_object_add(to, "time_pct", time);
    json_object_object_add(to, "limited_by", json_object_new_string(limited_by(limit, o)));
    put_hash(to, "hash_source", o->source.hash);
    put_hash(to, "hash_target", target(o)->hash);
}

static struct json_object *clone_json(const struct xf_demo_outcome *o, unsigned i)
{
    const struct xf_demo_target *t = &o->targets[i];
    struct json_object *j = json_object_new_object();

    json_object_object_add(j, "ok", json_object_new_boolean(is_same(o, i)));
    json_object_object_add(j, "verified", json_object_new_boolean(is_same(o, i)));
    json_object_object_add(j, "dropped_because",
                           t->dropped[0] ? json_object_new_string(t->dropped) : NULL);
    json_object_object_add(j, "by",
                           json_object_new_string(!o->options->source_port.port ? "memif"
                                                  : o->source.by_copy >> i & 1  ? "copies"
                                                                                : "multicast"));
    if (t->have) {
        put_u64(j, "resumed_pages", t->resumed_pages);
        put_hash(j, "hash", t->result.hash);
    }
    return j;
}

static void put_clones(struct json_object *to, const struct xf_demo_outcome *o)
{
    struct json_object *clones = json_object_new_array();

    if (!o->options->clones) {
        json_object_put(clones);
        return;
    }
    for (unsigned i = 0; i < o->options->clones; i++)
        json_object_array_add(clones, clone_json(o, i));
    json_object_object_add(to, "clones", clones);
    /* Of all paths together: bytes_wire is what was sealed. */
    put_u64(to, "bytes_ports", o->source.link.tx_bytes);
}

void xf_demo_report_json(const struct xf_demo_outcome *o)
{
    struct json_object *j = json_object_new_object();
    bool verified = xf_demo_verified(o);

    json_object_object_add(
        j, "ok", json_object_new_boolean(verified && !o->error[0] && !xf_demo_any_dropped(o)));
    if (o->error[0])
        json_object_object_add(j, "error", json_object_new_string(o->error));
    json_object_object_add(j, "verified", json_object_new_boolean(verified));
    if (o->stayed)
        put_u64(j, "stayed_pages", o->stayed_pages);
    if (have_both(o))
        put_results(j, o);
    put_clones(j, o);
    put_measured(j, o);
    put_settings(j, o->options);
    puts(json_object_to_json_string_ext(j, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
                                               JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(j);
}

void xf_demo_report_events(const struct xf_demo_outcome *o, struct xf_events *events)
{
    struct xf_stats stats = o->source.stats;
    uint64_t all[XF_REJECT_COUNT];
    char limit[XF_LIMITER_BYTES];
    bool compared = have_both(o);
    struct xf_events_end end = {
        .error = o->error[0] ? o->error : NULL,
        .verified = compared ? xf_demo_verified(o) : -1,
        .total_us = total_us(o),
        .stats = &stats,
        .rejects = all,
    };

    if (!end.error && !xf_demo_verified(o))
        end.error = "the ends' memory differs";
    /* The downtime ends where the table's does: as the target knows it. */
    if (landed_us(o) != stats.done_us)
        stats.copied_us = stats.done_us = landed_us(o);
    for (unsigned i = 0; i < XF_REJECT_COUNT; i++)
        all[i] = rejects(o, i);
    xf_events_end(events, &end);
    if (!end.error && compared)
        xf_events_started(events,
                          &(struct xf_events_started){.downtime_us = downtime_us(o),
                                                      .limited_by = limited_by(limit, o)},
                          xf_now_us());
}

/* ---- table -------------------------------------------------------------------------------- */

/* What a row lists: of zeros it says nothing, and a row of nothing but zeros is not there. */
struct row {
    const char *head;
    bool any;
};

static void put_in_row(struct row *row, const char *before, uint64_t count, const char *after)
{
    if (!count)
        return;
    fputs(row->any ? ", " : row->head, stdout);
    printf("%s%" PRIu64 "%s", before, count, after);
    row->any = true;
}

static void end_row(const struct row *row)
{
    if (row->any)
        putchar('\n');
}

static void print_rejects(const struct xf_demo_outcome *o)
{
    struct row row = {.head = "  rejects     "};

    for (unsigned i = 0; i < XF_REJECT_COUNT; i++) {
        char name[64];

        snprintf(name, sizeof(name), "%s ", xf_reject_names[i]);
        put_in_row(&row, name, rejects(o, i), "");
    }
    end_row(&row);
}

static void print_pages(const struct xf_stats *s)
{
    struct row row = {.head = "              of them "};

    put_in_row(&row, "", s->pages_zero, " zero");
    put_in_row(&row, "", s->pages_compressed, " compressed");
    put_in_row(&row, "", s->pages_repaired, " repaired");
    end_row(&row);
}

static void print_faults(const struct xf_fault_stats *a, const struct xf_fault_stats *b)
{
    struct row row = {.head = "  injected    "};

    put_in_row(&row, "lost ", a->lost + b->lost, "");
    put_in_row(&row, "reordered ", a->reordered + b->reordered, "");
    put_in_row(&row, "duplicated ", a->duplicated + b->duplicated, "");
    put_in_row(&row, "corrupted ", a->corrupted + b->corrupted, "");
    end_row(&row);
}

static void print_measured(const struct xf_demo_outcome *o)
{
    const struct xf_demo_measured *m = &o->measured;
    char rate[32], size[32];
    struct xf_forecast f;

    if (!m->n)
        return;
    printf("  measured    %s/s written, to %s in %.1f s",
           xf_number_show_size(rate, sizeof(rate), xf_written_rate(m->looks, m->n)),
           xf_number_show_size(size, sizeof(size), m->looks[m->n - 1].pages * XF_PAGE_BYTES),
           (double)m->looks[m->n - 1].us / 1e6);
    if (foretell(o, &f))
        printf("; at this payload %u rounds, and a downtime of %.3f ms", f.rounds,
               (double)f.downtime_us / 1e3);
    putchar('\n');
}

/* How it came to so many. */
static void print_spread(const struct xf_demo_outcome *o)
{
    const unsigned clones = o->options->clones;
    unsigned copies = clones;
    char wire[32];

    if (o->options->source_port.port)
        copies = (unsigned)__builtin_popcountll(o->source.by_copy);
    printf("              sealed once, and sent ");
    if (copies < clones)
        printf("by multicast to %u", clones - copies);
    if (copies && copies < clones)
        printf(" and ");
    if (copies)
        printf("to each of %u by itself", copies);
    printf(": %s\n", xf_number_show_size(wire, sizeof(wire), o->source.link.tx_bytes));
}

static void print_hash(const char *name, const uint64_t hash[2])
{
    printf("  %-11s xxh3 %016" PRIx64 "%016" PRIx64 "\n", name, hash[0], hash[1]);
}

static void print_hashes(const struct xf_demo_outcome *o)
{
    char name[24] = "target";

    print_hash("source", o->source.hash);
    for (unsigned i = 0; i < xf_demo_targets(o->options); i++) {
        const struct xf_demo_target *t = &o->targets[i];

        if (o->options->clones)
            snprintf(name, sizeof(name), "clone %u", i + 1);
        if (t->dropped[0])
            printf("  %-11s dropped: %s\n", name, t->dropped);
        else
            print_hash(name, t->result.hash);
    }
    putchar('\n');
}

static void print_verdict(const struct xf_demo_outcome *o)
{
    unsigned same = 0, dropped = 0;

    for (unsigned i = 0; i < o->options->clones; i++) {
        same += is_same(o, i);
        dropped += o->targets[i].dropped[0] != 0;
    }
    printf("%s: the memory of %u of %u clones is the source's",
           xf_demo_verified(o) ? "VERIFIED" : "MISMATCH", same, o->options->clones);
    if (dropped)
        printf("; %u dropped", dropped);
    putchar('\n');
}

void xf_demo_report_table(const struct xf_demo_outcome *o)
{
    const struct xf_demo_options *opt = o->options;
    const struct xf_stats *s = &o->source.stats;
    char size[32], rate[32], wire[32], saved[32], limit[XF_LIMITER_BYTES];
    const char *half;

    if (o->stayed)
        printf("\n  STAYED: the guest keeps running at the source, where it wrote %" PRIu64
               " pages in 50 ms\n",
               o->stayed_pages);
    if (!have_both(o))
        return;
    printf("\n  guest       %s, %s, seed %" PRIu64,
           xf_number_show_size(size, sizeof(size), opt->memory_bytes), xf_ends_fill_name(opt->fill),
           opt->seed);
    if (opt->writers)
        printf(", %s/s written by %u writer%s",
               xf_number_show_size(rate, sizeof(rate), opt->dirty_bytes_per_s), opt->writers,
               opt->writers == 1 ? "" : "s");
    putchar('\n');
    printf("  rounds      %" PRIu32 ", the last one while paused\n", s->rounds);
    printf("  pages       %" PRIu64 " of the guest, %" PRIu64 " sent\n", s->pages_total,
           s->pages_sent);
    print_pages(s);
    if (s->pages_deferred)
        printf("              %" PRIu64 " deferred: the guest had given them back\n",
               s->pages_deferred);
    printf("  on the wire %s in %" PRIu64 " packets",
           xf_number_show_size(wire, sizeof(wire), s->bytes_wire), s->packets_sent);
    if (s->bytes_saved)
        printf(", %s less by compression",
               xf_number_show_size(saved, sizeof(saved), s->bytes_saved));
    putchar('\n');
    if (opt->clones)
        print_spread(o);
    printf("  payload     %.2f Gbit/s", (double)payload_bps(o) / 1e9);
    if (opt->bandwidth_bytes_per_s && !o->bandwidth_set)
        printf(", on the wire %.3f of at most %.3f Gbit/s", (double)wire_bps(o) / 1e9,
               (double)opt->bandwidth_bytes_per_s * 8 / 1e9);
    putchar('\n');
    printf("  downtime    %.3f ms, predicted %.3f ms\n", (double)downtime_us(o) / 1e3,
           (double)s->predicted_us / 1e3);
    if (opt->verify)
        printf("              of it %.3f ms to compare %" PRIu64 " of %" PRIu64
               " pages, the others before\n",
               (double)verify_us(s) / 1e3, s->pages_verified - s->pages_verified_live,
               s->pages_verified);
    print_measured(o);
    printf("  total       %.3f s\n", (double)total_us(o) / 1e6);
    limited_by(limit, o);
    half = xf_limiter_split(limit);
    printf("  limited by  %s\n", limit);
    if (half)
        printf("              %s\n", half);
    if (s->throttle_pct)
        printf("  throttled   to %" PRIu32 " %% of the guest's speed until it was suspended\n",
               s->throttle_pct);
    print_faults(&o->source.faults, &target(o)->faults);
    print_rejects(o);
    if (opt->writers)
        printf("  resumed     the guest wrote %" PRIu64 " pages on the target in 50 ms\n",
               last_target(o)->resumed_pages);
    if (opt->timing)
        xf_timing_print(s, &target(o)->stats);
    print_hashes(o);
    if (opt->clones)
        print_verdict(o);
    else
        puts(xf_demo_verified(o) ? "VERIFIED: both ends' memory is the same"
                                 : "MISMATCH: the ends' memory differs");
}

/* ---- the live line ------------------------------------------------------------------------ */

/* What went out since the last line, a second: the speed that somebody who watches wants to see. */
static uint64_t wire_bps_now(const struct xf_demo_progress *last,
                             const struct xf_demo_progress *now)
{
    uint64_t us = now->p.now_us - last->p.now_us;

    if (!last->p.now_us || !us)
        return 0;
    return (uint64_t)((double)(now->bytes_wire - last->bytes_wire) * 8e6 / (double)us);
}

void xf_demo_progress_show(struct xf_demo_progress_line *line, const struct xf_demo_progress *now)
{
    const struct xf_progress *p = &now->p, *last = &line->last.p;
    struct xf_live_now show = {
        .round = p->round,
        .pages = p->round_pages,
        .pages_done = p->round_done,
        .pages_total = line->pages_total,
        .round_us = p->round_us,
        .bytes = now->bytes_wire,
        .bps = wire_bps_now(&line->last, now),
        .round_bps = p->bytes_per_s * 8,
        .dirty_pages = p->dirty_pages,
        .predicted_us = p->predicted_downtime_us == UINT64_MAX ? 0 : p->predicted_downtime_us,
        .done_known = true,
    };

    if (p->round != last->round)
        line->dirty_us = last->round_us;
    show.dirty_us = line->dirty_us;
    snprintf(show.phase, sizeof(show.phase), "%s",
             p->verifying ? "verify" : xf_phase_name(p->phase));
    if (p->phase < XF_PHASE_DONE)
        xf_live_show(&line->live, &show);
    line->last = *now;
}
