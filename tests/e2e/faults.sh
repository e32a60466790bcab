#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fault points (transport/base/fault.h): each that is listed is at one place of the code,
# nothing of them is in an ordinary build, and what XF_FAULT says comes true.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

build=${XF_BUILD:-build}
XL_FAST=$build/faults/xl-fast

"$XL_FAST" faults >"$work/out" || fail "no list of points"
awk '$1 == "point" { print $2 }' "$work/out" | sort >"$work/listed"
grep -rhoE 'XF_FAULT\([a-z_]+\)' transport/*.c transport/*/*.c xl-plugin/plugin/*.c xl-plugin/plugin/*/*.c xl-plugin/handover/*.c xl-plugin/disks/*.c tests/soak/*.c | sed 's/.*(\(.*\))/\1/' | sort >"$work/placed"
diff "$work/listed" "$work/placed" >"$work/out" || fail "listed and placed points are not the same, once each"
[ "$(wc -l <"$work/listed")" -ge 50 ] || fail "only $(wc -l <"$work/listed") points"

for binary in "$build/xl-fast" "$build/libxlfast.so"; do
    if [ ! -f "$binary" ]; then
        [ "$binary" != "$build/xl-fast" ] || fail "no $binary"
        continue # XEN=0, or a sanitizer's build
    fi
    ! grep -qaE 'source_suspended|XF_FAULT_FILE|xl-fast-faults' "$binary" || fail "$binary has fault points"
done

demo --memory 16M --seed 1 --json
verified

export XF_FAULT=source_suspended=kill
demo --memory 16M --seed 1 --json
[ "$status" = 1 ] || fail "exit status $status"
grep -q 'killed by signal 9' "$work/out" || fail "the source lives on"

export XF_FAULT=target_populate=error:12
demo --memory 16M --seed 1 --json
grep -q 'no memory for pages .*: Cannot allocate memory' "$work/out" || fail "the target has memory"

export XF_FAULT='target_data_seen:20=stall:50 source_dirty=cut:100'
demo --memory 16M --seed 1 --json
verified

unset XF_FAULT
echo 'source_start=error:22 # as a file' >"$work/faults"
export XF_FAULT_FILE=$work/faults
demo --memory 16M --seed 1 --json
grep -q 'cannot start logging dirty pages: Invalid argument' "$work/out" || fail "the file is not read"

# What makes no sense must not let a test pass.
for wrong in source_gone=kill source_start=explode source_start:0x=kill source_start=stall:-5 source_start; do
    XF_FAULT=$wrong demo --memory 16M --seed 1 --json
    [ "$status" = 1 ] || fail "XF_FAULT=$wrong: exit status $status"
    grep -q "$wrong.*is no fault" "$work/err" || fail "XF_FAULT=$wrong is not named"
done
nothing_left
