# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# For the tests of xl-fast evacuate, with the real xl-fast migrate and recover: four guests and two hosts, in
# files. xl, ssh, the preflight and xl-fast-domain are stand-ins; nothing of Xen is here. The xl in PATH is the plain one, as
# without the diversion: it must do.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "${BASH_SOURCE[0]}")/common.bash"

dir=$work/x
mkdir -p "$dir"/{lib,real,tools,run,log}
cp xl-plugin/migrate/xl-fast-receive "$dir/lib"
ln -s "$(realpath "$XL_FAST")" "$dir/tools/xl-fast"
boot=6f1c9a52-0000-4000-8000-00000000000

# Each host is a folder; each domain in it a file of its name: DOMID UUID STATE CPU_TIME NEED_MIB. The free
# memory of a host is $host/.total less what its domains need.
cat >"$dir/tools/world" <<'END_WORLD'
# For the stand-ins: where they are.
end=${END_OF:-here}
# Whom somebody has just moved away is not there.
read_guest() { { read -r domid uuid state cpu need <"$1"; } 2>/dev/null; }
put_guest() { echo "$domid $uuid $state $cpu $need" >"$1.new~" && mv "$1.new~" "$1"; }
guests() { find "$DIR/$1" -maxdepth 1 -type f ! -name '*~' ! -name '.*' -printf '%f\n' | sort; }
free_mib() {
    sum=$(cat "$DIR/$1/.total")
    for file in $(guests "$1"); do
        read_guest "$DIR/$1/$file" || continue
        sum=$((sum - need))
    done
    echo "$sum"
}
END_WORLD
cat >"$dir/lib/xl-fast-preflight" <<'END_PREFLIGHT'
#!/bin/bash
. "$DIR/tools/world"
echo "$end preflight $*" >>"$DIR/log/asked"
case $1 in
guests)
    printf '%s\n' domain=0 uuid=00000000-0000-0000-0000-000000000000 name=Domain-0 state=running cpu_time_ns=999
    for file in $(guests here); do
        read_guest "$DIR/here/$file" || continue
        printf '%s\n' "domain=$domid" "uuid=$uuid" "name=$file" "state=$state" "cpu_time_ns=$cpu" "need_kib=$((need * 1024))" \
            "ask=guest=$uuid" "ask=name=$file"
        [ ! -e "$DIR/here/.disks-$file" ] || sed 's/^\([^ ]* [^ ]*\) .*/ask=disk=\1/' "$DIR/here/.disks-$file"
        [ ! -e "$DIR/here/.stays-$file" ] || echo "stays=$(cat "$DIR/here/.stays-$file")"
    done
    [ -e "$DIR/cut" ] || echo all=said ;;
host)
    [ ! -e "$DIR/no-port" ] || { echo "why=here: port eth7: there is no such network interface"; exit; }
    printf '%s\n' version=0.9.0 protocol=1 xen=4.17 free_kib=5 port=eth1 address=192.0.2.1/24 fast=ok ;;
source)
    for file in $(guests here); do
        [ "$file" = "$2" ] || continue
        read_guest "$DIR/here/$file" || continue
        printf '%s\n' version=0.9.0 protocol=1 xen=4.17 "need_kib=$((need * 1024))" port=eth1 address=192.0.2.1/24 "uuid=$uuid" "name=$file" fast=ok
        exit
    done
    echo "why=here: there is no domain '$2'" ;;
target)
    [ ! -e "$DIR/$end/.says" ] || { . "$DIR/$end/.says"; exit; }
    [ ! -e "$DIR/$end/.port" ] || { echo "why=$end: port eth9 is down"; exit; }
    address=192.0.2.1${end#host}
    [ ! -e "$DIR/$end/.same" ] || address=192.0.2.1b
    free=$(($(free_mib "$end") * 1024))
    [ "$free" -ge "$4" ] || { echo "why=$end: not enough free memory"; exit; }
    printf '%s\n' version=0.9.0 protocol=1 xen=4.17 port=eth9 "address=$address/24" "free_kib=$free"
    # Of the guests that it is asked about. A disk is there if it is in .paths.
    if [ -e "$DIR/$end/.paths" ]; then
        while IFS== read -r key value; do
            [ "$key" != guest ] || asked=$value
            [ "$key" = disk ] || continue
            grep -qxF "${value#* }" "$DIR/$end/.paths" || echo "cannot=$asked there is no '${value#* }'"
        done
    elif [ -e "$DIR/$end/.cannot" ]; then
        grep -A 1 '^guest=' | grep -B 1 -xF "name=$(cat "$DIR/$end/.cannot")" |
            sed -n "s/^guest=\(.*\)/cannot=\1 there is a domain already; fix: xl rename 5 other-5/p"
    fi
    echo fast=ok ;;
esac
END_PREFLIGHT
# As the real one's, of which tests/e2e/recover.sh knows more.
cat >"$dir/lib/xl-fast-domain" <<'END_DOMAIN'
#!/bin/bash
. "$DIR/tools/world"
name=$2 uuid_wanted=${3:-}
places() { for place in "$1" "$1--migratedaway" "$1--incoming"; do [ ! -f "$DIR/$end/$place" ] || echo "$place"; done; }
case $1 in
look)
    boot=1
    [ "$end" = here ] || boot=2
    printf '{"version":1,"host":"%s","boot_id":"%s%s","domains":[' "$end" "$BOOT" "$boot"
    sep=
    for place in $(places "$name"); do
        read_guest "$DIR/$end/$place" || continue
        printf '%s{"domid":%s,"name":"%s","uuid":"%s","state":"%s","cpu_time_ns":%s}' "$sep" "$domid" "$place" "$uuid" "$state" "$cpu"
        sep=,
    done
    # What only a receiver that lives may still start.
    printf '],"processes":['
    [ ! -e "$DIR/$end/.receiver" ] || printf '{"pid":42,"does":"receives","uuid":"%s"}' "$(cat "$DIR/$end/.receiver")"
    echo ']}' ;;
left)
    for file in $(guests here); do
        read_guest "$DIR/here/$file" || continue
        [ "$uuid" = "$2" ] && echo "$state" && exit
    done
    echo gone ;;
*)
    echo "$end $1 $name" >>"$DIR/log/steps"
    place=$(places "$name")
    case $1 in
    stop-receiver) rm -f "$DIR/$end/.receiver" ;;
    take-back) mv "$DIR/here/$place" "$DIR/here/$name" ;;
    resume) read_guest "$DIR/here/$name" && state=running && put_guest "$DIR/here/$name" ;;
    destroy-*) rm "$DIR/$end/$place" ;;
    esac ;;
esac
END_DOMAIN
# xl migrate: stops for a while where it is told to, in the middle of the memory, with the guest suspended, and
# with it running there and not yet destroyed here; told to end (the shim tells the helper, in the middle of the
# memory), it lets the guest go on.
cat >"$dir/real/xl" <<'END_XL'
#!/bin/bash
. "$DIR/tools/world"
[ "$1" = migrate ] || exit 2
words=("${@:2}")
name=${words[-2]} host=${words[-1]%% *} new=7
echo "$name $host ${words[*]::${#words[@]}-2}" >>"$DIR/log/moves"
host=${host#*@}
echo $$ >"$DIR/xl.pid"
hold() {
    [ "$(cat "$DIR/hold" 2>/dev/null)" = "$1" ] || return 0
    touch "$DIR/held"
    while [ -e "$DIR/hold" ]; do sleep 0.05; done
}
[ ! -e "$DIR/$host/.refuses" ] || { echo "migration target: no luck" >&2; exit 1; }
[ ! -e "$DIR/$host/.stops" ] || { echo "$name" >>"$DIR/log/failed"; exit 1; }
read_guest "$DIR/here/$name"
trap 'rm -f "$DIR/$host/$name--incoming"; exit 1' TERM
old=$domid
domid=$((100 + old)) state=paused cpu=0 put_guest "$DIR/$host/$name--incoming"
domid=$old
hold memory
# It may have ended meanwhile, or be another domain by now.
[ ! -e "$DIR/reboots" ] || { read_guest "$DIR/here/$name" && domid=$((old + 10)) put_guest "$DIR/here/$name"; }
if ! read_guest "$DIR/here/$name" || [ "$domid $state" != "$old running" ]; then
    rm -f "$DIR/$host/$name--incoming"
    echo "migration sender: libxl_domain_suspend failed (rc=-3)" >&2
    exit 1
fi
# From now on the shim does not end it.
echo '{"version":2,"event":"start","t_us":0,"time_us":1700000000000000,"program":"migrate"}' >>"$XL_FAST_EVENTS"
state=suspended
put_guest "$DIR/here/$name"
hold suspended
mv "$DIR/here/$name" "$DIR/here/$name--migratedaway"
hold away
read_guest "$DIR/$host/$name--incoming"
state=running cpu=1 put_guest "$DIR/$host/$name--incoming"
mv "$DIR/$host/$name--incoming" "$DIR/$host/$name"
echo "$name runs at $host" >>"$DIR/log/started"
hold there
rm "$DIR/here/$name--migratedaway"
hold gone
# The other host has less memory from then on.
[ ! -e "$DIR/later" ] || mv "$DIR/later" "$DIR/hostc/.total"
exit 0
END_XL
# Guests with disks, if they are in .disks-GUEST: VDEV PATH MIB DATA_MIB. A host has those in .paths; .places has PREFIX NAME
# FREE_MIB for others. A move of such a guest takes that room, and is told to .with-disks.
cat >"$dir/lib/xl-fast-disks" <<'END_DISKS'
#!/usr/bin/env python3
import json, os, sys
DIR, end, MIB = os.environ["DIR"], os.environ.get("END_OF", "here"), 1 << 20

def lines(path):
    try:
        with open(f"{DIR}/{path}") as f:
            return [line.split() for line in f]
    except FileNotFoundError:
        return []

def disks_of(guest):
    return [{"vdev": v, "path": p, "is": "file", "bytes": int(n) * MIB, "data_bytes": int(d) * MIB}
            for v, p, n, d in lines(f"here/.disks-{guest}")]

def describe():
    guests = []
    for name in sorted(os.listdir(f"{DIR}/here")):
        if name[0] == "." or name[-1] == "~":
            continue
        uuid, disks = lines(f"here/{name}")[0][1], disks_of(name)
        guest = {"uuid": uuid, "disks": disks, "guest": {}}
        if os.path.exists(f"{DIR}/here/.cold-{name}"):
            disks[0]["why"] = guest["why"] = f"disk {disks[0]['vdev']} is not raw; xl-fast move-off --shutdown moves it with a stop"
        guests.append(guest)
    return guests

def judge(asked):
    paths, places = {p for p, in lines(f"{end}/.paths")}, lines(f"{end}/.places")
    guests = []
    for guest in asked["guests"]:
        verdict = {"uuid": guest["uuid"], "shared": all(d["path"] in paths for d in guest["disks"]), "disks": []}
        for d in guest["disks"]:
            if d["path"] in paths:
                verdict.setdefault("why", f"disk {d['vdev']}: {d['path']} is there already")
            place = next((p for p in places if d["path"].startswith(p[0])), ["", "", "0"])
            free = int(place[2]) * MIB
            if free < d["bytes"] and place[1] != "pool":
                verdict.setdefault("why", f"disk {d['vdev']}: {place[1]} has {place[2]} MiB free")
            verdict["disks"].append({"vdev": d["vdev"], "path": d["path"], "place": place[1], "free_bytes": free,
                                     "need_bytes": d["bytes"], "old_s": 0, "thin": place[1] == "pool"})
        guests.append(verdict)
    return guests

def live(uuid, host):
    name = next(n for n in os.listdir(f"{DIR}/here") if n[0] != "." and lines(f"here/{n}")[0][1] == uuid)
    print(json.dumps({"kind": "ready", "socket": "none"}), flush=True)
    if json.loads(sys.stdin.readline())["kind"] == "moved":
        places = lines(f"{host}/.places")
        with open(f"{DIR}/{host}/.paths", "a") as f:
            for d in disks_of(name):
                print(d["path"], file=f)
                place = next(p for p in places if d["path"].startswith(p[0]))
                place[2] = str(int(place[2]) - d["bytes"] // MIB)
        with open(f"{DIR}/{host}/.places", "w") as f:
            f.writelines(" ".join(p) + "\n" for p in places)
        with open(f"{DIR}/log/with-disks", "a") as f:
            print(name, host, file=f)
    print(json.dumps({"kind": "done"}), flush=True)

if sys.argv[1] == "live":
    live(sys.argv[2], sys.argv[3])
elif os.path.exists(f"{DIR}/{end}/.odd"):
    print("odd")
else:
    print(json.dumps({"guests": describe() if sys.argv[1] == "describe" else judge(json.load(sys.stdin))}))
END_DISKS
cat >"$dir/tools/ssh" <<'END_SSH'
#!/bin/bash
echo "ssh $*" >>"$DIR/log/asked"
host=${*: -2:1}
[ ! -e "$DIR/$host/.down" ] || { echo "ssh: connect to host $host: No route to host" >&2; exit 255; }
[ ! -e "$DIR/$host/.noise" ] || cat "$DIR/$host/.noise"
END_OF=${host#*@} exec ${LOGIN_SHELL:-sh} -c "${*: -1}"
END_SSH
chmod +x "$dir"/*/*
export PATH=$dir/lib:$dir/real:$dir/tools:$PATH DIR=$dir BOOT=$boot XL_FAST_LIBDIR=$dir/lib XL_FAST_RUNDIR=$dir/run XL_FAST_POLL=0.1
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_REAL_XL XL_FAST_SHIM XL_FAST_EVENTS XL_FAST_VERBOSE NO_COLOR COLUMNS

guest() { # NAME NEED_MIB [STATE]
    n=$((n + 1))
    echo "$n $boot$n ${3:-running} $((n * 1000)) $2" >"$dir/here/$1"
}

# Four guests of which the largest fits hostb alone.
world() {
    rm -rf "$dir"/{here,hostb,hostc,run,log} "$dir"/{hold,held,later,cut,no-port,xl.pid,reboots}
    mkdir "$dir"/{here,hostb,hostc,run,log}
    n=0
    touch "$dir"/log/{started,moves,steps}
    guest web1 200
    guest db 900
    guest web2 200
    guest cache 400
    echo 9999 >"$dir/here/.total"
    echo 1300 >"$dir/hostb/.total"
    echo 800 >"$dir/hostc/.total"
}

evacuate() {
    echo "+ xl-fast evacuate $*"
    timeout 60 xl-fast evacuate "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

ends() { [ "$status" = "$1" ] || fail "exit status $status, not $1"; }

has() { # FILE WORDS...
    local file=$1 words
    shift
    for words; do grep -qF -- "$words" "$work/$file" || fail "std$file: no '$words'"; done
}

lacks() { ! grep -qF -- "$2" "$work/$1" || fail "std$1: '$2'"; }

# at HOST: the guests there, those that do not run with their state.
at() {
    local file state
    find "$dir/$1" -maxdepth 1 -type f ! -name '*~' ! -name '.*' -printf '%f\n' | sort | while read -r file; do
        read -r _ _ state _ <"$dir/$1/$file"
        echo "$file$([ "$state" = running ] || echo "=$state")"
    done | xargs
}

are() { # HERE HOSTB HOSTC
    local host seen
    for host in here hostb hostc; do
        seen=$(at "$host")
        [ "$seen" = "$1" ] || fail "$host has '$seen', not '$1'"
        shift
    done
}

moves_are() { # "NAME HOST OPTIONS" as xl was called, each a word of its own
    printf '%s\n' "$@" | sed 's/ *$//' | diff - <(sed 's/ *$//' "$dir/log/moves" 2>/dev/null) || fail "other moves"
}

# No guest was ever started twice, and nothing is left of the run.
once() {
    [ -z "$(sort "$dir/log/started" | cut -d ' ' -f 1 | uniq -d)" ] || fail "started twice: $(cat "$dir/log/started")"
    [ ! -e "$dir/run/xl-fast/evacuate" ] || fail "the journal is left"
}

journal() { cat "$dir/run/xl-fast/evacuate" 2>/dev/null; }

until_held() {
    local i
    for ((i = 0; i < 400; i++)); do
        [ ! -e "$dir/held" ] || return 0
        sleep 0.05
    done
    fail "it does not get there"
}

until_ended() { # PID
    local i
    for ((i = 0; i < 400; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done
    fail "process $1 does not end"
}

# Starts one that stops in the middle of a move; $pid is it.
# shellcheck disable=SC2034  # pid is for who calls it
start() { # WHERE OPTIONS...
    world
    echo "$1" >"$dir/hold"
    shift
    env --default-signal=INT xl-fast evacuate "$@" >"$work/out" 2>"$work/err" </dev/null &
    pid=$!
    until_held
    [ -n "$(journal)" ] || fail "no journal"
}

shim() { sed -n 's/^pid=//p' "$dir/run/xl-fast/evacuate"; }
go_on() { rm "$dir/hold"; }
