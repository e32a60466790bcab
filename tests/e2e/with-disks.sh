#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that runs moves with its disk from host A to host B, without Xen: a file on a loop device, which threads write to
# all the time, tracked by the kernel's program; then the save helper's question, with a request under way at first; then
# xl's end. with-disks.py stands for the guest, the helper and xl-fast migrate. And each step that fails, or is killed: the
# guest goes on at A, or both disks are the same, and a next move is whole.
# shellcheck source=tests/e2e/disks.bash
. "$(dirname "$0")/disks.bash"

make_tracked_hosts

# begin: A's guest has a disk that it writes to.
begin() {
    loops_end
    rm -rf "$work"/files.A/* "$shm"/B/files/web* "$shm"/?/state/*
    head -c 24M /dev/urandom >"$work/files.A/web.img"
    truncate -s 48M "$work/files.A/web.img"
    loop_of "$work/files.A/web.img"
    echo "web /mnt/web.img" >"$work/A/domains"
    : >"$work/B/domains"
    head -c 4096 /dev/zero >"$work/ring"
}

# live WHAT [FAULT]: WHAT of with-disks.py. Its output is in $work/out. as: words of xl-fast-disks live.
as=()
live() {
    local program=$disks number
    [ -z "${2:-}" ] || program=$faults
    number=$(stat -c '%t:%T' "${loops[0]}")
    echo "+ $1 ${2:-}"
    XF_FAULT=${2:-} XF_TEST_DEVICE=$number XF_TEST_RING=$work/ring LD_PRELOAD_OF_DISKS=$work/no-xen.so \
        python3 tests/e2e/with-disks.py "$1" "${loops[0]}" "$work/ring" "$work/A/domains" \
        "$work/at" A "$program" live 00000000-0000-0000-0000-000000000000 B "$work/ssh" verify "${as[@]}" >"$work/out" 2>"$work/err"
    status=$?
    # transport/test_track says whether it should.
    grep -hq "cannot be tracked" "$work/out" "$work/err" && { echo "this kernel or this build has no tracker"; exit 77; }
    return 0
}
same() { cmp "$1" "$2" || fail "the disks differ"; }
stays() {
    [ "$(cat "$work/A/domains")" = "web /mnt/web.img" ] || fail "the guest is gone from A"
    [ -e "$work/A/files/web.img" ] || fail "its disk is gone from A"
    [ ! -e "$work/A/files/web.img.xlfast-left" ] || fail "its disk is put aside on A"
    [ ! -e "$work/B/files/web.img" ] || [ "${1:-}" = named ] || fail "a disk of its name is left on B"
}

# plan [WORD...]: what a move would find: A describes its guests, B judges them. Then of the first guest, and of its
# disk, one KEY=VALUE a line in $work/plan.
plan() {
    echo "+ describe $* | judge"
    XF_TEST_DEVICE=$(stat -c '%t:%T' "${loops[0]}") XF_TEST_RING=$work/ring LD_PRELOAD=$work/no-xen.so \
        "$work/at" A "$disks" describe "$@" >"$work/described" || fail "it is not described"
    grep -hq "cannot be tracked" "$work/described" && { echo "this kernel or this build has no tracker"; exit 77; }
    LD_PRELOAD=$work/no-xen.so "$work/at" B "$disks" judge <"$work/described" >"$work/judged" || fail "it is not judged"
    python3 - "$work/described" "$work/judged" >"$work/plan" <<'END' || fail "no plan: $(cat "$work/described" "$work/judged")"
import json, sys
here, there = (json.load(open(name))["guests"][0] for name in sys.argv[1:])
for end, o in (("here", here), ("there", there)):
    for key in ("shared", "why"):
        print(f"{end}.{key}={o.get(key, '')}")
    for disk in o.get("disks", []):
        for key, value in disk.items():
            print(f"{end}.{disk['vdev']}.{key}={value}")
END
}
planned() { # KEY=VALUE...
    local line
    for line; do grep -qxF -- "$line" "$work/plan" || fail "the plan has no $line: $(cat "$work/plan")"; done
}
uuid=00000000-0000-0000-0000-000000000000

begin
plan $uuid
planned here.why= there.why= there.shared=False here.xvda.path=/mnt/web.img here.xvda.is=file here.xvda.bytes=50331648 \
    there.xvda.path=/mnt/web.img there.xvda.place=/mnt there.xvda.old_s=0 there.xvda.need_bytes=50331648 there.xvda.thin=False
[ "$(sed -n 's/^here.xvda.data_bytes=//p' "$work/plan")" -lt 30000000 ] || fail "its holes count as data"
[ "$(ls "$work/B/files")" = cd.iso ] || fail "a plan makes something"
echo mine >"$work/B/files/web.img"
plan
planned "there.why=disk xvda: /mnt/web.img is there already" there.shared=True
rm "$work/B/files/web.img"
# What cannot move while it runs is named, and so is all else; a disk of another domain, too.
truncate -s 1M "$work/files.A/data.qcow2"
echo "web /mnt/web.img /mnt/data.qcow2" >"$work/A/domains"
plan
planned "here.why=disk xvdb is not raw; xl-fast move-off --shutdown moves it with a stop" \
    "here.xvdb.why=disk xvdb is not raw; xl-fast move-off --shutdown moves it with a stop" there.xvda.place=/mnt there.why=
printf '%s\n' "web /mnt/web.img" "other /mnt/web.img" >"$work/A/domains"
plan $uuid
planned "here.why=disk xvda: guest 'other' has /mnt/web.img"
echo "web /mnt/web.img" >"$work/A/domains"
for lie in '' '{}' '{"guests":3}'; do
    LD_PRELOAD=$work/no-xen.so "$work/at" B "$disks" judge <<<"$lie" 2>"$work/err" && fail "it judges '$lie'"
    grep -q 'install the same xl-fast' "$work/err" || fail "it does not say why"
done
for lie in 3 '{}' '{"uuid":"x","guest":{"name":"../x","uuid":"","config":"","disks":[],"needs":[]}}'; do
    LD_PRELOAD=$work/no-xen.so "$work/at" B "$disks" judge <<<"{\"guests\":[$lie]}" >"$work/out" || fail "one lie ends all"
    grep -q '"shared":false' "$work/out" || fail "it believes '$lie': $(cat "$work/out")"
done

begin
live moved
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"
lists A "^web has gone to B$"
lists B "^web has come from"

# The helper says that it did not go: what has come stays for the next time, which sends little.
begin
live stays
[ "$status" = 0 ] || fail "exit status $status"
stays
lists B "^web has not arrived from"
plan $uuid
planned there.why= there.xvda.place=/mnt
grep -qE '^there.xvda.old_s=[1-9][0-9]{9}$' "$work/plan" || fail "what has come is not planned with: $(cat "$work/plan")"
[ "$(sed -n 's/^there.xvda.need_bytes=//p' "$work/plan")" -lt 30000000 ] || fail "room is asked for what is there"
live moved
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"

# Writes that were not seen: where the kernel's count tells, the disk is compared and mended; where it does not, --verify
# finds it.
begin
live moved 'live_source_lost=error live_source_witness=error'
[ "$status" = 0 ] || fail "exit status $status"
grep -q "xvda is compared" "$work/err" || fail "it was not compared"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"
begin
live either live_source_lost=error
if grep -q "xvda is compared" "$work/err"; then # the device was never at rest
    same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"
else
    grep -q "xvda differs at the target" "$work/err" || fail "the difference is not found"
    stays
fi

# Cancelled before the helper asks; and a disk that does not answer is waited for in vain.
begin
live cancelled
stays
# It has another disk when it stands: what was tracked was not that one.
begin
truncate -s 48M "$work/files.A/other.img"
live changed
[ "$status" = 0 ] || fail "exit status $status"
grep -q "its disks have changed" "$work/err" || fail "it is not told"
[ -e "$work/A/files/web.img" ] || fail "its disk is gone"
[ ! -e "$work/B/files/web.img" ] || fail "it went all the same"
for fault in off_target_made=error live_source_stands=error live_source_stands=kill live_source_synced=error \
    live_source_synced=kill live_target_sync=error live_target_sync=kill; do
    begin
    live refused "$fault"
    [ "$status" = 0 ] || fail "exit status $status"
    # A target that was killed, or does not know, cannot give it another name.
    case $fault in *=kill | live_source_synced*) stays named ;; *) stays ;; esac
done
# The next move settles that, for the guest runs at A.
lists B "^web may have come from"
plan $uuid
planned there.why=
grep -qE '^there.xvda.old_s=[1-9][0-9]{9}$' "$work/plan" || fail "what has come is not planned with"
live moved
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"

# A copy (xl-fast clone): the guest stays with its disk, and the copy has one of its own.
begin
as=(copy web-1 6f1c9a52-0001-4000-8000-0123456789ab)
live stays
[ "$status" = 0 ] || fail "exit status $status"
stays
lists B "^web-1 has not arrived from"
live copied
[ "$status" = 0 ] || fail "exit status $status"
stays
same "$work/A/files/web.img" "$work/B/files/web.img.web-1"
lists B "^web-1 has come from"
! grep -q web < <(list A) || fail "A says of its guest: $(list A)"
# Made anew: refused where its disks are, unless it is told to replace them; then only what differs goes over.
live refused
grep -q "web.img.web-1 is there already" "$work/err" || fail "it is not said why"
plan $uuid "${as[@]}"
planned "there.why=disk xvda: /mnt/web.img.web-1 is there already"
as+=(replace)
plan $uuid "${as[@]}"
planned there.why= there.xvda.path=/mnt/web.img.web-1
grep -qE '^there.xvda.old_s=[1-9][0-9]{9}$' "$work/plan" || fail "an earlier copy is not planned with"
echo "web-1 /mnt/web.img.web-1" >"$work/B/domains"
live refused
grep -q "guest 'web-1' is there" "$work/err" || fail "a copy that runs is replaced: $(cat "$work/err")"
: >"$work/B/domains"
live copied
[ "$status" = 0 ] || fail "exit status $status"
stays
same "$work/A/files/web.img" "$work/B/files/web.img.web-1"
lists B "^web-1 has come from"
# Another guest has the copy's name, came with a disk of its own, and is off: that is never replaced.
journal=$work/B/state/xl-fast/disks/web-1.json
cp "$journal" "$work/journal"
mv "$work/B/files/web.img.web-1" "$work/B/files/other.img"
cp "$work/B/files/other.img" "$work/other.img"
sed -i 's|web\.img\.web-1|other.img|g' "$journal"
live refused
grep -q "'web-1' here is no earlier copy of the guest: it has /mnt/other.img" "$work/err" || fail "it is not said: $(cat "$work/err")"
same "$work/other.img" "$work/B/files/other.img"
mv "$work/B/files/other.img" "$work/B/files/web.img.web-1"
cp "$work/journal" "$journal"
# Another one, and then the guest itself goes.
as=(copy web-2 6f1c9a52-0002-4000-8000-0123456789ab)
live copied
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img" "$work/B/files/web.img.web-2"
cmp -s "$work/A/files/web.img" "$work/B/files/web.img.web-1" && fail "web-1's disk was written to"
as=()
live moved
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"

# Nobody knows whether the helper heard that it may go: then neither host lets another move begin.
begin
live refused live_source_told=kill
[ -e "$work/A/files/web.img" ] || fail "the disk is gone from A"
lists A "^web may have gone to B"
lists B "^web may have come from"
live refused
grep -q "was not seen to end" "$work/err" || fail "another move begins over it"
plan $uuid
grep -q "^here.why=a move of 'web' from here to B was not seen to end" "$work/plan" || fail "it is planned: $(cat "$work/plan")"
list B --drop web 2>"$work/err" && fail "it can be dropped on B"
grep -q "was not seen to end" "$work/err" || fail "B does not say why"
# Where it runs, its disks are: asked there, that host says so from then on.
list A --drop web 2>"$work/err" && fail "it can be dropped while it runs"
lists A "^web has come from"
live moved
[ "$status" = 0 ] || fail "exit status $status"
same "$work/A/files/web.img.xlfast-left" "$work/B/files/web.img"
