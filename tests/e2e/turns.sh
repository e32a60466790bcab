#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Migrations from several hosts to one, and of two hosts to each other: each gets its turn, in the order in which they
# came; a wait can be cancelled, and who dies holds nobody up. The shim and the receiver are the real ones, at three
# hosts that are folders; xl, ssh and the preflight are stand-ins, the latter with the locks that the real one has.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

dir=$work/x
mkdir -p "$dir"/{lib,real,tools}
cp xl-plugin/migrate/xl xl-plugin/migrate/xl-fast-receive "$dir/lib"
ln -s "$(realpath "$XL_FAST")" "$dir/tools/xl-fast"
uuid=6f1c9a52-0000-4000-8000-000000000001

# Each host's runtime folder is its own; hosta has the least address.
cat >"$dir/lib/xl-fast-preflight" <<'END'
#!/bin/bash
number() { case $1 in hosta) echo 1 ;; hostb) echo 2 ;; hostc) echo 3 ;; esac; }
queue=$XL_FAST_RUNDIR/xl-fast/queue-eth1
case $1 in
queue) mkdir -p "${queue%/*}" && echo "$queue" ;;
source) printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=1 port=eth1 "address=192.0.2.$(number "$HOST_OF")/24" uuid=$UUID "name=$2" fast=ok ;;
target)
    echo $(($(cat "$DIR/asked" 2>/dev/null) + 1)) >"$DIR/asked.$$" && mv "$DIR/asked.$$" "$DIR/asked" # never read half
    attempt=$(sed -n 's/^attempt=//p')
    mkdir -p "${queue%/*}"
    turns=${queue%/*}/turns
    touch "$turns" "$queue"
    # As if the other one had come between the answer and the receiver.
    if [ -e "$DIR/lies" ]; then
        rm "$DIR/lies"
        printf '%s\n' version=0.9.0 protocol=1 xen=4.17 port=eth1 address=192.0.2.9/24 fast=ok
        exit
    fi
    grep -qx "$attempt" "$turns" || echo "$attempt" >>"$turns"
    before=$(grep -nx "$attempt" "$turns")
    before=$((${before%%:*} - 1))
    if [ "$before" != 0 ] || ! flock -n "$queue" true; then
        printf '%s\n' busy=0 "before=$before"
        source=${5#192.0.2.}
        [ "${source%/*}" -lt "$(number "$HOST_OF")" ] || echo yield=1
    fi
    printf '%s\n' version=0.9.0 protocol=1 xen=4.17 port=eth1 address=192.0.2.9/24 fast=ok ;;
esac
END
printf '#!/bin/sh\necho running\n' >"$dir/lib/xl-fast-domain"
# xl migrate, which does nothing before the target has answered; and its receiver, which stays for as long as it is
# told to and shows whether it has the target alone.
cat >"$dir/real/xl" <<'END'
#!/bin/bash
if [ "$1" = migrate ]; then
    name=${*: -2:1}
    NAME=$name sh -c "exec ssh ${*: -1} xl migrate-receive" < <(tail -f /dev/null --pid=$$ -s 0.1) || { echo "migration target: no banner" >&2; exit 1; }
    exit
fi
[ ! -e "$DIR/$HOST_OF/receives" ] || echo "two at once at $HOST_OF" >>"$DIR/log"
touch "$DIR/$HOST_OF/receives"
# The ticket is taken: in the stand-in's own list.
sed -i 1d "$XL_FAST_RUNDIR/xl-fast/turns"
echo "$NAME at $HOST_OF" >>"$DIR/log"
# Ends as the real one does when its ssh is gone.
for ((i = 0; i < 600; i++)); do
    [ -e "$DIR/hold-$NAME" ] && kill -0 "$PPID" || break
    read -r -t 0.05 && [ $? = 1 ] && break
done
rm -f "$DIR/$HOST_OF/receives"
END
cat >"$dir/tools/ssh" <<'END'
#!/bin/bash
host=$1
shift
unset XL_FAST_SHIM XL_FAST_EVENTS
export HOST_OF=$host XL_FAST_RUNDIR=$DIR/$host
exec sh -c "$*"
END
chmod +x "$dir"/{lib,real,tools}/*
export PATH=$dir/lib:$dir/real:$dir/tools:$PATH DIR=$dir UUID=$uuid XL_FAST_LIBDIR=$dir/lib XL_FAST_POLL=0.2
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE

world() {
    rm -rf "$dir"/{hosta,hostb,hostc} "$dir"/hold-* "$dir/lies" "$dir/log"
    mkdir "$dir"/{hosta,hostb,hostc}
    touch "$dir/log"
}

move() { # GUEST FROM TO [OPTIONS]: in the background; its process is $!
    local name=$1 from=$2 to=$3
    shift 3
    HOST_OF=$from XL_FAST_RUNDIR=$dir/$from timeout 60 env --default-signal=INT xl migrate --fast "$@" "$name" "$to" \
        >"$work/$name.out" 2>"$work/$name.err" </dev/null &
}

until_log() { # WORDS FILE
    local i
    for ((i = 0; i < 400; i++)); do
        ! grep -qF -- "$1" "$2" || return 0
        sleep 0.05
    done
    fail "no '$1' in $2: $(cat "$2" "$work"/*.err)"
}

ended() { # PID STATUS
    local status=0
    wait "$1" || status=$?
    [ "$status" = "$2" ] || fail "status $status, not $2: $(cat "$work"/*.err)"
}

log_is() { printf '%s\n' "$@" | diff - "$dir/log" || fail "another order"; }

# The lock of a host is free again.
free() { for host; do flock -n "$dir/$host/xl-fast/queue-eth1" true || fail "$host's port is not free"; done; }

echo "two sources for one target, and a third"
world
touch "$dir/hold-one"
move one hosta hostb
one=$!
until_log 'one at hostb' "$dir/log"
move two hostc hostb --json
two=$!
until_log 'two waits' "$work/two.err"
move three hosta hostb
three=$!
until_log 'three waits for its turn' "$work/three.err"
grep -q '^{"version":2,"event":"wait","port_of":"target"}$' "$work/two.out" || fail "no event: $(cat "$work/two.out")"
grep -q '^two to hostb, .*: waits for its turn$' < <(XL_FAST_RUNDIR=$dir/hostc xl-fast status) || fail "status: $(XL_FAST_RUNDIR=$dir/hostc xl-fast status)"
rm "$dir/hold-one"
ended $one 0
ended $two 0
ended $three 0
log_is 'one at hostb' 'two at hostb' 'three at hostb'
free hosta hostb hostc

echo "two hosts that move guests to each other, at once"
for round in 1 2 3; do
    world
    move there hosta hostb
    there=$!
    [ $round = 1 ] || sleep 0.0$round
    move back hostb hosta
    ended $! 0
    ended $there 0
    [ "$(sort "$dir/log" | xargs)" = "back at hosta there at hostb" ] || fail "moves: $(cat "$dir/log")"
    free hosta hostb
done

echo "another comes between the answer and the receiver"
for mode in --fast --fast=auto --json; do
    world
    touch "$dir/hold-one"
    move one hosta hostb
    one=$!
    until_log 'one at hostb' "$dir/log"
    touch "$dir/lies"
    echo 0 >"$dir/asked"
    move two hostc hostb $mode --quiet
    two=$!
    # xl-fast-receive waits for 5 s, and then the shim asks again.
    for ((i = 0; i < 400; i++)); do
        [ "$(cat "$dir/asked")" -lt 3 ] || break
        sleep 0.05
    done
    kill -0 $two || fail "the second does not wait: $(cat "$work/two.err")"
    [ "$(cat "$dir/asked")" -ge 3 ] || fail "the second has not asked again"
    rm "$dir/hold-one"
    ended $one 0
    ended $two 0
    log_is 'one at hostb' 'two at hostb'
    [ ! -s "$work/two.err" ] || fail "it says: $(cat "$work/two.err")"
    [ $mode != --json ] || [ "$(grep -o '"event":"[a-z]*"' "$work/two.out" | xargs)" = "event:wait event:exit" ] ||
        fail "other events: $(cat "$work/two.out")"
done

echo "who waits is cancelled, and who is first dies"
world
touch "$dir/hold-one"
move one hosta hostb
one=$!
until_log 'one at hostb' "$dir/log"
move two hostc hostb
two=$!
until_log 'two waits' "$work/two.err"
XL_FAST_RUNDIR=$dir/hostc xl-fast cancel two >/dev/null || fail "cancel: status $?"
ended $two 143
grep -q 'cancelled: two was not touched' "$work/two.err" || fail "it says: $(cat "$work/two.err")"
sed -i '$d' "$dir/hostb/xl-fast/turns" # as its ticket's time
move two hostc hostb
two=$!
until_log 'two waits' "$work/two.err"
kill -9 "$(sed -n 's/^pid=//p' "$dir"/hosta/xl-fast/moving-*)"
pkill -9 -P "$one" 2>/dev/null || :
rm "$dir/hold-one" # what its ssh's end does
ended $two 0
log_is 'one at hostb' 'two at hostb'
