#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests' names of any bytes in what lists them: status and cancel (whose command can be pasted), the report, metrics. Of
# recover, evacuate and xl migrate --fast: recover.sh, evacuate-hosts.sh and xl-shim.sh.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

mkdir -p "$work/run/xl-fast" "$work/bin"
printf '%s\n' '#!/bin/sh' 'printf "[%s]" "$@"' >"$work/bin/xl-fast"
chmod +x "$work/bin/xl-fast"
export XL_FAST_RUNDIR=$work/run

# A migration that is in progress, by its record; its process has left it suspended when it is told to end.
moving() { # NAME [LINE]
    sleep 60 &
    pid=$!
    started=$(sed 's/.*) //' "/proc/$pid/stat" | cut -d' ' -f20)
    printf '%s\n' "pid=$pid" "started=$started" "since=$(date +%s)" "guest=$1" uuid=6f1c9a52-0001-4000-8000-0123456789ab \
        host=hostb "events=$work/none" from=0 ${2:+"$2"} state=suspended >"$work/run/xl-fast/moving-x"
}

# shellcheck disable=SC2016  # names
for name in "dev's pc" 'münchen' '-web' 'a"b\c' '$(reboot)' "$(printf 'm\374nchen')" "$(printf '\033[2J')"; do
    moving "$name" 'ssh=ssh -p 2'
    "$XL_FAST" status >"$work/out" || fail "status"
    ! grep -q "$(printf '\033')" "$work/out" || fail "a terminal acts on it"
    "$XL_FAST" status --json >"$work/out" || fail "status --json"
    python3 -c 'import json, os, sys
guest = json.load(open(sys.argv[1], encoding="utf-8"))["migrations"][0]["guest"]
assert guest == os.fsencode(sys.argv[2]).decode("utf-8", "replace"), guest' "$work/out" "$name" || fail "JSON: $(cat "$work/out")"
    "$XL_FAST" cancel -- "$name" >"$work/out" 2>"$work/err"
    [ $? = 1 ] || fail "cancel '$name'"
    ! grep -q "$(printf '\033')" "$work/out" || fail "a terminal acts on it"
    command=$(LC_ALL=C sed 's/.*may run there: //' "$work/out")
    for shell in bash dash; do
        expected="[recover][-s][ssh -p 2]$([ "${name#-}" = "$name" ] || echo '[--]')[$name][hostb]"
        [ "$(PATH=$work/bin:$PATH $shell -c "$command")" = "$expected" ] || fail "$shell does not take: $command"
    done
    wait
done

# What events hold of it: pages and figures.
for name in '<script>&\"x' "dev's pc" münchen; do
    printf '%s\n' '{"version":2,"event":"start","t_us":0,"time_us":1,"program":"migrate","guest":"'"$name"'","host":"hostb"}' \
        '{"version":2,"event":"exit","status":1}' >"$work/events"
    "$XL_FAST" report "$work/events" "$work/page" || fail "no report"
    ! grep -q '<script>' "$work/page" || fail "a name is markup"
    python3 -c 'import sys, xml.dom.minidom, html.parser; open(sys.argv[1], encoding="utf-8").read()' "$work/page" || fail "no UTF-8"
done

# What the history holds of it: its list, its JSON, figures.
# shellcheck disable=SC2016  # names
names=("dev's pc" münchen '-web' '$(reboot)' "$(printf 'm\374nchen')" "$(printf '\033[2J')")
# Stand-ins: a move that fails.
# shellcheck disable=SC2016  # their scripts
{
    mkdir "$work/lib"
    printf '#!/bin/sh\nprintf "%%s\\n" version=0.9.0 protocol=1 xen=4.17 need_kib=1 port=eth1 address=192.0.2.1/24 uuid=6f1c9a52-0001-4000-8000-0123456789ab "name=$NAME" fast=ok\n' \
        >"$work/lib/xl-fast-preflight"
    printf '#!/bin/sh\necho running\n' >"$work/lib/xl-fast-domain"
    printf '#!/bin/sh\nexit 1\n' >"$work/lib/real"
    printf '#!/bin/sh\nshift\nexec sh -c "$1"\n' >"$work/lib/ssh"
    chmod +x "$work/lib"/*
}
for name in "${names[@]}"; do
    NAME=$name XL_FAST_LIBDIR=$work/lib XL_FAST_REAL_XL=$work/lib/real "$XL_FAST" migrate --quiet -s "$work/lib/ssh" -- "$name" hostb >"$work/out" 2>"$work/err"
    [ $? = 1 ] || fail "the move does not fail"
    ! grep -q "$(printf '\033')" "$work/err" || fail "a terminal acts on it"
done
"$XL_FAST" history >"$work/out" || fail "history"
! grep -q "$(printf '\033')" "$work/out" || fail "a terminal acts on it"
"$XL_FAST" history --json -- 6f1c9a52-0001-4000-8000-0123456789ab >"$work/out" || fail "history --json"
python3 -c 'import json, os, sys
guests = [m["guest"] for m in json.load(open(sys.argv[1], encoding="utf-8"))["moves"]]
assert guests == [os.fsencode(n).decode("utf-8", "replace") for n in sys.argv[2:]], guests' "$work/out" "${names[@]}" || fail "JSON"
"$XL_FAST" history -- -web >"$work/out"
[ "$(wc -l <"$work/out")" = 2 ] || fail "not one of that name"
grep -q 'xl_fast_migrations_total{result="failed"} 6' < <("$XL_FAST" metrics) || fail "metrics"
