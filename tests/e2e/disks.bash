# SPDX-License-Identifier: LGPL-2.1-or-later
# For the scripts whose guests have disks: hosts A and B (netns.bash), each with files of its own under /mnt, and a libxl
# without Xen (no-xen.c).
# shellcheck shell=bash
# shellcheck source=tests/e2e/netns.bash
. "$(dirname "${BASH_SOURCE[0]}")/netns.bash"

no_sanitizer
disks=$(realpath "${XF_BUILD:-build}")/xl-fast-disks
[ -x "$disks" ] || { echo "xl-fast was built without its Xen part"; exit 77; }
unshare -m true 2>/dev/null || { echo "mount namespaces cannot be made here"; exit 77; }
read -ra cc <<<"${CC:-gcc}"
"${cc[@]}" -shared -fPIC -O1 -o "$work/no-xen.so" tests/e2e/no-xen.c || fail "it does not build"

# In memory: a disk is synced at each of its ends, and here are many.
shm=$(mktemp -d /dev/shm/xf-off.XXXXXX)
for host in A B; do
    mkdir "$shm/$host"
    ln -s "$shm/$host" "$work/$host"
done
trap 'net_down; umount "$shm/B/files" 2>/dev/null; rm -rf "$work" "$shm"' EXIT
net_up 9000 9000
# at HOST COMMAND...: as if on that host, whose files are in $work/HOST.
cat >"$work/at" <<AT
#!/usr/bin/env bash
host=\$1; shift
[ "\$host" = A ] && ns=$A || ns=$B
export XL_FAST_STATEDIR=$work/\$host/state XL_FAST_RUNDIR=$work/\$host/run XL_FAST_CONF=$work/\$host/conf
export XF_TEST_DOMAINS=$work/\$host/domains
exec ip netns exec "\$ns" unshare -m bash -c 'mount --bind "\$1" /mnt && shift && exec "\$@"' at $work/\$host/files "\$@"
AT
# ssh HOST COMMAND: what the other host's login shell does with it.
cat >"$work/ssh" <<SSH
#!/usr/bin/env bash
[ ! -e $work/no-ssh ] || { echo "ssh: no route to host" >&2; exit 255; }
exec $work/at "\$1" sh -c "\$2"
SSH
chmod +x "$work/at" "$work/ssh"

make_hosts() {
    local n=0 host
    for host in A B; do
        n=$((n + 1))
        mkdir -p "$work/$host/files" "$work/$host/state" "$work/$host/run"
        : >"$work/$host/domains"
        printf 'port = "af_packet:mig"\naddress = "192.0.2.%d/24"\n' $n >"$work/$host/conf"
        head -c 70000 /dev/zero | tr '\0' i >"$work/$host/files/cd.iso"
    done
}

# For guests that write while they are watched. Their disks are not in memory: they are read past the page cache that the
# loop devices (loops) write to.
loops=()
make_tracked_hosts() {
    [ -e /sys/kernel/btf/vmlinux ] || { echo "this kernel has no BTF: no tracker"; exit 77; }
    command -v losetup >/dev/null || { echo "there is no losetup"; exit 77; }
    faults=${disks%/*}/faults/xl-fast-disks
    [ -x "$faults" ] || fail "$faults is not built: make tests"
    make_hosts
    rm -rf "$shm/A/files"
    mkdir "$work/files.A"
    ln -s "$work/files.A" "$shm/A/files"
    head -c 4096 /dev/zero >"$work/ring"
    trap 'loops_end; net_down; rm -rf "$work" "$shm"' EXIT
}
loops_end() {
    [ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"
    loops=()
}
loop_of() { loops+=("$(losetup --show -f "$1")") || { echo "there are no loop devices here"; exit 77; }; } # FILE

list() { LD_PRELOAD=$work/no-xen.so "$work/at" "$1" "$disks" disks "${@:2}"; }
lists() { # HOST TEXT
    list "$1" >"$work/listed"
    grep -q "$2" "$work/listed" || fail "$1 does not say '$2': $(cat "$work/listed")"
}
