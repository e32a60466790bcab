#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A port loses its link while memory moves, at either end and on the way, and has it again a little later, as when a
# NIC is reset or a switch negotiates anew: the guest arrives all the same.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

# down KIND HOST INTERFACE SECONDS
down() {
    local kind=$1
    shift
    echo "+ $kind: $2 of $1 is down for $3 s"
    rm -f "$work/events"
    "$XL_FAST" demo --memory 64M --fill random --bandwidth 400M --source-port "$A/$kind:mig" --target-port "$B/$kind:mig" \
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
net_up 9000 9000
down af_packet "$A" mig 2
down af_packet "$B" mig 1
down af_packet "$S" swb 2
net_up 3000 3000
down af_xdp "$A" mig 1
