#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Where `xl migrate --fast` cannot work it ends at once: one line that says why, an exit status that is
# not 0, nothing made at the target, and the guest running on at the source.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

# Whatever happens, the hosts are left as they were.
restore_hosts() {
    local host
    for host in "${HOSTS[@]}"; do
        on "$host" '[ ! -d /usr/lib/xl-fast.away ] || { rm -rf /usr/lib/xl-fast; mv /usr/lib/xl-fast.away /usr/lib/xl-fast; }
            ip link set eth1 up'
        host_conf "$host" | on "$host" 'cat >/etc/xen/xl-fast.conf'
    done
}
restore_hosts
trap restore_hosts EXIT
begin

make_guest A stays memory=128
boot=$(field "$(guest_tick A stays)" boot)

# refused WHAT REGEX: --fast is refused with a line that matches, quickly, and nothing has changed.
refused() {
    local before
    before=$(guest_tick A stays)
    if migrate A "${NAME:-stays}" --fast 2>/dev/null; then
        fail "$1: it went"
    fi
    expect_match "$1" "^xl-fast: $2" "$MIGRATE_OUTPUT"
    expect_le "lines" 2 "$(printf '%s\n' "$MIGRATE_OUTPUT" | wc -l)"
    expect_le "seconds" 60 "$MIGRATE_SECONDS"
    expect_eq "guests on B" "${ON_B:-}" "$(domains B)"
    wait_tick A stays $(($(field "$before" tick) + 2)) 60
    expect_eq "the guest's boot id" "$boot" "$(field "$(guest_tick A stays)" boot)"
}

on B 'mv /usr/lib/xl-fast /usr/lib/xl-fast.away'
refused "no plug-in at the target" 'B: xl-fast is not installed there'
restore_hosts

# These config.sh, test_portcheck and test_peers find without Xen.
if ! quick; then
    on B "sed -i 's/eth1/eth7/' /etc/xen/xl-fast.conf"
    refused "wrong port at the target" 'B: port eth7: there is no such network interface'
    on B 'rm /etc/xen/xl-fast.conf'
    refused "no configuration at the target" 'B: /etc/xen/xl-fast.conf: No such file'
    restore_hosts
    on A "sed -i 's/eth1/eth7/' /etc/xen/xl-fast.conf"
    refused "wrong port at the source" 'A: port eth7: there is no such network interface'
    on A "printf 'port = \"eth1\"\naddress = \"10.90.0.1/24\"\nmax_downtme = 5\n' >/etc/xen/xl-fast.conf"
    refused "mistyped key" "A: /etc/xen/xl-fast.conf: line 3: unknown key 'max_downtme'"
    on A "printf 'port = \"eth1\"\naddress = \"10.90.0.2/24\"\n' >/etc/xen/xl-fast.conf"
    refused "one address twice" 'B: has the same address 10.90.0.2'
    restore_hosts
fi

on B 'ip link set eth1 down'
refused "port down" 'B: port eth1: down'
restore_hosts

NAME=nobody refused "no such guest" "A: there is no domain 'nobody'"

# What is left on B must be less than the guest needs: a guest that never runs takes the rest.
guest_config hog memory=$(($(host_free_mib B) - 100)) | on B 'cat >/lab/hog.cfg'
on B xl create -q -p /lab/hog.cfg || fail "cannot take B's memory"
ON_B=hog refused "too little memory" 'B: not enough free memory: the guest needs [0-9]+ MiB, [0-9]+ MiB are free'
on B xl destroy hog

# --fast=auto goes by stock xl migrate instead, as tests/e2e/xl-shim.sh shows of the shim.
quick && exit 0
on B "sed -i 's/eth1/eth7/' /etc/xen/xl-fast.conf"
before=$(guest_tick A stays)
migrate A stays --fast=auto || fail "--fast=auto does not fall back"
expect_match "--fast=auto says why" '^xl-fast: B: port eth7' "$MIGRATE_OUTPUT"
expect_goes_on B stays "$before"
