# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What differs between Debian's releases, where their packages come from, and the minimal Debian of each
# from which the hosts' image (image.sh) and the folder to build in (chroot.sh) are made. That one is
# unpacked once and kept in LAB_DIR/base-RELEASE.

# Of the packages that an image holds, those whose names change with the release.
release_packages() {
    local dpdk
    case $1 in
    bookworm)
        dpdk=23 && echo xen-hypervisor-4.17-amd64 xen-utils-4.17 libipsec-mb1
        echo libvirt-daemon libvirt-daemon-driver-xen libvirt-clients # for one scenario
        ;;
    trixie) dpdk=25 && echo xen-hypervisor-4.20-amd64 xen-utils-4.20 libipsec-mb2 ;;
    *) die "image: which packages are Xen and DPDK in $1 is not known yet" ;;
    esac
    printf "librte-%s$dpdk\n" eal ethdev mempool-ring net-af-packet net-memif net-af-xdp net-virtio bus-vdev bus-pci
    printf "librte-%s-$dpdk\n" net-e1000 net-vmxnet3 # names that end in a digit
}

# This machine's own release.
own_release() { sed -n 's/^VERSION_CODENAME=//p' /etc/os-release; }

# "URI suite component" for a release, as this machine's own apt has them, whatever file they stand in. A
# Debian mirror has all releases: where apt has no source for this one, that of another is asked for it.
# The release alone, without its security updates: the Xen in bookworm's (4.17.7) is built without
# shadow paging, and with that no PV guest can be migrated live, by stock xl or by anything else.
apt_sources() {
    # shellcheck disable=SC2016  # apt expands these, not the shell
    apt-get indextargets --format '$(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk -v r="$1" -v known="${HOST_RELEASES[*]}" '
            $1 == r { print $2, $3, $4; found = 1 }
            index(" " known " ", " " $1 " ") && $4 == "main" { other = $2 " " r " main" }
            END { if (!found && other) print other }' | sort -u
}

# apt names only the sources whose lists it has, and a fresh container has none.
need_apt_lists() {
    [ -n "$(apt_sources "$1")" ] || apt-get update -qq || true
    [ -n "$(apt_sources "$1")" ] || die "apt on this machine has no source for $1"
}

# Settings that reach the mirror (a proxy, a certificate) must hold inside as well.
apt_settings() { apt-config dump --format '%F "%v";%n' | grep -E '^Acquire::(http|https|ftp|Retries|ForceIPv)' || true; }

in_root() {
    local root=$1
    shift
    chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"
}

# made WHAT HASH: whether LAB_DIR/WHAT was made from what HASH stands for; remember_made says so.
made() { [ "$(cat "$LAB_DIR/$1/inputs" 2>/dev/null)" = "$2" ]; }
remember_made() { echo "$2" >"$LAB_DIR/$1/inputs"; }

# One image, base or chroot is made at a time, until the (sub)shell that calls this ends (fd 7).
lock_build() {
    exec 7>"$LAB_DIR/build.lock"
    flock 7
}

# making NAME COMMAND...: runs it in LAB_DIR/NAME, made anew, with its output in a log.
making() (
    local name=$1 dir=$LAB_DIR/$1 began=$SECONDS
    shift
    [ "$(id -u)" = 0 ] || die "$name: debootstrap needs root"
    say "making $name (log: $dir.log)"
    # debootstrap mounts these, and leaves them when it is killed.
    umount -q "$dir"/root/{proc,sys,dev/pts,dev} 2>/dev/null || true
    rm -rf --one-file-system "$dir"
    mkdir -p "$dir"
    exec 3>&1 >"$dir.log" 2>&1
    trap '[ $? = 0 ] || { tail -n 15 "$dir.log" >&3; echo "lab: making $name failed" >&3; }' EXIT
    set -x
    "$@"
    { set +x; } 2>/dev/null
    say "$name is made ($((SECONDS - began)) s)" >&3
)

base_hash() { { declare -f make_base; apt_sources "$1"; } | sha256sum | cut -d' ' -f1; }

build_base() {
    local release=$1 hash
    need_apt_lists "$release"
    hash=$(base_hash "$release")
    ! made "base-$release" "$hash" || return 0
    making "base-$release" make_base "$release" "$LAB_DIR/base-$release/root"
    remember_made "base-$release" "$hash"
}

make_base() {
    local release=$1 root=$2 mirror
    mirror=$(apt_sources "$release" | awk 'NR == 1 { print $1 }')
    mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
    {
        echo force-unsafe-io
        printf 'path-exclude=/usr/share/%s/*\n' doc man locale info lintian bug iso-codes
    } >"$root/etc/dpkg/dpkg.cfg.d/lab"
    debootstrap --variant=minbase "$release" "$root" "$mirror"
}

# copy_base RELEASE ROOT: a base of one's own, with apt as it is on this machine.
copy_base() {
    local release=$1 root=$2
    cp -a "$LAB_DIR/base-$release/root" "$root"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf" || true
    apt_sources "$release" | sed 's/^/deb /' >"$root/etc/apt/sources.list"
    apt_settings >"$root/etc/apt/apt.conf.d/99lab"
    # Nothing may start a daemon while it is being installed.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
}
