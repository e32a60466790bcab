#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/unit/xl-plugin/test_question.c has the words)
# What would fail at the end of a move is said before it: a name or UUID that is taken at the target, a disk or a bridge
# that it lacks, a paused guest. Each in one line and at once, by `xl migrate --fast`, --dry-run, doctor and evacuate
# alike; the guest runs on; and the command that is named fixes it. And xl at the target that is busy is waited for.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"

tidy_up() {
    local host
    for host in "${HOSTS[@]}"; do
        on "$host" 'ip link del xbrlab 2>/dev/null; rm -f /srv/said.disk; losetup -j /srv/said.img | cut -d : -f 1 | xargs -r losetup -d
            rm -f /srv/said.img' || true
    done
}
tidy_up
trap tidy_up EXIT
begin

# Guests that nobody boots: what is asked is asked of their domains alone.
idle_guest() { # HOST NAME LINE...
    local host=$1 name=$2
    shift 2
    { guest_config "$name" memory=128; printf '%s\n' "$@"; } | on "$host" "cat >/lab/$name.cfg"
    on "$host" xl create -q "/lab/$name.cfg" || fail "guest $name does not start on $host"
}

uuid=5afe0000-0000-4000-8000-000000000064
make_guest A said memory=128 conf="uuid = \"$uuid\""
boot=$(field "$(guest_tick A said)" boot)

# refused WHAT REGEX [NAME]: in one line, quickly, with the same words by a dry run, and the guest runs on. FIX is the command.
refused() {
    local name=${3:-said} before on_b
    before=$(guest_tick A said)
    on_b=$(domains B)
    migrate A "$name" --fast 2>/dev/null && fail "$1: it went"
    expect_match "$1" "^xl-fast: $2" "$MIGRATE_OUTPUT"
    expect_eq "lines" 1 "$(printf '%s\n' "$MIGRATE_OUTPUT" | wc -l)"
    expect_le "seconds" 30 "$MIGRATE_SECONDS"
    FIX=$(printf '%s\n' "$MIGRATE_OUTPUT" | sed -n 's/.*; fix: //p')
    expect_match "$1, by a dry run" "$2" "$(on A xl migrate --fast --dry-run "$name" B 2>&1 || :)"
    expect_match "$1, by doctor" "guest  *$name cannot move.*${2#*: }" "$(on A xl-fast doctor B 2>&1 || :)"
    expect_match "$1, by evacuate's plan" "^$name .* left: .*${2#*: }" "$(on A xl-fast evacuate -n B 2>&1 || :)"
    expect_eq "guests on B" "$on_b" "$(domains B)"
    [ "$name" != said ] || [ -n "${PAUSED:-}" ] || wait_tick A said $(($(field "$before" tick) + 2)) 60
}

# can_go NAME: nothing keeps it from going now.
can_go() {
    local output
    output=$(on A xl migrate --fast --dry-run "$1" B 2>&1) || fail "$1 still cannot go: $output"
    note "$1 can go"
}

idle_guest B said
refused "its name" "B: there is a domain 'said' already \(domain [0-9]+\)"
expect_match "the command" '^xl rename [0-9]+ other-[0-9]+$' "$FIX"
# shellcheck disable=SC2029
on B "$FIX"
can_go said
on B xl destroy "${FIX##* }"

idle_guest B twin "uuid = \"$uuid\""
refused "its UUID" "B: domain [0-9]+ \('twin'\) has the guest's UUID"
expect_match "the command" '^xl shutdown -w [0-9]+$' "$FIX"
on B xl destroy "${FIX##* }" # its kernel hears no wish to shut down
can_go said

# shellcheck disable=SC2016  # expanded on the host
make_disk='modprobe loop; truncate -s 8M /srv/said.img && ln -s "$(losetup -f --show /srv/said.img)" /srv/said.disk'
on A "$make_disk"
idle_guest A disk "disk = ['phy:/srv/said.disk,xvda,w']"
refused "its disk" "B: there is no '/srv/said.disk', the guest's disk xvda" disk
expect_match "the command" '^mount -a$' "$FIX"
on B "$make_disk" # as the mount would
can_go disk
on A xl destroy disk

on A 'ip link add xbrlab type bridge && ip link set xbrlab up'
idle_guest A net "vif = ['bridge=xbrlab']"
refused "its bridge" "B: there is no bridge 'xbrlab'" net
# shellcheck disable=SC2029
on B "$FIX"
can_go net
on A xl destroy net

on A xl pause said
PAUSED=yes refused "it is paused" "A: .*is paused and cannot be"
# shellcheck disable=SC2029
on A "$FIX"
can_go said

# xl at the target has a domain in the making for a minute, twice as long as a link may be silent.
on B 'cat >/lab/hold.pl' <<'END'
use Fcntl;
open(my $f, ">>", "/var/lock/xl") or die;
my $lock = pack("s s x4 q q l x4", F_WRLCK, 0, 0, 0, 0);
fcntl($f, F_SETLKW, $lock) or die;
sleep 75;
END
on B '(perl /lab/hold.pl) </dev/null >/dev/null 2>&1 &'
expect_match "doctor, at the target" 'note  xl .*process [0-9]+ has its lock' "$(on A xl-fast doctor B 2>&1 || :)"
output=$(ON_TIMEOUT=400 on A xl migrate --fast said B 2>&1 | tr '\r' '\n') || fail "it does not go: $output"
expect_match "what is said" "^xl-fast: B's xl is busy: process [0-9]+ there has its lock; said waits for it$" "$output"
expect_match "and then" '^xl-fast: said has moved to B|^said has moved to B' "$output"
wait_tick B said 2 120
expect_eq "the guest's boot id" "$boot" "$(field "$(guest_tick B said)" boot)"
end_clean
