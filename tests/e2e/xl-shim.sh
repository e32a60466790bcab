#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl migrate --fast, by the alias xl, and xl-fast migrate: which words reach the real xl, and what is said where it
# refuses. xl, ssh and both ends' preflight are stand-ins that print their arguments; nothing of Xen is here.
set -u

repo=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/shim" "$dir/real" "$dir/tools"
cp "$repo/xl-plugin/migrate/xl" "$dir/shim"
ln -s "$(realpath "${XF_BUILD:-$repo/build}")/xl-fast" "$dir/tools/xl-fast"

cat >"$dir/real/xl" <<'END'
#!/bin/sh
for word; do printf '[%s]' "$word"; done
echo " helper=${LIBXL_SAVE_HELPER:-} fast=${XL_FAST:-} downtime=${XL_FAST_MAX_DOWNTIME:-} bandwidth=${XL_FAST_BANDWIDTH:-}${XL_FAST_COMPRESS:+ compress=$XL_FAST_COMPRESS}${XL_FAST_LANES:+ lanes=$XL_FAST_LANES}${XL_FAST_ON_BUSY:+ on_busy=$XL_FAST_ON_BUSY}${XL_FAST_VERIFY:+ verify=$XL_FAST_VERIFY}"
[ -z "${FAKE_TOUCH:-}" ] || rm -f "$XL_FAST_UNTOUCHED"
[ -z "${XL_FAST:-}" ] || eval "${FAKE_DO:-}"
[ -z "${XL_FAST:-}" ] || exit "${FAKE_XL_STATUS:-0}"
END
# ssh HOST COMMAND: the login shell that it has there runs the command here.
cat >"$dir/tools/ssh" <<'END'
#!/bin/sh
echo "$*" >>"$FAKE_LOG"
[ -z "${FAKE_SSH_STATUS:-}" ] || exit "$FAKE_SSH_STATUS"
while [ $# -gt 1 ]; do shift; done
[ -z "${FAKE_GONE:-}" ] || set -- "$(echo "$1" | sed s,/xl-fast-preflight,/gone,g)"
[ -z "${FAKE_NOISE:-}" ] || printf "$FAKE_NOISE"
[ -z "${FAKE_HANGS:-}" ] || { touch "$FAKE_HANGS"; exec sleep 60; }
exec ${FAKE_SHELL:-sh} -c "$1"
END
cat >"$dir/shim/xl-fast-preflight" <<'END'
#!/bin/sh
echo "preflight $*" >>"$FAKE_LOG"
case $1 in
source)
    [ -z "${FAKE_SOURCE:-}" ] || { printf '%s\n' ${FAKE_FIX:+"fix=$FAKE_FIX"} "why=$FAKE_SOURCE"; exit; }
    printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=200000 port=eth1 address=192.0.2.1/24 mtu=9000 \
        "ask=guest=$guest" "ask=disk=xvda /dev/a b" "uuid=${FAKE_UUID-$guest}" "name=${FAKE_NAME:-web1}" fast=ok ;;
target)
    sed 's/^/question /' >>"$FAKE_LOG"
    [ -z "${FAKE_TARGET:-}" ] || { printf '%s\n' ${FAKE_STOCK:+"stock=$FAKE_STOCK"} ${FAKE_FIX:+"fix=$FAKE_FIX"} "why=$FAKE_TARGET"; exit; }
    [ -z "${FAKE_FLOOD:-}" ] || { yes "protocol=1"; exit; }
    # Another migration has its port, once.
    [ ! -e "${FAKE_BUSY:-/nowhere}" ] || { rm "$FAKE_BUSY" && echo busy=4711; }
    printf '%s\n' "${FAKE_VERSION-version=0.9.0}" protocol=1 xen=4.17 "port=${FAKE_PORT:-eth9}" address=192.0.2.2/24 "mtu=${FAKE_MTU:-9000}" mtu_limit=0 fast=ok ;;
esac
END
cat >"$dir/shim/xl-fast-domain" <<'END'
#!/bin/sh
echo "domain $*" >>"$FAKE_LOG"
echo "${FAKE_LEFT:-running}"
END
chmod +x "$dir"/*/*
PATH=$dir/shim:$dir/real:$dir/tools:$PATH
FAKE_LOG=$dir/log
guest=00000000-0000-4000-8000-000000000001
export FAKE_LOG guest
export XL_FAST_RUNDIR="$dir" # /run is root's
export XL_FAST_STATEDIR="$dir/state" XL_FAST_SYSLOG="$dir/none"
export XL_FAST_VERBOSE=1 # all that xl says; the rest is screen.sh's
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM

failed=0
count=0

# seen WORDS FILE: the words stand in the file; no words: the file is empty.
seen() {
    if [ -n "$1" ]; then
        grep -qF -- "$1" "$2"
    else
        [ ! -s "$2" ]
    fi
}

# check NAME STATUS OUT ERR COMMAND...: the words OUT and, if given, ERR stand in stdout and stderr. The
# attempt's name, another each time, is ATTEMPT there.
check() {
    name=$1 status=$2 out=$3 err=$4
    shift 4
    count=$((count + 1))
    : >"$FAKE_LOG"
    "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    sed -i "s/\($guest \)[0-9a-f-]\{36\}/\1ATTEMPT/" "$dir/out" "$dir/err"
    if [ "$got" = "$status" ] && seen "$out" "$dir/out" && { [ -z "$err" ] || seen "$err" "$dir/err"; }; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name: status $got, out: $(cat "$dir/out"), err: $(cat "$dir/err")"
    fi
}

lib=$dir/shim
remote="env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 $lib/xl-fast-receive $guest ATTEMPT"
ours="helper=$lib/xl-fast-helper fast=1"
stock='helper= fast= downtime= bandwidth='

# Untouched.
check "other commands" 0 "[list] $stock" '' xl list
check "no words" 0 " $stock" '' xl
check "stock migrate" 0 "[-v][migrate][-s][ssh -p 2][-C][a b][d][h] $stock" '' \
    xl -v migrate -s 'ssh -p 2' -C 'a b' d h
check "another command's --fast" 0 "[create][--fast][x] $stock" '' xl create --fast x
check "--fast as a value" 0 "[migrate][-C][--fast][d][h] $stock" '' xl migrate -C --fast d h
check "--fast after --" 0 "[migrate][--][--fast][h] $stock" '' xl migrate -- --fast h
# shellcheck disable=SC2016  # the word is $x itself
check "empty words and stars" 0 "[block-attach][][*][\$x] $stock" '' xl block-attach '' '*' '$x'
check "through a link" 0 "[list] $stock" '' env "PATH=$dir/link:$PATH" sh -c \
    "mkdir '$dir/link'; ln -s '$dir/shim/xl' '$dir/link/xl'; xl list"

# Where a package has put the real xl aside.
mkdir "$dir/shim/stock"
# shellcheck disable=SC2016  # expanded by the stand-in
printf '#!/bin/sh\necho "aside: ${0##*/} $*"\n' >"$dir/shim/stock/xl.stock"
chmod +x "$dir/shim/stock/xl.stock"
ln -s xl.stock "$dir/shim/stock/xl"
check "put aside" 0 "aside: xl list" '' xl list
check "put aside, called from below" 0 "aside: xl list" '' env XL_FAST_SHIM=1 xl list
rm "$dir/shim/stock/xl.stock"
check "put aside, and Xen is gone" 0 "[list] $stock" '' xl list
rm -r "$dir/shim/stock"
[ -x /usr/sbin/xl ] || check "no Xen" 1 '' "the real xl cannot be found" env "PATH=$dir/shim:$dir/tools:/usr/bin:/bin" xl list

# Fast.
check "fast" 0 "[migrate][d][h $remote] $ours downtime= bandwidth=" "d goes to h" xl migrate --fast d h
check "global options" 0 "[-vv][-t][migrate][d][h $remote] $ours" '' xl -vv -t migrate --fast d h
check "stock options" 0 "[migrate][-p][-e][-D][--debug][-C][x y][d][h $remote] $ours" '' \
    xl migrate -pe -D --fast --debug -C 'x y' d h
check "--fast at the end" 0 "[migrate][d][u@h.example $remote] $ours" '' xl migrate d u@h.example --fast
check "overrides" 0 "$ours downtime=20 bandwidth=8000000000" '' xl migrate --fast --max-downtime 20 --bandwidth=8G d h
check "compress" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= compress=lz4" '' xl migrate --fast --compress lz4 d h
check "compress=" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= compress=none" '' xl migrate --compress=none --fast d h
check "lanes" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= lanes=4" '' xl migrate --fast --lanes 4 d h
check "on-busy" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= on_busy=abort" '' xl migrate --fast --on-busy abort d h
check "on-busy=" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= on_busy=go" '' xl migrate --on-busy=go --fast d h
check "on-busy what" 2 '' "--on-busy: 'wait' is not one of go, abort" xl migrate --fast --on-busy wait d h
check "compress what" 2 '' "--compress: 'zip' is not one of auto, lz4, none" xl migrate --fast --compress zip d h
check "verify" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= verify=1" '' xl migrate --verify --fast d h
check "auto, with what is lost" 0 "[migrate][d][h] helper= fast= downtime= bandwidth= verify=1" "which does not verify" \
    env FAKE_SOURCE='A: no' xl migrate --verify --fast=auto d h
check "own ssh" 0 "[migrate][-s][ssh -p 2][d][h $remote]" '' xl migrate --fast -s 'ssh -p 2' d h
check "own ssh is asked, once" 0 "-p 2 h exec sh -c" '' sh -c "xl migrate --fast -s 'ssh -p 2' d h >/dev/null 2>&1; grep -c exec '$FAKE_LOG' | grep -qx 1 && cat '$FAKE_LOG'"
check "own ssh in one word" 0 "[migrate][-s][ssh -p 2][d][h $remote]" '' xl migrate --fast '-sssh -p 2' d h
check "the target hears of the source" 0 "preflight target 1 4.17 200000 192.0.2.1/24" '' \
    sh -c "xl migrate --fast d h >/dev/null 2>&1; cat '$FAKE_LOG'"
# ... and of the guest, unless it becomes another one there.
check "the target hears of the guest" 0 "question disk=xvda /dev/a b" '' \
    sh -c "xl migrate --fast d h >/dev/null 2>&1; cat '$FAKE_LOG'"
check "and of the attempt" 0 1 '' \
    sh -c "xl migrate --fast d h >/dev/null 2>&1; grep -cE '^question attempt=[0-9a-f-]{36}\$' '$FAKE_LOG'"
for how in '-C conf' '-eC conf' '-Cconf'; do
    check "but not with $how" 1 '' '' sh -c "xl migrate --fast $how d h >/dev/null 2>&1; grep 'question [dg]' '$FAKE_LOG'"
done
check "domain with blanks" 0 "[migrate][a b][h $remote]" '' xl migrate --fast 'a b' h
check "the real xl's status" 3 "$ours" '' env FAKE_XL_STATUS=3 xl migrate --fast d h
check "help" 0 "xl migrate --fast is another name" '' xl migrate --fast --help

# MTUs: said, and no more.
check "a smaller MTU there" 0 "[migrate][d][h $remote]" "h's eth9 has an MTU of 1500, eth1 of 9000; fix: ssh h 'ip link set eth9 mtu 9000'" \
    env FAKE_MTU=1500 xl migrate --fast d h
check "a smaller MTU here" 0 "$ours" "eth1 has an MTU of 9000, h's eth9 of 9216; fix: ip link set eth1 mtu 9216" env FAKE_MTU=9216 xl migrate --fast d h
check "AF_XDP there, whose frames fit a page" 0 "$ours" "eth1 has an MTU of 9000, h's af_xdp:eth9 of 3000; fix: ip link set eth1 mtu 3000" \
    env FAKE_PORT=af_xdp:eth9 FAKE_MTU=3000 xl migrate --fast d h
check "the interface is named" 0 "$ours" "h's af_packet:eth9 has an MTU of 1500, eth1 of 9000; fix: ssh h 'ip link set eth9 mtu 9000'" \
    env FAKE_PORT=af_packet:eth9 FAKE_MTU=1500 xl migrate --fast d h
for mtu in 0 x 9000; do
    check "nothing to say of an MTU of $mtu" 1 '' '' sh -c "FAKE_MTU=$mtu xl migrate --fast d h 2>&1 | grep MTU"
done

# One at a time.
export XL_FAST_POLL=0
touch "$dir/busy"
check "the target's port is in use" 0 "[migrate][d][h $remote]" "d waits: another migration has eth9 at h (process 4711 there)" \
    env FAKE_BUSY="$dir/busy" xl migrate --fast d h
# The first tells that it runs, and goes on until the second has said that it waits.
cat >"$dir/two" <<END
FAKE_DO='touch "$dir/first"; until grep -q turn "$dir/second.err"; do sleep 0.1; done; echo first' xl migrate --fast one h >"$dir/order" 2>/dev/null &
until [ -e "$dir/first" ]; do sleep 0.1; done
xl migrate --fast two h >>"$dir/order" 2>"$dir/second.err"
wait
grep -c '^first' "$dir/order" && tail -n 1 "$dir/order" && cat "$dir/second.err"
END
: >"$dir/second.err"
check "this host's port is in use" 0 "[migrate][two][h $remote]" '' timeout 60 sh "$dir/two"
check "and its user hears so" 0 "two waits for its turn: another migration has eth1" '' cat "$dir/second.err"

# What it leaves behind: asked only after a failure, and said only of a guest that is suspended.
check "a success asks nothing" 1 '' '' sh -c "xl migrate --fast d h >/dev/null 2>&1 || exit 9; grep '^domain' '$FAKE_LOG'"
check "a failure is noted" 0 "domain left $guest ATTEMPT" '' \
    sh -c "FAKE_XL_STATUS=3 xl migrate --fast d h >/dev/null 2>&1; cat '$FAKE_LOG'"
check "a failure, the guest runs" 0 "xl-fast: web1 keeps running here" '' \
    sh -c "FAKE_XL_STATUS=3 xl migrate --fast d h 2>&1 >/dev/null | grep -v 'd goes to h'"
check "a failure, the guest is gone" 3 "$ours" "xl-fast recover web1 h" env FAKE_XL_STATUS=3 FAKE_LEFT=gone xl migrate --fast d h
# The helper has seen it end: nobody has to settle that.
# shellcheck disable=SC2016  # in the stand-in's shell
has_ended='echo "{\"event\":\"failed\",\"error\":\"the guest has ended while it moved: it has shut down\"}" >>"$XL_FAST_EVENTS"; exit 1'
check "the guest has ended" 1 "$ours" "web1 has ended here while it moved (shut down, rebooted or destroyed), and h does not have it" \
    env FAKE_DO="$has_ended" FAKE_LEFT=gone xl migrate --fast d h
check "the guest has shut down" 1 "$ours" "web1 has shut down here while it moved, and h" \
    env FAKE_DO="$has_ended" FAKE_LEFT=shut-down xl migrate --fast d h
check "the guest has rebooted" 1 "$ours" "web1 has rebooted here while it moved: try again" \
    env FAKE_DO="$has_ended" xl migrate --fast d h
check "a suspended guest has not ended" 1 "$ours" "To settle who owns it: xl-fast recover web1 h" \
    env FAKE_DO="$has_ended" FAKE_LEFT=suspended xl migrate --fast d h
check "a failure, the guest is suspended" 1 "$ours" "To settle who owns it: xl-fast recover web1 h" \
    env FAKE_XL_STATUS=1 FAKE_LEFT=suspended xl migrate --fast 7 h
check "and with options" 1 "$ours" "xl-fast recover -s 'ssh -p 2' 'a b' h" \
    env FAKE_XL_STATUS=1 FAKE_LEFT=suspended FAKE_NAME='a b' xl migrate --fast -s 'ssh -p 2' d h
# shellcheck disable=SC2016  # in the stand-in's shell
check "xl is killed" 137 "$ours" "xl-fast recover web1 h" env FAKE_DO='kill -9 $$' FAKE_LEFT=suspended xl migrate --fast d h
# shellcheck disable=SC2016
check "the shim passes TERM on" 143 "$ours" "xl-fast recover" \
    env FAKE_DO='kill -TERM $PPID; while :; do sleep 0.1; done' FAKE_LEFT=suspended xl migrate --fast d h
# shellcheck disable=SC2016
check "the shim is interrupted" 130 "$ours" "web1 keeps running here" \
    env FAKE_DO='kill -INT $PPID; while :; do sleep 0.1; done' xl migrate --fast d h
check "stdin reaches xl" 0 "heard word" '' sh -c "echo word | FAKE_DO='read word; echo heard \$word' xl migrate --fast d h"
check "a UUID that is none" 1 '' "unexpected output from xl-fast-preflight" env FAKE_UUID='x;y' xl migrate --fast d h
check "no UUID" 1 '' "unexpected output from xl-fast-preflight" env FAKE_UUID= xl migrate --fast d h

# Events and the report: what the helper writes reaches stdout at once and alone, and the report; a status is
# kept, and nothing is left.
# shellcheck disable=SC2016,SC2089  # in the stand-in's shell
event='echo "{\"event\":\"start\",\"guest\":\"$XL_FAST_GUEST\",\"host\":\"$XL_FAST_HOST\"}" >>"$XL_FAST_EVENTS"'
began='{"event":"start","guest":"web1","host":"h"}'
ended='{"version":2,"event":"exit","status"'
check "json, the events" 0 "$began" "[migrate][d][h $remote]" env FAKE_DO="$event" xl migrate --fast --json d h
check "json, their end" 3 "$ended:3}" "recover web1 h" \
    env FAKE_DO="$event" FAKE_XL_STATUS=3 FAKE_LEFT=suspended xl migrate d h --fast --json
check "json, nothing else" 1 '' '' sh -c "FAKE_DO='$event' xl migrate --fast --json d h >'$dir/events' 2>/dev/null && [ -s '$dir/events' ] || exit 9
    grep -v event '$dir/events'"
check "json, recover is the last word" 0 "recover web1 h" '' sh -c \
    "FAKE_DO='$event' FAKE_XL_STATUS=3 FAKE_LEFT=suspended xl migrate --fast --json d h 2>&1 | tail -n 1"
# shellcheck disable=SC2016
check "json, at once" 0 "$began" "heard" env FAKE_DO="$event"'
    i=0; until grep -q start "$FAKE_LOG.out" || [ $i = 100 ]; do sleep 0.1; i=$((i + 1)); done
    [ $i = 100 ] || echo heard' sh -c 'xl migrate --fast --json d h >"$FAKE_LOG.out"; cat "$FAKE_LOG.out"'
check "json, nobody reads" 0 3 '' sh -c \
    "{ FAKE_DO='$event' FAKE_XL_STATUS=3 xl migrate --fast --json d h 2>/dev/null; echo \$? >'$dir/status'; } | true; cat '$dir/status'"
# shellcheck disable=SC2016
check "json, TERM" 143 "$ended:143}" "recover" \
    env FAKE_DO='kill -TERM $PPID; while :; do sleep 0.1; done' FAKE_LEFT=suspended xl migrate --fast --json d h
check "json, auto, failed before" 0 "$ended:1}" "[migrate][d][h] " env FAKE_XL_STATUS=1 xl migrate --fast=auto --json d h
# shellcheck disable=SC2016,SC2089  # in the stand-in's shell
whole_event='echo "{\"version\":2,\"event\":\"start\",\"t_us\":0,\"time_us\":1,\"program\":\"migrate\",\"guest\":\"$XL_FAST_GUEST\",\"host\":\"$XL_FAST_HOST\"}" >>"$XL_FAST_EVENTS"'
check "report" 3 "web1" '' sh -c "FAKE_XL_STATUS=3 FAKE_DO='$whole_event' xl migrate --fast --report '$dir/page' d h >/dev/null; status=\$?; cat '$dir/page'; exit \$status"
rm -f "$dir/page"
check "report and json, a status" 5 "$ended:5}" '' env FAKE_XL_STATUS=5 xl migrate --json --report="$dir/page" --fast d h
check "events to a file of the user's" 0 "$began" '' \
    sh -c "XL_FAST_EVENTS='$dir/events' FAKE_DO='$event' xl migrate --fast d h >/dev/null 2>&1; cat '$dir/events'"
check "json begins where the file ended" 1 '' '' \
    sh -c "echo old >>'$dir/events2'; XL_FAST_EVENTS='$dir/events2' FAKE_DO='$event' xl migrate --fast --json d h 2>/dev/null | grep old"
check "events to what is no file" 1 '' "is not a file" env XL_FAST_EVENTS=/dev/null xl migrate --fast d h
# shellcheck disable=SC2016
check "events are not asked for" 0 "events=$dir/xl-fast/events-" '' env FAKE_DO='echo "events=${XL_FAST_EVENTS:-none}"' xl migrate --fast d h
check "nothing is left" 1 '' '' sh -c "ls -d '$dir'/xl-fast.* '$dir'/xl-fast/* 2>/dev/null | grep -Ev '/queue-.*$'"
check "report, nowhere" 1 '' "none/page: cannot be written" xl migrate --fast --report "$dir/none/page" d h
mv "$dir/tools/xl-fast" "$dir/tools/gone"
command -v xl-fast >/dev/null || # one may be installed here
    check "no xl-fast" 1 '' "xl-fast cannot be found" xl migrate --fast d h
mv "$dir/tools/gone" "$dir/tools/xl-fast"

# What the receiver says is kept, with and without a listener.
mkdir "$dir/receiver"
cat >"$dir/receiver/xl" <<'END'
#!/bin/sh
read -r word
echo "out $word $*"
echo "migration target: Ready to receive domain." >&2
[ -z "${FAKE_DEAF:-}" ] || sleep 0.2
echo "$XL_FAST_DOMAIN: the end" >&2
exit "${FAKE_XL_STATUS:-0}"
END
chmod +x "$dir/receiver/xl"
cp "$repo/xl-plugin/migrate/xl-fast-receive" "$lib/"
record=$dir/xl-fast/receive-$guest
receive="PATH='$dir/receiver:$PATH' '$lib/xl-fast-receive' $guest $guest xl migrate-receive"
check "receiver, handshake and status" 5 "out word migrate-receive" "$guest: the end" sh -c "echo word | FAKE_XL_STATUS=5 $receive"
check "receiver, record" 0 "migration target: Ready to receive domain." '' cat "$record"
check "receiver, attempt" 0 "attempt $guest" '' head -n 1 "$record"
rm -f "$record"
check "receiver, nobody listens" 0 "$guest: the end" '' \
    sh -c "{ echo word | FAKE_DEAF=1 $receive 2>&1 >/dev/null; } | true; sleep 0.1
        i=0; until grep -q 'the end' '$record' || [ \$i = 100 ]; do sleep 0.1; i=\$((i + 1)); done; cat '$record'"
check "receiver, no place for a record" 5 "out word migrate-receive" "the end" \
    sh -c "touch '$dir/file'; echo word | FAKE_XL_STATUS=5 XL_FAST_RUNDIR='$dir/file' $receive"

# Refused: nothing runs.
check "no operands" 2 '' "xl-fast migrate: HOST is missing" xl migrate --fast d
check "three operands" 2 '' "unexpected 'x'" xl migrate --fast d h x
check "--fast=what" 2 '' "--fast: 'yes' is not one of port, auto" xl migrate --fast=yes d h
check "a host that is a command" 2 '' "is not a host name" xl migrate --fast d 'h; reboot'
check "a host that is an option" 2 '' "is not a host name" xl migrate --fast -- d -oProxyCommand=x
check "-s ''" 2 '' "-s needs a value" xl migrate --fast -s '' d h
check "a downtime that is none" 2 '' "--max-downtime: 'soon' is not a time" xl migrate --fast --max-downtime soon d h
check "-s with blanks" 1 '' "-s '' names no command" xl migrate --fast -s ' ' d h
check "a word that is misspelt" 2 '' "xl-fast migrate: unknown option '--max-downtme'; did you mean '--max-downtime'?" \
    xl migrate --fast --max-downtme 300 d h
check "a value is missing" 2 '' "needs a value" xl migrate d h --fast -C
check "source says no" 1 '' "xl-fast: A: port eth7: no" env FAKE_SOURCE='A: port eth7: no' xl migrate --fast d h
check "source says no, and what fixes it" 1 '' "xl-fast: A: port eth7: down; fix: ip link set eth7 up" \
    env FAKE_SOURCE='A: port eth7: down' FAKE_FIX='ip link set eth7 up' xl migrate --fast d h
check "target says no, and what fixes it" 1 '' "xl-fast: B: port eth7: down; fix: ip link set eth7 up" \
    env FAKE_TARGET='B: port eth7: down' FAKE_FIX='ip link set eth7 up' xl migrate --fast d h
# An older target says ok to any version; so the source compares, too, and says one line.
different='before 1.0.0 different versions do not work together: install the same one at both ends; fix: apt install ./xl-fast_*.deb'
for versions in '|older than 0.9.0' 'version=0.9.0-rc1|0.9.0-rc1' 'version=0.10.0|0.10.0' 'version=1.0.0|1.0.0'; do
    check "target has ${versions#*|}" 1 '' "xl-fast: h: has xl-fast ${versions#*|}, the source 0.9.0: $different" \
        env FAKE_VERSION="${versions%|*}" xl migrate --fast d h
    if [ -s "$dir/out" ] || [ "$(wc -l <"$dir/err")" != 1 ]; then
        failed=$((failed + 1))
        echo "not ok - not one line: $(cat "$dir/out" "$dir/err")"
    fi
done
check "auto, target has another version" 0 "[migrate][d][h] $stock" "has xl-fast 0.10.0" env FAKE_VERSION=version=0.10.0 xl migrate --fast=auto d h
check "target says no" 1 '' "xl-fast: B: too little" env FAKE_TARGET='B: too little' xl migrate --fast d h
escape=$(printf 'B: \033[2J\\033[2J\r\001no')
check "target writes to the terminal" 1 '' "xl-fast: B: ?[2J\\033[2J??no" \
    env FAKE_TARGET="$escape" xl migrate --fast d h
check "target does not stop talking" 1 '' "h: cannot be asked" env FAKE_FLOOD=1 xl migrate --fast d h
check "ssh fails" 1 '' "h: cannot be asked: ssh ended with status 255" env FAKE_SSH_STATUS=255 xl migrate --fast d h
check "xl-fast is not there" 1 '' "xl-fast: h: xl-fast is not installed there; fix: apt install ./xl-fast_*.deb" \
    sh -c "cd '$dir' && touch xl-fast_1_amd64.deb && FAKE_GONE=1 xl migrate --fast d h"
mv "$lib/xl-fast-preflight" "$lib/gone"
check "no preflight here" 1 '' "xl-fast-preflight is missing" xl migrate --fast d h
mv "$lib/gone" "$lib/xl-fast-preflight"

# A host that does not answer: who cancels is heard, and nothing is left of what asked.
cat >"$dir/hang" <<END
rm -f "$dir/hangs"
FAKE_HANGS=$dir/hangs xl migrate --fast d h 2>"$dir/hang.err" &
shim=\$!
until [ -e "$dir/hangs" ]; do sleep 0.1; done
kill -\$1 \$shim
wait \$shim
echo "status \$?"
cat "$dir/hang.err"
END
for signal in TERM:143 USR1:143 HUP:129; do
    check "no answer, and ${signal%:*}" 0 "status ${signal#*:}" '' timeout 30 sh "$dir/hang" "${signal%:*}"
    check "and where the guest is" 0 "cancelled: web1 was not touched and keeps running here" '' cat "$dir/hang.err"
done
check "nothing of them is left" 1 '' '' sh -c "find '$dir/xl-fast' -name 'moving-*' | grep ."

# Other login shells, and what they say besides.
for shell in bash dash fish tcsh; do
    command -v $shell >/dev/null || { echo "$shell is not installed: scripts/setup check"; failed=$((failed + 1)); }
    check "the login shell is $shell" 0 "[migrate][d][h $remote] $ours" "d goes to h" env FAKE_SHELL=$shell xl migrate --fast d h
    check "$shell, and no xl-fast" 1 '' "xl-fast: h: xl-fast is not installed there; fix: apt install" \
        env FAKE_SHELL=$shell FAKE_GONE=1 xl migrate --fast d h
    check "$shell takes xl's own command" 0 "$guest 7 xl migrate-receive -e" '' $shell -c \
        "env LIBXL_SAVE_HELPER=/x XL_FAST=1 echo $guest 7 xl migrate-receive -e"
done
noisy="h: its login shell prints 'Welcome to h' before the answer"
check "a login shell that prints a line" 1 '' "$noisy" env FAKE_NOISE='\nWelcome to h\nmore\n' xl migrate --fast d h
check "and what fixes it" 1 '' "; fix: ssh -p 2 h 'chsh -s /bin/sh'" \
    env FAKE_NOISE='Welcome to h\n' xl migrate --fast -s 'ssh -p 2' d h
check "a line without an end" 1 '' "$noisy" env FAKE_NOISE='Welcome to h' xl migrate --fast d h
check "a line that a terminal acts on" 1 '' "prints '?[2Jhi' before" env FAKE_NOISE='\033[2Jhi\n' xl migrate --fast d h
check "auto: plain xl would fail too" 1 '' "$noisy" env FAKE_NOISE='Welcome to h\n' xl migrate --fast=auto d h
check "auto does not try it" 1 '' '' sh -c "FAKE_NOISE=hi xl migrate --fast=auto d h 2>/dev/null | grep migrate"
check "nothing but a line" 1 '' "h: answers 'No shell for you', and not as xl-fast does" \
    env FAKE_NOISE='No shell for you\n' FAKE_SHELL=true xl migrate --fast d h
check "a line, and it fails" 1 '' 'ssh ended with status 1 after "Go away"' \
    env FAKE_NOISE='Go away\n' FAKE_SHELL=false xl migrate --fast d h
check "no such ssh" 1 '' "h: cannot be asked: /no-such-folder/ssh ended with status 127" xl migrate --fast -s /no-such-folder/ssh d h

# Names that shells and terminals take for something else: printed so that a shell takes the command.
mkdir "$dir/pasted"
printf '%s\n' '#!/bin/sh' 'printf "[%s]" "$@"' >"$dir/pasted/xl-fast"
chmod +x "$dir/pasted/xl-fast"
# shellcheck disable=SC2016  # the name is this
for guest_name in "dev's pc" 'münchen' 'a"b\d!' '-web' '$(reboot)' '*'; do
    FAKE_XL_STATUS=1 FAKE_LEFT=suspended FAKE_NAME=$guest_name xl migrate --fast -s "ssh -o 'A B'" d h >/dev/null 2>"$dir/err"
    command=$(sed -n 's/.*who owns it: //p' "$dir/err")
    for shell in bash dash; do
        check "recover $guest_name, pasted into $shell" 0 \
            "[recover][-s][ssh -o 'A B']$(case $guest_name in -*) echo '[--]' ;; esac)[$guest_name][h]" '' \
            env "PATH=$dir/pasted:$PATH" $shell -c "$command"
    done
done
check "a domain that begins with -" 0 "[migrate][--][-web][h $remote]" '' xl migrate --fast -- -web h
check "and by plain xl" 0 "[migrate][-p][--][-web][h] $stock" "A: no" env FAKE_SOURCE='A: no' xl migrate -p --fast=auto -- -web h
check "umlauts" 0 "[migrate][münchen][h $remote]" "münchen goes to h" xl migrate --fast münchen h

# Auto: what cannot go fast goes by the real xl, unless the guest was touched.
check "auto, fast" 0 "[migrate][d][h $remote] $ours" '' xl migrate --fast=auto d h
check "auto, source says no" 0 "[migrate][-p][d][h] $stock" "A: no" env FAKE_SOURCE='A: no' xl migrate -p --fast=auto d h
check "auto, target says no" 0 "[migrate][d][h] $stock" "B: no" env FAKE_TARGET='B: no' xl migrate --fast=auto d h
check "auto, where plain xl fails too" 1 '' "B: taken" env FAKE_TARGET='B: taken' FAKE_STOCK=fails xl migrate --fast=auto d h
check "auto, failed before" 0 "[migrate][d][h] $stock" "was not touched" env FAKE_XL_STATUS=1 xl migrate --fast=auto d h
check "auto, failed after" 1 "$ours" '' env FAKE_XL_STATUS=1 FAKE_TOUCH=1 xl migrate --fast=auto d h

echo "1..$count"
exit "$failed"
