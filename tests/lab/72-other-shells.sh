#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (tests/e2e/xl-shim.sh, doctor.sh and gate.sh have each of it without Xen)
# Hosts as others have them: root's login shell at the target prints a line (stock xl migrate fails there, ours says so
# before anything is touched, and the command that it names fixes it); tcsh is root's shell there; the key that leads
# there may do nothing but migrate; guests are called dev's pc and münchen.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fixed.sh
. "$(dirname "$0")/fixed.sh"

WORK=$(mktemp -d)
# For ssh from A alone: this script comes by another way.
restore_hosts() {
    rm -rf "$WORK"
    on B 'usermod -s /bin/bash root; rm -f /usr/local/bin/tcsh /usr/local/bin/other
        sed -i /Welcome/d ~/.bashrc; sed -i /xl-fast-gate/d ~/.ssh/authorized_keys'
}
restore_hosts
WORK=$(mktemp -d)
trap restore_hosts EXIT
begin
make_guest A plain memory=128
doctor 0

note '--- a login shell that prints a line'
on B 'cat - ~/.bashrc >~/.new 2>/dev/null; mv ~/.new ~/.bashrc' <<'END'
case ${SSH_CLIENT:-} in 10.91.0.1\ *) echo Welcome to B ;; esac
END
expect_eq "what ssh from A gets" 'Welcome to B' "$(on A ssh B true)"
before=$(guest_tick A plain)
! migrate A plain 2>/dev/null || fail "stock xl migrate went"
expect_match "stock xl migrate, as the control" 'banner' "$MIGRATE_OUTPUT"
wait_tick A plain $(($(field "$before" tick) + 2)) 120
doctor 1
doctor_names FAIL "shell +its login shell prints 'Welcome to B' before the answer"
refused plain "B: its login shell prints 'Welcome to B' before the answer"
expect_le "seconds" 60 "$MIGRATE_SECONDS"
! SAID=$(on A xl migrate --fast --dry-run plain B 2>&1) || fail "a dry run says that it can go"
expect_match "dry run" "its login shell prints 'Welcome to B'" "$SAID"
expect_match "recover" 'nothing to settle' "$(on A xl-fast recover plain B 2>&1)"
! SAID=$(on A xl-fast evacuate -n B 2>&1) || fail "evacuate would go there"
expect_match "evacuate" "its login shell prints 'Welcome to B'" "$SAID"
expect_eq "guests on B" "" "$(domains B)"
fix
doctor 0
before=$(guest_tick A plain)
migrate A plain --fast || fail "xl migrate --fast after it was fixed"
expect_goes_on B plain "$before"
on B 'usermod -s /bin/bash root; sed -i /Welcome/d ~/.bashrc'

note '--- names'
# The console's log has the name that the guest had when it was made; it is read under a plain one.
for name in "dev's pc" münchen; do
    on B xl rename plain "\"$name\""
    before=$(guest_tick B plain)
    status=0
    SAID=$(ON_TIMEOUT=300 on B xl migrate --fast "\"$name\"" A 2>&1) || status=$?
    expect_eq "xl migrate --fast $name A" 0 "$status"
    expect_match "recover $name" 'verdict: target-owns' "$(on B xl-fast recover "\"$name\"" A 2>&1)"
    on A "ln -f '$CONSOLE_LOGS/guest-${name//\'/\'\\\'\'}--incoming.log' $CONSOLE_LOGS/guest-plain--incoming.log; xl rename \"$name\" plain"
    expect_goes_on A plain "$before"
    migrate A plain --fast || fail "back"
    expect_goes_on B plain "$before"
done

note "--- tcsh, by a key that may do nothing but migrate"
migrate B plain --fast || fail "to A"
# A shell for ssh from A, as above.
shell=bash
if tcsh=$(command -v tcsh) && grep -q "VERSION_CODENAME=${HOST_RELEASE[B]}" /etc/os-release; then
    on B 'cat >/usr/local/bin/tcsh && chmod +x /usr/local/bin/tcsh' <"$tcsh"
    shell=/usr/local/bin/tcsh
else
    note "no tcsh for B here"
fi
on B 'cat >/usr/local/bin/other && chmod +x /usr/local/bin/other && usermod -s /usr/local/bin/other root' <<END
#!/bin/sh
case \${SSH_CLIENT:-} in 10.91.0.1\ *) exec $shell "\$@" ;; esac
exec bash "\$@"
END
[ "$shell" = bash ] || expect_match "the shell that ssh from A gets" tcsh "$(on A "ssh B 'echo \$version'")"
key=$(on B 'cat ~/.ssh/authorized_keys')
on B 'cat >~/.ssh/authorized_keys' <<END
restrict,from="10.91.0.1",command="/usr/lib/xl-fast/xl-fast-gate" $key
$key
END
! SAID=$(on A ssh B reboot 2>&1) || fail "the key may do anything"
expect_match "ssh B reboot" 'this key is for xl migrate and xl-fast alone' "$SAID"
doctor 0
before=$(guest_tick A plain)
migrate A plain --fast || fail "xl migrate --fast by that key"
expect_goes_on B plain "$before"
expect_match "recover" 'verdict: target-owns' "$(on A xl-fast recover plain B 2>&1)"
restore_hosts
for host in "${HOSTS[@]}"; do destroy_all "$host"; done
end_clean
