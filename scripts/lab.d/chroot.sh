# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Building for a Debian that is not this machine's own: in LAB_DIR/chroot-RELEASE stands one with what
# scripts/setup asks for, and the tree is built in there into build/RELEASE.

# What is installed besides follows scripts/setup, which is asked anew by each make.
chroot_hash() { { declare -f make_chroot copy_base; base_hash "$1"; "$REPO/scripts/setup" --list build xen check; } | sha256sum | cut -d' ' -f1; }

build_chroot() (
    release=$1
    "$REPO/scripts/setup" lab
    need_apt_lists "$release"
    hash=$(chroot_hash "$release")
    ! made "chroot-$release" "$hash" || exit 0
    lock_build
    build_base "$release"
    ! made "chroot-$release" "$hash" || exit 0
    making "chroot-$release" make_chroot "$release" "$LAB_DIR/chroot-$release/root"
    remember_made "chroot-$release" "$hash"
)

make_chroot() {
    local release=$1 root=$2 packages
    copy_base "$release" "$root"
    read -ra packages <<<"$("$REPO/scripts/setup" --list build xen check)"
    in_root "$root" apt-get update -qq
    in_root "$root" apt-get install -y -qq --no-install-recommends "${packages[@]}"
    rm -rf "$root"/var/cache/apt/archives/*.deb
    mkdir -p "$root$REPO"
}

# in_chroot RELEASE CMD...: runs it in this tree, which has the same path inside. What is mounted for it is
# seen by nobody else and gone when it ends.
in_chroot() (
    export root=$LAB_DIR/chroot-$1/root REPO
    shift
    # shellcheck disable=SC2016  # expanded by the inner shells
    unshare --mount --propagation private bash -euc '
        for dir in proc sys dev; do mount --rbind "/$dir" "$root/$dir"; done
        mount --bind "$REPO" "$root$REPO"
        exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" LC_ALL=C.UTF-8 \
            ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
            sh -c "cd \"\$0\" && exec \"\$@\"" "$REPO" "$@"' in_chroot "$@"
)

# make_for RELEASE TARGET...: make in this tree, for a release: here if this machine has that release.
make_for() {
    local release=$1
    shift
    if [ "$release" = "$(own_release)" ]; then
        make -s -C "$REPO" --no-print-directory "$@"
    else
        build_chroot "$release"
        in_chroot "$release" make -s --no-print-directory "-j$(nproc)" BUILD="build/$release" "$@"
    fi
}

lab_chroot() { # RELEASE CMD...
    local release=${1:-}
    [[ " ${HOST_RELEASES[*]} " == *" $release "* ]] || die "chroot: a release is one of: ${HOST_RELEASES[*]}"
    shift
    build_chroot "$release"
    [ $# -gt 0 ] || set -- bash
    in_chroot "$release" "$@"
}
