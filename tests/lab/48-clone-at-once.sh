#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --hosts 3
# `xl-fast clone` to several hosts at once: of a guest that runs on A, whose TCP sessions stand, one copy each runs on B and
# C after one pause of it: every page right, each with a name, UUID and MAC of its own, on no bridge. Its memory crosses A's
# port once. With PVH and HVM guests (XF_LAB_TYPES), and with disks, of which each copy has its own. Then what breaks it: kills at
# A, B and C, and cuts of ssh, at random moments: the guest goes on at A, and each of the others has a whole copy or nothing.
# LAB_QUICK: a PVH guest, without the faults.   XF_LAB_TIMES=N: so many faults (20)   XF_LAB_KIND=N: of that kind
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/clones.sh
. "$(dirname "$0")/clones.sh"
# shellcheck source=tests/lab/volumes.sh
. "$(dirname "$0")/volumes.sh"

trap volumes_end EXIT
begin

# What A's port sent and each other's received, bytes: of the switch between them.
count() { echo "$(switch_count link1 A bytes_in) $(switch_count link1 B bytes_out) $(switch_count link1 C bytes_out)"; }
# since BEFORE: the same since then.
since() {
    local was now
    read -ra was <<<"$1"
    read -ra now <<<"$(count)"
    echo "$((now[0] - was[0])) $((now[1] - was[1])) $((now[2] - was[2]))"
}

quick && types=pvh || types=${XF_LAB_TYPES:-pvh hvm}
for type in $types; do
    make_guest A web type="$type" memory=128 net=1
    devices_begin web
    sleep 3
    before=$(guest_tick A web)

    bytes=$(count)
    clone web B --paused --name 'one-%n' || fail "xl-fast clone to one host"
    read -r one _ < <(since "$bytes")
    status=0
    said=$(on B xl-fast clone --connect one-1 2>&1) || status=$?
    expect_eq "the status of connecting it too early" 1 "$status"
    expect_match "and why" 'has not said that it is told apart' "$said"
    on B xl destroy one-1

    before_copies=$(guest_tick A web)
    bytes=$(count)
    clone web B,C --verify || fail "xl-fast clone to two hosts"
    read -r sent to_b to_c < <(since "$bytes")
    clone_says | grep -aE '^xl-fast: (source|target|web)' | while read -r line; do note "$line"; done
    note "BYTES of A's port: to one host $one, to two at once $sent; B's received $to_b, C's $to_c"
    # Of two moves the guest's writes are not the same; twice the bytes would be 2.
    expect_le "bytes to two hosts, percent of those to one" 150 $((100 * sent / one))
    expect_match "how long the guest stood" '^xl-fast: web: downtime [0-9]+ ms' "$(clone_says)"
    expect_eq "pauses of the guest" 1 "$(clone_says | grep -ac 'web goes on$')"
    for copy in B:1 C:2; do
        host=${copy%:*} name=web-${copy#*:}
        expect_copy "$host" web "$name" "$before_copies"
        expect_eq "the copy's number, as its guest was told" "${copy#*:}" "$(field "$(guest_tick "$host" "$name")" copy)"
        expect_eq "the copy's bridge, and its frames" 0 "$(card_of "$host" "$name" | xargs)"
        [ "$(mac_of A web)" != "$(mac_of "$host" "$name")" ] || fail "$name has the MAC of web"
    done
    [ "$(mac_of B web-1)" != "$(mac_of C web-2)" ] || fail "both copies have one MAC"
    [ "$(uuid_of B web-1)" != "$(uuid_of C web-2)" ] || fail "both copies have one UUID"
    expect_goes_on A web "$before"
    on C xl-fast clone --connect web-2
    expect_match "the copy's bridge now" '^br0 ' "$(card_of C web-2)"
    answers 10.92.0.152 || fail "the copy does not answer by its own address"
    devices_end A web "$before"
    note "the guest's sessions: $PEERS_SAW"
    expect_eq "the guest's own verdict" 1 "$(field "$(guest_tick A web)" ok)"
    for host in "${HOSTS[@]}"; do destroy_all "$host"; done
done

# ---- disks ---------------------------------------------------------------------------------------------

# Each copy has disks of its own, of the moment of the one pause.
clone_with_disks() { # TYPE
    local before copy host
    make_with_disks "$1" net=1
    before=$(guest_tick A web)
    clone web B,C --disks copy --verify || fail "xl-fast clone --disks copy to two hosts"
    clone_says | grep -a 'disks: \|web: downtime' | while read -r line; do note "$line"; done
    expect_eq "pauses of the guest" 1 "$(clone_says | grep -ac 'web goes on$')"
    for copy in B:1 C:2; do
        host=${copy%:*}
        GUEST_WORDS[web-${copy#*:}]=" disk=16 "
        expect_copy "$host" web "web-${copy#*:}" "$before"
        devices_end "$host" "web-${copy#*:}" "$before"
        expect_match "what $host says" "^web-${copy#*:} has come from A" "$(on "$host" xl-fast disks)"
        # Nobody has written to this one.
        expect_eq "the file of the copy on $host" "$(on A 'sha256sum </root/web.img')" "$(on "$host" "sha256sum </root/web.img.web-${copy#*:}")"
    done
    expect_goes_on A web "$before"
    wait_field A web disk $(($(field "$(guest_tick A web)" disk) + 2000)) 240
    expect_eq "the guest's own verdict" 1 "$(field "$(guest_tick A web)" ok)"
    expect_eq "what A says of it" "" "$(on A xl-fast disks | grep web || true)"
    for host in "${HOSTS[@]}"; do destroy_all "$host"; done
    volumes_end
}
if ! quick && [ -z "${XF_LAB_KIND:-}" ]; then
    for type in $types; do clone_with_disks "$type"; done
fi

# ---- faults --------------------------------------------------------------------------------------------

# shellcheck disable=SC2016  # expanded on the host
FAULTS=(
    "A: xl-fast-clone, the hub in it, is killed|A|pkill -9 -x xl-fast-clone"
    "B: the restoring helper is killed|B|pkill -9 -f \"[l]ibxl-save-helper --restore\""
    "A: the save helper is killed|A|pkill -9 -f \"[l]ibxl-save-helper --save\""
    "C: the receiving xl is killed|C|pkill -9 -f \"[x]l migrate-receive\""
    "A: ssh to B is cut|A|pkill -9 -f \"^ssh .*B .*xl-fast-receive\""
    "C: the port goes down|C|ip link set eth1 down; sleep 40; ip link set eth1 up"
    "A: xl-fast and its program are killed|A|pkill -9 -f \"[x]l-fast clone\"; pkill -9 -x xl-fast-clone"
    "B: the pump or xl's parent is killed|B|pkill -9 -f \"[x]l-fast-receive\""
)

if ! quick; then
    clone_faults clone-at-once-faults B C
fi
end_clean
