#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo is interrupted, or one of its processes is killed or stops, at any moment: it ends by itself,
# with one clear line, with nothing of it left running, and nothing left on disk.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

# A migration that would take long: many rounds that cannot end.
endless=(--memory "$(size 256M 64M)" --fill random --dirty-rate 1G --loss 40 --max-downtime 1 --seed 1)

# Whether the demo has come as far as to catch SIGINT: before that the shell's rules apply, not ours.
catches_int() {
    local caught
    caught=$(sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$pid/status" 2>/dev/null)
    [ -n "$caught" ] && [ $((0x$caught & 2)) != 0 ] && grep -qz '^demo$' "/proc/$pid/cmdline"
}

# start DELAY ARGS: in the background; $pid. Returns DELAY seconds after it has begun.
start() {
    local delay=$1
    shift
    echo "+ xl-fast demo $* &"
    # Signals that the shell ignores for background jobs would be ignored by the demo, too.
    (trap - INT; exec env "$XL_FAST" demo "$@") >"$work/out" 2>"$work/err" &
    pid=$!
    for _ in $(seq 200); do
        catches_int && break
        sleep 0.05
    done
    sleep "$delay"
}

child() { # source or target: its pid
    pgrep -P "$pid" -f . 2>/dev/null | while read -r p; do
        [ "$(cat "/proc/$p/comm" 2>/dev/null)" = "xl-fast $1" ] && echo "$p"
    done
}

ended() { # the line's text
    local children
    children=$(pgrep -P "$pid" 2>/dev/null | tr '\n' ' ')
    wait "$pid"
    status=$?
    [ "$status" = 1 ] || fail "exit status $status"
    grep -q -e "$1" "$work/out" "$work/err" || fail "it does not say: $1"
    for p in $children; do
        [ ! -d "/proc/$p" ] || fail "process $p still runs"
    done
    nothing_left
}

for delay in 0 0.2 0.5 1.5; do
    start $delay "${endless[@]}"
    kill -INT "$pid"
    ended 'interrupted by signal 2'
done

start 1 "${endless[@]}" --json
kill -TERM "$pid"
ended 'interrupted by signal 15'
one_object
is ok false
is verified false

for who in source target; do
    start 1 "${endless[@]}" --json
    victim=$(child $who)
    [ -n "$victim" ] || fail "no $who process"
    kill -KILL "$victim"
    ended "the $who process was killed by signal 9"
    one_object
    is ok false
done

# The parent dies without a chance to clean up: its children go with it, and once they are joined there
# is no directory left to clean. (They are joined when it is gone.)
start 0 "${endless[@]}"
for _ in $(seq 600); do
    children=$(pgrep -P "$pid")
    [ "$(wc -w <<<"$children")" = 2 ] && [ -z "$(ls -A "$TMPDIR")" ] && break
    sleep 0.1
done
[ "$(wc -w <<<"$children")" = 2 ] || fail "not two children"
kill -KILL "$pid"
wait "$pid" 2>/dev/null
# shellcheck disable=SC2086  # words
all_gone $children
nothing_left
