/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes the control stream: bytes where a migration stream should be, read as the target reads
 * one. Checked: not a byte is taken beyond the records that were read (what follows END is
 * libxl's), and what is refused has a reason.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xl-plugin/plugin/stream.h"

/* Reads records up to END or to the first that may not be; *taken grows with what they hold. */
static void read_records(const struct xf_stream *s, int sink, uint64_t *taken)
{
    enum xf_stream_part part = XF_STREAM_STATIC;
    char why[XF_STREAM_ERR_BYTES] = "";
    struct xf_record rec;

    while (!xf_stream_read_record(s, &rec)) {
        *taken += sizeof(rec);
        if (rec.type == XF_REC_PAGES) { /* ours: between the two parts */
            uint8_t body[XF_PAGES_BYTES];
            struct xf_pages_record pages;

            if (xf_stream_read_body(s, &rec, body, sizeof(body)))
                return;
            xf_pages_decode(&pages, body);
            *taken += sizeof(body);
            part = XF_STREAM_TAIL;
            continue;
        }
        if (xf_stream_allow(part, &rec, why)) {
            FUZZ_CHECK(why[0] && memchr(why, 0, sizeof(why)));
            return;
        }
        if (xf_stream_forward(s, &rec, sink))
            return;
        *taken += (uint64_t)rec.length + (-rec.length & 7);
        if (rec.type == XF_REC_END)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1, sink = -1;
    char why[XF_STREAM_ERR_BYTES] = "";
    uint8_t headers[XF_HEADERS_BYTES];

    if (file < 0) {
        file = memfd_create("stream", MFD_CLOEXEC);
        sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
        FUZZ_CHECK(file >= 0 && sink >= 0);
    }
    FUZZ_CHECK(!ftruncate(file, 0) && pwrite(file, data, size, 0) == (ssize_t)size);
    FUZZ_CHECK(lseek(file, 0, SEEK_SET) == 0);
    struct xf_stream s = {.fd = file, .watch_fd = -1, .timeout_ms = 0};
    uint64_t taken = sizeof(headers);

    if (xf_stream_read(&s, headers, sizeof(headers)))
        return 0;
    if (xf_stream_check_headers(headers, XF_STREAM_HVM, why)) {
        FUZZ_CHECK(why[0] && memchr(why, 0, sizeof(why)));
        FUZZ_CHECK(lseek(file, 0, SEEK_CUR) == (off_t)taken);
        return 0;
    }
    read_records(&s, sink, &taken);
    /* A record that was cut short is the end of the input: then all of it was asked for. */
    off_t at = lseek(file, 0, SEEK_CUR);

    FUZZ_CHECK((uint64_t)at <= taken || (size_t)at == size);
    return 0;
}
