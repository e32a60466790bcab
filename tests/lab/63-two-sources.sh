#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/e2e/turns.sh walks through it)
# Two sources for one target, and two hosts that move guests to each other: who comes second waits for its turn, says
# so, and arrives. The second source is on host A as well, by a configuration of its own: another address, and another
# name of the same interface, so that nothing at A knows of both.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
trap 'host_conf A | on A "cat >/etc/xen/xl-fast.conf"; on A rm -f /lab/second.conf' EXIT
begin

make_guest A first memory=128
make_guest A second memory=128 seed=2
before_first=$(guest_tick A first)
before_second=$(guest_tick A second)
on A 'sed "s/^port *=.*/port = \"af_packet:eth1\"/; s/^address *=.*/address = \"10.90.0.9\/24\"/" /etc/xen/xl-fast.conf >/lab/second.conf; cat /lab/second.conf'

fast_begin A first XL_FAST_VERBOSE=1
fast_says A first 'source: connected' 120
fast_begin A second XL_FAST_CONF=/lab/second.conf
fast_says A second '^xl-fast: second waits: another migration has eth1 at B' 60
expect_match "status" '^second to B, .*: waits for its turn$' "$(on A xl-fast status)"
fast_says A first '^status 0$' 300
fast_says A second '^status 0$' 300
expect_goes_on B first "$before_first"
expect_goes_on B second "$before_second"

# From each host one to the other, at once.
migrate B second --fast || fail "second does not come back"
before_first=$(guest_tick B first)
before_second=$(guest_tick A second)
fast_begin B first
fast_begin A second
fast_says B first '^status 0$' 400
fast_says A second '^status 0$' 400
expect_goes_on A first "$before_first"
expect_goes_on B second "$before_second"
expect_match "one of them has waited" 'waits' "$(on A cat /lab/second.out; on B cat /lab/first.out)"
end_clean
