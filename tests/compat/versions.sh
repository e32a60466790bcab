#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# From 1.0.0 on a version speaks with the one before: an end of that is built from its tag, and a guest moves from
# this tree's end to it and back, over memif. Pre-releases (0.x) are only built and named: they refuse each other
# (tests/unit/cli/test_peers.c).
#
#   versions.sh [COMMIT]   the version before: a commit or tag; default: the newest tag vX.Y.Z behind this commit
#                          that is of another version
#
# A COMMIT that is named moves whatever its version is. Exit status 77: there is no such version yet, or no git.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

build=$(realpath -m "${XF_BUILD:-build}")
memory=$((${XF_COMPAT_MIB:-64} << 20))

skip() {
    echo "$*"
    exit 77
}

fail() {
    echo "FAIL: $*"
    exit 1
}

version_in() { sed -n 's/^#define XF_VERSION "\(.*\)"$/\1/p'; }

here=$(version_in <transport/base/version.h)
git rev-parse --git-dir >/dev/null 2>&1 || skip "no git history here: no version before can be built"
before=${1:-${XF_COMPAT_BEFORE:-}}
named=$before
if [ -z "$before" ]; then
    while IFS= read -r tag; do
        if [ "$(git show "$tag:transport/base/version.h" 2>/dev/null | version_in)" != "$here" ]; then
            before=$tag
            break
        fi
    done < <(git tag --merged HEAD --sort=-v:refname --list 'v[0-9]*')
    [ -n "$before" ] || skip "no version has been released before $here (no tag vX.Y.Z behind this commit)"
fi
commit=$(git rev-parse --verify --quiet "$before^{commit}") || fail "there is no commit $before"
there=$(git show "$commit:transport/base/version.h" 2>/dev/null | version_in)
[ -n "$there" ] || skip "$before tells no version: it is older than 0.9.0"
if [ -z "$named" ] && { [[ $here == 0.* ]] || [[ $there == 0.* ]]; }; then
    skip "$here and $there: pre-releases refuse each other (cli/test_peers)"
fi

tree=$build/compat/$commit
if [ ! -x "$tree/build/compat-end" ]; then
    rm -rf "$tree" && mkdir -p "$tree" || exit 1
    git archive "$commit" | tar -C "$tree" -x || fail "$before cannot be unpacked"
    env -u MAKEFLAGS -u MAKELEVEL make -s --no-print-directory -C "$tree" BUILD="$tree/build" XEN=0 "$tree/build/compat-end" \
        >"$tree/log" 2>&1 || { tail -n 20 "$tree/log" && fail "$before does not build"; }
fi
make -s --no-print-directory BUILD="$build" "$build/compat-end" || fail "this tree's end does not build"

for ends in "$build/compat-end $tree/build/compat-end" "$tree/build/compat-end $build/compat-end"; do
    [ "${ends%% *}" = "$build/compat-end" ] && way="from $here to $there" || way="from $there to $here"
    # shellcheck disable=SC2086  # two words
    python3 tests/compat/drive.py $ends "$memory" || fail "$way"
    echo "a guest has moved $way"
done
