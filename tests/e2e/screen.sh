#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The screen of `xl migrate --fast`, on terminals of 80 and 200 columns, without one, --quiet, --verbose; what
# is kept back, and shown after a failure; Ctrl-C at each stage; `xl-fast status` and `cancel`. xl, ssh, preflight
# and the plug-in's events are stand-ins; nothing of Xen is here.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

dir=$work/x
mkdir -p "$dir"/{shim,real,tools,run}
cp xl-plugin/migrate/xl "$dir/shim"
ln -s "$(realpath "$XL_FAST")" "$dir/tools/xl-fast"
guest=00000000-0000-4000-8000-000000000001

# A helper that moves memory until $dir/go is there; told to end, it does, as the real one.
cat >"$dir/tools/helper" <<'END_HELPER'
#!/bin/sh
trap 'echo told >>"$DIR/helper"; echo "{\"version\":2,\"event\":\"failed\",\"t_us\":900000,\"error\":\"cancelled by the toolstack\",\"rounds\":1,\"bytes\":5,\"pages_sent\":5,\"rejects\":{}}" >>"$XL_FAST_EVENTS"; exit 1' TERM
echo "${XL_FAST_FIXED_US:-none}" >"$DIR/fixed"
while read -r line; do
    case $line in *CLOCK*) line=${line%%CLOCK*}$(python3 -c 'import time; print(int(time.monotonic() * 1e6) - 3600000)')${line#*CLOCK} ;; esac
    [ "$line" != hold ] || { touch "$DIR/held"; until [ -e "$DIR/go" ]; do sleep 0.05; done; continue; }
    echo "$line" >>"$XL_FAST_EVENTS"
    sleep 0.02
done <"$DIR/events"
END_HELPER
cat >"$dir/real/xl" <<'END_XL'
#!/bin/sh
trap 'echo INT >>"$DIR/signals"; exit 130' INT
trap 'echo TERM >>"$DIR/signals"; exit 143' TERM
case ${1:-} in sched-*) echo "$*" >>"$DIR/caps" && exit "${FAKE_CAP_STATUS:-0}" ;; esac
echo "chatter on stdout"
printf 'migration target: Ready to receive domain.\nSaving\rSaving again\n' >&2
[ -z "${FAKE_EARLY:-}" ] || { touch "$DIR/held"; while :; do sleep 0.05; done; }
if [ -n "${FAKE_CAP:-}" ]; then
    echo "$FAKE_CAP" >"$XL_FAST_CAP"
    echo "libxl: error: helper killed by signal 9" >&2
    exit 1
fi
helper --save-domain 5 &
wait $! || { echo "libxl: error: the helper has failed" >&2; exit 1; }
[ -z "${FAKE_LATE:-}" ] || { touch "$DIR/held"; until [ -e "$DIR/go" ]; do sleep 0.05; done; }
[ "${FAKE_STATUS:-0}" = 0 ] || { echo "libxl: error: no luck" >&2; exit "$FAKE_STATUS"; }
echo 'xl-fast: result {"end":"target","lanes":1,"port_rx_missed":0,"time_pct":{"open":41,"write":50,"receive":3}}' >&2
for vif in ${FAKE_VIFS:-}; do echo "xl-fast: arrival {\"vif\":$vif,\"mac\":\"00:16:3e:00:00:0$vif\"}" >&2; done
echo "migration sender: Target has acknowledged transfer." >&2
sleep 0.2
echo "migration sender: Target reports successful startup." >&2
[ -n "${FAKE_VIFS:-}" ] || exit 0
# What comes from the target by ssh, which outlives this xl.
{
    echo 'xl-fast: arrival {"vif":9,"age_us":1}'
    echo 'xl-fast: arrival {"vif":1,"age_us":100000}'
    touch "$DIR/held"
    until [ -e "$DIR/go" ]; do sleep 0.05; done
    echo 'xl-fast: arrival {"over":true}'
} </dev/null >&2 &
END_XL
cat >"$dir/tools/ssh" <<'END_SSH'
#!/bin/sh
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
END_SSH
cat >"$dir/shim/xl-fast-preflight" <<'END_PREFLIGHT'
#!/bin/sh
[ "$1" = source ] || [ ! -e "$DIR/busy" ] || echo busy=4711
printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=200000 port=eth1 address=192.0.2.1/24 mtu=9000 \
    uuid=$GUEST "name=${FAKE_NAME:-web1}" fast=ok
END_PREFLIGHT
cat >"$dir/shim/xl-fast-domain" <<'END_DOMAIN'
#!/bin/sh
echo "${FAKE_LEFT:-running}"
END_DOMAIN
chmod +x "$dir"/*/*
export PATH=$dir/shim:$dir/real:$dir/tools:$PATH DIR=$dir GUEST=$guest XL_FAST_RUNDIR=$dir/run XL_FAST_POLL=0.1
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE NO_COLOR COLUMNS

# What the plug-in writes: a guest of 40 MB in two rounds. After the first two lines in the middle: hold.
cat >"$dir/all" <<'END_EVENTS'
{"version":2,"event":"start","t_us":0,"time_us":1700000000000000,"clock_us":CLOCK,"program":"migrate","guest":"web1","host":"hostb","domid":5}
{"version":2,"event":"progress","t_us":100,"phase":"connect","bytes":0}
{"version":2,"event":"connected","t_us":200000}
{"version":2,"event":"round_begin","t_us":300000,"round":1,"pages":10000,"suspended":false}
{"version":2,"event":"progress","t_us":1300000,"phase":"live","round":1,"pages":10000,"pages_done":4000,"bytes":16000000,"wire_bps":1280000000,"payload_bps":1270000000}
hold
{"version":2,"event":"round_end","t_us":2800000,"round":1,"pages":10000,"duration_us":2500000,"suspended":false,"zero":10,"repaired":7,"bytes":40000000,"dirty_pages":500}
{"version":2,"event":"round_begin","t_us":2800000,"round":2,"pages":500,"suspended":false}
{"version":2,"event":"progress","t_us":3400000,"phase":"live","round":2,"pages":500,"pages_done":300,"bytes":41000000,"wire_bps":1230000000,"dirty_pages":500,"predicted_copy_us":42000}
{"version":2,"event":"round_end","t_us":3500000,"round":2,"pages":500,"duration_us":700000,"suspended":false,"bytes":42000000,"dirty_pages":50}
{"version":2,"event":"suspend","t_us":3500000,"dirty_pages":50,"predicted_copy_us":42000}
{"version":2,"event":"round_begin","t_us":3500000,"round":3,"pages":50,"suspended":true}
{"version":2,"event":"round_end","t_us":3530000,"round":3,"pages":50,"duration_us":30000,"suspended":true,"bytes":42200000}
{"version":2,"event":"done","t_us":3600000,"verified":true,"rounds":3,"pages_total":10000,"pages_sent":10550,"pages_zero":10,"pages_repaired":7,"pages_verified":10000,"bytes":42200000,"packets_sent":12345,"packets_lost":7,"path_bps":1,"rtt_us":1,"memory_us":3230000,"payload_bps":1290000000,"throttle_pct":25,"lanes":1,"time_pct":{"seal":50,"wait_path":49},"downtime":{"freeze_us":2000,"copy_us":30000,"verify_us":8000,"context_us":60000},"rejects":{}}
END_EVENTS
grep -v hold "$dir/all" >"$dir/events"

left_nothing() {
    find "$dir/run" -type f >"$dir/found" || fail "$dir/run cannot be read"
    ! grep -Ev '/queue-.*$' "$dir/found" || fail "something is left in $dir/run"
}

# Runs it without a terminal: $status, $work/out, $work/err.
run() { # xl migrate's options
    run_left "$@"
    left_nothing
}

run_left() {
    echo "+ xl migrate --fast $* web1 hostb"
    rm -f "$dir"/{signals,helper,held,go}
    timeout 60 xl migrate --fast "$@" web1 hostb >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

has() { # FILE WORDS...
    local file=$1 words
    shift
    for words; do grep -qF -- "$words" "$work/$file" || fail "std$file: no '$words'"; done
}

lacks() {
    local file=$1 words
    shift
    for words; do ! grep -qF -- "$words" "$work/$file" || fail "std$file: '$words'"; done
}

ends() { [ "$status" = "$1" ] || fail "exit status $status, not $1"; }

# ---- without a terminal: one line a round, then the table ------------------------------------------------

run
ends 0
[ ! -s "$work/out" ] || fail "something on stdout"
has err 'live  round 1  100 %  0.13 Gbit/s' 'live  round 2  100 %' 'suspended  round 3  100 %' \
    'web1 has moved to hostb' 'rounds     3' 'data       40.2 MiB in 12345 packets, for a guest of 39.1 MiB' \
    'predicted  copy 42 ms; the rest is known after a first move to that host' "throttled  to 25 % of the guest's CPU time" 'rate       1.29 Gbit/s' \
    "limited by the target's core: 94 % busy, open and write 91 %;" '             a second lane may help' 'repaired   7 pages' \
    'verified   all 10000 pages'
for line in '  downtime   [0-9]{3,5} ms' '             freeze 2.0, copy 30, verify 8.0, context 60, devices [0-9.]+, go [0-9]{3,5}'; do
    grep -qE "^$line$" "$work/err" || fail "no '$line': $(grep downtime "$work/err")"
done
[ "$(grep -c ' round [0-9]' "$work/err")" = 3 ] || fail "not a line a round"
[ "$(tr -d '\n -~' <"$work/err" | wc -c)" = 0 ] || fail "more than text, without a terminal"
lacks err chatter Ready Saving

[ "$(cat "$dir/fixed")" = none ] || fail "what the first move will take is known: $(cat "$dir/fixed")"

run --quiet
ends 0
us=$(xl-fast history --json | sed -n 's/.*"downtime_us": \([0-9]*\).*/\1/p' | head -n 1)
[ "$(cat "$dir/fixed")" = $((us - 38000)) ] || fail "of $us us, $(cat "$dir/fixed") are said to be no pages'"
[ "$(cat "$work/err" "$work/out" | wc -c)" = 0 ] || fail "--quiet says something"

for how in --verbose --debug; do
    run $how
    ends 0
    has err Ready 'web1 goes to hostb' 'xl-fast: web1: downtime' 'Target reports successful startup.'
    has out chatter
    lacks err 'has moved' 'round 1'
done
XL_FAST_VERBOSE=1 run
has err Ready
lacks err 'has moved'

run --json
has out '"event":"done"' '"status":0' "\"limited_by\":\"the target's core: 94 % busy"
[ "$(wc -l <"$work/err")" = 1 ] || fail "--json: more than one line on stderr"

# ---- a helper that was killed while it had slowed the guest down -----------------------------------------

FAKE_CAP='sched-credit2 -d 5 -c 0' run
ends 1
[ "$(cat "$dir/caps")" = 'sched-credit2 -d 5 -c 0' ] || fail "xl was called otherwise: $(cat "$dir/caps")"
has err 'has its CPU time again'
rm "$dir/caps"
FAKE_CAP='sched-credit -d 5 -c 60' FAKE_CAP_STATUS=1 run_left
[ "$(cat "$dir/caps")" = 'sched-credit -d 5 -c 60' ] || fail "xl was called otherwise: $(cat "$dir/caps")"
has err 'web1 may still be slowed down: to undo it, xl sched-credit -d 5 -c 60'
rm "$dir/caps" "$dir"/run/xl-fast/cap-*
FAKE_CAP='destroy 5' run_left
[ ! -e "$dir/caps" ] || fail "xl was called: $(cat "$dir/caps")"
rm "$dir"/run/xl-fast/cap-*

# ---- a failure: what was kept back, and where the guest is, last ----------------------------------------

for how in --fast --quiet --json; do
    FAKE_STATUS=3 run $how
    ends 3
    has err '    migration target: Ready to receive domain.' '    chatter on stdout' '    libxl: error: no luck' 'Saving again'
    lacks err 'has moved'
    [ "$(tail -n 1 "$work/err")" = "xl-fast: web1 keeps running here" ] || fail "the last line is another"
done
FAKE_LEFT=suspended FAKE_STATUS=1 run
[[ $(tail -n 1 "$work/err") == *"suspended here, and may run on hostb. To settle who owns it: xl-fast recover web1 hostb" ]] ||
    fail "no recover"
escape=$(printf 'a\033[2Jb\302\233c')
sed "s/\"guest\":\"web1\"/\"guest\":\"$(printf 'a\\\\u001b[2Jb\\\\u009bc')\"/" "$dir/all" | grep -v hold >"$dir/events"
FAKE_NAME=$escape run
has err 'a?[2Jb?c has moved'
grep -v hold "$dir/all" >"$dir/events"

# ---- on a terminal -----------------------------------------------------------------------------------------

# shows REGEX: waits until the terminal has shown it.
shows() { for _ in $(seq 1000); do ! grep -aq "$1" "$work/raw" || return 0; sleep 0.05; done; }

# on_terminal COLUMNS KEYS COMMAND: in $work/screen what it writes, lines where it begins anew at the left.
# KEYS: a shell command whose output is typed. The keyboard stays there to the end, or script(1) would end first.
# Its shell, which gets a Ctrl-C as well, has to live on to say the status: dash would not.
on_terminal() {
    echo "+ $1 columns: $3"
    rm -f "$dir"/{signals,helper,held,go}
    : >"$work/raw"
    { eval "$2"; shows 'status='; } | timeout 60 script -qec "stty cols $1 rows 24 -echo; trap : INT; $3; echo status=\$?" /dev/null >"$work/raw" 2>&1
    tr '\r' '\n' <"$work/raw" | sed '/^$/d' >"$work/err"
    sed 's/\x1b\[[0-9]*[mK]//g' "$work/err" >"$work/screen"
}
hold() { for _ in $(seq 400); do [ ! -e "$dir/held" ] || return; sleep 0.05; done; }
export TERM=xterm
cp "$dir/all" "$dir/events"
# shellcheck disable=SC2016  # expanded when it is used
go='hold; shows "40 %"; touch "$DIR/go"'

on_terminal 80 "$go" 'xl migrate --fast web1 hostb'
grep -q 'status=0' "$work/screen" || fail "it does not end well"
grep -q $'\e\\[K' "$work/raw" || fail "nothing is rewritten"
grep -q $'\e\\[1mlive' "$work/raw" || fail "nothing is bold"
[ "$(awk 'length > 79 && !/goes to/' "$work/screen" | wc -l)" = 0 ] || fail "a line is wider than the terminal"
grep -qx 'live  round 1  40 %  1.28 Gbit/s  ETA 1.5 s  4000 of 10000 pages  15.3 MiB sent' "$work/screen" || fail "not the first round's line"
grep -qF 'starts there' "$work/screen" || fail "no handover"
grep -qF 'web1 has moved to hostb' "$work/screen" || fail "no table"
! grep -qE 'chatter|Ready' "$work/screen" || fail "chatter"

on_terminal 200 "$go" 'xl migrate --fast web1 hostb'
grep -qE '^live  round 2  98 %  1.23 Gbit/s  dirty 800 KiB/s  last round 42 ms  ETA [0-9. ms]*  300 of 500 pages  39.1 MiB sent  round takes 600 ms$' \
    "$work/screen" || fail "not the second round's line"
on_terminal 20 "$go" 'xl migrate --fast web1 hostb'
grep -qx 'live  round 1  40 %' "$work/screen" || fail "not cut to 20 columns"

on_terminal 80 "$go" 'NO_COLOR=1 xl migrate --fast web1 hostb'
! grep -q $'\e\\[[0-9]*m' "$work/raw" || fail "NO_COLOR: colours"
grep -q $'\e\\[K' "$work/raw" || fail "NO_COLOR: nothing is rewritten"
# shellcheck disable=SC2016
on_terminal 80 'hold; touch "$DIR/go"' 'TERM=dumb xl migrate --fast web1 hostb'
! grep -q $'\e' "$work/raw" || fail "TERM=dumb: more than text"
grep -q '^live  round 1  100 %' "$work/screen" || fail "TERM=dumb: no line a round"

# Ctrl-C halfway: the helper is told, xl is not; the guest keeps running here, and that is the last line.
on_terminal 80 'hold; shows "40 %"; printf "\003"' 'xl migrate --fast web1 hostb'
grep -q 'status=130' "$work/screen" || fail "not status 130"
[ "$(cat "$dir/helper" "$dir/signals" 2>/dev/null)" = told ] || fail "not the helper alone has heard of it"
grep -qF 'cancelled by the toolstack' "$work/screen" || fail "does not say that it was cancelled"
[ "$(sed -n '/^status=/q; p' "$work/screen" | tail -n 1)" = 'xl-fast: web1 keeps running here' ] || fail "the last line is another"
! grep -qE 'chatter|Ready' "$work/screen" || fail "chatter"
left_nothing

# start [options]: in the background, until it holds; $pid. stop SIGNAL: sent to it. over: waits.
start() {
    rm -f "$dir"/{signals,helper,held,go}
    (trap - INT; exec timeout --foreground 60 xl migrate --fast "$@" web1 hostb) >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    hold
    shim=$(sed -n 's/^pid=//p' "$dir"/run/xl-fast/moving-*)
}
over() { wait "$pid"; status=$?; }

# ---- the migration does not need its screen --------------------------------------------------------------

echo '+ the screen is killed'
cp "$dir/all" "$dir/events"
start
kill -9 "$(pgrep -P "$shim" -f ' follow ')" || fail "there is no screen"
touch "$dir/go"
over
ends 0
has err 'xl-fast: web1 has moved to hostb'
left_nothing

# ---- the guest's first frames at the target, after xl has ended -----------------------------------------------

grep -v hold "$dir/all" >"$dir/events"
echo '+ one interface speaks, the other does not'
XL_FAST_EVENTS=$work/kept FAKE_VIFS='1 2' start
[ "$(xl-fast status --json | sed -n 's/.*"phase": "\(.*\)".*/\1/p')" = reachable ] || fail "status: no wait"
touch "$dir/go"
over
ends 0
has err 'the guest runs there; waiting for its first frame, 30 s at most; Ctrl-C ends the wait' 'web1 has moved to hostb'
grep -qE '^  reachable  after [0-9.]+ m?s \(vif 1\), not seen in 30 s \(vif 2\)$' "$work/err" || fail "no frames in the table"
tests/e2e/check-events "$work/kept" >"$work/out" || fail "events that do not fit the schema"
has out reachable=2
grep -q ' not seen  ' < <(xl-fast history | tail -n 1) || fail "history: $(xl-fast history)"
xl-fast history --json >"$work/history"
python3 -c 'import json, sys
one, two = json.load(open(sys.argv[1]))["moves"][-1]["reachable"]
assert (one["vif"], one["mac"], two["vif"], two["reachable_after_us"]) == (1, "00:16:3e:00:00:01", 2, None), (one, two)
assert one["reachable_after_us"] > 0' "$work/history" || fail "history --json"
xl-fast metrics >"$work/out"
grep -qE '^xl_fast_last_reachable_after_seconds\{vif="1",mac="00:16:3e:00:00:01"\} [0-9]+\.[0-9]{6}$' "$work/out" || fail "no metrics"
has out 'xl_fast_last_unseen_interfaces 1'

echo '+ a signal ends the wait, and the guest has moved'
for vifs in 2 '1 2'; do
    FAKE_VIFS=$vifs start
    kill -INT "$shim"
    over
    ends 0
    has err 'web1 has moved to hostb'
    lacks err 'not seen'
    touch "$dir/go"
done
echo '+ without a wait'
XL_FAST_WAIT=0 FAKE_VIFS=2 start
over
ends 0
lacks err 'reachable' 'not seen'
touch "$dir/go"

# ---- cancelled at other moments -----------------------------------------------------------------------------

echo '+ before the helper: xl itself is ended'
FAKE_EARLY=1 start
kill -TERM "$shim"
over
ends 143
[ "$(cat "$dir/signals")" = TERM ] || fail "xl was not told"
has err 'web1 keeps running here'

echo '+ after the helper: xl is left alone, and the guest moves'
grep -v hold "$dir/all" >"$dir/events"
FAKE_LATE=1 start
kill -TERM "$shim"
sleep 0.3
[ ! -e "$dir/signals" ] || fail "xl was told"
touch "$dir/go"
over
ends 0
has err 'web1 has moved to hostb'

echo '+ asked once more, but not at once: xl is ended'
FAKE_LATE=1 FAKE_LEFT=suspended start
for _ in 1 2 3; do
    kill -TERM "$shim"
    sleep 0.3
done
[ ! -e "$dir/signals" ] || fail "xl was told"
sleep 4
kill -TERM "$shim"
over
ends 143
has err 'xl-fast recover web1 hostb'

echo '+ while it waits'
touch "$dir/busy"
rm -f "$work/err"
xl migrate --fast web1 hostb 2>"$work/err" &
for _ in $(seq 100); do grep -q 'web1 waits' "$work/err" 2>/dev/null && break; sleep 0.05; done
kill -TERM "$(sed -n 's/^pid=//p' "$dir"/run/xl-fast/moving-*)"
for _ in $(seq 100); do grep -q 'was not touched and keeps running here' "$work/err" && break; sleep 0.05; done
has err 'web1 was not touched and keeps running here'
rm "$dir/busy"
wait

# --fast=auto that is cancelled does not go on by plain xl migrate.
echo '+ auto'
FAKE_EARLY=1 start --fast=auto
kill -TERM "$shim"
over
ends 143
lacks err 'by plain xl migrate'

# ---- status and cancel ------------------------------------------------------------------------------------

cp "$dir/all" "$dir/events"
[ "$(xl-fast status)" = 'no migration is in progress here' ] || fail "status of none"
start
for _ in $(seq 100); do grep -q '40 %' < <(xl-fast status) && break; sleep 0.05; done
xl-fast status >"$work/status" || fail "status: $?"
grep -qE '^web1 to hostb, for .*: live  round 1  40 %  1.28 Gbit/s' "$work/status" || fail "status: $(cat "$work/status")"
xl-fast status --json >"$work/status"
for word in '"guest": "web1"' '"domid": 5' '"host": "hostb"' "\"pid\": $shim" '"phase": "live"' '"done_pct": 40'; do
    grep -qF "$word" "$work/status" || fail "status --json: no $word: $(cat "$work/status")"
done
# A record whose process is gone, and one whose number another process has.
for stale in 999999999 "$$"; do
    printf 'pid=%s\nstarted=1\nguest=old\nhost=h\n' "$stale" >"$dir/run/xl-fast/moving-stale"
    [ "$(xl-fast status | wc -l)" = 1 ] || fail "a stale record counts"
    [ ! -e "$dir/run/xl-fast/moving-stale" ] || fail "a stale record stays"
    printf 'pid=%s\nstarted=1\nguest=old\nhost=h\n' "$stale" >"$dir/run/xl-fast/moving-stale"
    xl-fast cancel old 2>"$work/status" && fail "cancels what is not there"
done
grep -q "no migration of 'old'" "$work/status" || fail "cancel: $(cat "$work/status")"
[ "$(xl-fast cancel 5)" = 'web1 keeps running here' ] || fail "cancel"
over
ends 143
[ "$(cat "$dir/helper")" = told ] || fail "cancel: the helper was not told"
has err 'web1 keeps running here'

echo '+ cancel, too late'
grep -v hold "$dir/all" >"$dir/events"
FAKE_LATE=1 start
[ "$(xl-fast cancel -w 0 web1)" = 'web1: not over after 0 s: xl-fast status' ] || fail "cancel -w"
sleep 4 # by when another Ctrl-C would end xl
xl-fast cancel -w 30 web1 >"$work/status" &
asking=$!
until [ -n "$(find "/proc/$asking/fd" -lname '*pidfd*' 2>/dev/null)" ]; do # it has found whom to ask
    kill -0 "$asking" || fail "cancel: $(cat "$work/status")"
    sleep 0.05
done
touch "$dir/go"
wait "$asking"
rc=$?
over
ends 0
[ "$rc $(cat "$work/status")" = '1 too late: web1 has moved to hostb' ] || fail "cancel: $rc $(cat "$work/status")"

# ---- history, metrics, the system's log ------------------------------------------------------------------------------------------------

history=$XL_FAST_STATEDIR/xl-fast/history.jsonl
rm "$history"
# Who listens there gets each line as it is sent.
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    sys.stdout.write(s.recv(4096).decode() + "\n")
    sys.stdout.flush()' "$XL_FAST_SYSLOG" >"$work/logged" &
listener=$!
until [ -S "$XL_FAST_SYSLOG" ]; do sleep 0.05; done
logged() { # WORDS: in the last line, which may take a moment
    for _ in $(seq 100); do
        grep -qE -- "$1" < <(tail -n 1 "$work/logged") && return
        sleep 0.05
    done
    fail "the log has no '$1': $(cat "$work/logged")"
}
run
logged "^<29>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} xl-fast\[[0-9]+\]: web1 \($guest\) has moved to hostb: downtime [0-9.]+ m?s, total [0-9.]+ s, 40.2 MiB$"
grep -q "^<30>.*: web1 ($guest) begins to move to hostb$" "$work/logged" || fail "no begin in the log: $(cat "$work/logged")"
FAKE_STATUS=3 FAKE_LEFT=suspended run
logged '^<27>.* failed to move to hostb \(exit status 3\); the guest is suspended on this host, .*: xl-fast recover web1 hostb$'
kill "$listener"
cp "$dir/all" "$dir/events"
start
kill -INT "$shim"
over
ends 130
start
xl-fast metrics "$work/m.prom" || fail "metrics: $?"
touch "$dir/go"
over
for line in 'migrations_total{result="moved"} 1' 'migrations_total{result="failed"} 1' 'migrations_total{result="cancelled"} 1' \
    'sent_bytes_total 84400005' 'repaired_pages_total 14' 'in_progress 1' 'last_moved 0' 'last_duration_seconds 0.900000'; do
    grep -qxF "xl_fast_$line" "$work/m.prom" || fail "metrics: no $line: $(cat "$work/m.prom")"
done
rows=$(xl-fast history | sed -E "s/^[0-9-]{10} [0-9:]{8}  web1   $(uname -n) +/WHEN /; s/ +/ /g; s/moved [0-9.]+ m?s - [0-9.]+ s/moved DOWN - TOTAL/")
[ "$rows" = "when guest from to ended downtime reachable total bytes
WHEN hostb moved DOWN - TOTAL 40.2 MiB
WHEN hostb suspended - - 3.6 s 40.2 MiB
WHEN hostb cancelled - - 900 ms 5 B
WHEN hostb moved DOWN - TOTAL 40.2 MiB" ] || fail "history: $rows"
printf '{"version":1,"guest":"web1","to' >>"$history" # the disk was full
grep -v hold "$dir/all" >"$dir/events"
run
xl-fast metrics >"$work/out"
for line in 'migrations_total{result="moved"} 3' 'in_progress 0' 'last_moved 1' 'last_duration_seconds ' 'last_downtime_seconds ' \
    'last_downtime_part_seconds{part="context"} 0.060000' 'last_downtime_part_seconds{part="go"} ' \
    'last_start_timestamp_seconds 1700000000.000000'; do
    has out "xl_fast_$line"
done
[ "$(grep -vcE '^(# (HELP|TYPE) xl_fast_[a-z_]+ .+|xl_fast_[a-z_]+(\{(result|part)="[a-z]+"\})? [0-9.]+)$' "$work/out")" = 0 ] ||
    fail "no text of Prometheus: $(cat "$work/out")"
xl-fast metrics "$work/none/x" 2>/dev/null && fail "a file that cannot be is written"
[ "$(find "$work" -name 'm.prom*')" = "$work/m.prom" ] || fail "metrics leaves a file"

xl-fast history --json web1 >"$work/out" || fail "history --json"
python3 -c 'import json, sys
moves = json.load(open(sys.argv[1]))["moves"]
assert [m["result"] for m in moves] == ["moved", "failed", "cancelled", "moved", "moved"], moves
m = moves[0]
assert (m["state"], m["to"], m["bytes"]) == ("moved", "hostb", 42200000), m
assert m["downtime_us"] == sum(m["downtime"].values()) and m["downtime"]["go_us"] > 190000 and len(m["downtime"]) == 6, m
assert m["total_us"] == 3500000 + m["downtime_us"], m
assert "downtime_us" not in moves[1] and moves[1]["downtime"]["context_us"] == 60000, moves[1]
assert m["time_us"] == 1700000000000000 and m["uuid"].endswith("0001"), m
assert moves[1]["state"] == "suspended" and moves[2]["state"] == "here", moves' "$work/out" || fail "history --json"
[ "$(xl-fast history web2)" = 'no move from this host is over' ] || fail "history of another guest"
# What the host has moved before its boot is listed, and not counted.
sed -i "s/$(cat /proc/sys/kernel/random/boot_id)/00000000-0000-4000-8000-00000000000b/" "$history"
[ "$(xl-fast history | wc -l)" = 6 ] || fail "the history is gone with the boot"
grep -qF 'xl_fast_migrations_total{result="moved"} 0' < <(xl-fast metrics) || fail "metrics counts what was before the boot"
# A history that cannot be kept does not disturb a move.
rm -r "$XL_FAST_STATEDIR"
run
ends 0
[ "$(xl-fast history)" = 'no move from this host is over' ] || fail "history without a folder"

xl-fast history a b 2>/dev/null
[ $? = 2 ] || fail "history: two guests"
xl-fast status --frobnicate 2>/dev/null
[ $? = 2 ] || fail "status: an unknown option is taken"
xl-fast cancel 2>/dev/null
[ $? = 2 ] || fail "cancel: without a domain"
