#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast clone with stand-ins for all that knows Xen, at both ends: what they are asked, in which order, and what it says.
# Whatever xl-fast-clone does, a guest that is left suspended goes on, and what its copy's host is left with is destroyed.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

lib=$work/lib
program=$(realpath "$XL_FAST")
uuid=6f1c9a52-0001-4000-8000-0123456789ab
mkdir -p "$lib" "$work/bin" "$work/real" "$work/run"
cat >"$work/bin/ssh" <<'END_SSH'
#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
host=$1
shift
AT=$host exec sh -c "$*"
END_SSH
cat >"$lib/xl-fast-preflight" <<'END_PREFLIGHT'
#!/bin/sh
case $1 in
target) echo "asked $AT: $(grep -E '^(guest|name|disk)=' | paste -sd' ')" >>"$W/log" ;;
esac
[ -z "${REFUSES:-}" ] || [ "$REFUSES" != "${AT:-}" ] || { printf '%s\n' version=0.10.0 protocol=1 "why=no room" fast=no; exit 1; }
address=192.0.2.$([ -z "${AT:-}" ]; echo $?)/24
printf '%s\n' version=0.10.0 protocol=1 xen=4.17 need_kib=2000 port=eth1 "address=$address" mtu=9000 free_kib=9999 memory_kib=2000 \
    uuid=6f1c9a52-0001-4000-8000-0123456789ab name=web "ask=guest=6f1c9a52-0001-4000-8000-0123456789ab" ask=name=web "ask=disk=xvda /dev/x" fast=ok
END_PREFLIGHT
cat >"$lib/xl-fast-domain" <<'END_DOMAIN'
#!/bin/sh
echo "${AT:-here}: $1 $2" | sed 's/-.*//; s/left .*/left/' >>"$W/log"
case $1 in
left) cat "$W/guest" ;;
resume) echo running >"$W/guest" ;;
look) if [ -e "$W/there" ]; then echo '{"domains":[{"domid":7}]}'; else echo '{"domains":[]}'; fi ;;
destroy-unrun) rm "$W/there" ;;
esac
END_DOMAIN
cat >"$lib/xl-fast-clone" <<'END_CLONE'
#!/bin/sh
[ "$1" = copy ] || { echo "$*" >>"$W/log"; [ -n "${ALONE:-}" ] || echo together; exit "${CHECK:-0}"; }
guest=$2 how="$4${5:+ $5} $6 $7" env="${XL_FAST_DISKS:+ disks $XL_FAST_DISKS}${XL_FAST_ALL_OR_NONE:+ all-or-none}${XL_FAST_MIN_RATE:+ $XL_FAST_MIN_RATE}" worst=${STATUS:-0}
shift 7
line="copy $guest $how$env:"
while [ $# -gt 0 ]; do
    line="$line $2 $4"
    echo "$1" >>"$W/words"
    [ "$3" != "$guest" ] && echo "$3" >>"$W/uuids"
    status=${STATUS:-0}
    case $1 in hostc*) status=${STATUS_C:-$status} ;; esac
    [ "$status" -gt 100 ] || echo "xl-fast: copy {\"name\":\"$2\",\"status\":$status}" >&2
    [ "$status" -le "$worst" ] || worst=$status
    shift 4
done
echo "$line" >>"$W/log"
echo "xl-fast: source: web goes on" >&2
echo "${STATE:-running}" >"$W/guest"
exit "$worst"
END_CLONE
cat >"$lib/xl-fast-disks" <<'END_DISKS'
#!/bin/sh
echo "disks $3 $6: begins" >>"$W/log"
[ "${NO_DISKS:-}" != "$3" ] || { echo '{"kind":"failed","reason":"no room for them"}'; exit 1; }
echo "{\"kind\":\"ready\",\"socket\":\"/run/$3\"}"
read -r word
echo "disks $3: $word" | sed 's/{"kind":"\(.*\)"}/\1/' >>"$W/log"
echo '{"kind":"done"}'
END_DISKS
printf '#!/bin/sh\nexit 0\n' >"$work/real/xl"
chmod +x "$lib"/* "$work"/*/*
export W=$work XL_FAST_LIBDIR=$lib PATH=$work/real:$work/bin:$PATH XL_FAST_RUNDIR=$work/run
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_MARKS XL_FAST_REAL_XL XL_FAST_SHIM SSH_ORIGINAL_COMMAND

run() { # STATUS WORDS...: and its exit status must be that
    local status
    echo "+ xl-fast clone ${*:2}"
    rm -f "$work"/log "$work"/words "$work"/uuids
    echo running >"$work/guest"
    "$program" clone "${@:2}" >"$work/out" 2>"$work/err"
    status=$?
    [ $status = "$1" ] || fail "exit status $status, not $1; $(cat "$work/log")"
}
did() { # LINES: the log, without what the targets were asked; to look once more is one look
    [ "$(grep -v ^asked "$work/log" | uniq)" = "$1" ] || fail "what was done: $(cat "$work/log")"
}
says() { grep -q "$1" "$work/err" || fail "it does not say '$1'"; }

run 0 --one-by-one web hostb,hostc
did "check web fenced 
copy $uuid fenced running any: web-1 1
here: left
copy $uuid fenced running any: web-2 2
here: left"
[ "$(sort -u "$work/uuids" | wc -l)" = 2 ] || fail "the copies' UUIDs: $(cat "$work/uuids")"
grep -q "^hostb env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 XL_FAST_CLONE=1 $lib/xl-fast-receive $(head -n 1 "$work/uuids") " "$work/words" ||
    fail "the receiver's words: $(cat "$work/words")"
grep -q "^asked hostb: guest=$(head -n 1 "$work/uuids") name=web-1$" "$work/log" || fail "the target is asked: $(grep ^asked "$work/log")"
says "xl-fast clone --connect"
run 0 --net keep --disks shared-ro --paused --name '%h-%n' web hostb
did "check web keep shared-ro
copy $uuid keep shared-ro paused any: hostb-1 1
here: left"
grep -q "^asked hostb: .* disk=xvda /dev/x$" "$work/log" || fail "the target is not asked about the disk"

# What cannot be cloned so is not begun.
CHECK=1 run 1 web hostb
did "check web fenced "

# It fails: the other host is asked what it is left with.
STATUS=1 run 1 web hostb
did "check web fenced 
copy $uuid fenced running any: web-1 1
here: left
hostb: look web"
says "web goes on here"
touch "$work/there"
STATUS=1 run 1 web hostb
did "check web fenced 
copy $uuid fenced running any: web-1 1
here: left
hostb: look web
hostb: stop
hostb: look web
hostb: destroy"
says "what hostb had of web-1 is destroyed"

# Killed while the guest stands, which goes on then.
STATE=suspended STATUS=137 run 137 web hostb
did "check web fenced 
copy $uuid fenced running any: web-1 1
here: left
here: resume web
here: left
hostb: look web"
says "web goes on here"

# Nobody knows whether the copy runs: it is left alone.
STATUS=3 run 3 web hostb
did "check web fenced 
copy $uuid fenced running any: web-1 1
here: left"

# One of two.
STATUS_C=1 run 1 --one-by-one web hostb hostc
says "1 of 2 copies are not there"
says "xl-fast clone --connect"
[ "$(grep -c ^copy "$work/log")" = 2 ] || fail "not both were tried"

# What makes one is killed: that is not Ctrl-C, and the other is made.
STATUS=137 STATUS_C=0 run 137 --one-by-one web hostb hostc
[ "$(grep -c ^copy "$work/log")" = 2 ] || fail "not both were tried"

# Several at once: one pause, and what became of each.
run 0 --min-rate 100M web hostb,hostc
did "check web fenced 
copy $uuid fenced running any 100000000: web-1 1 web-2 2
here: left"
grep -q "^asked hostc: guest=$(tail -n 1 "$work/uuids") name=web-2$" "$work/log" || fail "hostc is asked: $(grep ^asked "$work/log")"
grep -q "^hostc env .*/xl-fast-receive $(tail -n 1 "$work/uuids") " "$work/words" || fail "hostc's words: $(cat "$work/words")"
run 0 --count 2 web hostb,hostc
did "check web fenced 
copy $uuid fenced running any: web-1 1 web-2 2
here: left
copy $uuid fenced running any: web-3 3 web-4 4
here: left"
touch "$work/there"
STATUS_C=1 run 1 web hostb hostc
did "check web fenced 
copy $uuid fenced running any: web-1 1 web-2 2
here: left
hostc: look web
hostc: stop
hostc: look web
hostc: destroy"
says "1 of 2 copies are not there"
says "xl-fast clone --connect"
STATUS_C=1 run 1 --json web hostb hostc
[ "$(grep '"event":"copy"' "$work/out")" = '{"version":2,"event":"copy","name":"web-1","host":"hostb","status":0}
{"version":2,"event":"copy","name":"web-2","host":"hostc","status":1}' ] || fail "the events: $(cat "$work/out")"
grep -q '"event":"exit","status":1' < <(tail -n 1 "$work/out") || fail "the last event: $(tail -n 1 "$work/out")"
{
    echo '{"version":2,"event":"start","t_us":0,"time_us":1,"clock_us":1,"program":"migrate"}' # the plug-in's
    cat "$work/out"
} >"$work/events"
tests/e2e/check-events "$work/events" || fail "the events do not fit their schema"
STATUS_C=3 run 3 web hostb hostc
! grep -q '^hostc: ' "$work/log" || fail "what may run is not left alone"
# The program is killed: nothing is known of either.
STATUS=137 STATE=suspended run 137 web hostb hostc
[ "$(grep -c 'host.: look' "$work/log")" = 2 ] || fail "not both hosts are asked what they are left with"
says "2 of 2 copies are not there"
# A host that refuses is left out, unless all are wanted.
REFUSES=hostb run 1 web hostb hostc
did "check web fenced 
copy $uuid fenced running any: web-2 2
here: left"
says "web-1 is not made: no room"
says "1 of 2 copies are not there"
REFUSES=hostb run 1 --all-or-none web hostb hostc
did "check web fenced "
says "no room"
run 0 --all-or-none web hostb hostc
did "check web fenced 
copy $uuid fenced running all all-or-none: web-1 1 web-2 2
here: left"
# With disks: those of each host are copied before, and told in the end whether their copy is there.
STATUS_C=1 run 1 --disks copy web hostb hostc
did "check web fenced copy
disks hostb web-1: begins
disks hostc web-2: begins
copy $uuid fenced copy running any disks hostb=/run/hostb hostc=/run/hostc: web-1 1 web-2 2
here: left
hostc: look web
disks hostb: moved
disks hostc: stays"
NO_DISKS=hostb run 1 --disks copy web hostb hostc
did "check web fenced copy
disks hostb web-1: begins
disks hostc web-2: begins
copy $uuid fenced copy running any disks hostc=/run/hostc: web-2 2
here: left
disks hostc: moved"
says "disks: no room for them"
says "web-1 is not made: see above"
NO_DISKS=hostc run 1 --disks copy --all-or-none web hostb hostc
[ "$(tail -n 1 "$work/log")" = "disks hostb: stays" ] || fail "the other's disks are not told: $(cat "$work/log")"
! grep -q ^copy "$work/log" || fail "it is begun without all"
# A guest that goes to one host only.
ALONE=1 run 0 web hostb hostc
[ "$(grep -c ^copy "$work/log")" = 2 ] || fail "not one by one"
ALONE=1 run 1 --all-or-none web hostb hostc
says "made one by one"

STATUS=130 STATUS_C=0 run 130 --one-by-one web hostb hostc
[ "$(grep -c ^copy "$work/log")" = 1 ] || fail "another one is made after Ctrl-C"

run 0 --connect web-1
did "connect web-1"
echo ok
