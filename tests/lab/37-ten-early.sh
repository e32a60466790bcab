#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (35 moves once)
# A PVH guest with a disk and a network card moves ten times in a row, early, with --verify: each time its disk and its
# TCP sessions are right, and nothing is left at the host that it has left. At the end no memory, domain, device or
# process is missing or left on either host.
# It notes in how many moves the tool's downtime is within 10 % or 50 ms of what Xen shows at both hosts, and in how many of
# those after three in each direction what it had predicted is within a quarter of it. The guest's own clock sleeps longer,
# as its kernel stops it before the last instruction and starts it some time after the first.
#   XF_LAB_TIMES=10
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

left_at() { # HOST: what dom0 there still has of any guest, or of a move
    # shellcheck disable=SC2016  # expanded on the host
    asked "$1" 'ls /sys/class/net | grep "^vif" || true
        for d in vbd vif; do xenstore-ls "/local/domain/0/backend/$d" 2>/dev/null | grep -o "domain = .*" || true; done
        for p in xl-fast-pump libxl-save-hel xl-fast-linger xl-fast-arriva xl-fast-receiv; do pgrep -l "^$p" || true; done'
}

# The memory of a guest that has arrived is unmapped some time later.
nothing_left_at() { # HOST
    local i
    for ((i = 0; i < 60; i++)); do
        [ -n "$(left_at "$1")" ] || break
        sleep 2
    done
    expect_eq "what is left at $1" "" "$(left_at "$1")"
}

build_watch() {
    local host
    gcc -std=gnu11 -O2 -Wall -Wextra -Werror -o "$LAB_DIR/watch" "$REPO/tests/lab/watch.c" -lxenctrl
    for host in "${HOSTS[@]}"; do
        copy_to "$host" "$LAB_DIR/watch" /lab/watch
        on "$host" chmod +x /lab/watch
    done
}
start_watch() { # FROM
    # shellcheck disable=SC2016  # expanded on the host
    on "$1" '(/lab/watch stands "$(xl domid ten)" >/lab/watch.out 2>&1 &) </dev/null >/dev/null 2>&1'
    on "$(other_host "$1")" '(/lab/watch runs >/lab/watch.out 2>&1 &) </dev/null >/dev/null 2>&1'
}
# From the request to suspend until the guest runs at the target, as Xen has it there (watch.c).
seen_ms() { # FROM
    local from=$1 stands runs asked
    stands=$(on "$from" cat /lab/watch.out)
    runs=$(on "$(other_host "$from")" cat /lab/watch.out)
    asked=$(on "$from" cat /lab/events | python3 -c 'import json, sys
of = {e["event"]: e for e in map(json.loads, sys.stdin)}
print(of["start"]["time_us"] + of["suspend"]["t_us"])')
    note "it stands $(((${stands#stands } - asked) / 1000)) ms after the request" >&2
    echo $(((${runs#runs } - asked) / 1000 - $(clocks_apart "$from")))
}
# near A B PERCENT: 1 if A is within so many percent of B, or within 50 ms where that is 10 %.
near() { awk -v a="$1" -v b="$2" -v p="$3" 'BEGIN { d = a > b ? a - b : b - a; print (d <= b * p / 100 || (p == 10 && d <= 50)) ? 1 : 0 }'; }

build_watch
told_right=0 predicted=0 predicted_right=0
make_guest A ten memory=192 vcpus=2 disk=4 net=1 write=200
wait_field A ten disk 1 180
at=A
for ((i = 1; i <= ${XF_LAB_TIMES:-10}; i++)); do
    note "--- $i"
    before=$(guest_tick "$at" ten)
    start_watch "$at"
    on "$at" rm -f /lab/events
    MIGRATE_EVENTS=/lab/events fast_move "$at" ten --hand-over=early
    read -r before_ms told_ms <<<"$(history_downtimes "$at")"
    saw_ms=$(seen_ms "$at")
    note "DOWNTIME predicted $before_ms, told $told_ms, seen $saw_ms ms; the guest's kernel slept for" \
        "$(($(slept_ms "$(other_host "$at")" ten "$before") - $(clocks_apart "$at"))) ms"
    told_right=$((told_right + $(near "$told_ms" "$saw_ms" 10)))
    if [ "$i" -gt 6 ]; then
        predicted=$((predicted + 1))
        predicted_right=$((predicted_right + $(near "$before_ms" "$told_ms" 25)))
    fi
    nothing_left_at "$at"
    at=$(other_host "$at")
done
note "FIGURES told right $told_right of $((i - 1)), predicted right $predicted_right of $predicted"
on "$at" xl destroy ten
for host in "${HOSTS[@]}"; do nothing_left_at "$host"; done
end_clean
