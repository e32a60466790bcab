# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Hosts that have xl-fast as a Debian package, and nothing else of this tree. Sourced after lib.sh.
# shellcheck source=scripts/lab.d/release.sh
. "$REPO/scripts/lab.d/release.sh"
# shellcheck source=scripts/lab.d/install.sh
. "$REPO/scripts/lab.d/install.sh"

WORK=$(mktemp -d)
PACKAGE_DIR=/root/xl-fast # on the hosts: where apt finds ./xl-fast_*.deb

stage_of() { echo "$REPO/build/stage-${HOST_RELEASE[$1]}"; }

# What `scripts/lab install` has put there, and its configuration: as if it had never been.
take_away() {
    (cd "$(stage_of "$1")" && find . ! -type d -printf '/%P\0') | on "$1" 'xargs -0 rm -f; rm -f /etc/xen/xl-fast.conf; rm -rf /usr/lib/xl-fast /run/xl-fast; ldconfig'
}

# However a scenario ends, the next one finds what it expects.
give_back() {
    local host
    rm -rf "$WORK"
    for host in "${HOSTS[@]}"; do
        on "$host" "dpkg --purge xl-fast >/dev/null 2>&1; rm -rf $PACKAGE_DIR"
        install_on "$host" "$(stage_of "$host")"
    done
}

# The package of this tree, in $WORK/xl-fast.deb.
build_package() {
    [ "$(own_release)" = "${HOST_RELEASE[A]}" ] || skip "a package for this machine's release is none for the hosts'"
    "$REPO/scripts/setup" deb
    DEB_VERSION=1.0 "$REPO/scripts/deb/build" "$WORK/build" >/dev/null
    mv "$WORK"/build/xl-fast_*.deb "$WORK/xl-fast.deb"
}

# another_package VERSION COMMAND: the same, changed by a command in its files; in $WORK/VERSION.deb.
another_package() {
    dpkg-deb -R "$WORK/xl-fast.deb" "$WORK/files"
    sed -i "s/^Version: .*/Version: $1/" "$WORK/files/DEBIAN/control"
    (cd "$WORK/files" && eval "$2")
    dpkg-deb --root-owner-group -b "$WORK/files" "$WORK/$1.deb" >/dev/null
    rm -rf "$WORK/files"
}

# What the next `apt install ./xl-fast_*.deb` in that folder installs.
bring_package() { # HOST FILE
    local version
    version=$(dpkg-deb -f "$2" Version)
    # shellcheck disable=SC2029  # put in here
    on "$1" "rm -rf $PACKAGE_DIR; mkdir $PACKAGE_DIR; cat >$PACKAGE_DIR/xl-fast_${version}_amd64.deb" <"$2"
}

# The hosts are on no network that has packages: all that it depends on is there.
install_package() { # HOST FILE
    bring_package "$1" "$2"
    on "$1" "cd $PACKAGE_DIR && apt install ./xl-fast_*.deb" >"$WORK/log" 2>&1 || fail "$1: apt: $(cat "$WORK/log")"
}

# The one line that a host needs.
edit_one_line() { on "$1" "sed -i 's/^#port = .*/port = \"$(host_port "$1")\"/' /etc/xen/xl-fast.conf"; }
