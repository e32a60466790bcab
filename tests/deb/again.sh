#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Whoever builds the packages from the same commit gets the same bytes: they are built once more, in another folder, by
# one job, under another umask, time zone and language, and compared.
#
#   again.sh XL-FAST.deb...     made by scripts/deb/build from this tree, which is as it was then
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

out=$(realpath -m "${XF_BUILD:-build}")/deb/again/in-another-folder
trap 'rm -rf "${out%/*}"' EXIT
(umask 077 && TZ=Asia/Tokyo LC_ALL=C.UTF-8 JOBS=1 scripts/deb/build "$out" >/dev/null)

# What the package holds, with a hash each.
contents() {
    dpkg-deb -f "$1"
    dpkg-deb --fsys-tarfile "$1" | tar --full-time -tv
    dpkg-deb -I "$1" md5sums
}

status=0
for deb; do
    cmp "$deb" "$out/${deb##*/}" && continue
    diff <(contents "$deb") <(contents "$out/${deb##*/}") | head -n 20 || true
    status=1
done
[ "$status" = 0 ] && echo "built once more, the packages are the same" || echo "FAIL: built once more, a package differs"
exit "$status"
