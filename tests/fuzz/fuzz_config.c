/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzzes xl-fast.conf, through libxlutil as it is read, and what is read from it: the name of the
 * port. Checked: what is accepted keeps the limits of xl-fast.conf(5), and what is refused has one
 * line of reason.
 */
#include "fuzz.h"

#include "dpdk/spec.h"
#include "transport/base/rate.h"
#include "xl-plugin/plugin/config.h"

/* What libxlutil loses of a text that it refuses is not ours to free. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libxlutil\n";
}

static void check_port(const struct xf_config *c)
{
    struct xf_port_spec spec;
    char vdev[XF_SPEC_VDEV_BYTES];

    FUZZ_CHECK(c->port[0] && memchr(c->port, 0, sizeof(c->port)) && !strpbrk(c->port, " \t\n\r"));
    if (xf_spec_parse(&spec, c->port))
        return;
    FUZZ_CHECK(memchr(spec.kernel_if, 0, sizeof(spec.kernel_if)));
    FUZZ_CHECK(memchr(spec.device, 0, sizeof(spec.device)));
    FUZZ_CHECK(memchr(spec.vdev, 0, sizeof(spec.vdev)));
    if (!spec.kind->vdev(&spec, c->lanes ? c->lanes : 1, c->mtu ? c->mtu : 1500, vdev))
        FUZZ_CHECK(memchr(vdev, 0, sizeof(vdev)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct xf_config c;
    char err[XF_CONFIG_ERR_BYTES];
    uint64_t rate;

    FUZZ_CHECK(text);
    memcpy(text, data, size);
    text[size] = 0;
    memset(err, 0x55, sizeof(err));
    if (xf_config_parse(&c, text, "fuzz", err)) {
        FUZZ_CHECK(err[0] && memchr(err, 0, sizeof(err)) && !strchr(err, '\n'));
    } else {
        FUZZ_CHECK(c.prefix >= 1 && c.prefix <= 32 && c.lanes <= 64 && c.cpus.n <= XF_CPU_MAX);
        FUZZ_CHECK(!c.mtu || (c.mtu >= 576 && c.mtu <= 9000));
        FUZZ_CHECK(c.connect_timeout_s >= 1 && c.connect_timeout_s <= 3600);
        FUZZ_CHECK(c.max_downtime_us >= 1000 && c.max_downtime_us <= UINT64_C(3600000000));
        FUZZ_CHECK(c.libvirt <= XF_UNASKED_ANY);
        check_port(&c);
    }
    if (!xf_rate_parse(text, &rate))
        FUZZ_CHECK(rate <= UINT64_MAX / 8);
    free(text);
    return 0;
}
