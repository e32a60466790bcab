#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A port loses its link while memory moves, at either end and on the way, and has it again a little later, as when a
# NIC is reset or a switch negotiates anew: the guest arrives all the same.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

net_up 9000 9000
# down HOST INTERFACE SECONDS
down() {
    echo "+ $2 of $1 is down for $3 s"
    rm -f "$work/events"
    "$XL_FAST" demo --memory 64M --fill random --bandwidth 400M --source-port "$A/mig" --target-port "$B/mig" \
        --events "$work/events" --json >"$work/out" 2>"$work/err" &
    local pid=$!
    for _ in $(seq 600); do
        ! grep -qs '"live"' "$work/events" || break
        sleep 0.05
    done
    sleep 0.2
    ip -n "$1" link set dev "$2" down
    sleep "$3"
    kill -0 "$pid" 2>/dev/null || fail "it had ended before the link came back: $(cat "$work/err")"
    ip -n "$1" link set dev "$2" up
    wait "$pid"
    status=$?
    verified
}
down "$A" mig 2
down "$B" mig 1
down "$S" swb 2
