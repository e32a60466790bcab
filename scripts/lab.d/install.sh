# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Puts this checkout's build into the hosts, as `make install` would: for each the build for its release.

lab_install() {
    local host release stage
    all_running || die "the hosts are not running: lab up first"
    for release in $(printf '%s\n' "${HOST_RELEASE[@]}" | sort -u); do
        # In the tree, whose path is the same in the folder that it is built in.
        stage=$REPO/build/stage-$release
        rm -rf "$stage"
        # With the shim before the real xl in PATH, so that `xl migrate --fast` is what a scenario types.
        make_for "$release" install DESTDIR="$stage" SHIM_DIR=/usr/local/sbin
    done
    for host in "${HOSTS[@]}"; do
        install_on "$host" "$REPO/build/stage-${HOST_RELEASE[$host]}"
        copy_guest "$host"
        say "installed on host $host"
    done
}

install_on() {
    local host=$1 stage=$2
    # /lib and /sbin are links on the hosts and must stay so.
    tar -C "$stage" -cz . | on "$host" 'tar -C / -xz --no-same-owner --keep-directory-symlink --no-overwrite-dir && ldconfig'
    host_conf "$host" | on "$host" 'cat >/etc/xen/xl-fast.conf'
    missing_libraries "$host" "$stage"
}

# A library that the image lacks would show only in the middle of a migration.
missing_libraries() {
    local host=$1 stage=$2 files missing
    files=$(cd "$stage" && find . -type f \( -name '*.so*' -o -perm -u+x \) | sed 's/^\.//' | tr '\n' ' ')
    missing=$(on "$host" "for f in $files; do ldd \$f 2>/dev/null | grep 'not found' | sed \"s|^|\$f:|\"; done; true")
    [ -z "$missing" ] || die "host $host lacks libraries (add them in scripts/lab.d/image.sh): $missing"
}
