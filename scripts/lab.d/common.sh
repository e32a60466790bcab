# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What every part of the lab shares: which hosts there are, where things are kept, how to reach a host.
# Sourced by scripts/lab and by the scenarios (tests/lab/lib.sh); REPO is set by whoever sources it.

LAB_DIR=${LAB_DIR:-$REPO/build/lab}

# One entry for each host that there may be; what differs between hosts is a table here and nowhere else.
ALL_HOSTS=(A B C)
declare -A HOST_NUMBER=([A]=1 [B]=2 [C]=3)
# Those that run, or that would be started: the first two, unless three are asked for.
HOSTS=(A B)
HOSTS_DEFAULT=2
# Of the host as it runs, or as it would be started: see want_hosts.
declare -A HOST_RELEASE HOST_KIND HOST_NIC HOST_VCPUS
HOST_RELEASE_DEFAULT=bookworm
HOST_KIND_DEFAULT=pv # the kind of dom0
HOST_NIC_DEFAULT=virtio # that the host migrates over
HOST_VCPUS_DEFAULT=1 # of dom0
HOST_KINDS=(pv pvh)
HOST_RELEASES=(bookworm trixie)
# QEMU's name of each kind of NIC; a host has it as its second, eth1.
declare -A NIC_DEVICE=([virtio]="virtio-net-pci,host_mtu=9000" [e1000e]=e1000e [vmxnet3]=vmxnet3)

# want_hosts [--hosts N] [--dom0 A=KIND,B=KIND] [--release A=NAME,B=NAME] [--nic A=NAME,B=NAME] [--vcpus A=N,B=N]: what
# is not named has its default.
# shellcheck disable=SC2120  # without: all have their defaults
want_hosts() {
    local host value
    want_number "$@"
    # No host has anything left of what was wanted before.
    HOST_KIND=() HOST_RELEASE=() HOST_NIC=() HOST_VCPUS=()
    for host in "${HOSTS[@]}"; do
        HOST_KIND[$host]=$HOST_KIND_DEFAULT
        HOST_RELEASE[$host]=$HOST_RELEASE_DEFAULT
        HOST_NIC[$host]=$HOST_NIC_DEFAULT
        HOST_VCPUS[$host]=$HOST_VCPUS_DEFAULT
    done
    while [ $# -gt 0 ]; do
        for value in $([ "$1" = --hosts ] || printf %s "${2:-}" | tr , ' '); do
            host=${value%%=*}
            is_host "$host" || die "$1 $2: no such host: '$host' (there are: ${HOSTS[*]})"
            value=${value#*=}
            case $1 in
            --dom0)
                [[ " ${HOST_KINDS[*]} " == *" $value "* ]] || die "$1 $2: a dom0 is one of: ${HOST_KINDS[*]}"
                HOST_KIND[$host]=$value
                ;;
            --release)
                [[ " ${HOST_RELEASES[*]} " == *" $value "* ]] || die "$1 $2: a release is one of: ${HOST_RELEASES[*]}"
                HOST_RELEASE[$host]=$value
                ;;
            --nic)
                [ -n "${NIC_DEVICE[$value]:-}" ] || die "$1 $2: a NIC is one of: ${!NIC_DEVICE[*]}"
                HOST_NIC[$host]=$value
                ;;
            --vcpus)
                [[ $value == [1-4] ]] || die "$1 $2: a dom0 has 1 to 4 vCPUs"
                HOST_VCPUS[$host]=$value
                ;;
            *) die "no such option: $1" ;;
            esac
        done
        case $1 in
        --hosts) ;;
        --dom0 | --release | --nic | --vcpus) [ $# -ge 2 ] || die "$1 needs a value, such as A=${HOST_KINDS[0]}" ;;
        *) die "no such option: $1" ;;
        esac
        shift 2
    done
}

# Sets HOSTS by the option --hosts, wherever it stands: which hosts the others may name follows from it.
want_number() {
    local n=$HOSTS_DEFAULT
    while [ $# -gt 0 ]; do
        if [ "$1" = --hosts ]; then
            n=${2:-}
            [[ $n == [23] ]] || die "$1${n:+ $n}: there are 2 or 3 hosts"
        fi
        shift $(($# > 1 ? 2 : 1))
    done
    HOSTS=("${ALL_HOSTS[@]:0:n}")
}

# Two hosts are joined directly; a third takes a switch (switch.py).
by_switch() { [ ${#HOSTS[@]} -gt 2 ]; }

# The hosts in one line, as they run or are wanted: "A=pv/bookworm/virtio/1 B=pv/bookworm/virtio/1".
describe_hosts() {
    local host sep=
    for host in "${HOSTS[@]}"; do
        printf '%s%s=%s/%s/%s/%s' "$sep" "$host" "${HOST_KIND[$host]}" "${HOST_RELEASE[$host]}" "${HOST_NIC[$host]}" \
            "${HOST_VCPUS[$host]}"
        sep=' '
    done
}

# What was started last is kept beside the hosts' other files, for the commands that follow.
remember_hosts() { describe_hosts >"$LAB_DIR/hosts"; }
recall_hosts() {
    local word words=() host kind release nic vcpus
    # shellcheck disable=SC2119
    want_hosts
    [ -f "$LAB_DIR/hosts" ] || return 0
    read -ra words <"$LAB_DIR/hosts" || true # no newline at its end
    # shellcheck disable=SC2119
    [ ${#words[@]} -le "$HOSTS_DEFAULT" ] || want_hosts --hosts "${#words[@]}"
    for word in "${words[@]}"; do
        IFS='=/' read -r host kind release nic vcpus <<<"$word"
        is_host "$host" || continue
        HOST_KIND[$host]=$kind
        HOST_RELEASE[$host]=$release
        HOST_NIC[$host]=${nic:-$HOST_NIC_DEFAULT}
        HOST_VCPUS[$host]=${vcpus:-$HOST_VCPUS_DEFAULT}
    done
}

# The port that a host migrates over, as xl-fast.conf names it: where the dom0 can drive a PCI device
# from user space it does so, and its kernel has no eth1 (lab-net in image.sh).
PORT_PCI=0000:00:05.0
host_port() {
    case ${HOST_KIND[$1]} in
    pv) echo eth1 ;;
    pvh) echo "$PORT_PCI" ;;
    esac
}

# Written into /etc/xen/xl-fast.conf of a host.
host_conf() {
    cat <<CONF
port = "$(host_port "$1")"
address = "10.90.0.${HOST_NUMBER[$1]}/24"
CONF
    # Emulated, DPDK starts slowly with hugepages and a device of its own; so the other end waits.
    [[ " ${HOST_KIND[*]} " != *" pvh "* ]] || echo 'connect_timeout = 120'
}

say() { printf 'lab: %s\n' "$*"; }
warn() { printf 'lab: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

is_host() { [ -n "${1:-}" ] && [[ " ${HOSTS[*]} " == *" $1 "* ]]; }
need_host() { is_host "${1:-}" || die "no such host: '${1:-}' (there are: ${HOSTS[*]})"; }

# The pid of a host's QEMU, if it is alive and really the one that we started: a pid file can be older
# than the machine's last boot.
host_pid() { our_pid "$1" "-name xl-fast-lab-$1 "; }
switch_pid() { our_pid switch "/switch.py "; }

our_pid() { # NAME WORDS: NAME.pid is its file, and its command line has the words
    local pid
    pid=$(cat "$LAB_DIR/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$LAB_DIR" ] || return 1
    grep -q -- "$2" < <(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || return 1
    echo "$pid"
}

# A Unix socket's path may have 107 characters at most, and ssh adds some of its own, so the sockets of
# ssh's shared connections do not live in LAB_DIR, which can be anywhere.
ssh_dir() {
    local sum
    sum=$(printf %s "$LAB_DIR" | cksum)
    echo "${TMPDIR:-/tmp}/xl-fast-lab.$(id -u).${sum%% *}"
}

# A new ssh connection costs seconds in an emulated host, so one connection a host is kept and shared.
# It is started apart from the commands, because a connection that goes to the background by itself
# keeps its caller's output open.
ssh_connect() {
    local host=$1
    ssh -F "$LAB_DIR/ssh_config" -O check "$host" >/dev/null 2>&1 && return 0
    mkdir -p "$(ssh_dir)" # whoever tidies up /tmp must not end the lab
    timeout "${2:-60}" ssh -F "$LAB_DIR/ssh_config" -o ControlMaster=yes -fN "$host" \
        </dev/null >/dev/null 2>>"$LAB_DIR/ssh.log" 8>&- 9>&-
}

ssh_disconnect() {
    [ -f "$LAB_DIR/ssh_config" ] || return 0
    timeout 10 ssh -F "$LAB_DIR/ssh_config" -O exit "$1" >/dev/null 2>&1 || true
}

# on HOST CMD...: runs a shell command on a host, for at most ON_TIMEOUT seconds (124 when it takes longer).
on() {
    local host=$1
    shift
    ssh_connect "$host" || { warn "cannot reach host $host"; return 255; }
    timeout -k 5 "${ON_TIMEOUT:-120}" ssh -F "$LAB_DIR/ssh_config" "$host" "$@"
}

# One scenario at a time: each begins by destroying all guests. Held until the caller ends (fd 8).
lock_lab() {
    exec 8>"$LAB_DIR/run.lock"
    flock -n 8 && return 0
    say "another scenario is using the hosts, waiting for it"
    flock 8
}

# A guest's initramfs holds nothing but our check program, which is its init and what shuts it off, and the drivers of its disk and
# network card for the kernel of a release. It is made where that release's image is.
build_guest() { # RELEASE
    local source=$REPO/tests/lab/guest out=$LAB_DIR/guest-$1.cpio.gz modules=$LAB_DIR/image-$1/guest-modules dir
    [ -d "$modules" ] || die "guest: $modules is missing: scripts/lab build --release A=$1"
    [ -z "$(find "$source" "$modules" -newer "$out" 2>&1)" ] && return 0
    dir=$(mktemp -d)
    mkdir "$dir/root"
    ${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread -o "$dir/root/init" "$source"/*.c
    strip "$dir/root/init"
    mkdir "$dir/root/sbin"
    ln -s ../init "$dir/root/sbin/poweroff"
    cp -r "$modules" "$dir/root/modules"
    (cd "$dir/root" && find . -mindepth 1 | cpio -o -H newc -R 0:0 --quiet) | gzip -9 >"$out.new"
    mv "$out.new" "$out"
    rm -rf "$dir"
}

# copy_to HOST FILE THERE: whole or not at all.
# shellcheck disable=SC2029  # the name is meant to be put in here
copy_to() { on "$1" "cat >$3.new && mv $3.new $3" <"$2"; }

copy_guest() {
    local release=${HOST_RELEASE[$1]}
    build_guest "$release"
    copy_to "$1" "$LAB_DIR/guest-$release.cpio.gz" /lab/guest.cpio.gz
}

# give_kernel HOST RELEASE: what guests with that release's kernel are made of (kernel= of make_guest).
give_kernel() {
    local host=$1 release=$2
    [ "$release" != "${HOST_RELEASE[$host]}" ] || return 0
    build_guest "$release"
    copy_to "$host" "$LAB_DIR/guest-$release.cpio.gz" "/lab/guest-$release.cpio.gz"
    copy_to "$host" "$LAB_DIR/image-$release/vmlinux" "/lab/vmlinux-$release"
    copy_to "$host" "$LAB_DIR/image-$release/vmlinuz" "/lab/vmlinuz-$release"
}

recall_hosts
