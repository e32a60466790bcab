#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast evacuate: all move, to where there is room at that time; a plan; --keep and what else stays; options.
# shellcheck source=tests/e2e/evacuate.bash
. "$(dirname "$0")/evacuate.bash"

# ---- all move ------------------------------------------------------------------------------------------------

world
evacuate hostb hostc
ends 0
moves_are 'db hostb' 'cache hostc' 'web1 hostb' 'web2 hostc'
are '' 'db web1' 'cache web2'
has out 'Domain-0' 'stays: is this host itself' 'to hostb' 'moved to hostc' '4 moved, 0 left, 0 kept'
once

# The free memory is asked anew before each move: it is another one meanwhile.
world
echo 10 >"$dir/later"
evacuate hostb hostc
ends 1
are 'web1 web2' 'cache db' ''
has out 'no host that can be used has room for its 200 MiB' '2 moved, 2 left'
once

# ---- what stays ----------------------------------------------------------------------------------------------

world
evacuate --dry-run hostb hostc
ends 0
are 'cache db web1 web2' '' ''
has out 'db                          900 MiB' 'to hostb' 'hostb                       1.3 GiB  200 MiB'
[ "$(find "$dir/run" "$dir/log/moves" -type f -size +0 | wc -l)" = 0 ] || fail "a plan has done something"
evacuate -n --json hostb hostc
ends 0
has out '"event":"evacuate_plan"' '{"host":"hostb","usable":true,"free_bytes":1363148800}' \
    '{"guest":"db","uuid":"'$boot'2","fate":"moves","need_bytes":943718400,"busy_pct":0.0,"host":"hostb"}'
[ "$(wc -l <"$work/out")" = 1 ] || fail "more than one line"

world
guest old--migratedaway 10 suspended
guest new--incoming 10 paused
guest still 10 paused
guest hung 10 shut-down
guest 1234 10
evacuate --keep 'web*' -k 'c[a-d]che' hostb hostc
ends 1
moves_are 'db hostb'
has out 'web1                        200 MiB  kept: --keep' 'cache                       400 MiB  kept' \
    'old--migratedaway            10 MiB  stays: was on its way to another host' 'new--incoming                10 MiB  stays' \
    'still                        10 MiB  left: is paused' 'hung                         10 MiB  left: is shut down' \
    '1234                         10 MiB  left: has a name' '1 moved, 3 left, 3 kept'
evacuate -k '*' hostb
ends 0
has out '0 moved, 0 left'

# What a host cannot take goes to another one, or is left with its reason; and what moves nowhere.
world
echo web1 >"$dir/hostb/.cannot"
echo "domain 'web2' has a PCI device of this host, which does not move; fix: xl pci-detach 4 0000:01:00.0" >"$dir/here/.stays-web2"
evacuate hostb hostc
ends 1
are 'web2' 'db' 'cache web1'
has out "left: domain 'web2' has a PCI device of this host, which does not move; fix: xl pci-detach 4 0000:01:00.0"
world
echo cache >"$dir/hostb/.cannot"
evacuate -n hostb
ends 1
has out 'cache                       400 MiB    0 %  left: hostb: there is a domain already; fix: xl rename 5 other-5'
rm "$dir/hostb/.cannot"
evacuate -n hostb
ends 1
lacks out 'there is a domain'

# ---- options -------------------------------------------------------------------------------------------------

world
evacuate --quiet -s 'ssh -p 22' hostb root@hostc -- --verify -p
ends 0
moves_are "db hostb -p -s ssh -p 22" "cache root@hostc -p -s ssh -p 22" "web1 hostb -p -s ssh -p 22" "web2 root@hostc -p -s ssh -p 22"
grep -qF 'ssh -p 22 root@hostc' "$dir/log/asked" || fail "the host is not asked by -s"
[ "$(cat "$work/out" "$work/err" | wc -c)" = 0 ] || fail "--quiet says something"

for words in '' '--what hostb' 'hostb --keep' 'hostb hostb' 'host;b' '-- hostb' 'hostb -- --fast=auto' 'hostb -- -s x' \
    'hostb -- -ps x' 'hostb -- -C x' 'hostb -- --help' 'hostb -- --fas=auto' 'hostb -- --version'; do
    # shellcheck disable=SC2086  # words
    evacuate $words
    ends 2
    has err 'xl-fast evacuate: '
done
evacuate -s '' hostb
ends 2
evacuate --help
ends 0
has out 'Exit status:'
XL_FAST_LIBDIR=$work/none evacuate hostb
ends 1
has err 'without its Xen part'
world
touch "$dir/no-port"
evacuate hostb
ends 1
has err 'here: port eth7: there is no such network interface'
world
touch "$dir/cut"
evacuate hostb
ends 1
has err 'does not list all guests'
are 'cache db web1 web2' '' ''
