#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A guest that is shut off moves from host A to host B and back, with a raw disk, a qcow2 image and an ISO image: two
# network namespaces, each with files of its own under /mnt, and a libxl without Xen. Then all that must be refused, and
# each end killed or failing at each step: at most one host ever has a configuration, the disk beside it is whole, and the next
# command settles what was broken off.
# shellcheck source=tests/e2e/disks.bash
. "$(dirname "$0")/disks.bash"

# Just before it is off, the guest writes once more, and its image grows; what it holds then is what has to arrive.
mkdir "$work/bin"
cat >"$work/bin/xl" <<XL
#!/usr/bin/env bash
case \$1 in
shutdown)
    echo 'its last words' | dd of=/mnt/web.img bs=64K seek=7 conv=notrunc status=none
    head -c 70000 /dev/urandom >>/mnt/data.qcow2
    cp /mnt/web.img /mnt/data.qcow2 $work/
    : >"\$XF_TEST_DOMAINS" ;;
create) echo web >"\$XF_TEST_DOMAINS" ;;
esac
XL
chmod +x "$work/bin/xl"
PATH=$work/bin:$PATH

hosts() {
    make_hosts
    cat >"$work/A/files/web.cfg" <<CFG
name = "web"
memory = 64
disk = [ "/mnt/web.img,raw,xvda,w", "format=qcow2,vdev=xvdb,access=rw,target=/mnt/data.qcow2",
         "file:/mnt/cd.iso,hdc:cdrom,r" ]
CFG
    head -c 3000001 /dev/urandom >"$work/web.img"
    truncate -s 16M "$work/web.img"
    # A header, data that is none, and an end that is in no sector.
    { printf 'QFI\xfb\0\0\0\3'; head -c 100 /dev/zero; head -c 150000 /dev/urandom; } >"$work/data.qcow2"
    cp "$work/web.img" "$work/data.qcow2" "$work/A/files/"
}

# move FROM TO [OPTION...]
move() {
    local from=$1 to=$2
    shift 2
    echo "+ $from: xl-fast move-off $* /mnt/web.cfg $to"
    # The sanitizers want to come first; what is preloaded has nothing of theirs.
    LD_PRELOAD=$work/no-xen.so "$work/at" "$from" "$disks" move-off -s "$work/ssh" "$@" \
        /mnt/web.cfg "$to" >"$work/out" 2>"$work/err"
    status=$?
}

# The guest is on that host, whole, and nothing of it can be started on the other.
is_at() {
    local here=$1 there=A file
    [ "$here" != A ] || there=B
    for file in web.img data.qcow2; do
        cmp "$work/$file" "$work/$here/files/$file" || fail "$file of $here differs"
    done
    [ -e "$work/$here/files/web.cfg" ] || fail "no configuration on $here"
    [ ! -e "$work/$there/files/web.cfg" ] || fail "a configuration on $there, too"
}

refused() { # WORDS
    [ "$status" = 1 ] || fail "exit status $status"
    grep -q -e "$1" "$work/err" || fail "the reason does not say $1"
    is_at A
    [ "$(ls "$work/B/files" "$work/B/state")" = "$files_at_b" ] || fail "something is left on B: $(ls -R "$work/B")"
}

hosts
move A B --dry-run
[ "$status" = 0 ] || fail "dry run: exit status $status"
is_at A
[ "$(ls "$work/B/files")" = cd.iso ] || fail "a dry run makes something"

move A B --verify
[ "$status" = 0 ] || fail "exit status $status"
is_at B
grep -q '^web is on B now$' "$work/out" || fail "it does not say so"
[ "$(stat -c %b "$work/B/files/web.img")" -lt 8000 ] || fail "its holes are filled"
cmp "$work/web.img" "$work/A/files/web.img.xlfast-left" || fail "nothing was left at A"
list A >"$work/out" || fail "xl-fast disks"
grep -q '^web has gone to B$' "$work/out" || fail "A does not say where it went"

# One of a hundred blocks is written to, all over the disk.
python3 -c 'import os, sys
with open(sys.argv[1], "r+b") as f:
    for at in range(0, os.fstat(f.fileno()).st_size, 409600):
        f.seek(at + at // 100 % 4000)
        f.write(b"other contents")' "$work/B/files/web.img"
cp "$work/B/files/web.img" "$work/web.img"
move B A --json
[ "$status" = 0 ] || fail "back: exit status $status"
is_at A
# Only what has changed, of one disk 1 %, and nothing of the other; with the hashes, 16 bytes a block.
python3 -c 'import json, sys
o = json.load(sys.stdin)
assert o["moved"] and o["guest"] == "web" and len(o["disks"]) == 2
web, data = o["disks"]
blocks = -(-web["disk_bytes"] // 409600)
assert web["bytes_same"] == web["disk_bytes"] - 4096 * blocks, (blocks, web)
share = (web["bytes_wire"] + web["disk_bytes"] // 4096 * 16) / web["disk_bytes"]
print(f"{share:.4f} of the disk went over, with hashes")
assert share < 0.03, web
assert data["bytes_same"] == data["disk_bytes"] and data["bytes_wire"] < 30000, data' <"$work/out" || fail "JSON: $(cat "$work/out")"
[ ! -e "$work/A/files/web.img.xlfast-left" ] || fail "what it had left at A is there still"
grep -q "web has gone to A" <(list B) || fail "B does not say where it went"
list B --drop web || fail "xl-fast disks --drop"
[ "$(ls "$work/B/files")" = cd.iso ] || fail "something is left on B: $(ls "$work/B/files")"
list A --drop web 2>"$work/err" && fail "the guest's own disks can be dropped"
is_at A

# ---- what is refused, with nothing touched ----
files_at_b=$(ls "$work/B/files" "$work/B/state")
echo "web" >"$work/A/domains"
move A B
refused "guest 'web' is there"
echo "other /mnt/web.img" >"$work/A/domains"
move A B
refused "guest 'other' has /mnt/web.img"
: >"$work/A/domains"
echo "web--incoming" >"$work/B/domains"
move A B
refused "B: guest 'web--incoming' is there"
: >"$work/B/domains"
mv "$work/B/files/cd.iso" "$work/cd.iso"
files_at_b=$(ls "$work/B/files" "$work/B/state")
move A B
refused "/mnt/cd.iso is not there"
echo >"$work/B/files/cd.iso"
files_at_b=$(ls "$work/B/files" "$work/B/state")
move A B
refused "it is another one"
mv "$work/cd.iso" "$work/B/files/"
for file in web.cfg web.img; do
    echo mine >"$work/B/files/$file"
    files_at_b=$(ls "$work/B/files" "$work/B/state")
    if [ $file = web.cfg ]; then
        move A B
        [ "$status" = 1 ] || fail "it goes over another configuration"
    else
        move A B
        refused "is there already"
    fi
    [ "$(cat "$work/B/files/$file")" = mine ] || fail "it has written over another's file"
    rm "$work/B/files/$file"
done
files_at_b=$(ls "$work/B/files" "$work/B/state")
touch "$work/no-ssh"
move A B
refused "cannot be started there by ssh"
rm "$work/no-ssh"
cp "$work/data.qcow2" "$work/A/files/data.qcow2"
printf '\1' | dd of="$work/A/files/data.qcow2" bs=1 seek=15 conv=notrunc status=none
cp "$work/A/files/data.qcow2" "$work/data.whole"
move A B
if [ "$status" != 1 ] || ! grep -q "has a backing file" "$work/err"; then fail "a backing file is not refused"; fi
cp "$work/data.qcow2" "$work/A/files/data.qcow2"

# ---- the target is full: each disk by itself fits, both do not ----
mount -t tmpfs -o size=17M xf-full "$shm/B/files" || fail "no tmpfs"
cp "$work/A/files/cd.iso" "$work/B/files/"
cp "$work/web.img" "$work/web.sparse"
head -c 16M /dev/urandom >"$work/web.img"
head -c 2000000 /dev/urandom >>"$work/A/files/data.qcow2"
cp "$work/A/files/data.qcow2" "$work/data.qcow2"
cp "$work/web.img" "$work/A/files/"
files_at_b=$(ls "$work/B/files" "$work/B/state")
move A B
refused "disk xvdb: /mnt has 16 MiB free, and 19 are needed"
# It fills up meanwhile.
truncate -s 1M "$work/A/files/data.qcow2"
cp "$work/A/files/data.qcow2" "$work/data.qcow2"
umount "$shm/B/files"
mount -t tmpfs -o size=20M xf-full "$shm/B/files" || fail "no tmpfs"
cp "$work/A/files/cd.iso" "$work/B/files/"
{ until [ -e "$shm/B/files/web.img.xlfast-incoming" ]; do sleep 0.01; done; head -c 10M /dev/zero >"$shm/B/files/others"; } &
filler=$!
move A B
wait $filler
[ "$status" = 1 ] || fail "exit status $status"
grep -q "No space left on device" "$work/err" || fail "the reason is not told"
is_at A
umount "$shm/B/files" || fail "it is in use"
list B --drop web >/dev/null || fail "what has not arrived cannot be dropped"
mv "$work/web.sparse" "$work/web.img"
cp --sparse=always "$work/web.img" "$work/A/files/"

# ---- a copy that was broken off goes on where it was ----
disks=$(realpath "${XF_BUILD:-build}")/faults/xl-fast-disks
[ -x "$disks" ] || fail "$disks is not built: make tests"
XF_FAULT=off_source_landed:2=kill move A B 2>/dev/null
is_at A
list B >"$work/out"
grep -q "web has not arrived from" "$work/out" || fail "B does not say what is there"
# Nor does a try that comes to nothing, as where the port is in use, take it away.
XF_FAULT=off_target_made=error move A B
[ "$status" = 1 ] || fail "exit status $status"
is_at A
move A B --json
[ "$status" = 0 ] || fail "exit status $status"
is_at B
python3 -c 'import json, sys
assert all(d["bytes_same"] == d["disk_bytes"] and d["bytes_wire"] < 30000 for d in json.load(sys.stdin)["disks"])' <"$work/out" || fail "all is sent again: $(cat "$work/out")"
move B A
is_at A
[ "$status" = 0 ] || fail "exit status $status"

# ---- a guest that runs, and writes to its disk while it is copied ----
echo web >"$work/A/domains"
{ while dd if=/dev/urandom of="$work/A/files/web.img" bs=4k seek=$((RANDOM % 700)) count=1 conv=notrunc status=none; do sleep 0.01; done; } 2>/dev/null &
writer=$!
cat >"$work/bin/end-writer" <<END
kill $writer 2>/dev/null
while kill -0 $writer 2>/dev/null; do sleep 0.01; done
END
sed -i "/^shutdown)/a bash $work/bin/end-writer" "$work/bin/xl"
move A B --shutdown --start --json
[ "$status" = 0 ] || fail "exit status $status"
is_at B
runs_at() {
    [ "$(cat "$work/$1/domains")" = web ] || fail "it does not run on $1"
    [ "$(cat "$work/A/domains" "$work/B/domains")" = web ] || fail "it runs on both"
}
runs_at B
python3 -c 'import json, sys
o = json.load(sys.stdin)
assert o["off_us"] > 0 and all(0 < d["bytes_same"] < d["disk_bytes"] for d in o["disks"])' <"$work/out" || fail "$(cat "$work/out")"
# It cannot move after all: it runs where it was.
XF_FAULT=off_source_aside=error move B A --shutdown --start
[ "$status" = 1 ] || fail "exit status $status"
is_at B
runs_at B
move B A
if [ "$status" != 1 ] || ! grep -q "it has to be shut off" "$work/err"; then fail "a guest that runs was moved off"; fi
: >"$work/B/domains"
move B A --shutdown # it is off already
[ "$status" = 0 ] || fail "exit status $status"
is_at A

# ---- each end fails, or is killed, at each step: the next command settles that ----
here=A there=B rows=0
row() { # POINT ACTION
    local n=0 host where=none
    XF_FAULT=$1=$2 move "$here" "$there" 2>/dev/null
    grep -q "fault: $1" "$work/err" || fail "$1 was not passed"
    for host in A B; do
        [ -e "$work/$host/files/web.cfg" ] || continue
        n=$((n + 1))
        [ "$host" = "$here" ] && where="the source" || where="the target"
        is_at "$host"
    done
    printf '  %-20s %-8s exit status %3d, the guest is at %s\n' "$1" "$2" "$status" "$where"
    [ "$n" -le 1 ] || fail "two configurations"
    move "$here" "$there"
    [ "$status" = 0 ] || fail "the next move: exit status $status"
    is_at "$there"
    host=$here here=$there there=$host rows=$((rows + 1))
}
for point in $("${disks%-disks}" faults | awk '$2 ~ /^off_/ { print $2 }'); do
    for action in kill error; do row "$point" "$action"; done
done
[ "$rows" -ge 28 ] || fail "only $rows rows"
