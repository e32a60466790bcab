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

background() { # HOST NAME OPTIONS: its output goes to /lab/NAME.out, the last line its status
    local host=$1 name=$2 to
    to=$(other_host "$1")
    shift 2
    on "$host" "(env $* xl migrate --fast --bandwidth 20M $name $to >/lab/$name.out 2>&1; echo \"status \$?\" >>/lab/$name.out) </dev/null >/dev/null 2>&1 &"
}
until_line() { # HOST NAME REGEX SECONDS
    # shellcheck disable=SC2029
    ON_TIMEOUT=$(($4 + 20)) on "$1" "i=0; until tr '\\r' '\\n' </lab/$2.out | grep -Eaq '$3'; do i=\$((i + 1)); [ \$i -lt $4 ] || exit 1; sleep 1; done" ||
        fail "$2: no '$3': $(on "$1" tail -n 30 "/lab/$2.out")"
    note "$2: $(on "$1" "tr '\\r' '\\n' </lab/$2.out | grep -Ea -m 1 '$3'")"
}

background A first XL_FAST_VERBOSE=1
until_line A first 'source: connected' 120
background A second XL_FAST_CONF=/lab/second.conf
until_line A second '^xl-fast: second waits: another migration has eth1 at B' 60
expect_match "status" '^second to B, .*: waits for its turn$' "$(on A xl-fast status)"
until_line A first '^status 0$' 300
until_line A second '^status 0$' 300
expect_goes_on B first "$before_first"
expect_goes_on B second "$before_second"

# From each host one to the other, at once.
migrate B second --fast || fail "second does not come back"
before_first=$(guest_tick B first)
before_second=$(guest_tick A second)
background B first
background A second
until_line B first '^status 0$' 400
until_line A second '^status 0$' 400
expect_goes_on A first "$before_first"
expect_goes_on B second "$before_second"
expect_match "one of them has waited" 'waits' "$(on A cat /lab/second.out; on B cat /lab/first.out)"
end_clean
