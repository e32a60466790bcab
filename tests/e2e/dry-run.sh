#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl migrate --fast --dry-run: both ends are asked, the real xl is not, nothing is left behind; what is predicted
# by the ports' speed, a bandwidth, earlier migrations; its JSON and exit status. xl, ssh and preflight are
# stand-ins.
# shellcheck disable=SC2016  # scripts of the stand-ins
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

dir=$work/x
mkdir -p "$dir"/{shim,real,tools} "$dir/run/xl-fast"
cp xl-plugin/migrate/xl "$dir/shim"
ln -s "$(realpath "$XL_FAST")" "$dir/tools/xl-fast"
printf '#!/bin/sh\necho "xl $*" >>"$DIR/xl"\n' >"$dir/real/xl"
printf '#!/bin/sh\necho "ssh $*" >>"$DIR/ssh"\nwhile [ $# -gt 1 ]; do shift; done\nprintf "${FAKE_NOISE:-}"\nexec ${FAKE_SHELL:-sh} -c "$1"\n' >"$dir/tools/ssh"
cat >"$dir/shim/xl-fast-preflight" <<'END'
#!/bin/sh
if [ "$1" = measure ]; then
    echo "$*" >>"$DIR/measure"
    # 16 MiB a second at first, of a working set of 64 MiB.
    [ -n "${FAKE_MEASURED:-}" ] && echo "$FAKE_MEASURED" ||
        printf '%s\n' 'dirty=1000000 4096' 'dirty=2000000 8192' 'dirty=4000000 16384' 'dirty=8000000 16384' fast=ok
    exit
fi
printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=1100000 port=eth1 address=192.0.2.1/24 mtu=9000 max_downtime_us=300000 \
    uuid=00000000-0000-4000-8000-000000000001 "name=web1" "bandwidth_bps=${FAKE_BANDWIDTH:-0}"
[ "$1" != source ] || echo "memory_kib=${FAKE_MEMORY-1048576}"
[ "$1" != source ] || echo "speed_mbps=${FAKE_SPEED:-0}"
[ "$1" != source ] || [ -z "${FAKE_HERE:-}" ] || echo "hand_over=$FAKE_HERE"
[ "$1" != target ] || [ -z "${FAKE_THERE:-}" ] || echo "hand_over=$FAKE_THERE"
[ -z "${FAKE_LANES:-}" ] || [ "$1" != source ] || echo "lanes=$FAKE_LANES"
[ -z "${FAKE_LANES:-}" ] || [ "$1" != target ] || echo "lanes=2"
[ "$1" != target ] || echo "speed_mbps=${FAKE_TARGET_SPEED:-0}"
[ "$1" != target ] || [ -z "${FAKE_BUSY:-}" ] || echo "busy=$FAKE_BUSY"
[ "$1" != target ] || [ -z "${FAKE_WHY:-}" ] || { printf '%s\n' 'fix=ip link set eth1 up' "why=$FAKE_WHY"; exit; }
echo fast=ok
END
cat >"$dir/shim/xl-fast-disks" <<'END'
#!/bin/sh
[ "$1" != judge ] || { cat >"$DIR/judged"; printf '%s\n' "$FAKE_JUDGED"; exit; }
echo "$*" >>"$DIR/described"
printf '%s\n' "$FAKE_DISKS"
END
chmod +x "$dir"/*/*
export PATH=$dir/shim:$dir/real:$dir/tools:$PATH DIR=$dir XL_FAST_RUNDIR=$dir/run
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE

dry() { # OPTION...
    echo "+ xl migrate --fast --dry-run $* 7 hostb"
    : >"$dir/ssh"
    xl migrate --fast --dry-run "$@" 7 hostb >"$work/out" 2>"$work/err"
    status=$?
    [ ! -e "$dir/xl" ] || fail "the real xl was run: $(cat "$dir/xl")"
    [ "$(find "$dir/run" -type f )" = '' ] || fail "left behind: $(find "$dir/run")"
}

ends() { # STATUS
    [ "$status" = "$1" ] || fail "exit status $status, not $1"
}

has() { # WORDS...
    local words
    for words; do
        grep -qF -- "$words" "$work/out" "$work/err" || fail "no '$words'"
    done
}

# Of the object of that name in the JSON on stdout: KEY VALUE.
of() { # NAME KEY VALUE
    python3 -c 'import json, sys
v = json.load(open(sys.argv[1]))[sys.argv[2]]
sys.exit(v[sys.argv[3]] != json.loads(sys.argv[4]))' "$work/out" "$@" || fail "$1.$2 is not $3"
}

# Nothing says how fast it is.
dry
ends 0
has 'web1 can move to hostb; nothing was touched' 'memory     1 GiB' 'rate       not known'
[ "$(wc -l <"$dir/ssh")" = 1 ] || fail "the target was not asked once"
dry --json
ends 0
one_object
is possible true
is rate_bps null
is quiet null

# By what limits it: the lesser of the ports' speeds, of which 95 % are pages; or the bandwidth.
FAKE_SPEED=25000 FAKE_TARGET_SPEED=10000 dry --json
ends 0
one_object
tests/e2e/check-units "$work/out" 10 || fail "another unit"
is guest '"web1"'
is host '"hostb"'
is memory_bytes 1073741824
is rate_bps 9500000000
is rate_from '"link"'
is waits false
is downtime_whole false
of quiet bytes 1073741824
of quiet rounds 2
of quiet time_us 904203
of quiet downtime_us 0
of restless rounds 5
of restless bytes 5368709120
# Of older ends nothing is known of lanes.
is source_lanes null
is target_lanes null
FAKE_LANES=4 dry --json
is source_lanes 4
is target_lanes 2
FAKE_LANES=4 dry
has 'lanes      4 here, 2 on hostb'
FAKE_SPEED=25000 FAKE_TARGET_SPEED=10000 dry
has '9.50 Gbit/s of pages, by the ports' 'quiet      904 ms, 1 GiB, 2 rounds, downtime' 'restless   4.5 s, 5 GiB, 5 rounds' \
    '--measure SECONDS'
FAKE_SPEED=10000 FAKE_BANDWIDTH=1000000000 dry --json
is rate_from '"bandwidth"'
is rate_bps 950000000

# When its devices are attached: early where both ends say that they can, unless it was asked for otherwise.
FAKE_HERE=early FAKE_THERE=early dry
ends 0
has 'devices    attached early, while it still runs here'
FAKE_HERE=early FAKE_THERE=early dry --hand-over=late
ends 0
has 'devices    attached late: as asked for'
FAKE_HERE='late it has a sound card' FAKE_THERE=early dry
ends 0
has 'devices    attached late: ' 'it has a sound card'
FAKE_HERE=early FAKE_THERE='late its scripts are odd' dry --json
ends 0
is hand_over '"late"'
FAKE_HERE=early dry --hand-over=early
ends 1
has 'its devices cannot be attached early: ' 'does not say that it can'

# What the guest writes, measured: of 16 MiB a second, 64 MiB in all, 14.5 MiB are written anew in 1 GiB's 904 ms.
FAKE_SPEED=25000 FAKE_TARGET_SPEED=10000 dry --measure 8
ends 0
has 'Xen logs for 8 s what 7 writes' 'writes     16 MiB/s, to 64 MiB of its memory in 8.0 s' 'measured   917 ms, 1.0 GiB, 2 rounds, downtime 13 ms'
[ "$(cat "$dir/measure")" = 'measure 7 8' ] || fail "measured: $(cat "$dir/measure")"
FAKE_SPEED=25000 FAKE_TARGET_SPEED=10000 dry --json --measure 1m
ends 0
one_object
tests/e2e/check-units "$work/out" 10 || fail "another unit"
of measured dirty_bps 134217728
of measured dirtied_bytes 67108864
of measured measured_us 8000000
of measured rounds 2
of quiet rounds 2
[ "$(tail -n 1 "$dir/measure")" = 'measure 7 60' ] || fail "measured: $(cat "$dir/measure")"
dry --json
is measured null
dry --measure 2
ends 0
has 'writes     16 MiB/s' 'rate       not known'
FAKE_MEASURED="why=A: domain '7' cannot be measured: it is being saved or migrated (process 1)" dry --measure 2
ends 1
has "xl-fast: A: domain '7' cannot be measured: it is being saved"
FAKE_MEASURED=garbage dry --measure 2
ends 1
has 'this host: ' 'failed'
# Not of a guest that cannot go, nor of one that does.
rm "$dir/measure"
FAKE_WHY='B: port eth1: down' dry --measure 2
ends 1
xl migrate --fast --measure 2 7 hostb >"$work/out" 2>"$work/err"
status=$?
ends 2
has '--measure goes with --dry-run'
[ ! -e "$dir/xl" ] || fail "the real xl was run"
[ ! -e "$dir/measure" ] || fail "measured all the same"

# Its disks, as xl-fast-disks at both ends says (e2e/with-disks has the real one).
uuid=00000000-0000-4000-8000-000000000001
disks='{"vdev":"xvda","path":"/srv/web.img","is":"file","bytes":10737418240,"data_bytes":1073741824},
{"vdev":"xvdb","path":"/dev/vg/web","is":"volume","bytes":21474836480,"data_bytes":21474836480}'
export FAKE_DISKS="{\"guests\":[{\"uuid\":\"$uuid\",\"guest\":{},\"disks\":[$disks]}]}"
export FAKE_JUDGED="{\"guests\":[{\"uuid\":\"$uuid\",\"shared\":false,\"disks\":[
{\"vdev\":\"xvda\",\"path\":\"/srv/web.img\",\"old_s\":0,\"place\":\"/srv\",\"free_bytes\":32212254720,\"need_bytes\":10737418240},
{\"vdev\":\"xvdb\",\"path\":\"/dev/vg/web\",\"old_s\":1700000000,\"place\":\"vg\",\"free_bytes\":5368709120,\"need_bytes\":0}]}]}"
FAKE_SPEED=10000 TZ=UTC dry --with-disks
ends 0
has 'web1 can move to hostb; nothing was touched' 'devices    attached late: its disks come along' \
    'disks      2, at most 1 GiB to send and what has changed, 904 ms' \
    'xvda       10 GiB, file /srv/web.img, tracked live; at most 1 GiB to send; to /srv, which has 30 GiB free' \
    'xvdb       20 GiB, logical volume /dev/vg/web, tracked live; only what differs from the copy of 2023-11-14 22:13 there; to vg, which has 5 GiB free'
[ "$(cat "$dir/described")" = "describe $uuid" ] || fail "described: $(cat "$dir/described")"
[ "$(cat "$dir/judged")" = "$FAKE_DISKS" ] || fail "the target was asked: $(cat "$dir/judged")"
dry --with-disks --json
ends 0
one_object
tests/e2e/check-units "$work/out" 9 || fail "another unit"
python3 -c 'import json, sys
a, b = json.load(open(sys.argv[1]))["disks"]
assert a == {"vdev": "xvda", "path": "/srv/web.img", "kind": "file", "why": None, "tracked": "live", "path_there": "/srv/web.img",
             "place": "/srv", "disk_bytes": 10 << 30, "free_bytes": 30 << 30, "need_bytes": 10 << 30, "send_bytes": 1 << 30,
             "copy_time_us": None}, a
assert b["copy_time_us"] == 1700000000000000 and b["send_bytes"] is None and b["need_bytes"] == 0, b' "$work/out" || fail "its disks: $(cat "$work/out")"
# One that cannot move is among them, with the reason.
(
    FAKE_DISKS=${FAKE_DISKS/',"disks"'/',"why":"disk xvdc is not raw; move-off does it","disks"'}
    FAKE_DISKS=${FAKE_DISKS/']}]}'/',{"vdev":"xvdc","path":"/srv/c.qcow2","why":"disk xvdc is not raw; move-off does it"}]}]}'}
    dry --with-disks
    ends 1
    has 'xvda       10 GiB, file /srv/web.img, tracked live' 'xvdc       /srv/c.qcow2; cannot move: disk xvdc is not raw; move-off does it' \
        'xl-fast: disk xvdc is not raw; move-off does it'
    dry --with-disks --json
    ends 1
    is possible false
    [ "$(grep -c '"why": "disk xvdc is not raw; move-off does it"' "$work/out")" = 2 ] || fail "it does not say why"
) || exit 1
(
    FAKE_JUDGED=${FAKE_JUDGED/'"old_s":0'/'"why":"disk xvda: /srv has 1 MiB free","old_s":0'}
    FAKE_JUDGED=${FAKE_JUDGED/'"shared"'/'"why":"disk xvda: /srv has 1 MiB free","shared"'}
    dry --with-disks
    ends 1
    has 'xvda       10 GiB, file /srv/web.img; cannot move: disk xvda: /srv has 1 MiB free' 'xl-fast: disk xvda: /srv has 1 MiB free'
    FAKE_DISKS='{"guests":[{"uuid":"'$uuid'","disks":[]}]}' FAKE_JUDGED='{"guests":[{"uuid":"'$uuid'","shared":true}]}' dry --with-disks
    ends 1
    has 'the guest has no disks: --with-disks is not for it'
    FAKE_JUDGED='{"guests":[]}' dry --with-disks
    ends 1
    has 'hostb: unexpected output from xl-fast-disks'
    FAKE_JUDGED=$'{"guests":[{"uuid":"'$uuid'","why":"\033[2J"}]}' dry --with-disks
    ends 1
    grep -q "$(printf '\033')" "$work/err" "$work/out" && fail "the target writes to the terminal"
    rm "$dir/shim/xl-fast-disks"
    dry --with-disks
    ends 1
    has 'this host: xl-fast-disks is not there'
) || exit 1

# By earlier migrations: the newest to that host that nothing held back; what the same guest's took.
mkdir "$XL_FAST_STATEDIR/xl-fast"
moved() { # GUEST HOST PAYLOAD_BPS [MORE]
    printf '%s\n' "{\"version\":1,\"time_us\":1,\"guest\":\"$1\",\"to\":\"$2\",\"status\":0,\"done\":true,\"total_us\":7000000,\"rounds\":4,\"bytes\":123456,\"payload_bps\":$3${4:-},\"downtime_us\":${5:-92000},\"downtime\":{\"freeze_us\":2000,\"copy_us\":30000,\"context_us\":10000,\"devices_us\":$((${5:-92000} - 92000 + 40000)),\"go_us\":10000}}"
}
{
    moved web1 hostb 2000000000
    moved web2 hostb 4000000000
    moved web2 hostb 1000000 ',"bandwidth_bps":1000000'
    moved web2 hostc 3000000000 '' 9000000
    moved web2 hostb 1000000 ',"bandwidth_bps":1000000' 5000000
    moved web3 hostb 5000000 | sed 's/"done":true/"done":false/; s/"status":0/"status":1/'
} >"$XL_FAST_STATEDIR/xl-fast/history.jsonl"
FAKE_SPEED=10000 dry --json
ends 0
is rate_from '"history"'
is rate_bps 4000000000
is downtime_whole true
of quiet downtime_us 62000
is fixed_us 62000
of last_time rounds 4
of last_time bytes 123456
of last_time time_us 7000000
of last_time downtime_us 92000
FAKE_SPEED=1000 dry --json
is rate_from '"link"'
FAKE_SPEED=10000 dry
has 'by the last migration' 'last time  7.0 s' 'fixed      62 ms of the downtime, as in earlier moves to hostb'
# Of what an older version wrote, the downtime was another.
sed -i 's/freeze_us/suspend_us/' "$XL_FAST_STATEDIR/xl-fast/history.jsonl"
FAKE_SPEED=10000 dry
has 'last time  7.0 s, 120.6 KiB, 4 rounds, downtime not known'
FAKE_SPEED=10000 dry --json
is downtime_whole false
is fixed_us null
of last_time downtime_us null

# Refused as a migration is; a port that is busy is no refusal.
FAKE_BUSY=4711 dry
ends 0
has 'waits      another migration has the port (process 4711)'
FAKE_BUSY=4711 dry --json
is waits true
FAKE_WHY='B: port eth1: down' dry
ends 1
has 'xl-fast: B: port eth1: down; fix: ip link set eth1 up'
[ ! -s "$work/out" ] || fail "something on stdout"
FAKE_WHY='B: port eth1: down' dry --json
ends 1
one_object
is possible false
is why '"B: port eth1: down; fix: ip link set eth1 up"'
FAKE_WHY='B: port eth1: down' xl migrate --fast=auto --dry-run 7 hostb >"$work/out" 2>"$work/err"
status=$?
ends 1
[ ! -e "$dir/xl" ] || fail "--fast=auto --dry-run goes by the plain xl"
FAKE_WHY=$(printf 'B: \033[2J') dry
ends 1
grep -q "$(printf '\033')" "$work/err" && fail "the target writes to the terminal"
needs_shells
for shell in bash dash fish tcsh; do
    FAKE_SHELL=$shell dry
    ends 0
    has 'web1 can move to hostb'
done
FAKE_NOISE='Welcome\n' dry
ends 1
has "xl-fast: hostb: its login shell prints 'Welcome' before the answer" "fix: ssh hostb 'chsh -s /bin/sh'"
FAKE_NOISE='Welcome\n' dry --json
ends 1
is possible false
FAKE_MEMORY='' dry
ends 1
has 'did not report the guest'
