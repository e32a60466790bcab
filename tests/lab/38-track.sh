#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (make check tracks a loop device on this machine's kernel)
# The tracker of disks on the hosts' kernel: a loop device, and a device of device mapper whose writes take 50 ms, each
# copied while threads write to it. The second also with a tracker that does not wait for writes: that is found out.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

tidy_up() { on A 'dmsetup remove xf-slow; losetup -D; rm -f /dev/shm/xf-slow' >/dev/null 2>&1 || true; }
trap tidy_up EXIT
begin

lab_tests=$LAB_DIR/track
make -C "$REPO" --no-print-directory build/tests/transport/test_track
rm -rf "$lab_tests"
mkdir -p "$lab_tests"
cp "$REPO/build/tests/transport/test_track" "$lab_tests/"
# What the hosts do not have.
ldd "$lab_tests/test_track" | awk '/=> \// { print $3 }' | grep -E 'cmocka|bpf|elf|IPSec|xxhash|lz4' | xargs cp -t "$lab_tests"
tar -C "$lab_tests" -c . | on A 'rm -rf /lab/track; mkdir /lab/track; tar -C /lab/track -x'

try() { # WHAT [VARIABLE=VALUE]
    local what=$1 out
    shift
    out=$(ON_TIMEOUT=1500 on A env "$@" LD_LIBRARY_PATH=/lab/track /lab/track/test_track 2>&1) || fail "$what: $out"
    printf '%s\n' "$out" | sed 's/^/   | /'
    expect_match "$what" '\[  PASSED  \] [45] test' "$out"
}

note "kernel $(on A uname -r)"
try "a loop device"
# shellcheck disable=SC2016  # expanded on the host
on A 'modprobe dm-delay; truncate -s 16M /dev/shm/xf-slow
    loop=$(losetup --show -f /dev/shm/xf-slow)
    dmsetup create xf-slow --table "0 32768 delay $loop 0 0 $loop 0 50"'
try "a device of device mapper, slow" XF_TRACK_DEVICE=/dev/mapper/xf-slow
end_clean
