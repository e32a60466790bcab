#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Both ports take jumbo frames, and what lies between them does not: the user hears of the MTU, not of cables, whether
# long frames get lost on the way or the port itself refuses them (a veth does, whose other end has a smaller MTU; one
# such frame used to hold up all behind it). Once the MTU fits, the memory moves.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

moves() {
    demo --memory 16M --source-port "$A/mig" --target-port "$B/mig" --json
}
# told WHERE: what it says of the link, at the end that the demo reports.
told() {
    moves
    [ "$status" = 1 ] || fail "$1: exit status $status"
    grep -q "only short packets pass the migration link: set the same MTU" "$work/err" || fail "$1: it does not say so"
}
net_up 9000 1500
told "everywhere between"
ip -n "$S" link set dev swa mtu 9000
ip -n "$S" link set dev br0 mtu 9000
told "at the target"
ip -n "$S" link set dev swa mtu 1500
ip -n "$S" link set dev swb mtu 9000
told "at the source"
ip -n "$S" link set dev swa mtu 9000
moves
verified
