#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The documents say what the code does: man pages have the programs' commands, options and exit statuses;
# PROTOCOL.md the headers' numbers and layouts, and the golden vectors are those that reference.py makes
# now; troubleshooting.md every message; README's picture is of the demo as it is; and what a page links to is there.
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

# The picture of README: the demo prints what it shows, and it loads nothing.
picture=xl-plugin/doc/demo.svg
demo --memory 16M --dirty-rate 1M --loss 5 --seed 7
labels() { sed -nE 's/^  ([a-z]+) .*/\1/p'; }
diff <(grep -oE 'x="0" [^>]*>  [a-z]+ ' $picture | sed 's/.*>//' | labels) <(labels <"$work/out") ||
    fail "the demo prints other lines than $picture: scripts/screen-svg"
grep -q 'prefers-color-scheme: dark' $picture || fail "$picture has no dark theme"
! grep -qE '(href|src)="[^#]|url\([^#]|<script|@import' $picture || fail "$picture loads something"

links=0
for page in *.md transport/*.md xl-plugin/doc/*.md; do
    while IFS= read -r to; do
        [ -e "$(dirname "$page")/$to" ] || fail "$page: there is no $to"
        links=$((links + 1))
    done < <(grep -oE '\]\([^)#:]+[)#]' "$page" | sed 's/^](//; s/.$//'; grep -oE '(src|srcset)="[^":]+"' "$page" | cut -d'"' -f2)
done
[ "$links" -ge 10 ] || fail "only $links links are found"

# README is two screens, and leads to every other page.
[ "$(wc -l <README.md)" -le 130 ] || fail "README.md is longer than 130 lines: what is more belongs in xl-plugin/doc"
for page in xl-plugin/doc/*.md; do
    grep -qF "($page" README.md || fail "README.md does not lead to $page"
done

# The files and functions that CONTRIBUTING names in "How to add": a path, or a name that is somewhere.
rooms=(transport dpdk xl-plugin tests scripts)
names=0
# shellcheck disable=SC2016  # those are the quotes of the page
while IFS= read -r name; do
    case $name in
    *NAME* | *ROOM* | *NN*) continue ;; # patterns
    *'()') grep -qrE --include='*.[ch]' --include=bench "(^|[ *])${name%()}\(" "${rooms[@]}" || fail "CONTRIBUTING: there is no function $name" ;;
    */*) [ -e "$name" ] || fail "CONTRIBUTING: there is no $name" ;;
    *) [ -n "$(find "${rooms[@]}" -name "$name")" ] || fail "CONTRIBUTING: there is no file $name" ;;
    esac
    names=$((names + 1))
done < <(sed '1,/^## How to add/d' CONTRIBUTING.md | grep -oE '`[A-Za-z0-9_./-]+(\.(c|h|sh|py|md|conf|json)|\(\))`' | tr -d '`' | sort -u)
[ "$names" -ge 50 ] || fail "only $names names are found in CONTRIBUTING"
