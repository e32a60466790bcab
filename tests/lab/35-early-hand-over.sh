#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: one move early; 15 moves the same kind of guest late
# The target attaches the devices of a PVH guest while it still runs at the source (--hand-over=early), with its downtime
# beside that of a move back that is late. Then what breaks it: the pump or the target's xl is killed, ssh is cut, the
# copy is unpaused by hand, a hotplug script fails, or takes longer than libxl waits: the guest goes on at the source
# alone, and no copy and no device is left at the target.
# A disk in a file goes late, and says so.
#   XF_LAB_POINTS='pump ssh'   only faults that match one of the words
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

VIF_SCRIPT=/etc/xen/scripts/vif-bridge

# shellcheck disable=SC2029
mend_script() { on B "[ ! -e $VIF_SCRIPT.whole ] || mv $VIF_SCRIPT.whole $VIF_SCRIPT"; }

tidy_up() {
    on A 'rm -f /srv/early.img' || true
    mend_script || true
}
trap tidy_up EXIT
begin

devices_at() { # HOST: what dom0 there still has of any guest
    # shellcheck disable=SC2016  # expanded on the host
    asked "$1" 'ls /sys/class/net | grep "^vif" || true; for d in vbd vif; do xenstore-ls "/local/domain/0/backend/$d" 2>/dev/null | grep -o "domain = .*" || true; done'
}

attached() { on A "tr '\\r' '\\n' </lab/out" | grep -a 'its devices are attached'; }

make_guest A early memory=128 vcpus=2 disk=1 net=1
wait_field A early disk 1 180
expect_match "said before" 'devices +attached early' "$(on A xl migrate --fast --dry-run --hand-over=auto early B 2>&1)"

fast_move A early --hand-over=early
expect_match "the target's word" 'its devices are attached, the memory may come' "$MIGRATE_OUTPUT"
DOWNTIME_EARLY=$(said_downtime early)
SAW_EARLY=$PEERS_SAW
expect_eq "what is left at A" "" "$(devices_at A)"
note "DOWNTIME early: $DOWNTIME_EARLY; $SAW_EARLY"
if quick; then
    end_clean
    exit 0
fi
fast_move B early --hand-over=late
note "DOWNTIME late:  $(said_downtime early); $PEERS_SAW"
devices_of() { printf '%s\n' "$1" | sed -n 's/.*devices \([0-9]*\).*/\1/p'; }
expect_le "milliseconds for devices, early, at most a fifth of late's" $(($(devices_of "$(said_downtime early)") / 5)) \
    "$(devices_of "$DOWNTIME_EARLY")"

# ---- faults --------------------------------------------------------------------------------------------

# Until the devices are attached at B, or are about to be; at this rate the memory takes most of a minute then.
start() {
    on A "rm -f /lab/out; (XL_FAST_VERBOSE=1 XL_FAST_CONNECT_TIMEOUT=60 xl migrate --fast --hand-over=early --bandwidth 20M early B >>/lab/out 2>&1; echo \"status \$?\" >>/lab/out) </dev/null >/dev/null 2>&1 &"
}
wait_out() { # REGEX SECONDS
    ON_TIMEOUT=$(($2 + 20)) on A "i=0; until tr '\\r' '\\n' </lab/out | grep -aEq '$1'; do i=\$((i + 1)); [ \$i -lt $2 ] || exit 1; sleep 1; done" ||
        fail "no '$1' within $2 s: $(on A tail -n 20 /lab/out)"
}

# Each of these ends a process at B by its program's name.
kill_at_b() { # PROGRAM
    # shellcheck disable=SC2029
    on B "for p in /proc/[0-9]*; do [ \"\$(readlink \$p/exe | sed 's|.*/||')\" = $1 ] && [ \"\$(readlink \$p/fd/0)\" != /dev/null ] && kill -9 \"\${p#/proc/}\"; done; true"
}

settled() { # WHAT BEFORE
    wait_out '^status [1-9]' 180
    expect_goes_on A early "$2"
    expect_eq "$1: guests on A" early "$(domains A)"
    if [ -n "$(domains B)" ]; then
        note "$1: at B: $(domains B)"
        ON_TIMEOUT=200 on A xl-fast recover early B 2>&1 | sed 's/^/   | /'
    fi
    local i
    for ((i = 0; i < 60; i++)); do
        [ -n "$(domains B)$(devices_at B)" ] || break
        sleep 2
    done
    expect_eq "$1: guests on B" "" "$(domains B)"
    expect_eq "$1: devices at B" "" "$(devices_at B)"
    printf '%-44s guest at A, nothing left at B\n' "$1" >>"$LAB_DIR/results/early-faults"
}

fault() { # WHAT UNTIL COMMAND...: UNTIL is '': the command is first
    local what=$1 until=$2 before word wanted=${XF_LAB_POINTS:+no}
    for word in ${XF_LAB_POINTS:-}; do [[ $what != *"$word"* ]] || wanted=; done
    [ -z "$wanted" ] || return 0
    shift 2
    printf '== %s\n' "$what"
    before=$(guest_tick A early)
    [ -n "$until" ] || "$@"
    start
    if [ -n "$until" ]; then
        wait_out "$until" 180
        sleep 2
        "$@"
    fi
    settled "$what" "$before"
}

# shellcheck disable=SC2016  # expanded on the host
cut_ssh() { on A 'kill $(pgrep -f "[s]sh .*xl-fast-receive" | head -n 1)'; }
# Once all of it has come, the copy would run without a go.
unpause_by_hand() {
    on B xl unpause early--incoming
    expect_eq "CPU time of the copy, unpaused by hand" 0.0 "$(on B xl list | awk '$1 == "early--incoming" { print $6 }')"
    wait_out 'target: domain [0-9]*: somebody has unpaused it' 180
}

# What the target's script of the card does first when it is to attach it.
break_script() { # COMMAND
    # shellcheck disable=SC2029
    on B "cp -p $VIF_SCRIPT $VIF_SCRIPT.whole && sed -i '1a [ \"\$1\" != online ] || $1' $VIF_SCRIPT"
}

rm -f "$LAB_DIR/results/early-faults"
fault "the pump is killed, memory on its way" 'its devices are attached' kill_at_b xl-fast-pump
fault "the target's xl is killed" 'its devices are attached' kill_at_b xl
fault "ssh is cut before ready" 'target: begins to receive' cut_ssh
fault "the copy is unpaused by hand" 'its devices are attached' unpause_by_hand
fault "a script fails" '' break_script "exit 1"
mend_script
# libxl waits for 40 s.
fault "a script takes 60 s" '' break_script "sleep 60"
mend_script
cat "$LAB_DIR/results/early-faults"

# And then it moves.
fast_move A early --hand-over=early
on B xl destroy early

# ---- late ----------------------------------------------------------------------------------------------

on A 'dd if=/dev/zero of=/srv/early.img bs=1M count=4 status=none'
make_guest A infile memory=128 conf='disk = ["file:/srv/early.img,xvda,w"]'
on B 'dd if=/dev/zero of=/srv/early.img bs=1M count=4 status=none'
expect_match "a disk in a file" 'devices +attached late: .*no block device' "$(on A xl migrate --fast --dry-run --hand-over=auto infile B 2>&1)"
expect_match "asked to be early" 'its devices cannot be attached early: .*no block device' "$(on A xl migrate --fast --hand-over=early infile B 2>&1 || true)"
on B rm -f /srv/early.img
end_clean
