#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast set steers a move under way: a demo, by its socket, and an `xl migrate --fast`, by the guest's name, number or
# UUID (xl, ssh, preflight and who moves the guest are stand-ins). And --deadline ends the rounds.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

program=$(realpath "$XL_FAST") # also when XL_FAST is unset, which is the helper's

# until_seen WORDS FILE
until_seen() {
    for _ in $(seq 300); do
        ! grep -qsF -- "$1" "$2" || return 0
        sleep 0.1
    done
    fail "no '$1' in ${2##*/}: $(cat "$2")"
}

# set_is STATUS WORDS DOMAIN SETTING...: what xl-fast set says has these words.
set_is() {
    local want=$1 words=$2
    shift 2
    echo "+ xl-fast set $*"
    "$program" set "$@" >"$work/set" 2>&1
    status=$?
    [ "$status" = "$want" ] || fail "exit status $status, not $want: $(cat "$work/set")"
    [ "$(wc -l <"$work/set")" = 1 ] || fail "not one line: $(cat "$work/set")"
    grep -qF -- "$words" "$work/set" || fail "no '$words': $(cat "$work/set")"
}

# ---- wrong command lines -----------------------------------------------------------------------------------

set_is 2 'DOMAIN is missing'
set_is 2 'SETTING is missing' web1
set_is 2 "unknown setting 'max-downtme=5'; did you mean 'max-downtime='?" web1 max-downtme=5
set_is 2 "unknown setting 'soon'; see xl-fast set --help" web1 now soon
set_is 2 "max-downtime: '0' is not a time from 1 to 3600000 milliseconds" web1 max-downtime=0
set_is 2 "max-downtime: '2h' is not a time" web1 max-downtime=2h
set_is 2 "bandwidth: 'much' is not a rate" web1 bandwidth=much
set_is 2 "throttle: '1' is not on or off" web1 throttle=1
export XL_FAST_RUNDIR=$work/run
set_is 1 "no migration of 'web1' is in progress here" web1 now
set_is 1 "$work/none: nobody listens" "$work/none" now

# ---- a demo ------------------------------------------------------------------------------------------------

# The guest writes more than it may send: without the last order it would stay.
busy=(--memory 16M --fill random --dirty-rate 400M --bandwidth 40M --max-downtime 1 --on-busy abort --seed 2)
echo "+ xl-fast demo ${busy[*]} --control control"
"$XL_FAST" demo "${busy[@]}" --json --control "$work/control" --events "$work/events" >"$work/out" 2>"$work/err" &
demo=$!
until_seen '"event":"round_begin"' "$work/events"
set_is 0 "$work/control: set max-downtime=2ms throttle=off" "$work/control" max-downtime=2 throttle=off
set_is 0 'set bandwidth=200Mbit/s' "$work/control" bandwidth=100M bandwidth=200Mbit
set_is 0 'set now' "$work/control" now
wait $demo
status=$?
verified
is rounds 2
checked check-events "$work/events" set=3 suspend=1 done=1
for event in '"max_downtime_us":2000,"throttle":false}' '"bandwidth_bps":200000000}' '"now":true}'; do
    grep -qF "$event" "$work/events" || fail "no event $event"
done
[ ! -e "$work/control" ] || fail "the socket is left"
nothing_left
set_is 1 'nobody listens' "$work/control" now

# Its screen shows it, as a line.
"$XL_FAST" demo "${busy[@]}" --control "$work/control" --events "$work/events2" >"$work/out" 2>"$work/err" &
demo=$!
until_seen '"event":"round_begin"' "$work/events2"
set_is 0 'set bandwidth=none now' "$work/control" now bandwidth=none
wait $demo || fail "exit status $?"
grep -qx 'set: bandwidth=none now' "$work/err" || fail "the screen does not show it"
! grep -q 'at most' "$work/out" || fail "the table says a limit that did not hold"

demo --control "$work/nowhere/control"
[ "$status" = 1 ] || fail "exit status $status"
grep -qF -- "--control $work/nowhere/control: No such file" "$work/err" || fail "it does not say why"

# ---- the deadline ------------------------------------------------------------------------------------------

# 16 MiB take three seconds: it gives up in the middle of the first round.
demo "${busy[@]}" --deadline 1s --json
[ "$status" = 5 ] || fail "exit status $status"
is ok false
grep -q 'the deadline has passed' "$work/err" || fail "it does not say why"
# Who is to go is suspended after it.
demo "${busy[@]}" --deadline 1s --on-busy go --json
verified
is rounds 2

# ---- xl migrate --fast -------------------------------------------------------------------------------------

dir=$work/x
mkdir -p "$dir"/{shim,real,tools,run}
cp xl-plugin/migrate/xl "$dir/shim"
ln -s "$(realpath "$XL_FAST")" "$dir/tools/xl-fast"
cat >"$dir/real/xl" <<'END_XL'
#!/bin/sh
until [ -e "$DIR/begin" ]; do sleep 0.05; done
exec python3 "$DIR/mover"
END_XL
# Who moves the guest: takes orders and answers each, the third as one that comes too late; then has moved it.
cat >"$dir/mover" <<'END_MOVER'
import os, socket, struct, time
def event(text):
    with open(os.environ["XL_FAST_EVENTS"], "a") as f:
        f.write('{"version":2,' + text + '}\n')
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(os.environ["XL_FAST_CONTROL"])
event('"event":"start","t_us":0,"time_us":1700000000000000,"program":"migrate","guest":"web1","host":"hostb","domid":5')
event('"event":"round_begin","t_us":1,"round":1,"pages":1000,"suspended":false')
for n in range(3):
    order, peer = s.recvfrom(100)
    magic, what, throttle, downtime, bandwidth = struct.unpack("<QIIQQ", order)
    print("order", what, throttle, downtime, bandwidth, flush=True)
    if n == 0:
        event('"event":"set","t_us":2,"max_downtime_us":%d,"throttle":%s' % (downtime, "true" if throttle else "false"))
    s.sendto(struct.pack("<Qq", magic, -114 if n == 2 else 0), peer)
os.unlink(os.environ["XL_FAST_CONTROL"])
open(os.environ["DIR"] + "/late", "w").close()
while not os.path.exists(os.environ["DIR"] + "/go"):
    time.sleep(0.05)
END_MOVER
cat >"$dir/tools/ssh" <<'END_SSH'
#!/bin/sh
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
END_SSH
cat >"$dir/shim/xl-fast-preflight" <<'END_PREFLIGHT'
#!/bin/sh
printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=200000 port=eth1 address=192.0.2.1/24 mtu=9000 \
    uuid=$GUEST name=web1 fast=ok
END_PREFLIGHT
cat >"$dir/shim/xl-fast-domain" <<'END_DOMAIN'
#!/bin/sh
echo running
END_DOMAIN
chmod +x "$dir"/*/*
guest=00000000-0000-4000-8000-000000000001
export PATH=$dir/shim:$dir/real:$dir/tools:$PATH DIR=$dir GUEST=$guest XL_FAST_RUNDIR=$dir/run
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE
cat >"$dir/log.py" <<'END_LOG'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
open(sys.argv[2], "w").close()
while True:
    line = s.recv(4096)
    with open(sys.argv[2], "ab") as f:
        f.write(line + b"\n")
END_LOG
export XL_FAST_SYSLOG=$work/syslog
python3 "$dir/log.py" "$XL_FAST_SYSLOG" "$work/logged" &
logger=$!
trap 'kill $logger 2>/dev/null; rm -rf "$work"' EXIT
until [ -e "$work/logged" ]; do sleep 0.1; done

echo '+ xl migrate --fast web1 hostb'
timeout 120 xl migrate --fast web1 hostb >"$work/out" 2>"$work/err" </dev/null &
move=$!
until_seen 'goes to hostb' "$work/err"
grep -q '^control=' "$dir"/run/xl-fast/moving-* || fail "the record names no socket"
set_is 1 'the memory of web1 does not move yet' web1 now
touch "$dir/begin"
for _ in $(seq 100); do
    [ ! -S "$(echo "$dir"/run/xl-fast/control-*)" ] || break
    sleep 0.1
done
set_is 0 'web1: set max-downtime=50ms throttle=on' web1 max-downtime=50ms throttle=on
until_seen 'set: max-downtime=50ms throttle=on' "$work/err"
set_is 0 'web1: set bandwidth=1Gbit/s' 5 bandwidth=1G
set_is 1 'too late: web1 is being suspended' "$guest" now
until [ -e "$dir/late" ]; do sleep 0.1; done
set_is 1 'too late: the memory of web1 has moved' web1 now
touch "$dir/go"
wait $move || fail "exit status $?"
until_seen "web1 ($guest), on its way to hostb: set max-downtime=50ms throttle=on" "$work/logged"
grep -q 'set bandwidth=1Gbit/s' "$work/logged" || fail "the log lacks the second order"
[ "$(grep -c ': set' "$work/logged")" = 2 ] || fail "the log has what was not set: $(cat "$work/logged")"
[ -z "$(find "$dir/run" -name '*-*-*' ! -name 'queue-*')" ] || fail "something is left in $dir/run"
