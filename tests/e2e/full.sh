#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Places that are full, closed, read-only or gone: xl migrate --fast ends, with its status and its last word, and so do the
# commands of xl-fast. xl, ssh, the preflight and xl-fast-domain are stand-ins; /run is a small tmpfs of this test's.
# shellcheck disable=SC2016,SC2089,SC2090  # scripts of the stand-ins
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

if [ -z "${XF_FULL_INSIDE:-}" ]; then
    if ! unshare -m true 2>/dev/null; then
        echo "only root has a mount namespace of its own"
        exit 77
    fi
    XF_FULL_INSIDE=1 exec unshare -m --propagation private "$0"
fi

trap 'umount -l "$work/run" "$XL_FAST_STATEDIR" 2>/dev/null; rm -rf "$work"' EXIT
guest=00000000-0000-4000-8000-000000000001
lib=$work/lib run=$work/run
mkdir "$lib" "$run" "$work"/{bin,real,none}
cp xl-plugin/migrate/xl xl-plugin/migrate/xl-fast-receive "$lib"
ln -s "$(realpath "$XL_FAST")" "$work/bin/xl-fast"
cat >"$work/real/xl" <<'END_XL'
#!/bin/sh
trap "" PIPE # as xl migrate
[ "$1" = migrate ] || { read -r word; echo "heard $word"; echo "migration target: Got permission, starting domain." >&2; exit 5; }
echo "${XL_FAST_EVENTS:-none}" >"$W/events-are"
eval "${FAKE_DO:-}"
echo done >"$W/xl-is"
exit "${FAKE_XL_STATUS:-0}"
END_XL
printf '#!/bin/sh\nwhile [ $# -gt 1 ]; do shift; done\nexec sh -c "$1"\n' >"$work/bin/ssh"
cat >"$lib/xl-fast-preflight" <<END_PREFLIGHT
#!/bin/sh
printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=2000 memory_kib=2000 port=eth1 address=192.0.2.1/24 uuid=$guest name=web1 fast=ok
END_PREFLIGHT
printf '#!/bin/sh\necho running\n' >"$lib/xl-fast-domain"
chmod +x "$lib"/* "$work"/*/*
export W=$work RUN=$run PATH=$lib:$work/real:$work/bin:$PATH XL_FAST_RUNDIR=$run NO_COLOR=1
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE

began='{"version":2,"event":"start","t_us":0,"time_us":1,"program":"migrate","guest":"web1","host":"hostb"}'
ended='{"version":2,"event":"done","t_us":9,"rounds":1,"bytes":1,"memory_us":1,"payload_bps":1,"downtime":{"freeze_us":1,"copy_us":1,"context_us":1},"rejects":{}}'
export began ended

# /run anew, with so many KiB and so many files.
fresh() {
    umount "$run" 2>/dev/null
    mount -t tmpfs -o size="${1:-64k}",nr_inodes="${2:-64}" none "$run" || fail "no tmpfs"
    rm -f "$work/xl-is" "$work/events-are"
}
fill='dd if=/dev/zero of="$RUN/fill" bs=1k 2>/dev/null; '

ends() { # STATUS WORDS... -- COMMAND: within a minute, each of the words on stderr
    local want=$1 words=() w
    shift
    while [ "$1" != -- ]; do words+=("$1") && shift; done
    shift
    echo "+ $*"
    timeout -k 1 60 "$@" >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" = "$want" ] || fail "exit status $status, not $want"
    for w in "${words[@]}"; do grep -qF -- "$w" "$work/err" || fail "no '$w'"; done
}
xl_is_through() { [ -e "$work/xl-is" ] || fail "the real xl has not done its work"; }
queue_is_free() { flock -n "$run/xl-fast/queue-eth1" true || fail "the queue is held"; }

# Full from the beginning.
fresh
mkdir -m 700 "$run/xl-fast"
eval "$fill"
for options in '' --quiet --verbose; do
    rm -f "$work/xl-is"
    # shellcheck disable=SC2086  # words
    ends 0 -- xl migrate --fast $options web1 hostb
    xl_is_through
    queue_is_free
done
grep -q 'cannot write to' "$work/err" || fail "it is not said that status and cancel see nothing"
ends 0 -- xl migrate --fast --json web1 hostb
xl_is_through
[ "$(cat "$work/out")" = '{"version":2,"event":"exit","status":0}' ] || fail "stdout is $(cat "$work/out")"
ends 3 'web1 keeps running here' -- env FAKE_XL_STATUS=3 xl migrate --fast web1 hostb
ends 3 'so by plain xl migrate' -- env FAKE_XL_STATUS=3 xl migrate --fast=auto web1 hostb
ends 0 "cannot write to $run/xl-fast: status" 'fix: xl-fast doctor --fix' -- xl migrate --fast --dry-run web1 hostb

# Full while the guest moves: after an event, within one, before any.
for do in 'echo "$began" >>"$XL_FAST_EVENTS"; '"$fill" "$fill"'echo "$began" >>"$XL_FAST_EVENTS"' \
    'echo "$began" >>"$XL_FAST_EVENTS"; '"$fill"'echo "$ended" >>"$XL_FAST_EVENTS"' "$fill"; do
    fresh
    ends 0 'web1 has moved to hostb' -- env FAKE_DO="$do" xl migrate --fast web1 hostb
    xl_is_through
    queue_is_free
    fresh
    ends 0 -- env FAKE_DO="$do" xl migrate --fast --json web1 hostb
    grep -qxF '{"version":2,"event":"exit","status":0}' < <(tail -n 1 "$work/out") || fail "the last line is no exit event"
    fresh
    ends 3 'web1 keeps running here' -- env FAKE_DO="$do" FAKE_XL_STATUS=3 xl migrate --fast --report "$work/page" web1 hostb
done

# The file of the events is removed, or replaced.
for do in 'rm "$XL_FAST_EVENTS"' 'rm "$XL_FAST_EVENTS"; echo "$began" >"$XL_FAST_EVENTS"' 'rm -r "$RUN/xl-fast"'; do
    fresh
    ends 0 'web1 has moved to hostb' 'not all events could be written' -- env FAKE_DO="$do" xl migrate --fast web1 hostb
    fresh
    ends 0 -- env FAKE_DO="$do" xl migrate --fast --json web1 hostb
    grep -qxF '{"version":2,"event":"exit","status":0}' < <(tail -n 1 "$work/out") || fail "the last line is no exit event"
done

# Read-only, no file more to be had, a file in a folder's place.
fresh
mount -o remount,ro "$run"
ends 0 'web1 goes to hostb' -- xl migrate --fast web1 hostb
xl_is_through
ends 0 'web1 goes to hostb' -- xl migrate --fast --quiet --verbose web1 hostb
ends 1 'cannot make a file' -- xl migrate --fast --json web1 hostb
ends 1 'cannot make a file' -- xl migrate --fast=auto web1 hostb
fresh
mkdir -m 700 "$run/xl-fast"
mount -o remount,ro "$run"
ends 0 'web1 goes to hostb' -- xl migrate --fast web1 hostb
xl_is_through
ends 1 'cannot be written' -- env XL_FAST_EVENTS="$run/xl-fast/mine" xl migrate --fast web1 hostb
fresh 64k 3
mkdir -m 700 "$run/xl-fast"
ends 0 'web1 goes to hostb' -- xl migrate --fast web1 hostb
xl_is_through
fresh
touch "$run/xl-fast"
ends 0 'web1 goes to hostb' -- xl migrate --fast web1 hostb
xl_is_through

# No room for the history, in the middle of a line; then read-only, then room again.
mount -t tmpfs -o size=4k none "$XL_FAST_STATEDIR" || fail "no tmpfs"
# Of the shim's own variables one is named ended.
do='printf "%s\n" "$began" "$all_came" >>"$XL_FAST_EVENTS"'
export all_came=$ended
listed() { xl-fast history | sed 1d | wc -l; }
for _ in $(seq 12); do
    fresh
    ends 0 'web1 has moved to hostb' -- env FAKE_DO="$do" xl migrate --fast web1 hostb
done
[ "$(stat -fc %a "$XL_FAST_STATEDIR")" = 0 ] || fail "there is still room for the history"
before=$(listed)
{ [ "$before" -gt 1 ] && [ "$before" -lt 12 ]; } || fail "the history has $before moves"
mount -o remount,ro "$XL_FAST_STATEDIR"
fresh
ends 0 'web1 has moved to hostb' -- env FAKE_DO="$do" xl migrate --fast web1 hostb
mount -o remount,rw,size=64k "$XL_FAST_STATEDIR"
fresh
ends 0 'web1 has moved to hostb' -- env FAKE_DO="$do" xl migrate --fast web1 hostb
[ "$(listed)" = $((before + 1)) ] || fail "the history has $(listed) moves after $before"
umount "$XL_FAST_STATEDIR"

# Closed, and read by nobody.
for closed in '<&-' '>&-' '2>&-' '<&- >&- 2>&-' '</dev/full >/dev/full 2>/dev/full'; do
    for options in '' --json --quiet; do
        fresh
        ends 0 -- sh -c "xl migrate --fast $options web1 hostb $closed"
        xl_is_through
        fresh
        ends 3 -- sh -c "FAKE_XL_STATUS=3 xl migrate --fast $options web1 hostb $closed"
    done
done
fresh
ends 0 -- sh -c '{ FAKE_DO="sleep 1; echo hello; echo hello >&2" xl migrate --fast --verbose web1 hostb 2>&1; echo $? >"$W/status"; } | head -n 1 >/dev/null'
[ "$(cat "$work/status")" = 0 ] || fail "who reads nothing has ended it: $(cat "$work/status")"
xl_is_through
[ -z "$(find "$run/xl-fast" -type f ! -name 'queue-*')" ] || fail "left behind: $(ls "$run/xl-fast")"

# The receiver.
fresh
mkdir -m 700 "$run/xl-fast"
eval "$fill"
ends 5 'starting domain' -- sh -c "echo word | '$lib/xl-fast-receive' $guest $guest xl migrate-receive"
grep -qx 'heard word' "$work/out" || fail "the handshake is not heard"
[ -z "$(find "$run" -name 'receive-*.*')" ] || fail "left behind: $(ls "$run/xl-fast")"
umount "$run"
mount -t tmpfs -o ro none "$run"
ends 5 'starting domain' -- sh -c "echo word | '$lib/xl-fast-receive' $guest $guest xl migrate-receive"

# What xl-fast prints.
fresh
for command in status 'status --json' metrics history 'history --json' --help 'recover --help' 'doctor --json' 'probe --json' 'config --json'; do
    # shellcheck disable=SC2086  # words
    ends 1 'not all could be written to stdout' -- sh -c "XL_FAST_LIBDIR=$lib xl-fast $command >/dev/full"
    ends 1 -- sh -c "XL_FAST_LIBDIR=$work/none xl-fast $command >/dev/full"
    timeout 60 sh -c "XL_FAST_LIBDIR=$lib exec xl-fast $command <&- >&- 2>&-"
    [ $? -lt 124 ] || fail "xl-fast $command does not bear that all is closed"
done
printf '%s\n' "$began" "$ended" '{"version":2,"event":"exit","status":0}' >"$work/events"
ends 1 'No space left' -- xl-fast report "$work/events" /dev/full
ends 1 -- sh -c "xl-fast report '$work/events' - >/dev/full"
ends 1 -- xl-fast metrics "$run/none/file"
eval "$fill"
ends 1 'No space left' -- xl-fast metrics "$run/file"
[ ! -e "$run/file" ] || fail "half a file is left"
umount "$run"

# doctor names it, and its command fixes it.
preflight=$(realpath "${XF_BUILD:-build}")/xl-fast-preflight
looks() { # STATE
    "$preflight" examine >"$work/out" 2>/dev/null
    grep -q "^check=$1 run " "$work/out" || fail "not $1"
    fix=$(sed -n "/^check=$1 run /{n;s/^fix=//p}" "$work/out")
}
if [ -x "$preflight" ]; then
    for spoilt in "$fill" 'mount -o remount,ro "$RUN"' 'touch "$RUN/xl-fast"' \
        'i=0; while echo >"$RUN/$i"; do i=$((i + 1)); done 2>/dev/null'; do
        fresh 2M
        looks ok
        [ -z "$(ls "$run/xl-fast")" ] || fail "left behind: $(ls "$run/xl-fast")"
        rmdir "$run/xl-fast"
        (eval "$spoilt")
        looks fail
        [ -n "$fix" ] || fail "no command"
        echo "fix: $fix"
        sh -c "$fix" || fail "$fix fails"
        looks ok
        umount "$run"
    done
fi
