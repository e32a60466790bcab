#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Versions speak with each other (tests/compat): two ends in processes of their own move a guest, both of this build, and
# one of each build where a version has been released before; an end that is wrong is noticed. The golden vectors of the
# release that this tree is are those of its protocol now: whoever changes the wire raises XF_VERSION.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

end=${XF_BUILD:-build}/compat-end
[ -x "$end" ] || fail "$end is not built (make tests)"
bytes=$(($(size 32 8) << 20))

echo "+ both ends of this build"
python3 tests/compat/drive.py "$end" "$end" $bytes >"$work/out" || fail "drive.py"
nothing_left

echo "+ an end that tells another hash, and one that ends"
printf '#!/bin/sh\nexec %s "$@" | sed -u "s/^result ..../result 0000/"\n' "$(realpath "$end")" >"$work/liar"
printf '#!/bin/sh\nexit 1\n' >"$work/gone"
chmod +x "$work/liar" "$work/gone"
python3 tests/compat/drive.py "$end" "$work/liar" $bytes >"$work/out" && fail "the memory is not compared"
grep -q 'the memory differs' "$work/out" || fail "what differs is not said"
python3 tests/compat/drive.py "$work/gone" "$end" $bytes >"$work/out" && fail "an end that has gone is not noticed"
grep -q 'the source: has ended' "$work/out" || fail "who has ended is not said"
: >"$work/out"

version=$(sed -n 's/^#define XF_VERSION "\(.*\)"$/\1/p' transport/base/version.h)
[ "$("$XL_FAST" --version)" = "xl-fast $version" ] || fail "xl-fast --version says $("$XL_FAST" --version)"
if grep -qF "## [$version] - " CHANGELOG.md; then
    cmp "tests/golden/$version/packets.txt" tests/golden/packets.txt ||
        fail "the protocol is not that of $version, which is released: raise XF_VERSION (transport/base/version.h)"
fi

tests/compat/versions.sh >"$work/out" 2>&1
status=$?
cat "$work/out"
case $status in
0) ;;
77) echo "left out: a version before: $(tail -n 1 "$work/out")" ;;
*) fail "versions.sh" ;;
esac
