#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Debian package, in a Debian of its own (a chroot in build/deb): installed, upgraded, removed and
# purged, before and after Xen's tools, and while those are upgraded and removed. At each step the xl that
# root types is the right one, and in the end all is as it was.
#
#   package.sh XL-FAST.deb      made by scripts/deb/build, for this machine's release
#
# Xen's tools are Debian's own; the xl that they would run is a stand-in that says what it was called with.
# Exit status 77: not root, or no such Debian can be made here.
set -euo pipefail

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lab.d/common.sh
. "$REPO/scripts/lab.d/common.sh"
# shellcheck source=scripts/lab.d/release.sh
. "$REPO/scripts/lab.d/release.sh"

skip() {
    echo "$*"
    exit 77
}

[ "$(id -u)" = 0 ] || skip "a chroot needs root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed (scripts/setup lab)"
deb=$(realpath "$1")
release=$(own_release)
[[ " ${HOST_RELEASES[*]} " == *" $release "* ]] || skip "this machine's release, $release, is none of ${HOST_RELEASES[*]}"
mkdir -p "$LAB_DIR"
(lock_build && build_base "$release") || skip "no minimal Debian to install it in"

work=$(realpath -m "${XF_BUILD:-$REPO/build}")/deb/chroot
root=$work/root
rm -rf --one-file-system "$work"
mkdir -p "$work"
trap 'rm -rf --one-file-system "$root"' EXIT
copy_base "$release" "$root"
mkdir -p "$root/packages" "$root"/sys/{devices,module}

step=
fail() {
    echo "FAIL: $step: $*"
    tail -n 20 "$work/log" | sed 's/^/  log: /'
    exit 1
}

step() {
    step=$*
    echo "+ $step"
    echo "+ $step" >>"$work/log"
}

# A command in there, with /proc and the CPUs; the rest of /sys stays ours (below).
inside() {
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --propagation private bash -euc '
        mount -t proc proc "$0/proc"; mount --rbind /sys/devices "$0/sys/devices"; . "$1"; shift; in_root "$@"' \
        "$root" "$REPO/scripts/lab.d/release.sh" "$root" "$@"
}
quietly() { "$@" >>"$work/log" 2>&1 || fail "exit status $? of: $*"; }
apt() { quietly inside apt-get -y -qq -o Dpkg::Options::=--force-confold --no-install-recommends "$@"; }

# fails WORDS PACKAGE-FILE: its installation fails with these words.
fails() {
    if inside apt-get -y -qq --no-install-recommends install "$2" >"$work/out" 2>&1; then fail "it does not fail"; fi
    cat "$work/out" >>"$work/log"
    grep -qF "$1" "$work/out" || fail "no '$1'"
}

# again PACKAGE-FILE VERSION [COMMAND]: the same package as another version, changed by COMMAND in its files.
again() {
    local dir=$work/again
    rm -rf "$dir"
    dpkg-deb -R "$1" "$dir"
    sed -i "s/^Version: .*/Version: $2/" "$dir/DEBIAN/control"
    (cd "$dir" && eval "${3:-}")
    dpkg-deb --root-owner-group -b "$dir" "$root/packages/$2.deb" >>"$work/log"
    rm -rf "$dir"
}

# answers WORDS STATUS COMMAND...: in there, its output has the words; the output is in $work/out.
answers() {
    local expected=$1 wanted=$2 status=0
    shift 2
    inside timeout 60 "$@" >"$work/out" 2>&1 || status=$?
    cat "$work/out" >>"$work/log"
    [ "$status" = "$wanted" ] || fail "exit status $status of: $*"
    grep -qF -- "$expected" "$work/out" || fail "no '$expected' from: $*"
}

diversions() {
    inside dpkg-divert --list >"$work/out" || { echo "dpkg-divert has failed" && return; }
    grep -c 'by xl-fast$' "$work/out" || true
}

# Xen's xl in its own place, as if we had never been here.
stock() {
    [ "$(diversions)" = 0 ] || fail "a diversion is left"
    [ -z "$(find "$root/usr/sbin" -name xl.stock)" ] || fail "xl.stock is left"
    answers 'stock xl: list' 0 xl list
    answers 'stock xl: migrate --fast d h' 0 xl migrate --fast d h
    verified xen-utils-common
}

# The shim in its place, and Xen's behind it.
ours() {
    [ "$(inside readlink -f /usr/sbin/xl)" = /usr/lib/xl-fast/xl ] || fail "/usr/sbin/xl is not the shim"
    [ "$(diversions)" = 2 ] || fail "not two diversions"
    answers 'stock xl: list' 0 xl list
    answers 'stock xl: list' 0 /usr/sbin/xl list
    answers '--max-downtime MS' 0 xl migrate --fast --help
    answers 'cannot reach Xen' 1 xl migrate --fast d h
    verified xen-utils-common xl-fast
    # shellcheck disable=SC2016  # expanded in there
    answers 'list migrate' 0 bash -c '. /usr/share/bash-completion/completions/xl
        COMP_WORDS=(xl "") COMP_CWORD=1 && _xl_fast_xl 2>/dev/null; echo ${COMPREPLY[*]}'
}

# Xen's xl in its own place, and xl-fast installed beside it.
beside() {
    stock
    [ "$(readlink "$root/usr/sbin/xl")" = "$before" ] || fail "/usr/sbin/xl is not Xen's"
    answers '--max-downtime' 0 /usr/lib/xl-fast/xl migrate --fast --help
    answers "Xen's own, by /etc/xen/xl-fast.no-divert" 0 /usr/lib/xl-fast/xl-fast-divert status
    verified xl-fast
}

# Files are as the packages have them. What the base leaves out, and what is the admin's, does not count.
verified() {
    local package status
    for package; do
        # It fails where a file differs, and also where there is no such package.
        status=0
        inside dpkg --verify "$package" >"$work/verify" || status=$?
        [ "$status" = 0 ] || [ -s "$work/verify" ] || fail "dpkg --verify $package: exit status $status"
        grep -vE ' c /etc/|/usr/share/(doc|man|lintian)/' "$work/verify" >"$work/out" || true
        [ ! -s "$work/out" ] || fail "$package: $(cat "$work/out")"
    done
}

conf=$root/etc/xen/xl-fast.conf

step "Xen's tools, and no xl-fast"
# That which Debian's xl goes by: no Xen runs here.
mkdir -p "$root/sys/hypervisor/version"
echo xen >"$root/sys/hypervisor/type"
echo 4 >"$root/sys/hypervisor/version/major"
echo 99 >"$root/sys/hypervisor/version/minor"
mkdir -p "$root/usr/lib/xen-4.99/bin"
cat >"$root/usr/lib/xen-4.99/bin/xl" <<'STAND_IN'
#!/bin/sh
[ "$1" != help ] || printf '\n\n\n\n list  lists\n migrate  moves\n'
echo "stock ${0##*/}: $*"
STAND_IN
chmod +x "$root/usr/lib/xen-4.99/bin/xl"
quietly inside apt-get update -qq
apt install xen-utils-common bash-completion
# The downloaded file is for new versions of it.
(cd "$root/packages" && quietly inside sh -c 'cd /packages && apt-get download -qq xen-utils-common')
xen=$(echo "$root"/packages/xen-utils-common_*.deb)
xen_version=$(dpkg-deb -f "$xen" Version)
cp "$deb" "$root/packages/xl-fast.deb"
version=$(dpkg-deb -f "$deb" Version)
stock
before=$(readlink "$root/usr/sbin/xl")

step "a first install that fails: a file of it is another package's"
again "$deb" "$version" 'mkdir -p usr/bin && echo >usr/bin/env'
fails 'trying to overwrite' "/packages/$version.deb"
inside dpkg --purge xl-fast >>"$work/log" 2>&1 || true
stock

step "install"
apt install /packages/xl-fast.deb
ours
if grep -v '^#' "$conf" | grep .; then fail "the installed xl-fast.conf sets something"; fi
answers 'port is missing' 1 xl-fast config

step "the switch: Xen's xl stays in its place"
touch "$root/etc/xen/xl-fast.no-divert"
quietly inside dpkg-reconfigure xl-fast
beside

step "an upgrade keeps that, and so does one of Xen"
again "$deb" "$version+1" 'echo "# newer" >>usr/lib/xl-fast/xl-fast-receive && sed -i "/xl-fast-receive/d" DEBIAN/md5sums'
apt install "/packages/$version+1.deb"
grep -q newer "$root/usr/lib/xl-fast/xl-fast-receive" || fail "the new version is not there"
beside
again "$xen" "$xen_version+0" 'true'
apt install "/packages/$xen_version+0.deb"
beside

step "the switch: back again"
rm "$root/etc/xen/xl-fast.no-divert"
quietly inside dpkg-reconfigure xl-fast
ours
quietly inside dpkg-reconfigure xl-fast
ours

step "one line is edited"
sed -i 's/^#port = .*/port = "eth7"/' "$conf"
answers '"eth7"' 0 xl-fast config

step "the demo runs with what the package depends on"
answers '"verified": true' 0 xl-fast demo --memory 8M --json

step "upgrade"
again "$deb" "$version+2" 'echo "# new" >>etc/xen/xl-fast.conf && echo "echo upgraded" >>usr/lib/xl-fast/xl-fast-receive &&
    sed -i "/xl-fast-receive/d" DEBIAN/md5sums'
apt install "/packages/$version+2.deb"
ours
grep -q upgraded "$root/usr/lib/xl-fast/xl-fast-receive" || fail "the new version is not there"
grep -q '^port = "eth7"' "$conf" || fail "the admin's xl-fast.conf is lost"

step "an upgrade that fails"
again "$deb" "$version+3" 'printf "#!/bin/sh\necho no, says preinst >&2\nexit 1\n" >DEBIAN/preinst && chmod 755 DEBIAN/preinst'
fails 'no, says preinst' "/packages/$version+3.deb"
ours

step "Xen is upgraded"
again "$xen" "$xen_version+1" 'echo "# newer" >>usr/lib/xen-common/bin/xen-utils-wrapper && sed -i /xen-utils-wrapper/d DEBIAN/md5sums'
apt install "/packages/$xen_version+1.deb"
grep -q newer "$root/usr/lib/xen-common/bin/xen-utils-wrapper" || fail "the new version is not there"
ours

step "Xen is removed: no xl, and no loop"
apt purge xen-utils-common
answers 'the real xl cannot be found' 1 xl list
[ "$(wc -l <"$work/out")" = 1 ] || fail "more than one line"

step "Xen comes back"
apt install xen-utils-common
ours

step "remove"
mkdir -p "$root/run/xl-fast" "$root/var/lib/xl-fast"
echo '{"version":1}' >"$root/var/lib/xl-fast/history.jsonl"
touch "$root/run/xl-fast/receive-x"
apt remove xl-fast
stock
[ "$(readlink "$root/usr/sbin/xl")" = "$before" ] || fail "/usr/sbin/xl is not Xen's"
grep -q '^port = "eth7"' "$conf" || fail "the admin's xl-fast.conf is lost"
[ -e "$root/run/xl-fast/receive-x" ] || fail "a receiver's record is lost"
[ -e "$root/var/lib/xl-fast/history.jsonl" ] || fail "the history is lost"

step "install again, purge"
apt install /packages/xl-fast.deb
ours
apt purge xl-fast
stock
[ ! -e "$conf" ] || fail "xl-fast.conf is left"
find "$root" -xdev \( -path "$root/packages" -o -path "$root/var/log" \) -prune -o -name '*xl-fast*' -print >"$work/out"
[ ! -s "$work/out" ] || fail "left: $(cat "$work/out")"

step "before Xen, and removed after it"
apt purge xen-utils-common
apt install /packages/xl-fast.deb
answers 'the real xl cannot be found' 1 xl list
apt install xen-utils-common
ours
apt remove xl-fast
stock

step "no diversion from the first install on, and a purge"
touch "$root/etc/xen/xl-fast.no-divert"
apt install /packages/xl-fast.deb
beside
apt purge xl-fast
stock
[ ! -e "$root/etc/xen/xl-fast.no-divert" ] || fail "the switch is left"

step "the package before this one, which diverted by itself, is upgraded"
# shellcheck disable=SC2016  # expanded in there
again "$deb" "$version~1" 'ln -s ../lib/xl-fast/xl usr/sbin/xl 2>/dev/null || { mkdir -p usr/sbin && ln -s ../lib/xl-fast/xl usr/sbin/xl; }
    rm DEBIAN/postinst DEBIAN/prerm usr/lib/xl-fast/xl-fast-divert && sed -i "/xl-fast-divert/d" DEBIAN/md5sums
    for d in add:preinst:install remove:postrm:remove; do printf "#!/bin/sh\nset -e\n[ \$1 != ${d##*:} ] || dpkg-divert --package xl-fast --${d%%:*} --rename --divert /usr/sbin/xl.stock /usr/sbin/xl\n" \
        >DEBIAN/$(echo $d | cut -d: -f2); done
    chmod 755 DEBIAN/preinst DEBIAN/postrm'
apt install "/packages/$version~1.deb"
answers 'stock xl: list' 0 xl list
apt install /packages/xl-fast.deb
ours
apt purge xl-fast
stock

echo "all of it is as it should be"
