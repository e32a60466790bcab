#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (make check-deb does it to a Debian without Xen, in CI too)
# From the Debian package alone, on hosts that have nothing else of ours: installed, one line edited, doctor is
# content, a guest moves; upgraded, it moves back; removed, and purged, xl is Xen's as before, and moves it.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/package.sh
. "$(dirname "$0")/package.sh"

trap give_back EXIT
begin
build_package

# shellcheck disable=SC2016  # expanded on the host
XL='command -v xl; readlink -f "$(command -v xl)"; dpkg --verify xen-utils-common | grep -vE " /usr/share/(doc|man)/?" || true'
declare -A BEFORE
for host in "${HOSTS[@]}"; do
    take_away "$host"
    BEFORE[$host]=$(on "$host" "$XL")
done

stock() { # WHEN
    local host
    for host in "${HOSTS[@]}"; do
        expect_eq "$1, $host: xl" "${BEFORE[$host]}" "$(on "$host" "$XL")"
        # shellcheck disable=SC2016  # expanded on the host
        expect_eq "$1, $host: diversions" "" "$(asked "$host" 'all=$(dpkg-divert --list) && { printf "%s\n" "$all" | grep xl-fast || true; }')"
    done
}

for host in "${HOSTS[@]}"; do
    install_package "$host" "$WORK/xl-fast.deb"
    if on "$host" xl-fast doctor >"$WORK/out" 2>&1; then fail "$host: doctor is content without a port: $(cat "$WORK/out")"; fi
    expect_match "$host: doctor says what is missing" 'FAIL  config .*port is missing' "$(cat "$WORK/out")"
    edit_one_line "$host"
done
for host in "${HOSTS[@]}"; do
    on "$host" xl-fast doctor "$(other_host "$host")" >"$WORK/out" 2>&1 || fail "$host: doctor: $(cat "$WORK/out")"
    note "$host: $(tail -n 1 "$WORK/out")"
done

make_guest A guest memory=128
fast_move A guest

another_package 1.1 'echo "echo \"xl-fast: newer\" >&2" >>usr/lib/xl-fast/xl-fast-helper; sed -i /xl-fast-helper/d DEBIAN/md5sums'
for host in "${HOSTS[@]}"; do
    install_package "$host" "$WORK/1.1.deb"
    expect_eq "$host: the version" 1.1 "$(on "$host" "dpkg-query -W -f '\${Version}' xl-fast")"
    expect_match "$host: the line is kept" '^port = ' "$(on "$host" cat /etc/xen/xl-fast.conf)"
done
fast_move B guest

for host in "${HOSTS[@]}"; do on "$host" apt remove -y xl-fast >"$WORK/log" 2>&1 || fail "$host: apt remove: $(cat "$WORK/log")"; done
stock removed
before=$(guest_tick A guest)
migrate A guest || fail "stock xl migrate, removed"
expect_goes_on B guest "$before"

for host in "${HOSTS[@]}"; do on "$host" apt purge -y xl-fast >"$WORK/log" 2>&1 || fail "$host: apt purge: $(cat "$WORK/log")"; done
stock purged
for host in "${HOSTS[@]}"; do
    expect_eq "$host: what is left" "" "$(asked "$host" "find / -xdev \\( -path $PACKAGE_DIR -o -path /var/log -o -path /lab \\) -prune -o -name '*xl-fast*' -print && { [ ! -e /run/xl-fast ] || echo /run/xl-fast; }")"
done
before=$(guest_tick B guest)
migrate B guest || fail "stock xl migrate, purged"
expect_goes_on A guest "$before"
wait_pass A guest
end_clean
