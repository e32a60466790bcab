/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * head.c: what xl and libxl write before libxc's stream, whole, cut at each byte, and with each
 * number wrong: nothing beyond it is read, and what is wrong is told.
 */
#include "tests/unit/common/unit.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xl-plugin/handover/head.h"

static const char json[] = "{\"c_info\": {\"type\": \"pvh\"}}";

static uint8_t bytes[4096];
static size_t length;
static char why[XF_STREAM_ERR_BYTES];

static void put(const void *what, size_t n)
{
    memcpy(bytes + length, what, n);
    length += n;
}

static void put_u32(uint32_t v)
{
    v = htole32(v);
    put(&v, sizeof(v));
}

/* As xl writes it: `more` bytes behind the configuration. */
static void put_xl(uint32_t more)
{
    length = 0;
    put("Xen saved domain, xl format\n \0 \r", 32);
    put_u32(0x01020304);
    put_u32(3);
    put_u32(0);
    put_u32(4 + sizeof(json) + more);
    put_u32(sizeof(json));
    put(json, sizeof(json));
    memset(bytes + length, 'x', more);
    length += more;
}

static void put_libxl(void)
{
    static const uint8_t head[] = {'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2,
                                   0,   0,   0,   0,   1,   0,   0,   0,   0, 0, 0, 0};

    put(head, sizeof(head));
}

/* A file with n of the bytes; reads of it end there. */
static struct xf_stream stream_of(size_t n)
{
    int fd = memfd_create("head", MFD_CLOEXEC);

    assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && lseek(fd, 0, SEEK_SET) == 0);
    return (struct xf_stream){.fd = fd, .watch_fd = -1, .timeout_ms = 1000};
}

static void both_heads(void **state)
{
    uint8_t libxl[XF_HEAD_LIBXL_BYTES];
    struct xf_head h;

    (void)state;
    for (uint32_t more = 0; more < 3; more++) {
        put_xl(more);
        size_t xl = length;

        put_libxl();
        put("rest", 4);
        struct xf_stream s = stream_of(length);

        assert_int_equal(xf_head_read(&s, &h, why), 0);
        assert_string_equal(h.json, json);
        assert_int_equal(h.length, xl);
        assert_memory_equal(h.bytes, bytes, xl);
        xf_head_free(&h);
        assert_int_equal(xf_head_read_libxl(&s, libxl, why), 0);
        assert_memory_equal(libxl, bytes + xl, sizeof(libxl));
        assert_int_equal(lseek(s.fd, 0, SEEK_CUR), length - 4);
        close(s.fd);
    }
}

static void cut_anywhere(void **state)
{
    struct xf_head h;
    uint8_t libxl[XF_HEAD_LIBXL_BYTES];

    (void)state;
    put_xl(2);
    for (size_t n = 0; n < length; n++) {
        struct xf_stream s = stream_of(n);

        assert_int_equal(xf_head_read(&s, &h, why), -EPIPE);
        assert_string_equal(why, "");
        assert_null(h.bytes);
        close(s.fd);
    }
    length = 0;
    put_libxl();
    for (size_t n = 0; n < length; n++) {
        struct xf_stream s = stream_of(n);

        assert_int_equal(xf_head_read_libxl(&s, libxl, why), -EPIPE);
        close(s.fd);
    }
}

static void refused(const char *words)
{
    struct xf_stream s = stream_of(length);
    struct xf_head h;

    assert_int_equal(xf_head_read(&s, &h, why), -EBADMSG);
    if (!strstr(why, words))
        fail_msg("'%s' instead of '%s'", why, words);
    assert_null(h.bytes);
    close(s.fd);
}

static void set_u32(size_t at, uint32_t v)
{
    v = htole32(v);
    memcpy(bytes + at, &v, sizeof(v));
}

static void what_cannot_be(void **state)
{
    (void)state;
    for (size_t at = 0; at < 32; at++) {
        put_xl(0);
        bytes[at] ^= 1;
        refused("not what xl migrate writes");
    }
    put_xl(0);
    set_u32(32, 0x04030201);
    refused("byte order");
    for (uint32_t flags = 0; flags < 9; flags++) {
        put_xl(0);
        set_u32(36, flags);
        if (flags != 3)
            refused("flags");
    }
    static const uint32_t lengths[] = {0, 4, (16u << 20) + 1, UINT32_MAX};

    for (size_t i = 0; i < 4; i++) {
        put_xl(0);
        set_u32(44, lengths[i]);
        refused("impossible length");
    }
    /* The configuration's own: it ends with its only 0. */
    static const uint32_t own[] = {0, 1, sizeof(json) - 1, sizeof(json) + 1, UINT32_MAX};

    for (size_t i = 0; i < 5; i++) {
        put_xl(i == 3);
        set_u32(48, own[i]);
        refused("whose length is not its own");
    }
    put_xl(0);
    bytes[52] = 0;
    refused("whose length is not its own");
}

static void what_is_no_libxl(void **state)
{
    uint8_t libxl[XF_HEAD_LIBXL_BYTES];

    (void)state;
    /* Bytes 12 to 14, and of 15 all but the lowest bit, are options that may come. */
    for (size_t at = 0; at < XF_HEAD_LIBXL_BYTES; at++) {
        length = 0;
        put_libxl();
        bytes[at] ^= 1;
        struct xf_stream s = stream_of(length);

        assert_int_equal(xf_head_read_libxl(&s, libxl, why), at >= 12 && at < 15 ? 0 : -EBADMSG);
        close(s.fd);
    }
}

static void the_end(void **state)
{
    (void)state;
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        length = 0;
        put_u32(wrong == 1);
        put_u32(wrong == 2 ? 8 : 0);
        struct xf_stream s = stream_of(length);

        assert_int_equal(xf_head_read_end(&s, why), wrong ? -EBADMSG : 0);
        close(s.fd);
        s = stream_of(7);
        assert_int_equal(xf_head_read_end(&s, why), -EPIPE);
        close(s.fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_heads),     cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(what_cannot_be), cmocka_unit_test(what_is_no_libxl),
        cmocka_unit_test(the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
