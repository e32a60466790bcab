#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast-gate, an ssh key's forced command: all that the shim, doctor, recover and evacuate ask another host passes it
# and does its work; nothing else does. ssh is a stand-in that does what sshd does for such a key.
# shellcheck disable=SC2016  # scripts of the stand-ins, and commands that must not run
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

gate=${XF_BUILD:-build}/xl-fast-gate
if [ ! -x "$gate" ]; then
    echo "the build has no Xen part"
    exit 77
fi
lib=$work/lib
guest=6f1c9a52-0001-4000-8000-0123456789ab
attempt=6f1c9a52-0003-4000-8000-0123456789ab
mkdir "$lib" "$work/bin" "$work/real" "$work/run"
cp "$gate" "$lib/xl-fast-gate"
cp xl-plugin/migrate/xl xl-plugin/migrate/xl-fast-receive "$lib"
ln -s "$(realpath "$XL_FAST")" "$work/bin/xl-fast"
cat >"$work/bin/ssh" <<'END_SSH'
#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
shift
unset XL_FAST_SHIM XL_FAST LIBXL_SAVE_HELPER XL_FAST_MARKS XL_FAST_CLONE
END_OF=there SSH_ORIGINAL_COMMAND=$* exec ${LOGIN_SHELL:-sh} -c "$W/lib/xl-fast-gate"
END_SSH
cat >"$lib/xl-fast-preflight" <<'END_PREFLIGHT'
#!/bin/sh
echo "${END_OF:-here} preflight $*" >>"$W/log"
case $1 in
source | target | host) printf '%s\n' version=0.9.0 protocol=1 xen=4.17 need_kib=2000 port=eth1 "address=192.0.2.$([ -z "${END_OF:-}" ]; echo $?)/24" mtu=9000 free_kib=9999 \
    memory_kib=2000 uuid=6f1c9a52-0001-4000-8000-0123456789ab name=web1 fast=ok ;;
examine) printf '%s\n' 'check=ok xen fine' examined=1 ;;
esac
END_PREFLIGHT
cat >"$lib/xl-fast-domain" <<'END_DOMAIN'
#!/bin/sh
echo "${END_OF:-here} domain $*" >>"$W/log"
boot=1 there=
[ -z "${END_OF:-}" ] || boot=2
[ "$1" = look ] || { touch "$W/did-$1"; exit 0; }
state=suspended
[ ! -e "$W/did-resume" ] || state=running
process='{"pid":42,"does":"receives","uuid":"6f1c9a52-0001-4000-8000-0123456789ab"}'
[ -n "${END_OF:-}" ] && [ ! -e "$W/did-stop-receiver" ] || process=
name="dev's pc" cpu=5
[ -z "${END_OF:-}" ] || { name="$name--incoming" cpu=0 state=paused; }
domain='{"domid":7,"name":"'$name'","uuid":"6f1c9a52-0001-4000-8000-0123456789ab","state":"'$state'","cpu_time_ns":'$cpu'}'
[ -z "${END_OF:-}" ] || [ ! -e "$W/did-destroy-unrun" ] || domain=
echo '{"version":1,"host":"h","boot_id":"6f1c9a52-000'$boot'-4000-8000-0123456789ab","domains":['$domain'],"processes":['$process']}'
END_DOMAIN
# The real xl: its migrate runs the remote command as xl does, by a shell.
cat >"$work/real/xl" <<'END_XL'
#!/bin/sh
echo "${END_OF:-here} xl $* helper=${LIBXL_SAVE_HELPER:-} fast=${XL_FAST:-} marks=${XL_FAST_MARKS:-} clone=${XL_FAST_CLONE:-}" >>"$W/log"
[ "$1" = migrate ] || { cat; exit; }
while [ $# -gt 1 ]; do shift; done
echo hello | sh -c "exec ssh $1 xl${XL_WORDS:- migrate-receive}" | grep -qx hello
END_XL
printf '#!/bin/sh\ntouch "$W/ran"\n' | tee "$work/bin/reboot" >"$work/bin/id"
chmod +x "$lib"/* "$work"/*/*
export W=$work XL_FAST_LIBDIR=$lib PATH=$lib:$work/real:$work/bin:$PATH XL_FAST_RUNDIR=$work/run XL_FAST_VERBOSE=1
unset LIBXL_SAVE_HELPER XL_FAST XL_FAST_MARKS XL_FAST_REAL_XL XL_FAST_SHIM SSH_ORIGINAL_COMMAND

said() { # WORDS, in the log
    grep -qxF -- "$1" "$work/log" || fail "no '$1': $(cat "$work/log")"
}

works() { # COMMAND...
    echo "+ $*"
    rm -f "$work"/did-* "$work/log"
    "$@" >"$work/out" 2>"$work/err" || fail "exit status $?"
}

# What is asked in earnest.
needs_shells
for LOGIN_SHELL in bash dash fish tcsh; do
    export LOGIN_SHELL
    works xl migrate --fast --dry-run web1 hostb
    said 'there preflight target 1 4.17 2000 192.0.2.0/24'
    works xl migrate --fast web1 hostb
    said "there xl migrate-receive helper=$lib/xl-fast-helper fast=1 marks= clone="
    ls "$work/run/xl-fast/receive-$guest" >/dev/null || fail "no record"
done
works env XL_FAST_MARKS=1 XL_WORDS=' -vvv migrate-receive -e -d -p' xl migrate --fast web1 hostb
said "there xl -vvv migrate-receive -e -d -p helper=$lib/xl-fast-helper fast=1 marks=1 clone="
works env SSH_ORIGINAL_COMMAND="env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 XL_FAST_CLONE=1 $lib/xl-fast-receive $guest $attempt xl migrate-receive -p" \
    END_OF=there sh -c "$lib/xl-fast-gate </dev/null"
said "there xl migrate-receive -p helper=$lib/xl-fast-helper fast=1 marks= clone=1"
works xl migrate web1 hostb
said "there xl migrate-receive helper= fast= marks= clone="
works xl-fast doctor hostb
said "there preflight examine"
works xl-fast recover -w 0 "dev's pc" hostb
said "there domain look dev's pc $guest"
said "there domain stop-receiver dev's pc $guest"
said "there domain destroy-unrun dev's pc $guest"
xl-fast recover -n -- "m\ün'chen  \$(reboot)" hostb >/dev/null 2>&1
said "there domain look m\ün'chen  \$(reboot) $guest"

# Nothing else. As it is, each of these does something without the gate.
refused() { # COMMAND
    rm -f "$work/log" "$work/ran"
    SSH_ORIGINAL_COMMAND=$1 "$lib/xl-fast-gate" >"$work/out" 2>"$work/err" </dev/null
    status=$?
    [ "$status" = 126 ] || fail "'$1' ends with status $status"
    grep -q 'this key is for xl migrate and xl-fast alone' "$work/err" || fail "'$1': it is not said why"
    { [ ! -e "$work/log" ] && [ ! -e "$work/ran" ] && [ ! -s "$work/out" ]; } || fail "'$1' was run"
}
q() { echo "exec sh -c 'echo xl-fast-answer; exec $1'"; }
receive="env LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 $lib/xl-fast-receive $guest $attempt"
for words in '' id reboot 'xl' 'xl list' 'xl destroy web1' 'xl migrate-receive -r' 'xl migrate-receive --colo' 'xl -N migrate-receive' \
    'xl migrate-receive; reboot' 'xl migrate-receive
reboot' 'xl migrate-receive $(reboot)' 'xl migrate-receive "$(reboot)"' ' xl migrate-receive' 'xl  migrate-receive' 'xl migrate-receive ' \
    "$receive" "$receive reboot" "$receive sh -c reboot" "$receive xl list" "$receive xl migrate-receive; reboot" \
    "$receive xl migrate-receive | reboot" "env $receive xl migrate-receive" "env LIBXL_SAVE_HELPER=/bin/reboot XL_FAST=1 $lib/xl-fast-receive $guest $attempt xl migrate-receive" \
    "env LD_PRELOAD=/tmp/x LIBXL_SAVE_HELPER=$lib/xl-fast-helper XL_FAST=1 $lib/xl-fast-receive $guest $attempt xl migrate-receive" \
    "${receive/$guest/../../etc/x} xl migrate-receive" "${receive/$attempt/x} xl migrate-receive" "${receive/$lib\/xl-fast-receive//tmp/xl-fast-receive} xl migrate-receive" \
    "$(q reboot)" "$(q "$lib/xl-fast-preflight fix")" "$(q "$lib/xl-fast-preflight examine; reboot")" "$(q "$lib/xl-fast-preflight target 1 4.17 2000")" \
    "$(q "$lib/xl-fast-preflight target 1 4.17 2000 \$(reboot)")" "$(q "$lib/xl-fast-preflight target 1 4.17 2000 192.0.2.1/24 x")" \
    "$(q "$lib/xl-fast-domain resume web1 $guest")" "$(q "$lib/xl-fast-domain destroy-stale web1 $guest")" "$(q "$lib/xl-fast-domain look web1 $guest x")" \
    "$(q "$lib/xl-fast-domain look")" "$(q "$lib/../lib/xl-fast-domain look web1")" "$(q "$lib/xl-fast-domain look \"\$(printf %b \"a\")\"b")" \
    "$(q "$lib/xl-fast-domain look web1'; reboot; '")" "$(q "$lib/xl-fast-domain look web1" | sed s/xl-fast-answer/x/)" \
    "exec sh -c 'reboot'" "exec sh -c 'echo xl-fast-answer; exec '" "'" "$(q "$lib/xl-fast-domain look $(printf '%0300d' 0)")" \
    "$(q "$lib/xl-fast-domain look a a a a a a a a a a a a a a a a a a")" '/usr/lib/openssh/sftp-server' 'scp -t /etc'; do
    refused "$words"
done
env -u SSH_ORIGINAL_COMMAND "$lib/xl-fast-gate" </dev/null >/dev/null 2>&1
[ $? = 126 ] || fail "a login is not refused"

# And xl-fast-receive itself, for whoever may run it by another way.
for words in "$guest $attempt reboot" "$guest $attempt xl list" "../x $attempt xl migrate-receive" "$guest x xl migrate-receive" "$guest $attempt"; do
    rm -f "$work/ran" "$work/log"
    # shellcheck disable=SC2086
    "$lib/xl-fast-receive" $words </dev/null >/dev/null 2>&1
    [ $? = 126 ] || fail "xl-fast-receive $words: not refused"
    { [ ! -e "$work/ran" ] && [ ! -e "$work/log" ]; } || fail "xl-fast-receive $words was run"
done
