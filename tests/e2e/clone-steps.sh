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
[ "$1" = copy ] || { echo "$*" >>"$W/log"; exit "${CHECK:-0}"; }
echo "copy $2 $5 $7 $8 ${9}$( [ -z "$9" ] || echo ' ')${10}" >>"$W/log"
echo "$4" >>"$W/words"
[ "$6" != "$2" ] && echo "$6" >>"$W/uuids"
echo "xl-fast: source: web goes on" >&2
echo "${STATE:-running}" >"$W/guest"
case $4 in hostc*) exit "${STATUS_C:-${STATUS:-0}}" ;; esac
exit "${STATUS:-0}"
END_CLONE
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
did() { # LINES: the log, without what the targets were asked
    [ "$(grep -v ^asked "$work/log")" = "$1" ] || fail "what was done: $(cat "$work/log")"
}
says() { grep -q "$1" "$work/err" || fail "it does not say '$1'"; }

run 0 web hostb,hostc
did "check web fenced 
copy $uuid web-1 1 fenced running
here: left
copy $uuid web-2 2 fenced running
here: left"
[ "$(sort -u "$work/uuids" | wc -l)" = 2 ] || fail "the copies' UUIDs: $(cat "$work/uuids")"
grep -q "^hostb env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 XL_FAST_CLONE=1 $lib/xl-fast-receive $(head -n 1 "$work/uuids") " "$work/words" ||
    fail "the receiver's words: $(cat "$work/words")"
grep -q "^asked hostb: guest=$(head -n 1 "$work/uuids") name=web-1$" "$work/log" || fail "the target is asked: $(grep ^asked "$work/log")"
says "xl-fast clone --connect"
run 0 --net keep --disks shared-ro --paused --name '%h-%n' web hostb
did "check web keep shared-ro
copy $uuid hostb-1 1 keep shared-ro paused
here: left"
grep -q "^asked hostb: .* disk=xvda /dev/x$" "$work/log" || fail "the target is not asked about the disk"

# What cannot be cloned so is not begun.
CHECK=1 run 1 web hostb
did "check web fenced "

# It fails: the other host is asked what it is left with.
STATUS=1 run 1 web hostb
did "check web fenced 
copy $uuid web-1 1 fenced running
here: left
hostb: look web"
says "web goes on here"
touch "$work/there"
STATUS=1 run 1 web hostb
did "check web fenced 
copy $uuid web-1 1 fenced running
here: left
hostb: look web
hostb: stop
hostb: destroy"
says "what hostb had of web-1 is destroyed"

# Killed while the guest stands, which goes on then.
STATE=suspended STATUS=137 run 137 web hostb
did "check web fenced 
copy $uuid web-1 1 fenced running
here: left
here: resume web
here: left
hostb: look web"
says "web goes on here"

# Nobody knows whether the copy runs: it is left alone.
STATUS=3 run 3 web hostb
did "check web fenced 
copy $uuid web-1 1 fenced running
here: left"

# One of two.
STATUS_C=1 run 1 web hostb hostc
says "1 of 2 copies are not there"
says "xl-fast clone --connect"
[ "$(grep -c ^copy "$work/log")" = 2 ] || fail "not both were tried"

# What makes one is killed: that is not Ctrl-C, and the other is made.
STATUS=137 STATUS_C=0 run 137 web hostb hostc
[ "$(grep -c ^copy "$work/log")" = 2 ] || fail "not both were tried"
STATUS=130 STATUS_C=0 run 130 web hostb hostc
[ "$(grep -c ^copy "$work/log")" = 1 ] || fail "another one is made after Ctrl-C"

run 0 --connect web-1
did "connect web-1"
echo ok
