#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whether multicast passes between two hosts: over a switch that sends a group's packets only to ports that it knows a
# member of, xl-fast bench link --multicast passes when there is a querier, and without one fails in seconds, with a line
# that says so, though the target answers.
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "$0")/netns.bash"

deaf='answers, but multicast does not reach it: check IGMP snooping (is there a querier?), VLAN, storm control and filters'
net_up 9000 9000

switch() { # querier: 0 or 1
    if ! ip -n "$S" link set dev br0 type bridge mcast_snooping 1 mcast_querier "$1" mcast_query_response_interval 100 ||
        ! ip -n "$S" link set dev swb type bridge_slave mcast_flood off; then
        echo "this kernel's bridge does not snoop"
        exit 77
    fi
}

# multicast ARGUMENTS...: a run between the two namespaces.
multicast() {
    bench link --multicast --source-port "$A/mig" --target-port "$B/mig" --memory 16M "$@"
}

# not_reached NAME: the newest run has failed so, in a few seconds from $SECONDS = 0 on.
not_reached() {
    [ "$status" = 1 ] || fail "exit status $status"
    [ "$(cat "$work/err")" = "xl-fast bench link: $1 $deaf" ] || fail "not this line: $1 $deaf"
    [ $SECONDS -lt "$(size 15 60)" ] || fail "only after $SECONDS s"
    nothing_left
}

# ---- nobody asks for members: the group's packets go nowhere

switch 0
SECONDS=0
multicast --seconds 1 --json
not_reached 'the target'
python3 - "$work/out" <<'END' || fail "the JSON does not say so"
import json, sys

(line,) = open(sys.argv[1])
r = json.loads(line)
assert r["ok"] is False and r["multicast"] is True and "multicast does not reach it" in r["error"] and r["verified"] is None, r
END

# ---- somebody does; the switch first waits for others that ask, which is no failure

switch 1
multicast --seconds 1 --queues 1,2 --interval 0.5 --json
[ "$status" = 0 ] || fail "exit status $status"
[ ! -s "$work/err" ] || fail "something on stderr"
python3 - "$work/out" <<'END' || fail "the figures do not fit each other"
import json, sys

runs = [json.loads(line) for line in open(sys.argv[1])]
assert [r["queues"] for r in runs] == [1, 2]
for r in runs:
    assert r["ok"] and r["multicast"] is True and r["verified"] and r["host"] is None and r["mtu"] == 9000, r
    assert r["wire_bps"] > r["payload_bps"] > 0 and r["packets_sent"] > 1000 and r["intervals"], r
    assert sum(r["rejects"].values()) == 0, r
END
multicast --passes 1 --sink null
[ "$status" = 0 ] || fail "exit status $status"
grep -q '^16 MiB to a process of this machine by multicast, into nothing$' "$work/out" || fail "the table does not say how"
bench link --source-port "$A/mig" --target-port "$B/mig" --memory 16M --passes 1 --json
grep -q '"multicast": false' "$work/out" || fail "another run went by multicast, too"
