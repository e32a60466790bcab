#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The xl shim: which words reach the real xl, and what is said where it refuses. xl, ssh and both ends'
# preflight are stand-ins that print their arguments; nothing of Xen is here.
set -u

repo=$(cd "$(dirname "$0")/../.." && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/shim" "$dir/real" "$dir/tools"
cp "$repo/xl-plugin/bin/xl" "$dir/shim/xl"

cat >"$dir/real/xl" <<'END'
#!/bin/sh
for word; do printf '[%s]' "$word"; done
echo " helper=${LIBXL_SAVE_HELPER:-} fast=${XL_FAST:-} downtime=${XL_FAST_MAX_DOWNTIME:-} bandwidth=${XL_FAST_BANDWIDTH:-}${XL_FAST_VERIFY:+ verify=$XL_FAST_VERIFY}"
[ -z "${FAKE_TOUCH:-}" ] || rm -f "$XL_FAST_UNTOUCHED"
[ -z "${XL_FAST:-}" ] || exit "${FAKE_XL_STATUS:-0}"
END
# ssh HOST COMMAND: the command runs here.
cat >"$dir/tools/ssh" <<'END'
#!/bin/sh
echo "$*" >>"$FAKE_LOG"
[ -z "${FAKE_SSH_STATUS:-}" ] || exit "$FAKE_SSH_STATUS"
while [ $# -gt 1 ]; do shift; done
exec sh -c "$1"
END
cat >"$dir/shim/xl-fast-preflight" <<'END'
#!/bin/sh
echo "preflight $*" >>"$FAKE_LOG"
case $1 in
source)
    [ -z "${FAKE_SOURCE:-}" ] || { echo "why=$FAKE_SOURCE"; exit; }
    printf '%s\n' protocol=1 xen=4.17 need_kib=200000 port=eth1 address=192.0.2.1/24 mtu=9000 fast=ok ;;
target)
    [ -z "${FAKE_TARGET:-}" ] || { printf 'why=%s\n' "$FAKE_TARGET"; exit; }
    [ -z "${FAKE_FLOOD:-}" ] || { yes "protocol=1"; exit; }
    printf '%s\n' protocol=1 xen=4.17 port=eth9 address=192.0.2.2/24 fast=ok ;;
esac
END
chmod +x "$dir"/*/*
PATH=$dir/shim:$dir/real:$dir/tools:$PATH
FAKE_LOG=$dir/log
export FAKE_LOG
export XL_FAST_RUNDIR="$dir" # /run is root's
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_LIBDIR XL_FAST_REAL_XL XL_FAST_SHIM

failed=0
count=0

# seen WORDS FILE: the words stand in the file; no words: the file is empty.
seen() {
    if [ -n "$1" ]; then
        grep -qF -- "$1" "$2"
    else
        [ ! -s "$2" ]
    fi
}

# check NAME STATUS OUT ERR COMMAND...: the words OUT and, if given, ERR stand in stdout and stderr.
check() {
    name=$1 status=$2 out=$3 err=$4
    shift 4
    count=$((count + 1))
    : >"$FAKE_LOG"
    "$@" >"$dir/out" 2>"$dir/err"
    got=$?
    if [ "$got" = "$status" ] && seen "$out" "$dir/out" && { [ -z "$err" ] || seen "$err" "$dir/err"; }; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name: status $got, out: $(cat "$dir/out"), err: $(cat "$dir/err")"
    fi
}

lib=$dir/shim
remote="env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1"
ours="helper=$lib/xl-fast-helper fast=1"
stock='helper= fast= downtime= bandwidth='

# Untouched.
check "other commands" 0 "[list] $stock" '' xl list
check "no words" 0 " $stock" '' xl
check "stock migrate" 0 "[-v][migrate][-s][ssh -p 2][-C][a b][d][h] $stock" '' \
    xl -v migrate -s 'ssh -p 2' -C 'a b' d h
check "another command's --fast" 0 "[create][--fast][x] $stock" '' xl create --fast x
check "--fast as a value" 0 "[migrate][-C][--fast][d][h] $stock" '' xl migrate -C --fast d h
check "--fast after --" 0 "[migrate][--][--fast][h] $stock" '' xl migrate -- --fast h
# shellcheck disable=SC2016  # the word is $x itself
check "empty words and stars" 0 "[block-attach][][*][\$x] $stock" '' xl block-attach '' '*' '$x'
check "through a link" 0 "[list] $stock" '' env "PATH=$dir/link:$PATH" sh -c \
    "mkdir '$dir/link'; ln -s '$dir/shim/xl' '$dir/link/xl'; xl list"

# Fast.
check "fast" 0 "[migrate][d][h $remote] $ours downtime= bandwidth=" "d goes to h" xl migrate --fast d h
check "global options" 0 "[-vv][-t][migrate][d][h $remote] $ours" '' xl -vv -t migrate --fast d h
check "stock options" 0 "[migrate][-pe][-D][--debug][-C][x y][d][h $remote] $ours" '' \
    xl migrate -pe -D --fast --debug -C 'x y' d h
check "--fast at the end" 0 "[migrate][d][u@h.example $remote] $ours" '' xl migrate d u@h.example --fast
check "overrides" 0 "$ours downtime=20 bandwidth=8G" '' xl migrate --fast --max-downtime 20 --bandwidth=8G d h
check "verify" 0 "[migrate][d][h $remote] $ours downtime= bandwidth= verify=1" '' xl migrate --verify --fast d h
check "auto, with what is lost" 0 "[migrate][d][h] helper= fast= downtime= bandwidth= verify=1" "which does not verify" \
    env FAKE_SOURCE='A: no' xl migrate --verify --fast=auto d h
check "own ssh" 0 "[migrate][-s][ssh -p 2][d][h $remote]" '' xl migrate --fast -s 'ssh -p 2' d h
check "own ssh is asked, once" 0 "-p 2 h if test" '' sh -c "xl migrate --fast -s 'ssh -p 2' d h >/dev/null 2>&1; grep -c test '$FAKE_LOG' | grep -qx 1 && cat '$FAKE_LOG'"
check "own ssh in one word" 0 "[migrate][-sssh -p 2][d][h $remote]" '' xl migrate --fast '-sssh -p 2' d h
check "the target hears of the source" 0 "preflight target 1 4.17 200000 192.0.2.1/24" '' \
    sh -c "xl migrate --fast d h >/dev/null 2>&1; cat '$FAKE_LOG'"
check "domain with blanks" 0 "[migrate][a b][h $remote]" '' xl migrate --fast 'a b' h
check "the real xl's status" 3 "$ours" '' env FAKE_XL_STATUS=3 xl migrate --fast d h
check "help" 0 "xl migrate --fast[=auto]" '' xl migrate --fast --help

# Refused: nothing runs.
check "no operands" 1 '' "usage:" xl migrate --fast d
check "three operands" 1 '' "usage:" xl migrate --fast d h x
check "--fast=what" 1 '' "--fast=yes" xl migrate --fast=yes d h
check "a host that is a command" 1 '' "is no host name" xl migrate --fast d 'h; reboot'
check "a host that is an option" 1 '' "is no host name" xl migrate --fast -- d -oProxyCommand=x
check "-s ''" 1 '' "-s ''" xl migrate --fast -s '' d h
check "a downtime that is none" 1 '' "milliseconds" xl migrate --fast --max-downtime soon d h
check "a value is missing" 1 '' "needs a value" xl migrate d h --fast -C
check "source says no" 1 '' "xl-fast: A: port eth7: no" env FAKE_SOURCE='A: port eth7: no' xl migrate --fast d h
check "target says no" 1 '' "xl-fast: B: too little" env FAKE_TARGET='B: too little' xl migrate --fast d h
escape=$(printf 'B: \033[2J\\033[2J\r\001no')
check "target writes to the terminal" 1 '' "xl-fast: B: [2J\\033[2Jno" \
    env FAKE_TARGET="$escape" xl migrate --fast d h
check "target does not stop talking" 1 '' "h: cannot be asked" env FAKE_FLOOD=1 xl migrate --fast d h
check "ssh fails" 1 '' "h: cannot be asked: ssh ended with status 255" env FAKE_SSH_STATUS=255 xl migrate --fast d h
mv "$lib/xl-fast-preflight" "$lib/gone"
check "no preflight here" 1 '' "xl-fast-preflight is missing" xl migrate --fast d h
mv "$lib/gone" "$lib/xl-fast-preflight"

# Auto: what cannot go fast goes by the real xl, unless the guest was touched.
check "auto, fast" 0 "[migrate][d][h $remote] $ours" '' xl migrate --fast=auto d h
check "auto, source says no" 0 "[migrate][-p][d][h] $stock" "A: no" env FAKE_SOURCE='A: no' xl migrate -p --fast=auto d h
check "auto, failed before" 0 "[migrate][d][h] $stock" "was not touched" env FAKE_XL_STATUS=1 xl migrate --fast=auto d h
check "auto, failed after" 1 "$ours" '' env FAKE_XL_STATUS=1 FAKE_TOUCH=1 xl migrate --fast=auto d h

echo "1..$count"
exit "$failed"
