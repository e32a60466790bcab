#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast-clone with a libxl without Xen (clone-xen.c) and a receiver that does what it is told (clone-receiver.py): the guest
# goes on before the copy gets its go, and whatever the receiver or libxl do; a copy gets a go only if all of it has come.
# And the words of xl-fast clone that are refused.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

program=$(realpath "${XF_BUILD:-build}")/xl-fast-clone
refused() { # REGEX WORDS...
    local says=$1
    shift
    echo "+ xl-fast clone $*"
    "$XL_FAST" clone "$@" >"$work/out" 2>"$work/err"
    [ $? = 2 ] || fail "it is not refused"
    grep -Eq "$says" "$work/err" || fail "it does not say '$says'"
}
refused 'DOMAIN is missing'
refused 'HOST is missing' web
refused "'-x' is not a host name" web -- -x
refused "'b;reboot' is not a host name" web 'a,b;reboot'
refused "more than one copy needs %n" --name copy web a,b
refused "more than one copy needs %n" --name '%h' --count 2 web a
refused "is not a domain's name" --name 'a b' web a
refused 'needs --name' 7 a
refused 'takes no HOST' --connect web a
refused 'goes with --disks copy' --replace --disks none web a

no_sanitizer
[ -x "$program" ] || { echo "xl-fast was built without its Xen part"; exit 77; }
read -ra cc <<<"${CC:-gcc}"
"${cc[@]}" -shared -fPIC -O1 -D_GNU_SOURCE -o "$work/xen.so" tests/e2e/clone-xen.c || fail "it does not build"
export XF_TEST_LOG=$work/events XF_TEST_STATE=$work/state-of-guest
uuid=6f1c9a52-0001-4000-8000-0123456789ab
export XF_TEST_UUID=$uuid
preload=$work/xen.so

begin() {
    rm -f "$XF_TEST_LOG"
    echo running >"$XF_TEST_STATE"
}

run() { # HOW [paused]
    LD_PRELOAD=$preload "$program" copy $uuid "$PWD/tests/e2e/clone-receiver.py $1" fenced '' "${2:-running}" any \
        "$XF_TEST_LOG hostb" web-1 $uuid 1 >"$work/out" 2>"$work/err" </dev/null
}

# try WHAT FAULT HOW STATUS STATE EVENTS SAYS. When the receiver is ready is not in the events: it may be before the resume.
try() {
    local status
    echo "+ $1"
    begin
    XF_TEST_FAULT=$2 run "$3"
    status=$?
    [ $status = "$4" ] || fail "$1: exit status $status, not $4"
    [ "$(cat "$XF_TEST_STATE")" = "$5" ] || fail "$1: the guest is $(cat "$XF_TEST_STATE")"
    seen=$(grep -v '^words\|^configuration\|^ready' "$XF_TEST_LOG" | paste -sd,)
    [ "$seen" = "$6" ] || fail "$1: what was done: $seen, not $6"
    grep -q "$7" "$work/err" || fail "$1: it does not say '$7'"
}
try "all goes well" '' well 0 running suspend,resume,go 'web goes on'
grep -q '^words hostb xl migrate-receive$' "$XF_TEST_LOG" || fail "the receiver's words: $(grep ^words "$XF_TEST_LOG")"
grep -qE "^configuration .*\"web-1\", \"told\": \"1 web-1 $uuid [0-9a-f]{64}\"" "$XF_TEST_LOG" || fail "the configuration: $(cat "$XF_TEST_LOG")"
try "no banner" '' no-banner 1 running '' 'ended before its first word'
try "words that are not xl's" '' noise 1 running 'the source has ended' 'is not xl'
try "the receiver dies in the stream" '' dies 1 running suspend,resume 'ended before it was ready\|was not copied'
try "it is never ready" '' not-ready 1 running suspend,resume 'ended before it was ready'
try "it does not say what became of it" '' no-report 3 running suspend,resume,go 'ended before it said'
try "its copy does not start" '' cannot 1 running suspend,resume,go 'could not start it'
try "the guest cannot be suspended" suspend-early well 1 running 'the source has ended' 'was not copied'
try "the last round fails" suspend-late well 1 running 'suspend,resume,the source has ended' 'was not copied'
try "the guest cannot be let go on" resume well 1 suspended 'suspend,the source has ended' 'stands, and cannot be let go on'

# Several at once, by one stream: what becomes of each. The source's part of the log is in the first receiver's.
# several WHAT FAULT any|all HOW,HOW... STATUSES SAYS
several() {
    local hows how n=0 words=()
    echo "+ $1"
    begin
    IFS=, read -ra hows <<<"$4"
    for how in "${hows[@]}"; do
        n=$((n + 1))
        rm -f "$work/log-$n"
        words+=("$how $work/log-$n host$n" "web-$n" "${uuid%?}$n" "$n")
    done
    XF_TEST_FAULT=$2 LD_PRELOAD=$preload timeout 60 "$program" copy $uuid "$PWD/tests/e2e/clone-receiver.py" fenced '' running "$3" \
        "${words[@]}" >"$work/out" 2>"$work/err" </dev/null
    [ "$(cat "$XF_TEST_STATE")" = running ] || fail "$1: the guest is $(cat "$XF_TEST_STATE")"
    seen=$(sed -n 's/^xl-fast: copy {"name":"web-[0-9]","status":\([0-9]\)}$/\1/p' "$work/err" | paste -sd,)
    [ "$seen" = "$5" ] || fail "$1: their statuses: $seen, not $5: $(cat "$work/err" "$XF_TEST_LOG" "$work"/log-*)"
    grep -q "$6" "$work/err" || fail "$1: it does not say '$6': $(cat "$work/err")"
}
# What a receiver did, of words, configuration and the rest.
did() { grep -v '^words\|^configuration' "$work/log-$1" | paste -sd,; }
several "three copies" '' any well,well,well 0,0,0 'web goes on'
for n in 1 2 3; do
    [ "$(did $n)" = "member $((n - 1)),ready,go" ] || fail "what $n did: $(did $n)"
    grep -q "^configuration .*\"told\": \"$n web-$n ${uuid%?}$n " "$work/log-$n" || fail "the configuration of $n: $(cat "$work/log-$n")"
done
[ "$(paste -sd, "$XF_TEST_LOG")" = suspend,resume ] || fail "the guest stands more than once: $(cat "$XF_TEST_LOG")"
several "one has no banner: the others are two" '' any well,no-banner,well 0,1,0 'web-2: its xl has ended before its first word'
[ "$(did 3)" = "member 1,ready,go" ] || fail "what the third did: $(did 3)"
several "all but one have no banner: it is a group of one" '' any no-banner,well 1,0 'web goes on'
[ "$(did 2)" = "member 0,ready,go" ] || fail "what the second did: $(did 2)"
several "one dies in the stream" '' any well,dies,well 0,1,0 'web-2: its xl has ended'
several "one dies later" '' any dies-late,well 1,0 'web-1: its xl has ended'
several "one dies, and its ssh does not end for long" '' any lingers,well 1,0 'web-1: its xl has ended'
[ "$(did 1)" = "member 0,the other has its go" ] || fail "one that is gone holds up the other: $(did 1)"
several "one is dropped by the source" drop any well,well,well 0,1,0 'web-2: hostc is too slow'
[ "$(did 2)" = "member 1,the source has ended" ] || fail "what the one that was dropped did: $(did 2)"
several "one is never ready" '' any well,not-ready 0,1 'web-2: its xl has ended before it was ready'
XL_FAST_LAG=1 several "one never says that it is ready" '' any mute,well 1,0 'web-1: it is not ready, long after another one was'
[ "$(did 1)" = "member 0,the source has ended" ] || fail "what the one did that is not ready: $(did 1)"
XL_FAST_LAG=1 several "one never says what became of it" '' any mute-late,well 3,0 'web-1: its xl does not say what became of it'
XL_FAST_LAG=1 several "all or none: one is never ready" '' all mute,well 1,1 'all were wanted'
several "one cannot start" '' any cannot,well 1,0 'web-1: its xl could not start it'
several "one does not say what became of it" '' any well,no-report 0,3 'web-2: its xl has ended before it said'
several "the last round fails" suspend-late any well,well 1,1 'was not copied'
several "a helper that sends to one" one any well,well 1,1 'sends to one target'
for how in no-banner dies dies-late not-ready; do
    several "all or none: one does $how" '' all well,$how,well 1,1,1 'web-2: its xl has ended'
    ! grep -q go "$work"/log-* || fail "one has got a go"
done
several "all or none: one is dropped" drop all well,well,well 1,1,1 'web-2: hostc is too slow'
! grep -q go "$work"/log-* || fail "one has got a go"
several "all or none: all" '' all well,well 0,0 'web goes on'

echo "+ another guest"
begin
XF_TEST_UUID=${uuid/1c/2c} run well
[ $? = 1 ] || fail "a guest that is not there is copied"
grep -q "there is no domain" "$work/err" || fail "it does not say so"

echo "+ paused"
begin
run well paused || fail "exit status $?"
grep -q '^words hostb xl migrate-receive -p$' "$XF_TEST_LOG" || fail "the receiver's words: $(grep ^words "$XF_TEST_LOG")"

# Signals but SIGKILL wait until the guest goes on.
echo "+ a signal while it stands"
begin
XF_TEST_FAULT=hang run well &
until grep -qs suspended "$XF_TEST_STATE"; do sleep 0.02; done
pid=$(pgrep -P $!)
kill -TERM "$pid"
sleep 0.3
kill -0 "$pid" || fail "SIGTERM has ended it, and the guest stands"
kill -KILL "$pid"
wait
[ "$(cat "$XF_TEST_STATE")" = suspended ] || fail "the guest is $(cat "$XF_TEST_STATE")"
i=0
until grep -q 'the source has ended' "$XF_TEST_LOG"; do
    i=$((i + 1))
    [ $i -lt 500 ] || fail "the receiver does not see that the source is gone: $(cat "$XF_TEST_LOG")"
    sleep 0.02
done
! grep -q go "$XF_TEST_LOG" || fail "a copy got a go"
# The fence: libxl hears that the card is attached, and the card is taken down and put nowhere.
mkdir "$work/bin"
for tool in ip xenstore-write; do printf '#!/bin/sh\necho "%s $*" >>"%s"\n' $tool "$work/did" >"$work/bin/$tool"; done
chmod +x "$work/bin"/*
fence() { # ACTION CARD
    echo "+ fence $1"
    : >"$work/did"
    PATH=$work/bin:$PATH vif=$2 XENBUS_PATH=backend/vif/7/0 xl-plugin/clone/xl-fast-vif-fenced "$1" || fail "exit status $?"
}
fence online vif7.0
[ "$(cat "$work/did")" = "ip link set dev vif7.0 down
xenstore-write backend/vif/7/0/hotplug-status connected" ] || fail "it does: $(cat "$work/did")"
fence add vif7.0-emu
[ "$(cat "$work/did")" = "ip link set dev vif7.0-emu down" ] || fail "it does: $(cat "$work/did")"
fence offline vif7.0
[ ! -s "$work/did" ] || fail "it does: $(cat "$work/did")"
