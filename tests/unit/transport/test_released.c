/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden vectors of each released version (a folder each in tests/golden, with a copy of
 * packets.txt as it was then): today's code still reads them. Held are the version that this tree
 * is, and from 1.0.0 on all since then; a pre-release reads no other.
 */
#include "tests/unit/common/unit.h"

#include <dirent.h>
#include <errno.h>

#include "transport/base/version.h"
#include "transport/features.h"
#include "transport/session.h"

static struct xf_offer offer;
static struct xf_seal *ours[2]; /* by the role of who receives */
static unsigned read_n;

static size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    unsigned byte;

    for (; n < XF_PAYLOAD_MAX && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        out[n] = (uint8_t)byte;
    return n;
}

static void begin(const uint8_t *golden, size_t bytes)
{
    char why[160] = "";

    if (xf_offer_decode(&offer, golden, bytes, why))
        fail_msg("the offer: %s", why);
    for (unsigned role = 0; role < 2; role++) {
        xf_seal_free(ours[role]);
        ours[role] = NULL;
    }
    assert_int_equal(
        xf_seal_new(&ours[XF_ROLE_SOURCE], offer.secret, offer.session_id, XF_ROLE_SOURCE), 0);
    assert_int_equal(
        xf_seal_new(&ours[XF_ROLE_TARGET], offer.secret, offer.session_id, XF_ROLE_TARGET), 0);
}

/* Vectors of fragments are of a link of Ethernet's MTU. */
static int check_data(const uint8_t *body, size_t bytes)
{
    static const uint32_t payloads[] = {8972, 1472};
    struct xf_wire_shape shape;

    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(xf_wire_shape(&shape, payloads[i]), 0);
        if (!xf_wire_check_data(&shape, XF_FEATURES_KNOWN, body, bytes, offer.page_count))
            return 0;
    }
    return -EBADMSG;
}

static int check_body(unsigned type, const uint8_t *body, size_t bytes)
{
    switch (type) {
    case XF_PACKET_DATA:
        return check_data(body, bytes);
    case XF_PACKET_FEEDBACK:
        return xf_wire_check_feedback(body, bytes, 0);
    case XF_PACKET_BARRIER:
        return bytes == sizeof(struct xf_wire_barrier) ? 0 : -EBADMSG;
    case XF_PACKET_PING:
        return bytes == sizeof(struct xf_wire_ping) ? 0 : -EBADMSG;
    case XF_PACKET_ANSWER:
        return bytes == sizeof(struct xf_wire_answer) ? 0 : -EBADMSG;
    case XF_PACKET_ABORT:
    case XF_PACKET_REFUSE:
        return bytes == sizeof(struct xf_wire_reason) ? 0 : -EBADMSG;
    default:
        return -EOPNOTSUPP;
    }
}

static void read_vector(const char *name, const uint8_t *golden, size_t bytes)
{
    struct xf_wire_header h;
    uint8_t plain[XF_PAYLOAD_MAX];
    size_t len = bytes - sizeof(h) - XF_TAG_BYTES;

    assert_true(bytes > sizeof(h) + XF_TAG_BYTES);
    memcpy(&h, golden, sizeof(h));
    if (h.version != XF_PROTOCOL_VERSION)
        fail_msg("%s: protocol %u", name, h.version);
    if (xf_seal_open(ours[h.type < XF_PACKET_ANSWER ? XF_ROLE_TARGET : XF_ROLE_SOURCE], &h,
                     golden + sizeof(h), len, golden + sizeof(h) + len, plain))
        fail_msg("%s: it does not open", name);
    if (check_body(h.type, plain, len))
        fail_msg("%s: its body is not taken", name);
    read_n++;
}

static void read_version(const char *path)
{
    static char line[XF_PAYLOAD_MAX * 2 + 64];
    static uint8_t golden[XF_PAYLOAD_MAX];
    FILE *f = fopen(path, "r");

    if (!f) {
        fail_msg("%s: %s", path, strerror(errno));
        return;
    }
    while (fgets(line, sizeof(line), f)) {
        char *hex = strchr(line, ' ');
        size_t bytes;

        assert_non_null(hex);
        *hex++ = 0;
        bytes = unhex(hex, golden);
        if (!strcmp(line, "offer"))
            begin(golden, bytes);
        else if (strncmp(line, "key_", 4) != 0)
            read_vector(line, golden, bytes);
    }
    fclose(f);
}

static bool is_held(const char *version)
{
    return !strcmp(version, XF_VERSION) || (atoi(version) >= 1 && atoi(XF_VERSION) >= 1);
}

static void test_released(void **state)
{
    DIR *all = opendir("tests/golden");
    struct dirent *entry;
    unsigned versions = 0;
    char path[300];

    (void)state;
    assert_non_null(all);
    while ((entry = readdir(all))) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        versions++;
        if (!is_held(entry->d_name)) {
            print_message("%s: a pre-release, not read by %s\n", entry->d_name, XF_VERSION);
            continue;
        }
        snprintf(path, sizeof(path), "tests/golden/%.200s/packets.txt", entry->d_name);
        read_n = 0;
        read_version(path);
        print_message("%s: %u packets are read\n", entry->d_name, read_n);
        assert_true(read_n >= 11);
    }
    closedir(all);
    assert_true(versions > 0);
    for (unsigned role = 0; role < 2; role++)
        xf_seal_free(ours[role]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_released)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
