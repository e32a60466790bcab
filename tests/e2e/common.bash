# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts of this folder: running the demo and reading its JSON (one key a line).
# shellcheck shell=bash
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

XL_FAST=${XF_BUILD:-build}/xl-fast
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The demo makes its directory here, so that what it leaves behind is seen.
export TMPDIR=$work/tmp
mkdir "$TMPDIR"
# This host's history and log are not a test's.
export XL_FAST_STATEDIR=$work/state XL_FAST_SYSLOG=$work/log
mkdir "$XL_FAST_STATEDIR"

# A guest's size: sanitizers make everything several times slower.
size() { # usual, sanitized
    [ -n "${XF_SANITIZED:-}" ] && echo "$2" || echo "$1"
}

# For a script that preloads a library of its own.
no_sanitizer() {
    [ -z "${XF_SANITIZED:-}" ] || { echo "a library is preloaded, and a sanitizer's has to be the first"; exit 77; }
}

# What other hosts' users have as a login shell.
needs_shells() {
    local shell
    for shell in bash dash fish tcsh; do
        command -v "$shell" >/dev/null || fail "$shell is not installed: scripts/setup check"
    done
}

fail() {
    [ ! -s "$work/out" ] || sed 's/^/  out: /' "$work/out"
    [ ! -s "$work/err" ] || sed 's/^/  err: /' "$work/err"
    echo "FAIL: $*" # last, where it is looked for
    exit 1
}

# Runs the demo; its exit status is in $status, its output in $work/out and $work/err.
demo() {
    echo "+ xl-fast demo $*"
    "$XL_FAST" demo "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# The same of xl-fast bench.
bench() {
    echo "+ xl-fast bench $*"
    "$XL_FAST" bench "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# What ran has refused its command line, by one line with these words.
wrong_usage() {
    [ "$status" = 2 ] || fail "exit status $status"
    [ ! -s "$work/out" ] || fail "something on stdout"
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line"
    grep -q -e "$1" "$work/err" || fail "the line does not say $1"
}

# all_gone PID...: none of them runs any more, or they end soon.
all_gone() {
    local p
    for p; do
        for _ in $(seq 100); do
            grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$p/status" 2>/dev/null || continue 2
            sleep 0.1
        done
        fail "process $p still runs"
    done
}

# Of the JSON in $work/out: the value of a key, which occurs once in it.
get() {
    sed -n 's/^ *"'"$1"'": *\(.*[^,]\),\{0,1\}$/\1/p' "$work/out"
}

# Of the JSON in $work/out: the sum of all values of an object, such as rejects.
sum() {
    awk -v key="\"$1\":" '$1 == key { in_it = 1; next } in_it && /}/ { exit } in_it { n += $2 } END { print n + 0 }' "$work/out"
}

# is KEY VALUE: the key has this value.
is() {
    [ "$(get "$1")" = "$2" ] || fail "$1 is '$(get "$1")', not '$2'"
}

# at_least KEY N
at_least() {
    local v
    v=$(get "$1")
    [ "${v%.*}" -ge "$2" ] 2>/dev/null || fail "$1 is '$v', below $2"
}

# One JSON object on stdout and nothing else.
one_object() {
    [ "$(sed -n -e '1p;$p' -e '2,${/^[{}]/p}' "$work/out" | tr -d '\n')" = "{}}" ] ||
        fail "stdout is not one JSON object"
}

verified() {
    [ "$status" = 0 ] || fail "exit status $status"
    one_object
    is ok true
    is verified true
    [ "$(get hash_source)" = "$(get hash_target)" ] || fail "the hashes differ"
}

# checked PROGRAM FILE WORDS...: the program beside this one finds no fault in the file, and prints each of the
# words.
checked() {
    local program=$1 file=$2 words
    shift 2
    python3 "tests/e2e/$program" "$file" >"$work/checked" || fail "$program: $(cat "$work/checked")"
    for words; do
        grep -qF -- "$words" "$work/checked" || fail "$program: no $words: $(cat "$work/checked")"
    done
}

nothing_left() {
    [ -z "$(ls -A "$TMPDIR")" ] || fail "left behind: $(ls -A "$TMPDIR")"
}
