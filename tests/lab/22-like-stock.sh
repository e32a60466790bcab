#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (it compares, which takes a stock migration of each kind as well)
# What a migration leaves behind, --fast and stock side by side: the same guest goes from A to B by stock
# and back by --fast. xl list, the names of its nodes in xenstore and what Xen logs at both ends are of
# the same kind, and all memory is free again when the guest is gone.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

# Xen's messages since the last look, without their numbers, each once.
xen_messages() {
    on "$1" xl dmesg -c | tr -d '\r' | sed -E 's/0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+/N/g' | sort -u
}

# xl list's line without what a guest cannot keep: its domid, its state of this moment, its time.
list_line() { on "$1" xl list | awk -v n="$2" '$1 == n { print $1, $3, $4 }'; }

same() { # WHAT STOCK FAST
    [ "$2" = "$3" ] || fail "$1 differs from stock: $(diff <(printf '%s\n' "$2") <(printf '%s\n' "$3"))"
    note "$1: as after stock ($(printf '%s\n' "$2" | wc -l) lines)"
}

for type in pvh hvm pv; do
    make_guest A "like$type" type="$type" memory=192
    for host in "${HOSTS[@]}"; do xen_messages "$host" >/dev/null; done

    migrate A "like$type" || fail "stock xl migrate"
    wait_tick B "like$type" 5 120
    stock_store=$(xenstore_names B "like$type")
    stock_list=$(list_line B "like$type")
    stock_source=$(xen_messages A)
    stock_target=$(xen_messages B)

    before=$(guest_tick B "like$type")
    migrate B "like$type" --fast --verify || fail "xl migrate --fast"
    expect_goes_on A "like$type" "$before"
    same "$type: xenstore" "$stock_store" "$(xenstore_names A "like$type")"
    same "$type: xl list" "$stock_list" "$(list_line A "like$type")"
    same "$type: Xen's messages at the source" "$stock_source" "$(xen_messages B)"
    same "$type: Xen's messages at the target" "$stock_target" "$(xen_messages A)"
    destroy_all A
done
end_clean
