#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (110 moves and what comes after them: three hours; 15 breaks the move at three points, the unit tests walk through all of them)
# Something fails at each point of a move, at either end, before and after the go: a PVH guest, handed over late, then
# early, then a PV guest. After it exactly one copy of the guest runs and is right, or none, and `xl-fast recover` settles
# which; a table says for each point who ran and what recover found. cut.c, in the place of ssh, fails at
# xl's own messages; processes are killed and the port's link cut in the middle; and where the hosts have a
# build with fault points (FAULTS=1 scripts/lab install), they fail inside of xl-fast as well.
#   XF_LAB_POINTS='after-go receiver'   only rows that match one of the words
#   XF_LAB_TYPES='early pv'             only these: pvh, early (a PVH guest), pv
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

FAULTS_FILE=/etc/xen/xl-fast-faults
TABLE=$LAB_DIR/results/fault-points
WRONG=0

restore_links() {
    on A ip link set eth2 up || true
    on B ip link set eth1 up || true
    on A rm -f $FAULTS_FILE || true
    on B rm -f $FAULTS_FILE || true
}
restore_links
trap restore_links EXIT
begin

mkdir -p "$LAB_DIR/results"
: >"$TABLE"
cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -static -o "$LAB_DIR/cut" "$REPO/tests/lab/cut.c"
on A 'cat >/lab/cut && chmod +x /lab/cut' <"$LAB_DIR/cut"

# copies HOST NAME: the guest's domains there, as NAME=STATE; STATE is running, paused, suspended or other.
copies() {
    asked "$1" xl list | awk -v n="$2" '
        /^\(on/ { print }
        $1 == n || $1 == n "--incoming" || $1 == n "--migratedaway" {
            s = substr($5, 3, 1) == "p" ? "paused" : substr($5, 4, 1) == "s" ? "suspended" : "running"
            if (substr($5, 5) ~ /[a-z]/) s = "other"
            printf "%s%s=%s", sep, $1, s; sep = " "
        }'
}

running() { copies "$1" "$2" | tr ' ' '\n' | grep -c '=running$' || true; }

# The processes of the move, other than the one that awaits the end of a guest that has arrived.
# shellcheck disable=SC2016  # expanded on the host
movers='for p in $(pgrep xl); do
    case $(readlink /proc/$p/exe) in */xl | */libxl-save-helper | */xl-fast-pump) ;; *) continue ;; esac
    [ "$(cat /proc/$p/comm)" != xl-fast-linger ] || continue
    tr "\0" " " </proc/$p/cmdline | grep -Eq "migrate|-domain" || continue
    [ "$(readlink /proc/$p/fd/0)" = /dev/null ] && tr "\0" " " </proc/$p/cmdline | grep -q migrate-receive || echo $p
done'

# Of both hosts; where one cannot be asked, words.
all_movers() { printf '%s\n' "$(asked A "$movers")" "$(asked B "$movers")" | sed '/^$/d'; }

# Until xl has ended at both ends, or SECONDS are over: a receiver that hears of nothing waits for hours, and
# to end it is recover's.
wait_ends() { # SECONDS
    local i
    for ((i = 0; i < $1; i += 2)); do
        [ -n "$(all_movers)" ] || return 0
        sleep 2
    done
}

# start RULE NAME [options]: the move, in the background; wait_move waits for its end.
start() {
    local rule=$1 name=$2 options=
    shift 2
    [ -z "$rule" ] || options="-s '/lab/cut $rule'"
    on A "rm -f /lab/out; (XL_FAST_VERBOSE=1 XL_FAST_CONNECT_TIMEOUT=60 xl migrate --fast --hand-over=$HAND_OVER $options $* $name B >>/lab/out 2>&1; echo \"status \$?\" >>/lab/out) </dev/null >/dev/null 2>&1 &"
}

wait_out() { # REGEX SECONDS
    ON_TIMEOUT=$(($2 + 20)) on A "i=0; until tr '\r' '\n' </lab/out | grep -aEq '$1'; do i=\$((i + 1)); [ \$i -lt $2 ] || exit 1; sleep 1; done"
}

# Runs recover at A and keeps what it said: VERDICT, STEPS, RECOVER_STATUS.
recover() { # NAME [options]
    local name=$1 output
    shift
    RECOVER_STATUS=0
    output=$(ON_TIMEOUT=200 on A xl-fast recover "$@" "$name" B 2>&1) || RECOVER_STATUS=$?
    printf '%s\n' "$output" | sed 's/^/      /'
    VERDICT=$(printf '%s\n' "$output" | sed -n 's/^verdict: \([a-z-]*\):.*/\1/p' | tail -n 1)
    STEPS=$(printf '%s\n' "$output" | sed -n 's/^step: \([a-z-]*\),.*/\1/p' | xargs)
}

# A move that failed at this point is over. Who runs? If not exactly one does, and alone: recover.
judge() { # POINT END FAULT NAME BEFORE
    local point=$1 end=$2 fault=$3 name=$4 before=$5 here there at=none said=-
    here=$(running A "$name") there=$(running B "$name")
    note "$point, $end, $fault: A: $(copies A "$name"); B: $(copies B "$name")"
    [ $((here + there)) -le 1 ] || fail "$point: two copies run: A: $(copies A "$name"); B: $(copies B "$name")"
    [ "$here" = 0 ] || at=A
    [ "$there" = 0 ] || at=B
    if ! grep -q ' UP ' < <(on A 'ip -br link show eth2'); then
        recover "$name" -w 0
        [ "$RECOVER_STATUS $VERDICT" = "3 cannot-tell" ] ||
            fail "$point: while B cannot be reached recover ends with status $RECOVER_STATUS, verdict $VERDICT"
        restore_links # and now what was on its way may still arrive
    fi
    recover "$name"
    said="$VERDICT: ${STEPS:-nothing to do}"
    restore_links
    wait_ends 60
    [ "$RECOVER_STATUS" = 0 ] || fail "$point: recover ends with status $RECOVER_STATUS"
    if [ "$at" != none ]; then
        [ "$(running "$at" "$name")" = 1 ] || fail "$point: recover has stopped the copy that ran"
    fi
    here=$(copies A "$name") there=$(copies B "$name")
    case "$here|$there" in
    "$name=running|") ROW_AT=A ;;
    "|$name=running") ROW_AT=B ;;
    *) fail "$point: not settled: A: '$here'; B: '$there'" ;;
    esac
    expect_goes_on "$ROW_AT" "$name" "$before"
    wait_pass "$ROW_AT" "$name"
    [ -z "$(all_movers)" ] || fail "$point: processes are left: $(all_movers)"
    printf '%-5s %-26s %-7s %-28s %-5s %-6s %s\n' "$KIND" "$point" "$end" "$fault" "$at" "$ROW_AT" "$said" >>"$TABLE"
    tail -n 1 "$TABLE"
}

wanted() { # POINT FAULT
    local word
    [ -n "${XF_LAB_POINTS:-}" ] || return 0
    for word in $XF_LAB_POINTS; do
        [[ "$1 $2" != *"$word"* ]] || return 0
    done
    return 1
}

# Back to A, for the next row.
go_home() { # NAME
    [ "$ROW_AT" = B ] || return 0
    migrate B "$1" --fast || fail "the guest does not come back to A"
}

# row POINT END FAULT COMMAND...: the command moves the guest and lets it fail. In a shell of its own, so
# that one row that is wrong does not hide the others; then the guest is started anew.
row() {
    local point=$1 end=$2 fault=$3 before
    shift 3
    wanted "$point" "$fault" || return 0
    printf '== %s: %s, %s: %s\n' "$KIND" "$point" "$end" "$fault"
    if ! (
        wait_tick A "$NAME" 1 60 # one that has just come back has a new console
        before=$(guest_tick A "$NAME")
        "$@"
        wait_ends 60
        judge "$point" "$end" "$fault" "$NAME" "$before"
        go_home "$NAME"
    ); then
        WRONG=$((WRONG + 1))
        printf '%-5s %-26s %-7s %-28s WRONG\n' "$KIND" "$point" "$end" "$fault" >>"$TABLE"
        on A tail -n 30 /lab/out || true
        restore_links
        on A "kill -9 \$($movers)" 2>/dev/null || true
        on B "kill -9 \$($movers)" 2>/dev/null || true
        destroy_all A
        destroy_all B
        make_guest A "$NAME" memory=128 type="$TYPE"
    fi
}

# A fault at one of xl's messages. All that comes before it works, so that it is reached.
at_message() { # RULE...
    start "$(printf '%s,' "$@")" "$NAME"
    wait_out '^status ' 300 || fail "xl does not end: $(on A tail -n 20 /lab/out)"
    on A grep -a '^cut: ' /lab/out || fail "the point was not reached: $(on A tail -n 20 /lab/out)"
}

# In the middle of the memory, which at this rate goes on for most of a minute.
in_the_middle() { # HOST COMMAND
    start '' "$NAME" --bandwidth 20M
    wait_out 'source: connected' 90 || fail "no connection: $(on A tail -n 20 /lab/out)"
    sleep 2
    on "$1" "$2"
    wait_out '^status ' 120 || fail "xl does not end: $(on A tail -n 20 /lab/out)"
}

# At a fault point of xl-fast (transport/base/fault.h of a build with them).
at_fault() { # HOST WORDS
    printf '%s\n' "$2" | on "$1" "cat >$FAULTS_FILE"
    start '' "$NAME"
    wait_out '^status ' 300 || fail "xl does not end: $(on A tail -n 20 /lab/out)"
    on "$1" rm -f $FAULTS_FILE
    expect_eq "moves that succeeded, the point not reached" 0 "$(asked A "grep -acx 'status 0' /lab/out || true")"
}

# shellcheck disable=SC2016
helper='$(ps -eo pid=,args= | awk "/[l]ibxl-save-helper --/ { print \$1; exit }")'
# shellcheck disable=SC2016
pump='$(for p in $(pgrep xl-fast-pump); do echo $p; done)'
migrating_xl="\$(for p in \$($movers); do case \$(readlink /proc/\$p/exe) in */xl) echo \$p ;; esac; done)"

message_rows() {
    local message
    for message in banner ready; do
        row "before $message" source "xl is killed" at_message before-$message=kill-xl
        row "before $message" network "ssh dies" at_message before-$message=cut
        row "before $message" target "its xl is killed" at_message before-$message=kill-receiver
    done
    row "before go" source "xl is killed" at_message before-go=kill-xl
    row "before go" source "xl is killed, go arrives" at_message before-go=kill-xl-late
    row "before go" network "ssh dies" at_message before-go=cut
    row "before go" network "the link goes down" at_message before-go=link-down
    row "before go" target "its xl is killed" at_message before-go=kill-receiver
    row "after go" source "xl is killed" at_message after-go=kill-xl
    row "after go" network "ssh dies" at_message after-go=cut
    row "after go" target "its xl is killed" at_message after-go=kill-receiver
    for message in report code; do
        row "before $message" source "xl is killed" at_message before-$message=kill-xl
        row "before $message" network "ssh dies" at_message before-$message=cut
    done
    row "before report" network "the link goes down" at_message before-report=link-down
    row "after code" source "xl is killed" at_message after-code=kill-xl
    # A go that is none: the target fails, and gives the guest back.
    row "go garbled" network "nothing else" at_message before-go=garble
    row "go garbled, before report" network "ssh dies" at_message before-go=garble before-report=cut
    row "go garbled, permission" source "xl is killed" at_message before-go=garble before-permission=kill-xl
    row "go garbled, permission" network "ssh dies" at_message before-go=garble before-permission=cut
}

middle_rows() {
    row "memory on its way" source "helper is killed" in_the_middle A "kill -9 $helper"
    if [ "$HAND_OVER" = early ]; then
        row "memory on its way" target "pump is killed" in_the_middle B "kill -9 $pump"
    else
        row "memory on its way" target "helper is killed" in_the_middle B "kill -9 $helper"
    fi
    row "memory on its way" source "xl is killed" in_the_middle A "kill -9 $migrating_xl"
    row "memory on its way" target "its xl is killed" in_the_middle B "kill -9 $migrating_xl"
    row "memory on its way" network "the port's link goes down" in_the_middle B "ip link set eth1 down"
}

fault_rows() {
    local word
    if ! on A 'xl-fast faults >/dev/null 2>&1'; then
        left_out "$KIND: fault points inside of xl-fast: the hosts' build has none (FAULTS=1 scripts/lab install)"
        return 0
    fi
    if [ "$TYPE" = pv ]; then
        for word in tunnel_save_suspended=kill tunnel_save_pages_write=error:5 tunnel_save_end_written=kill; do
            row "$word" source "fault point" at_fault A "$word"
        done
        for word in tunnel_restore_batch_join=kill tunnel_restore_pages_read=error:5 tunnel_restore_end_forward=kill; do
            row "$word" target "fault point" at_fault B "$word"
        done
    else
        for word in source_suspended=kill save_pages_write=error:5 save_tail_write=kill save_end_written=kill; do
            row "$word" source "fault point" at_fault A "$word"
        done
        local words=(restore_tail_forward=error:5 restore_end_forward=kill)
        [ "$HAND_OVER" = late ] || words=(pump_early_end=kill pump_ready_held=error:5 pump_end_read=error:5 pump_finished=kill pump_go=error:5 pump_go=kill)
        for word in target_populate=error:12 target_complete=kill "${words[@]}"; do
            row "$word" target "fault point" at_fault B "$word"
        done
    fi
}

for KIND in ${XF_LAB_TYPES:-pvh early pv}; do
    NAME=points-$KIND TYPE=$KIND HAND_OVER=late
    [ "$KIND" != early ] || TYPE=pvh HAND_OVER=early
    make_guest A "$NAME" memory=128 type="$TYPE"
    message_rows
    middle_rows
    fault_rows
    on A xl destroy "$NAME"
done

printf '\n%-5s %-26s %-7s %-28s %-5s %-6s %s\n' type point end fault ran 'then' recover
cat "$TABLE"
[ -s "$TABLE" ] || fail "no point was tried"
[ "$WRONG" = 0 ] || fail "$WRONG of $(wc -l <"$TABLE") points ended wrong"
expect_ge "points that ended in exactly one right guest" "$([ -n "${XF_LAB_POINTS:-}" ] && echo 1 || echo 20)" "$(wc -l <"$TABLE")"
end_clean
