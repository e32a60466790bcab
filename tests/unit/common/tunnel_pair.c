/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tunnel pair: the stand-ins for Xen's save and restore, what is between them, and the run. */
#include "tunnel_pair.h"

void bytes_add(struct bytes *b, const void *data, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = 2 * (b->len + len);
        b->data = realloc(b->data, b->cap);
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
}

/* ---- the stand-ins ----------------------------------------------------------------------------
 */

/* 0, or -1 as libxenguest. */
static int put(struct move *m, int fd, const void *data, size_t len)
{
    bytes_add(&m->sent, data, len);
    return xf_stream_write(fd, data, len) ? -1 : 0;
}

static int put_record(struct move *m, int fd, uint32_t type, const void *body, uint32_t len)
{
    static const uint8_t zeros[8];
    uint32_t header[2] = {type, len};

    if (m->before_record && !m->before_record(m, m->records))
        return -1;
    m->records++;
    return put(m, fd, header, sizeof(header)) || put(m, fd, body, len) ||
                   put(m, fd, zeros, -len & 7)
               ? -1
               : 0;
}

static int put_random(struct move *m, int fd, uint32_t type, uint32_t len)
{
    uint8_t *body = malloc(len + 8);

    for (uint32_t i = 0; i < len; i++)
        body[i] = (uint8_t)xf_random_next(&m->random);
    int rc = put_record(m, fd, type, body, len);
    free(body);
    return rc;
}

static void keep(struct move *m, unsigned end, uint64_t frame, const void *page)
{
    uint64_t pfn = frame & (UINT64_MAX >> 4);

    if (!m->verify)
        return;
    if (!m->memory[end].type) {
        m->memory[end].type = malloc(m->frames);
        memset(m->memory[end].type, 15, m->frames);
        m->memory[end].page = calloc(m->frames, PAGE);
    }
    m->memory[end].type[pfn] = (uint8_t)(frame >> 60);
    if (page)
        memcpy(m->memory[end].page + pfn * PAGE, page, PAGE);
}

/* `frames` random frames in records of 1024, as send_dirty_pages(). */
static int put_round(struct move *m, int fd, long frames)
{
    static const uint8_t types[] = {0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 15};

    while (frames > 0) {
        uint32_t n = frames < 1024 ? (uint32_t)frames : 1024, head[2] = {n, 0};
        bool all_empty = xf_random_below(&m->random, 12) == 0;
        struct bytes body = {0};
        uint64_t frame[1024];

        bytes_add(&body, head, sizeof(head));
        for (uint32_t i = 0; i < n; i++) {
            uint64_t type =
                all_empty ? 15 : types[xf_random_below(&m->random, sizeof(types) / sizeof(*types))];

            frame[i] = type << 60 | xf_random_below(&m->random, m->frames);
            if (m->events && (frame[i] & (UINT64_MAX >> 4)) == m->events)
                frame[i] = m->events;
        }
        bytes_add(&body, frame, n * sizeof(frame[0]));
        for (uint32_t i = 0; i < n; i++) {
            uint64_t page[PAGE / 8] = {0};

            if (frame[i] >> 60 > 12) {
                keep(m, 0, frame[i], NULL);
                continue;
            }
            if (xf_random_below(&m->random, 4))
                for (unsigned w = 0; w < PAGE / 8; w += 1 + w / 8)
                    page[w] = xf_random_next(&m->random);
            for (unsigned w = 0; m->events && frame[i] == m->events && w < PAGE / 8; w++)
                page[w] = w ? 0x4000000040000000 : 0;
            bytes_add(&body, page, PAGE);
            keep(m, 0, frame[i], page);
        }
        int rc = put_record(m, fd, XF_REC_PAGE_DATA, body.data, (uint32_t)body.len);
        free(body.data);
        if (rc)
            return rc;
        frames -= n;
    }
    return 0;
}

/* verify_frames() of tools/libs/guest/xg_sr_save.c. */
static int put_verify(struct move *m, int fd)
{
    if (put_record(m, fd, XF_REC_VERIFY, NULL, 0))
        return -1;
    for (uint64_t first = 0; first < m->frames; first += 1024) {
        uint32_t n = m->frames - first < 1024 ? (uint32_t)(m->frames - first) : 1024;
        uint32_t head[2] = {n, 0};
        struct bytes body = {0};

        bytes_add(&body, head, sizeof(head));
        for (uint64_t i = first; i < first + n; i++) {
            uint64_t frame = (uint64_t)m->memory[0].type[i] << 60 | i;

            bytes_add(&body, &frame, sizeof(frame));
        }
        for (uint64_t i = first; i < first + n; i++)
            if (m->memory[0].type[i] < 13)
                bytes_add(&body, m->memory[0].page + i * PAGE, PAGE);
        int rc = put_record(m, fd, XF_REC_PAGE_DATA, body.data, (uint32_t)body.len);
        free(body.data);
        if (rc)
            return rc;
    }
    return 0;
}

/* send_memory_live() of tools/libs/guest/xg_sr_save.c. */
static int put_live_rounds(struct move *m, int fd, struct save_callbacks *callbacks)
{
    struct precopy_stats stats = {.dirty_count = m->frames};
    unsigned x = 0;

    for (;;) {
        int next = callbacks->precopy_policy(stats, callbacks->data);

        x++;
        if (stats.dirty_count > 0 && next != XGS_POLICY_ABORT) {
            m->live_rounds++;
            if (put_round(m, fd, stats.dirty_count))
                return -1;
        }
        if (next != XGS_POLICY_CONTINUE_PRECOPY)
            return next == XGS_POLICY_ABORT ? -1 : 0;
        stats.iteration = x;
        stats.dirty_count = -1;
        next = callbacks->precopy_policy(stats, callbacks->data);
        if (next != XGS_POLICY_CONTINUE_PRECOPY)
            return next == XGS_POLICY_ABORT ? -1 : 0;
        stats.dirty_count = x <= ROUNDS_MAX ? m->dirty[x - 1] : 0;
    }
}

static int stock_save(void *arg, int io_fd, bool verify, struct save_callbacks *callbacks)
{
    struct move *m = arg;
    uint8_t headers[XF_HEADERS_BYTES];

    m->stock_save_called = true;
    xf_stream_make_headers(headers, XF_STREAM_PV, 4, 17);
    if (put(m, io_fd, headers, sizeof(headers)) ||
        put_random(m, io_fd, XF_REC_X86_CPUID_POLICY, 1001) ||
        put_random(m, io_fd, XF_REC_X86_MSR_POLICY, 16) ||
        put_record(m, io_fd, XF_REC_STATIC_DATA_END, NULL, 0) ||
        put_random(m, io_fd, XF_REC_X86_PV_INFO, 8) ||
        put_random(m, io_fd, XF_REC_X86_PV_P2M_FRAMES, 8 + 8 * (m->frames / 512)) ||
        put_live_rounds(m, io_fd, callbacks) || !callbacks->suspend(callbacks->data) ||
        put_round(m, io_fd, (long)xf_random_below(&m->random, 700)) ||
        (verify && !m->save_forgets && put_verify(m, io_fd)) ||
        put_random(m, io_fd, XF_REC_X86_TSC_INFO, 24) ||
        put_random(m, io_fd, XF_REC_SHARED_INFO, PAGE) ||
        put_random(m, io_fd, XF_REC_X86_PV_VCPU_FIRST, 5170) ||
        put_random(m, io_fd, XF_REC_X86_PV_VCPU_MSRS, 13) ||
        put_random(m, io_fd, XF_REC_OPTIONAL | 77, 5))
        return -1;
    return put_record(m, io_fd, XF_REC_END, NULL, 0);
}

static int suspend_guest(void *data)
{
    struct move *m = data;

    m->suspends++;
    m->suspended_pct = m->throttled_n ? m->throttled[m->throttled_n - 1] : 0;
    return 1;
}

static int throttle_guest(void *arg, unsigned percent)
{
    struct move *m = arg;

    assert_true(m->throttled_n < 8);
    m->throttled[m->throttled_n++] = percent;
    return 0;
}

static int look_for_readers(void *arg, char why[256])
{
    struct move *m = arg;

    if (++m->looks != m->other_reader_at && !(m->other_reader_at_stand && m->suspends))
        return 0;
    strcpy(why, "another has begun");
    return -ESTALE;
}

static int unsteady_page(void *arg, uint64_t pages[XF_UNSTEADY_MAX])
{
    const struct move *m = arg;

    pages[0] = m->unsteady;
    return 1;
}

/* process_page_data() of tools/libs/guest/xg_sr_restore.c. */
static void take_page_data(struct move *m, const uint8_t *body, bool compare)
{
    const uint64_t *frame = (const uint64_t *)(const void *)(body + 8);
    uint32_t n = *(const uint32_t *)(const void *)body;
    const uint8_t *page = (const uint8_t *)(frame + n);

    for (uint32_t i = 0; i < n; i++) {
        uint64_t pfn = frame[i] & (UINT64_MAX >> 4);
        bool has_page = frame[i] >> 60 < 13;
        char line[80];

        if (!compare) {
            keep(m, 1, frame[i], has_page ? page : NULL);
        } else if (has_page && memcmp(m->memory[1].page + pfn * PAGE, page, PAGE)) {
            m->reported++;
            snprintf(line, sizeof(line), "verify pfn %#llx failed (type %#x)",
                     (unsigned long long)pfn, (unsigned)(frame[i] >> 60));
            if (!m->restore_is_quiet)
                xf_verify_report(line);
        }
        page += has_page ? PAGE : 0;
    }
}

static int stock_restore(void *arg, int io_fd, struct restore_callbacks *callbacks)
{
    struct move *m = arg;
    struct xf_stream s = {.fd = io_fd, .watch_fd = -1, .timeout_ms = -1};
    uint8_t *body = malloc(RECORD_MOST);
    struct xf_record rec = {.type = 1};
    bool compare = false;
    int rc = -1;

    (void)callbacks;
    m->stock_restore_called = true;
    if (!body || xf_stream_read(&s, body, XF_HEADERS_BYTES))
        goto out;
    bytes_add(&m->got, body, XF_HEADERS_BYTES);
    for (unsigned n = 1; rec.type != XF_REC_END; n++) {
        if (xf_stream_read_record(&s, &rec) || rec.length > RECORD_MOST - 8 ||
            xf_stream_read(&s, body, (rec.length + 7) & ~7u))
            goto out;
        bytes_add(&m->got, &rec, sizeof(rec));
        bytes_add(&m->got, body, (rec.length + 7) & ~7u);
        if (rec.type == XF_REC_PAGE_DATA && m->verify)
            take_page_data(m, body, compare);
        compare = compare || rec.type == XF_REC_VERIFY;
        for (unsigned i = 0; rec.type == XF_REC_VERIFY && i < m->damaged; i++)
            m->memory[1].page[m->damage[i] * PAGE + 7] ^= 8;
        if (n == m->restore_fails_at)
            goto out;
        usleep(m->slow_restore_us);
    }
    m->got_end = true;
    rc = 0;
out:
    free(body);
    return rc;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static int open_end(struct move *m, unsigned end, struct xf_link **link, struct xf_config *config,
                    char *err)
{
    config->connect_timeout_s = m->hasty ? 1 : 30;
    config->max_downtime_us = 100;
    config->throttle = m->throttle;
    config->on_busy = m->on_busy;
    config->deadline_s = m->deadline_s;
    config->compress = m->compress;
    if (m->open_fails_at >> end & 1) {
        strcpy(err, "no such port");
        return -ENODEV;
    }
    *link = &m->ends[end].link;
    return 0;
}

static int open_source(void *arg, struct xf_link **link, struct xf_config *config, char err[256])
{
    return open_end(arg, 0, link, config, err);
}

static int open_target(void *arg, struct xf_link **link, struct xf_config *config, char err[256])
{
    return open_end(arg, 1, link, config, err);
}

static void close_port(void *arg, struct xf_link *link)
{
    (void)arg;
    (void)link;
}

static void *source_main(void *arg)
{
    struct move *m = arg;
    struct save_callbacks callbacks = {.suspend = suspend_guest, .data = m};
    struct xf_tunnel_port port = {.open = open_source, .close = close_port, .arg = m};
    struct xf_tunnel_save save = {
        .io_fd = m->from[1],
        .domid = 1,
        .xen_major = 4,
        .xen_minor = 17,
        .callbacks = &callbacks,
        .verify = m->verify,
        .stock = stock_save,
        .unsteady = unsteady_page,
        .throttle = throttle_guest,
        .alone = look_for_readers,
        .arg = m,
        .port = &port,
    };

    m->save_rc = xf_tunnel_save_run(&save);
    if (!m->save_rc) /* io_fd is itself again, and the stream at its end */
        xf_stream_write(m->from[1], AFTER_END, sizeof(AFTER_END));
    close(m->from[1]);
    return NULL;
}

/* Takes the stream apart and passes it on. */
static void *middle_main(void *arg)
{
    struct move *m = arg;
    struct xf_stream s = {.fd = m->from[0], .watch_fd = -1, .timeout_ms = -1};
    uint8_t *buf = malloc(RECORD_MOST);
    struct xf_record rec = {.type = 1};
    int rc = xf_stream_read(&s, buf, XF_HEADERS_BYTES);

    rc = rc ?: xf_stream_write(m->to[1], buf, XF_HEADERS_BYTES);
    for (unsigned n = 0; !rc && rec.type != XF_REC_END; n++) {
        struct bytes body = {0};
        static const uint8_t zeros[8];

        if (xf_stream_read_record(&s, &rec) || rec.length > RECORD_MOST - 8 ||
            xf_stream_read(&s, buf, (rec.length + 7) & ~7u))
            break;
        bytes_add(&body, buf, rec.length);
        bool end = rec.type == XF_REC_END;
        bool on = !m->on_the_way || m->on_the_way(m, n, &rec, &body);
        if (on) {
            bytes_add(&body, zeros, -body.len & 7);
            rc = xf_stream_write(m->to[1], &rec, sizeof(rec));
            rc = rc ?: xf_stream_write(m->to[1], body.data, body.len);
        }
        if (rec.type == XF_REC_OFFER) { /* a test looks for the secret: not for these copies */
            explicit_bzero(buf, body.len);
            explicit_bzero(body.data, body.len);
        }
        free(body.data);
        if (!on || end)
            break;
    }
    ssize_t got;
    while (!rc && rec.type == XF_REC_END && (got = read(m->from[0], buf, PAGE)) > 0)
        rc = xf_stream_write(m->to[1], buf, (size_t)got);
    free(buf);
    close(m->from[0]);
    close(m->to[1]);
    return NULL;
}

void move_run(struct move *m)
{
    struct xf_simlink_config net = {.queues = 1,
                                    .payload_bytes = m->seed % 2 ? 8972 : 1472,
                                    .delay_us = 50,
                                    .bytes_per_s = m->bytes_per_s,
                                    .seed = m->seed};
    struct restore_callbacks none = {0};
    struct xf_tunnel_port port = {.open = open_target, .close = close_port, .arg = m};
    pthread_t source, middle;
    uint8_t byte;

    signal(SIGPIPE, SIG_IGN);
    m->random.state = m->seed;
    assert_int_equal(wire_open(&m->wire, m->ends, &net, &m->faults), 0);
    assert_int_equal(pipe2(m->from, O_CLOEXEC), 0);
    assert_int_equal(pipe2(m->to, O_CLOEXEC), 0);
    struct xf_tunnel_restore restore = {
        .io_fd = m->to[0],
        .domid = 2,
        .callbacks = &none,
        .stock = stock_restore,
        .arg = m,
        .port = &port,
        .patience_ms = m->hasty ? 1000 : 30000,
        .compared_ms = m->hasty ? 1000 : 30000,
    };

    pthread_create(&source, NULL, source_main, m);
    pthread_create(&middle, NULL, middle_main, m);
    if (!m->no_target) {
        m->restore_rc = xf_tunnel_restore_run(&restore);
        while (!m->restore_rc && read(m->to[0], &byte, 1) == 1)
            bytes_add(&m->rest, &byte, 1);
        close(m->to[0]);
    }
    pthread_join(source, NULL);
    if (m->no_target)
        close(m->to[0]);
    pthread_join(middle, NULL);
}

void move_free(struct move *m)
{
    wire_free(&m->wire);
    for (unsigned i = 0; i < 2; i++) {
        free(m->memory[i].type);
        free(m->memory[i].page);
    }
    free(m->sent.data);
    free(m->got.data);
    free(m->rest.data);
}
