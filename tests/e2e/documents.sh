#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The documents say what the code does: man pages and README have the programs' commands, options and exit
# statuses; PROTOCOL.md the headers' numbers and layouts, and the golden vectors are those that reference.py makes
# now; troubleshooting.md every message; and what a page links to is there.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

says() { # COMMAND...
    echo "+ $*"
    "$@" >"$work/out" 2>&1 || fail "$1: it differs"
    cat "$work/out"
}

says tests/e2e/check-manual "$XL_FAST"
says python3 tests/golden/protocol.py
says tests/e2e/check-messages
python3 tests/golden/reference.py | cmp - tests/golden/packets.txt || fail "reference.py makes other vectors than packets.txt"

links=0
for page in *.md transport/*.md xl-plugin/doc/*.md; do
    while IFS= read -r to; do
        [ -e "$(dirname "$page")/$to" ] || fail "$page: there is no $to"
        links=$((links + 1))
    done < <(grep -oE '\]\([^)#:]+[)#]' "$page" | sed 's/^](//; s/.$//'; grep -oE '(src|srcset)="[^":]+"' "$page" | cut -d'"' -f2)
done
[ "$links" -ge 10 ] || fail "only $links links are found"
