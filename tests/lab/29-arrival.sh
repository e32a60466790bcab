#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 and 15 move guests with network cards; this measures what their neighbours see)
# What a move is for the guest's neighbours. A PVH guest: "reachable after" is within 200 ms of what a ping each 100 ms
# from the other host shows. An HVM guest with an emulated card that it does not use, and so never says a word: the
# other host's bridge hears its MAC announced from the target, once it runs there and not before, and the tool says
# that its first frame was not seen. With announce = 0 nothing is heard.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

conf=/etc/xen/xl-fast.conf
restore_conf() { on B "sed -i '/^announce/d' $conf"; }
trap restore_conf EXIT

build_neighbour() {
    local source=$REPO/tests/lab/neighbour.c out=$LAB_DIR/neighbour host
    ${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$out" "$source"
    for host in "${HOSTS[@]}"; do
        copy_to "$host" "$out" /lab/neighbour
        on "$host" chmod +x /lab/neighbour
    done
}
build_neighbour

# neighbour_start WORDS...: on A, until neighbour_stop, which prints what it said.
neighbour_start() { on A "/lab/neighbour $* </dev/null >/lab/neighbour.out 2>&1 & echo \$! >/lab/neighbour.pid"; }
# shellcheck disable=SC2016  # expanded on the host
neighbour_stop() { on A 'kill "$(cat /lab/neighbour.pid)"; cat /lab/neighbour.out'; }

# move NAME [OPTION...]: from A to B; EVENTS is what it did.
move() {
    local name=$1
    shift
    on A rm -f /lab/events
    ON_TIMEOUT=400 on A "XL_FAST_EVENTS=/lab/events xl migrate --fast $* $name B" || fail "xl migrate --fast $name"
    EVENTS=$(on A cat /lab/events)
}

# From the events: when the guest was asked to suspend, and when it was reachable, since 1970; "null" if it was not seen.
times() {
    printf '%s\n' "$EVENTS" | python3 -c 'import json, sys
events = [json.loads(line) for line in sys.stdin]
of = {e["event"]: e for e in events}
began, done = of["start"]["time_us"], of["done"]
suspended = began + done["t_us"] - sum(done["downtime"].values())
after = [e["reachable_after_us"] for e in events if e["event"] == "reachable"]
assert len(after) == 1, after
print(suspended, "null" if after[0] is None else suspended + after[0])'
}

note "--- PVH: a ping each 100 ms"
make_guest A near memory=128 net=1
neighbour_start ping "$(guest_address near)"
sleep 5
move near
sleep 3
pings=$(neighbour_stop)
read -r suspended reachable <<<"$(times)"
note "suspended at $suspended, reachable at $reachable"
[ "$reachable" != null ] || fail "the guest's first frame was not seen"
# The first answer after the longest gap.
read -r gap_ms answered <<<"$(printf '%s\n' "$pings" | awk -v from="$suspended" '
    /^reply/ { if (last && $3 - last > gap && $3 > from) { gap = $3 - last; at = $3 } last = $3 }
    END { printf "%d %.0f\n", gap / 1000, at }  # mawk has no %d above 2^31')"
note "the ping heard nothing for $gap_ms ms"
difference_ms=$(((answered - reachable) / 1000))
note "FIGURES reachable after $(((reachable - suspended) / 1000)) ms, the ping's first answer $difference_ms ms later"
expect_le "between the tool's and the ping's, ms" 200 "${difference_ms#-}"
destroy_all B

note "--- HVM: a card that is emulated, and a guest that is silent"
mac=00:16:3e:00:00:2a
for announce in 1 0; do
    on B "sed -i '/^announce/d' $conf; echo announce = $announce >>$conf"
    make_guest A mute type=hvm memory=128 args=xen_emul_unplug=never conf="vif = [\"mac=$mac,bridge=br0,type=ioemu\"]"
    neighbour_start hear br0 $mac
    move mute
    heard=$(neighbour_stop)
    read -r suspended reachable <<<"$(times)"
    expect_eq "when its first frame came" null "$reachable"
    # QEMU announces it when it has loaded its state, before the guest runs: by how many ms is noted.
    count=$(printf '%s\n' "$heard" | grep -c '^heard .* 8035$' || true)
    note "RARP heard on A with announce = $announce: $count; $(printf '%s\n' "$heard" | awk -v s="$suspended" '/8035$/ { printf "%d ms, ", ($2 - s) / 1000 }') after the suspend"
    if [ $announce = 1 ]; then
        expect_ge "announcements that the other host's bridge heard" 5 "$count"
        # Its bridge has learnt it on the port to B, and B's on the guest's.
        expect_match "where A's bridge has the guest" "$mac dev eth3" "$(on A "bridge fdb show br br0 | grep $mac")"
        expect_match "where B's bridge has the guest" "$mac dev vif[0-9]+.0-emu" "$(on B "bridge fdb show br br0 | grep $mac")"
    fi
    left=$(asked B 'ip -o link show | grep -c xlfast || true')
    expect_eq "interfaces that are left on B" 0 "$left"
    destroy_all B
done
restore_conf

end_clean
