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

# ---- disks of this host --------------------------------------------------------------------------------------

# web1's and cache's disks are here alone, db's are shared: all hosts have them.
with_disks() {
    world
    rm "$dir"/here/web2
    echo 'xvda /srv/web1.img 400 300' >"$dir/here/.disks-web1"
    printf '%s\n' 'xvda /srv/cache.img 100 100' 'xvdb /dev/vg/cache 100 100' >"$dir/here/.disks-cache"
    echo 'xvda /san/db 900 900' >"$dir/here/.disks-db"
    echo 2000 | tee "$dir/hostb/.total" >"$dir/hostc/.total"
    echo /san/db | tee "$dir/hostb/.paths" >"$dir/hostc/.paths"
    printf '%s\n' '/srv /srv 1000' '/dev/vg vg 1000' | tee "$dir/hostb/.places" >"$dir/hostc/.places"
}

# Without the option they are left.
with_disks
evacuate hostb hostc
ends 1
are 'cache web1' 'db' ''
has out "there is no '/srv/web1.img'"
[ ! -e "$dir/log/with-disks" ] || fail "disks have moved: $(cat "$dir/log/with-disks")"

# With it they go last, the most data at the end, and db without its own.
with_disks
evacuate --dry-run --with-disks hostb
ends 0
has out 'db                          900 MiB' 'web1                        200 MiB    0 %  to hostb, with its disks: at most 300 MiB to send' \
    '  /srv                     1000 MiB  500 MiB' '  vg                       1000 MiB  900 MiB'
evacuate -n --json --with-disks hostb
has out '"disk_bytes":314572800' '"places":[{"place":"/srv","free_bytes":1048576000},{"place":"vg","free_bytes":1048576000}]'
evacuate --with-disks hostb
ends 0
moves_are 'db hostb' 'cache hostb' 'web1 hostb'
are '' 'cache db web1' ''
[ "$(xargs <"$dir/log/with-disks")" = 'cache hostb web1 hostb' ] || fail "with disks: $(cat "$dir/log/with-disks")"
once

# Two that share what is free on one file system: the other goes to the other host. A thin pool is not weighed.
with_disks
sed -i 's/1000/450/' "$dir/hostb/.places"
sed -i 's/^.dev.vg vg .*/\/dev\/vg pool 1/' "$dir/hostb/.places"
echo 1500 >"$dir/hostc/.total"
evacuate --quiet --with-disks hostb hostc
ends 0
[ "$(sort "$dir/log/with-disks" | xargs)" = 'cache hostb web1 hostc' ] || [ "$(sort "$dir/log/with-disks" | xargs)" = 'cache hostc web1 hostb' ] ||
    fail "with disks: $(cat "$dir/log/with-disks")"
# Nowhere is room for both.
with_disks
sed -i 's/1000/450/' "$dir/hostb/.places"
evacuate --with-disks hostb
ends 1
has out 'left: no host that can be used has room for its 200 MiB and its disks'
are 'web1' 'cache db' ''

# What cannot move with its disks says why; one that is there in part, too.
with_disks
touch "$dir/here/.cold-web1"
echo /srv/cache.img >>"$dir/hostb/.paths"
evacuate --with-disks hostb
ends 1
are 'cache web1' 'db' ''
has out 'left: hostb: disk xvda is not raw; xl-fast move-off --shutdown moves it with a stop' \
    'left: hostb: disk xvda: /srv/cache.img is there already'
# Who cannot be asked takes nobody.
with_disks
touch "$dir/hostb/.odd"
evacuate --with-disks hostb
ends 1
has err 'hostb: unexpected output from xl-fast-disks'
rm "$dir/hostb/.odd"
touch "$dir/here/.odd"
evacuate --with-disks hostb
ends 1
has err 'this host: unexpected output from xl-fast-disks'
are 'cache db web1' '' ''

# ---- options -------------------------------------------------------------------------------------------------

world
evacuate --quiet -s 'ssh -p 22' hostb root@hostc -- --verify -p
ends 0
moves_are "db hostb -p -s ssh -p 22" "cache root@hostc -p -s ssh -p 22" "web1 hostb -p -s ssh -p 22" "web2 root@hostc -p -s ssh -p 22"
grep -qF 'ssh -p 22 root@hostc' "$dir/log/asked" || fail "the host is not asked by -s"
[ "$(cat "$work/out" "$work/err" | wc -c)" = 0 ] || fail "--quiet says something"

for words in '' '--what hostb' 'hostb --keep' 'hostb hostb' 'host;b' '-- hostb' 'hostb -- --fast=auto' 'hostb -- -s x' \
    'hostb -- -ps x' 'hostb -- -C x' 'hostb -- --help' 'hostb -- --fas=auto' 'hostb -- --version' 'hostb -- --with-disks' '--with-disks hostb -- -p'; do
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
