/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen move: both domains, both ends, and what is to be true of them in the end. */
#include "xen_move.h"

struct xen_move *xen_move_now;

static uint32_t source_domid(const struct xen_move *m)
{
    return m->source_domid ? m->source_domid : SOURCE_DOMID;
}

static int move_suspend(void *data)
{
    struct xen_move *m = data;

    m->suspends++;
    if (m->before_suspend)
        m->before_suspend(m);
    if (m->suspend_fails)
        return 0;
    m->from->shutdown = true;
    m->from->reason = SHUTDOWN_suspend;
    return 1;
}

static int move_qemu(uint32_t domid, unsigned enable, void *data)
{
    struct xen_move *m = data;

    (void)domid;
    *(enable ? &m->qemu_on : &m->qemu_off) += 1;
    return 0;
}

int xen_move_hook(const char *call, unsigned number)
{
    struct xen_move *m = xen_move_now;

    (void)number;
    if (!standin_is_source || strcmp(call, "xenforeignmemory_map") || m->from->shutdown)
        return 0;
    for (unsigned i = 0; i < m->writes; i++) {
        uint64_t gfn = xf_random_below(&m->random, m->pages);

        if (xf_bitmap_test(m->from->present, gfn))
            standin_write(m->from, gfn, xf_random_next(&m->random));
    }
    return 0;
}

int xen_move_stock_restore(void *arg, int io_fd, struct restore_callbacks *callbacks)
{
    struct xen_move *m = arg;
    struct xf_stream s = {.fd = io_fd, .watch_fd = -1, .timeout_ms = -1};
    static uint8_t body[65536];
    struct xf_record rec;

    if (xf_stream_read(&s, body, XF_HEADERS_BYTES))
        return -1;
    do {
        if (xf_stream_read_record(&s, &rec) || rec.length > sizeof(body) - 8 ||
            xf_stream_read(&s, body, (rec.length + 7) & ~7u))
            return -1;
        if (rec.type == XF_REC_STATIC_DATA_END) {
            m->static_done++;
            if (callbacks->static_data_done(0, callbacks->data))
                return -1;
        }
        if (rec.type == XF_REC_HVM_PARAMS && !m->from->shutdown)
            m->params_too_early = true;
    } while (rec.type != XF_REC_END);
    callbacks->restore_results(1, 2, callbacks->data);
    m->got_end = true;
    return 0;
}

static void *move_source(void *arg)
{
    struct xen_move *m = arg;
    struct save_callbacks callbacks = {
        .suspend = move_suspend, .switch_qemu_logdirty = move_qemu, .data = m};
    xc_interface *xch = (xc_interface *)&standin;

    standin_is_source = true;
    m->save_rc = m->save ? m->save(m, m->fds[1], &callbacks)
                         : xf_save_run(xch, m->fds[1], source_domid(m), m->verify, &callbacks);
    if (!m->save_rc && write(m->fds[1], "x", 1) != 1)
        m->save_rc = -EPIPE;
    close(m->fds[1]);
    return NULL;
}

void xen_move_new(struct xen_move *m)
{
    standin_reset();
    standin_plugin_reset();
    xf_reader_leave_log(false);
    m->random.state = 7;
    m->from = standin_domain_new(source_domid(m), m->pages);
    m->to = standin_domain_new(TARGET_DOMID, m->pages);
    for (uint64_t gfn = 0; gfn < (m->filled ? m->filled : m->pages); gfn++) {
        if (gfn / 512 % 4 == 3 && gfn % 512)
            continue;
        standin_populate(m->from, gfn);
        if (gfn % 5)
            standin_write(m->from, gfn, xf_random_next(&m->random));
    }
    xen_move_now = m;
    standin.hook = xen_move_hook;
}

void xen_move_run(struct xen_move *m)
{
    struct xf_simlink_config net = {.queues = 1, .payload_bytes = 8972, .seed = 3};
    struct xf_fault_config none = {0};
    struct restore_callbacks callbacks = {0};
    pthread_t source;

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(wire_open(&m->wire, m->ends, &net, &none), 0);
    for (unsigned i = 0; i < 2; i++)
        standin_plugin.link[i] = &m->ends[i].link;
    assert_int_equal(pipe2(m->fds, O_CLOEXEC), 0);
    pthread_create(&source, NULL, move_source, m);
    m->restore_rc =
        m->restore ? m->restore(m, m->fds[0], &callbacks)
                   : xf_restore_run(m->fds[0], TARGET_DOMID, &callbacks, xen_move_stock_restore, m);
    if (!m->restore_rc && read(m->fds[0], &m->rest, 1) != 1)
        m->rest = 0;
    close(m->fds[0]);
    pthread_join(source, NULL);
    wire_free(&m->wire);
}

void xen_move_assert_tidy(const struct xen_move *m)
{
    assert_int_equal(standin.interfaces, 0);
    assert_int_equal(standin.mappings, 0);
    assert_int_equal(standin.policies, 0);
    assert_int_equal(m->to->populated_twice, 0);
    assert_false(m->params_too_early);
    assert_int_equal(m->qemu_off, m->qemu_on);
}

void xen_move_assert_moved(struct xen_move *m)
{
    if (m->save_rc || m->restore_rc)
        fail_msg("save %d, restore %d:\n%s", m->save_rc, m->restore_rc, standin_plugin.said);
    assert_true(m->got_end);
    assert_int_equal(m->rest, 'x');
    assert_int_equal(standin_differing(m->from, m->to), 0);
    xen_move_assert_tidy(m);
}

void xen_move_assert_stayed(const struct xen_move *m, const char *what)
{
    if (!m->save_rc || !m->restore_rc || m->got_end)
        fail_msg("%s: save %d, restore %d, END %d:\n%s", what, m->save_rc, m->restore_rc,
                 m->got_end, standin_plugin.said);
    assert_true(standin_plugin.said[0]);
    xen_move_assert_tidy(m);
}
