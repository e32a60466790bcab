#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the command line may not be: each ends at once, with status 2, one line that names the option,
# and nothing on stdout.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

refused() { # what the line must hold, arguments
    demo "${@:2}"
    wrong_usage "$1"
}

refused --memory --memory 0
refused --memory --memory 5
refused --memory --memory -1M
refused --memory --memory 512X
refused --memory --memory ''
refused --memory --memory 99999999T
refused --memory --memory nan
refused 'do not fit' --memory 1000T
refused --fill --fill ones
refused --dirty-rate --dirty-rate fast
refused --writers --writers 65
refused --writers --writers 1.5
refused --loss --loss 101
refused --loss --loss -1
refused --corrupt --corrupt inf
refused --seed --seed x
refused --seed --seed 99999999999999999999
refused --lanes --lanes 0
refused "--cpus: '2-' is not CPU numbers and ranges" --cpus 2-
refused '--cpus: there is no CPU 1023, this host has ' --cpus 0,1023
refused --max-downtime --max-downtime 0
refused --bandwidth --bandwidth 8Gb
refused --compress --compress zstd
refused --compress --compress ''
refused --bandwidth --bandwidth -1
refused --source-port --source-port ns/ --target-port eth1
refused 'go together' --source-port eth1
refused "unknown option '--frobnicate'; see xl-fast demo --help" --frobnicate
refused "unknown option '--max-downtme'; did you mean '--max-downtime'?" --max-downtme 5
refused "unexpected 'junk'" junk
refused "unexpected 'junk'" --json junk
refused 'both need stdout' --json --events -
refused '--events needs a value' --events ''
refused --report --report -
refused "a file's events" --events - --report page.html
refused '--memory needs a value: SIZE' --memory

demo --help
[ "$status" = 0 ] || fail "--help: exit status $status"
for option in memory fill dirty-rate writers max-downtime bandwidth compress lanes cpus source-port target-port loss reorder duplicate corrupt seed events report timing json; do
    grep -q -e "--$option" "$work/out" || fail "--help does not name --$option"
done

echo '+ xl-fast frobnicate'
"$XL_FAST" frobnicate 2>"$work/err"
[ $? = 2 ] || fail "an unknown command is taken"
grep -qx "xl-fast: unknown command .frobnicate.; see xl-fast --help" "$work/err" || fail "the unknown command is not named"
"$XL_FAST" >/dev/null 2>&1
[ $? = 2 ] || fail "no command is taken for one"
nothing_left
