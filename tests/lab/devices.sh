# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests with a disk and a network card (make_guest ... disk=4 net=1): what must hold of them when they move.
# Sourced by fast.sh, after lib.sh.

# The program is copied once a scenario: what an earlier one has left there may be older.
declare -A ECHO_IS_ON
build_echo() {
    local source=$REPO/tests/lab/echo.c out=$LAB_DIR/echo
    [ "$out" -nt "$source" ] && return 0
    ${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$out.new" "$source"
    strip "$out.new"
    mv "$out.new" "$out"
}

# echo_start HOST NAME: a TCP connection to the guest that lasts until echo_stop.
echo_start() {
    local host=$1 address
    address=$(guest_address "$2")
    if [ -z "${ECHO_IS_ON[$host]:-}" ]; then
        copy_to "$host" "$LAB_DIR/echo" /lab/echo
        on "$host" chmod +x /lab/echo
        ECHO_IS_ON[$host]=1
    fi
    # shellcheck disable=SC2029
    on "$host" "rm -f /lab/echo.out; /lab/echo $address </dev/null >/lab/echo.out 2>&1 & echo \$! >/lab/echo.pid
        i=0; until grep -q '^xf-echo begins' /lab/echo.out; do i=\$((i + 1)); [ \$i -lt 100 ] || exit 1; sleep 1; done" ||
        fail "no TCP connection from $host to $2 at $address: $(on "$host" cat /lab/echo.out)"
}

# echo_stop HOST: ECHO_SAW is what it saw. Every beat must have come once, over one and the same connection, and the
# guest must have echoed to the end.
echo_stop() {
    local host=$1
    # shellcheck disable=SC2016  # expanded on the host
    ON_TIMEOUT=200 on "$host" 'kill "$(cat /lab/echo.pid)"; i=0; until grep -q "^xf-echo ok=" /lab/echo.out; do i=$((i + 1)); [ $i -lt 130 ] || exit 1; sleep 1; done' ||
        fail "the TCP peer on $host is gone: $(on "$host" cat /lab/echo.out)"
    ECHO_SAW=$(on "$host" cat /lab/echo.out)
    expect_match "the TCP session of $host" '^xf-echo ok=1 ' "$ECHO_SAW"
    ECHO_SAW=$(printf '%s\n' "$ECHO_SAW" | tail -n 1)
    expect_ge "messages of $host" 20 "$(echo_field sent)"
    expect_eq "of these, what the guest has echoed" "$(echo_field sent)" "$(echo_field echoed)"
}

echo_field() { field "${ECHO_SAW#xf-echo }" "$1"; }

# Before a move: a TCP peer on each host.
devices_begin() { # NAME
    local host
    guest_has "$1" net || return 0
    build_echo
    for host in "${HOSTS[@]}"; do echo_start "$host" "$1"; done
}

# After it, on host TO: both sessions stand, the disk is read and written, and all of it is right (a block that is not
# makes the guest's verdict bad). PEERS_SAW is the longest gap of each peer, in words, PEERS_GAP_MS that of all.
devices_end() { # TO NAME BEFORE
    local to=$1 name=$2 before=$3 host net blocks
    if guest_has "$name" net; then
        # Both sessions have to go on after the move, however early xl returns.
        net=$(($(field "$(guest_tick "$to" "$name")" net) + 40))
        wait_field "$to" "$name" net "$net" 120
        PEERS_SAW=
        PEERS_GAP_MS=0
        for host in "${HOSTS[@]}"; do
            echo_stop "$host"
            [ "$(echo_field gap_ms)" -le "$PEERS_GAP_MS" ] || PEERS_GAP_MS=$(echo_field gap_ms)
            PEERS_SAW+="${PEERS_SAW:+, }TCP peer on $host $(echo_field gap_ms) ms without a word"
        done
    fi
    if guest_has "$name" disk; then
        # All blocks at least once: of the twice as many that a round reads, half are the next ones.
        blocks=$(($(field "$(guest_tick "$to" "$name")" disk) + 2 * $(disk_blocks_of "$name")))
        wait_field "$to" "$name" disk "$blocks" 240
        expect_ge "disk blocks read right before the move" 1 "$(field "$before" disk)"
        expect_eq "the guest's verdict, disk and network card included" 1 "$(field "$(guest_tick "$to" "$name")" ok)"
    fi
}

disk_blocks_of() {
    local mib=${GUEST_WORDS[$1]#* disk=}
    echo $((${mib%% *} * 256))
}

# wait_field HOST NAME KEY LEAST SECONDS: until the guest's tick line says so.
wait_field() {
    local line began=$SECONDS
    while [ $((SECONDS - began)) -lt "$5" ]; do
        line=$(guest_tick "$1" "$2")
        [ "$(field "${line:-$3=0}" "$3")" -lt "$4" ] || { note "guest $2 on $1: $3=$(field "$line" "$3")"; return 0; }
        sleep 2
    done
    fail "guest $2 on $1: expected $3 of at least $4 within $5 s, saw: $line$(console_tail "$1" "$2")"
}

# stock_move FROM NAME: the same guest by plain xl migrate, with the same peers.
stock_move() {
    local from=$1 name=$2 to before
    to=$(other_host "$from")
    before=$(guest_tick "$from" "$name")
    devices_begin "$name"
    migrate "$from" "$name" || fail "xl migrate $name $to"
    devices_end "$to" "$name" "$before"
    expect_goes_on "$to" "$name" "$before"
    note "GAP stock $name $from->$to: $PEERS_SAW; stock says no downtime"
}
