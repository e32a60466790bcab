#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast disks sync: a guest on host A writes to two disks all the time (disks-sync.py), and B gets a copy of both, to the
# byte what they held while the guest was paused; again, as changes only; and then the guest moves with what differs from
# that. Where it fails, or whoever paused the guest is killed, the guest goes on, and no host calls what is there a copy.
# shellcheck source=tests/e2e/disks.bash
. "$(dirname "$0")/disks.bash"

make_tracked_hosts
mkdir "$work/points"
for disk in web data; do
    head -c 8M /dev/urandom >"$work/files.A/$disk.img"
    truncate -s 24M "$work/files.A/$disk.img"
    loop_of "$work/files.A/$disk.img"
done
echo "web /mnt/web.img /mnt/data.img" >"$work/A/domains"
export XF_TEST_RING=$work/ring LD_PRELOAD_OF_DISKS=$work/no-xen.so
XF_TEST_DEVICE=$(stat -c '%t:%T' "${loops[0]}")
XF_TEST_DEVICE_B=$(stat -c '%t:%T' "${loops[1]}")
export XF_TEST_DEVICE XF_TEST_DEVICE_B

# sync HOW [FAULT] -- [OPTION...]: its output is in $work/out and $work/err.
sync() {
    local how=$1 fault='' program=$disks
    [ "$2" = -- ] || { fault=$2 program=$faults; shift; }
    shift 2
    echo "+ $how: xl-fast disks sync $* ($fault)"
    XF_FAULT=$fault python3 tests/e2e/disks-sync.py "$how" "$work/ring" "$work/pauses" "$work/points" \
        "$work/files.A/web.img" "${loops[0]}" "$work/files.A/data.img" "${loops[1]}" \
        "$work/at" A "$program" disks sync -s "$work/ssh" "$@" web B >"$work/out" 2>"$work/err"
    status=$?
    grep -hq "cannot be tracked" "$work/err" && { echo "this kernel or this build has no tracker"; exit 77; }
    [ "$status" != 99 ] || fail "the guest is left paused"
    # It writes again, if it ever stood.
    grep -qE '^paused (0 times|[0-9]+ times, [1-9][0-9]* writes since)' "$work/err" || fail "the guest does not go on"
    [ ! -e "$work/B/files/web.img" ] || fail "a disk of its own name is on B"
}
# B has what both disks held when the guest stood.
is_copied() {
    [ "$status" = 0 ] || fail "exit status $status"
    cmp "$work/points/0" "$work/B/files/web.img.xlfast-incoming" || fail "the first disk is another one"
    cmp "$work/points/1" "$work/B/files/data.img.xlfast-incoming" || fail "the second disk is of another moment"
    lists A "^web is synced to B, as of 20"
    lists B "^web is synced from .*, as of 20"
}
fails() { # WORDS
    [ "$status" != 0 ] || fail "it is done"
    grep -q -e "$1" "$work/err" || fail "it does not say '$1'"
    ! grep -q "is synced" < <(list A) || fail "A calls it a copy"
}

sync usual -- --json
is_copied
! cmp -s "$work/points/0" "$work/files.A/web.img" || fail "the guest has written nothing since"
python3 -c 'import json, sys
o = json.load(sys.stdin)
assert o["guest"] == "web" and o["host"] == "B" and o["point_us"] > 1e15 and o["paused_us"] > 0 and not o["verified"]
assert [d["vdev"] for d in o["disks"]] == ["xvda", "xvdb"] and not any(d["bytes_same"] for d in o["disks"]), o' <"$work/out" || fail "$(cat "$work/out")"
list B --json >"$work/listed"
python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
g, = b["guests"]
assert g["state"] == "replica" and g["point_us"] == a["point_us"] and all(d["there"] for d in g["disks"]), g' "$work/out" "$work/listed" || fail "$(cat "$work/listed")"
# Its moment is what a plan goes by.
LD_PRELOAD=$work/no-xen.so "$work/at" A "$disks" describe >"$work/described"
LD_PRELOAD=$work/no-xen.so "$work/at" B "$disks" judge <"$work/described" >"$work/judged"
python3 -c 'import json, sys
a, b = (json.load(open(f)) for f in sys.argv[1:])
g, = b["guests"]
assert "why" not in g and all(d["old_s"] == a["point_us"] // 1000000 for d in g["disks"]), g' "$work/out" "$work/judged" || fail "$(cat "$work/judged")"

# Again: what differs alone. The guest writes to the first quarter of its disks.
sync usual -- --json
is_copied
python3 -c 'import json, sys
o = json.load(sys.stdin)
assert all(d["bytes_same"] > d["disk_bytes"] * 0.7 for d in o["disks"]), o' <"$work/out" || fail "all is sent again: $(cat "$work/out")"
sync usual -- --verify
is_copied
grep -q "^web is synced to B: 48 MiB" "$work/out" || fail "it does not say so: $(cat "$work/out")"

# Its backend does not know of its last request before it goes on: it is paused a second time.
sync deaf --
is_copied
grep -q "^paused 2 times" "$work/err" || fail "it was not paused again"

# A write that was not seen: found, by what differs and was not written to since.
XF_TEST_IN_ORDER=1 sync usual live_source_lost=error -- --verify
fails "differs at the target, first about byte"
lists B "^web has not arrived from"
sync usual --
is_copied

# Xen does not pause it; its disk never answers; a step fails, or who pauses it is killed.
sync no --
fails "Xen does not pause the guest"
sync slow --
fails "does not answer the guest's last request"
for fault in sync_source_stands=error sync_source_stands=kill sync_source_synced=error sync_source_synced=kill live_target_sync=kill; do
    sync usual "$fault" -- 2>/dev/null
    fails ""
    lists B "^web has not arrived from"
done
# Killed when B has it for good: B says so, and A does not know.
sync usual sync_source_done=kill -- 2>/dev/null
fails ""
lists B "^web is synced from"
sync usual --
is_copied

# What is refused: no such guest, what cannot be tracked, what is another's.
echo "other /mnt/web.img /mnt/data.img" >"$work/A/domains"
sync usual --
[ "$status" = 1 ] || fail "exit status $status"
grep -q "there is no guest web here" "$work/err" || fail "it does not say why"
is_copied_still() { status=0; is_copied; }
is_copied_still
echo "web /mnt/web.img /mnt/data.img" >"$work/A/domains"
list A --drop web || fail "A cannot forget it"
! grep -q web < <(list A) || fail "A has not forgotten it"
[ -e "$work/files.A/web.img" ] || fail "it has dropped the guest's disk"

# It moves off: what differs from the copy goes, and the copy is the guest's.
cat >"$work/files.A/web.cfg" <<CFG
name = "web"
memory = 64
disk = [ "/mnt/web.img,raw,xvda,w", "/mnt/data.img,raw,xvdb,w" ]
CFG
sync usual --
is_copied
: >"$work/A/domains"
LD_PRELOAD=$work/no-xen.so "$work/at" A "$disks" move-off -s "$work/ssh" --json /mnt/web.cfg B >"$work/out" 2>"$work/err" || fail "it does not move off"
python3 -c 'import json, sys
o = json.load(sys.stdin)
assert o["moved"] and all(d["bytes_same"] > d["disk_bytes"] * 0.7 for d in o["disks"]), o' <"$work/out" || fail "all is sent again: $(cat "$work/out")"
for disk in web data; do
    cmp "$work/files.A/$disk.img.xlfast-left" "$work/B/files/$disk.img" || fail "$disk differs"
done
lists A "^web has gone to B"
lists B "^web has come from"

# A copy alone can be dropped, and nothing else with it.
rm -rf "$work"/B/files/web* "$work"/B/files/data* "$shm"/?/state/*
for disk in web data; do mv "$work/files.A/$disk.img.xlfast-left" "$work/files.A/$disk.img"; done
echo "web /mnt/web.img /mnt/data.img" >"$work/A/domains"
sync usual --
is_copied
echo mine >"$work/B/files/web.img"
list B --drop web || fail "the copy cannot be dropped"
[ "$(ls "$work/B/files")" = "$(printf '%s\n' cd.iso web.img)" ] || fail "on B: $(ls "$work/B/files")"

# A move while it runs goes by the copy, too, and makes it the guest's.
rm "$work/B/files/web.img"
sync usual --
is_copied
XF_FAULT='' python3 tests/e2e/with-disks.py moved "${loops[0]}" "$work/ring" "$work/A/domains" "$work/at" A "$disks" live \
    00000000-0000-0000-0000-000000000000 B "$work/ssh" verify >"$work/out" 2>"$work/err" || fail "it does not move"
for disk in web data; do
    cmp "$work/files.A/$disk.img.xlfast-left" "$work/B/files/$disk.img" || fail "$disk differs"
    [ ! -e "$work/B/files/$disk.img.xlfast-incoming" ] || fail "the copy of $disk is there still"
done
lists A "^web has gone to B"
lists B "^web has come from"
