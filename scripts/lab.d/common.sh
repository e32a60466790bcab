# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What every part of the lab shares: which hosts there are, where things are kept, how to reach a host.
# Sourced by scripts/lab and by the scenarios (tests/lab/lib.sh); REPO is set by whoever sources it.

LAB_DIR=${LAB_DIR:-$REPO/build/lab}

# One entry for each host; what differs between hosts is a table here and nowhere else.
HOSTS=(A B)
declare -A HOST_NUMBER=([A]=1 [B]=2)
declare -A HOST_RELEASE HOST_KIND # of the host as it runs, or as it would be started: see want_hosts
HOST_RELEASE_DEFAULT=bookworm
HOST_KIND_DEFAULT=pv # the kind of dom0
HOST_KINDS=(pv pvh)
HOST_RELEASES=(bookworm trixie)

# want_hosts [--dom0 A=KIND,B=KIND] [--release A=NAME,B=NAME]: what is not named has its default.
# shellcheck disable=SC2120  # called with arguments in other files
want_hosts() {
    local host value
    for host in "${HOSTS[@]}"; do
        HOST_KIND[$host]=$HOST_KIND_DEFAULT
        HOST_RELEASE[$host]=$HOST_RELEASE_DEFAULT
    done
    while [ $# -gt 0 ]; do
        for value in $(printf %s "${2:-}" | tr , ' '); do
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
            *) die "no such option: $1" ;;
            esac
        done
        case $1 in
        --dom0 | --release) [ $# -ge 2 ] || die "$1 needs a value, such as A=${HOST_KINDS[0]}" ;;
        *) die "no such option: $1" ;;
        esac
        shift 2
    done
}

# The hosts in one line, as they run or are wanted: "A=pv/bookworm B=pv/bookworm".
describe_hosts() {
    local host sep=
    for host in "${HOSTS[@]}"; do
        printf '%s%s=%s/%s' "$sep" "$host" "${HOST_KIND[$host]}" "${HOST_RELEASE[$host]}"
        sep=' '
    done
}

# What was started last is kept beside the hosts' other files, for the commands that follow.
remember_hosts() { describe_hosts >"$LAB_DIR/hosts"; }
recall_hosts() {
    local word words
    # shellcheck disable=SC2119
    want_hosts
    [ -f "$LAB_DIR/hosts" ] || return 0
    read -ra words <"$LAB_DIR/hosts" || true # it ends without a newline
    for word in "${words[@]}"; do
        is_host "${word%%=*}" || continue
        HOST_RELEASE[${word%%=*}]=${word#*/}
        word=${word%/*}
        HOST_KIND[${word%%=*}]=${word#*=}
    done
}

# Written into /etc/xen/xl-fast.conf of a host.
host_conf() {
    cat <<CONF
port = "eth1"
address = "10.90.0.${HOST_NUMBER[$1]}/24"
CONF
}

say() { printf 'lab: %s\n' "$*"; }
warn() { printf 'lab: %s\n' "$*" >&2; }
die() { warn "$*"; exit 1; }

is_host() { [ -n "${HOST_NUMBER[${1:-}]:-}" ]; }
need_host() { is_host "${1:-}" || die "no such host: '${1:-}' (there are: ${HOSTS[*]})"; }

# The pid of a host's QEMU, if it is alive and really the one that we started: a pid file can be older
# than the machine's last boot.
host_pid() {
    local pid
    pid=$(cat "$LAB_DIR/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "/proc/$pid/cwd" -ef "$LAB_DIR" ] || return 1
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "-name xl-fast-lab-$1 " || return 1
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

# The guest's initramfs holds nothing but our check program, which is its init.
build_guest() {
    local source=$REPO/tests/lab/guest/guestcheck.c out=$LAB_DIR/guest.cpio.gz dir
    [ "$out" -nt "$source" ] && return 0
    dir=$(mktemp -d)
    ${CC:-gcc} -std=gnu11 -O2 -Wall -Wextra -Werror -static -pthread -o "$dir/init" "$source"
    strip "$dir/init"
    (cd "$dir" && echo init | cpio -o -H newc -R 0:0 --quiet) | gzip -9 >"$out.new"
    mv "$out.new" "$out"
    rm -rf "$dir"
}

copy_guest() {
    build_guest
    on "$1" 'cat >/lab/guest.cpio.gz.new && mv /lab/guest.cpio.gz.new /lab/guest.cpio.gz' <"$LAB_DIR/guest.cpio.gz"
}

recall_hosts
