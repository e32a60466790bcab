#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast recover, with an xl-fast-domain and an ssh of the test's own: two ends in two files, the steps
# that it takes from one state to the next, what it does with an answer that is none, its command line.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

guest=6f1c9a52-0001-4000-8000-0123456789ab
attempt=6f1c9a52-0003-4000-8000-0123456789ab
mkdir "$work/lib" "$work/bin"
export W=$work GUEST=$guest ATTEMPT=$attempt XL_FAST_LIBDIR=$work/lib PATH=$work/bin:$PATH

# Each end is a file: NAME STATE CPU_TIME; beside it what else there is. Steps are done as the real one's.
cat >"$work/lib/xl-fast-domain" <<'END'
#!/bin/sh
end=${END_OF:-here}
printf "%s\n" "$end $*" >>"$W/log"
[ ! -e "$W/$end.fails" ] || exit 1
[ ! -e "$W/$end.$1" ] || { . "$W/$end.$1"; exit; }
read -r name state cpu 2>/dev/null <"$W/$end" || name=
case $1 in
look)
    boot=1
    [ "$end" = here ] || boot=${SAME_BOOT:-2}
    printf '{"version":1,"host":"%s","boot_id":"6f1c9a52-000%s-4000-8000-0123456789ab","domains":[' "$end" "$boot"
    [ -z "$name" ] || printf '{"domid":7,"name":"%s","uuid":"%s","state":"%s","cpu_time_ns":%s%s}' "$name" "$GUEST" "$state" "$cpu" \
        "$([ ! -e "$W/$end.libvirt" ] || echo ',"libvirt":true')"
    printf '],"processes":['
    cat "$W/$end.process" 2>/dev/null
    printf ']'
    [ ! -e "$W/$end.record" ] || printf ',"record":{"attempt":"%s","outcome":"%s","domid":9}' "$ATTEMPT" "$(cat "$W/$end.record")"
    [ ! -e "$W/$end.left" ] || printf ',"left":{"attempt":"%s","domid":7,"cpu_time_ns":%s}' "$ATTEMPT" "$(cat "$W/$end.left")"
    echo '}' ;;
stop-receiver) rm "$W/$end.process" ;;
take-back)
    echo "$2 $state $cpu" >"$W/$end"
    [ ! -e "$W/$end.libvirt" ] || echo "$cpu" >"$W/$end.left" ;;
destroy-unrun | destroy-stale) rm "$W/$end" ;;
resume) echo "$2 running $cpu" >"$W/$end" ;;
esac
END
cat >"$work/bin/ssh" <<'END'
#!/bin/sh
echo "ssh $*" >>"$W/log"
[ ! -e "$W/ssh.fails" ] || { echo "ssh: connect to host: No route to host" >&2; exit 255; }
while [ $# -gt 1 ]; do shift; done
[ ! -e "$W/noise" ] || cat "$W/noise"
END_OF=there exec ${LOGIN_SHELL:-sh} -c "$1"
END
chmod +x "$work"/*/*

world() { # HERE THERE: "" is none
    rm -f "$work"/here* "$work"/there* "$work"/ssh.fails "$work/log"
    [ -z "$1" ] || echo "$1" >"$work/here"
    [ -z "$2" ] || echo "$2" >"$work/there"
}

recover() {
    echo "+ xl-fast recover $*"
    "$XL_FAST" recover -w 0 "$@" >"$work/out" 2>"$work/err"
    status=$?
}

ends() { # STATUS WORDS
    [ "$status" = "$1" ] || fail "exit status $status, not $1"
    grep -qF -- "$2" "$work/out" "$work/err" || fail "no '$2'"
}

ends_as() { # HERE THERE
    [ "$(cat "$work/here" 2>/dev/null)" = "$1" ] || fail "here: $(cat "$work/here"), not '$1'"
    [ "$(cat "$work/there" 2>/dev/null)" = "$2" ] || fail "there: $(cat "$work/there"), not '$2'"
}

steps_are() { # STEPS, in order
    local seen
    seen=$(sed -n 's/^\(here\|there\) \([a-z-]*\).*/\2/p' "$work/log" | grep -vx look | xargs)
    [ "$seen" = "$1" ] || fail "the steps are '$seen', not '$1'"
}

receiver() { echo '{"pid":42,"does":"receives","uuid":"'"$1"'"}' | sed 's/"uuid":""/"uuid":null/' >"$work/there.process"; }
mover() { echo '{"pid":41,"does":"moves","uuid":null}' >"$work/here.process"; }

away='web1--migratedaway suspended 5'

# Settled, step by step.
world "$away" 'web1--incoming paused 0'
recover web1 hostb
ends 0 'verdict: source-owns: the copy at hostb has used no CPU time'
ends 0 settled
steps_are 'take-back destroy-unrun resume'
ends_as 'web1 running 5' ''

world "$away" 'web1--incoming paused 0'
receiver $guest
recover web1 hostb
ends 0 settled
steps_are 'stop-receiver take-back destroy-unrun resume'
ends_as 'web1 running 5' ''

world "$away" 'web1 running 9'
recover web1--migratedaway root@hostb
ends 0 'verdict: target-owns: the copy at root@hostb is started'
steps_are destroy-stale
ends_as '' 'web1 running 9'

world "$away" ''
echo 5 >"$work/here.left"
echo given-back >"$work/there.record"
recover web1 hostb
ends 0 settled
steps_are 'take-back resume'

world 'web1 suspended 5' ''
recover web1 hostb
ends 0 settled
steps_are resume

# Nothing to settle.
world 'web1 running 5' ''
recover web1 hostb
ends 0 'nothing to settle'
steps_are ''
world '' 'web1 running 5'
recover web1 hostb
ends 0 'verdict: target-owns'
steps_are ''

# Undecided: nothing is done.
world "$away" ''
recover web1 hostb
ends 3 'verdict: cannot-tell'
ends 3 'xl rename web1--migratedaway web1; xl-fast recover web1 hostb'
steps_are ''
world "$away" ''
echo 4 >"$work/here.left" # it has run since
echo given-back >"$work/there.record"
recover web1 hostb
ends 3 'verdict: cannot-tell'
world "$away" 'web1--incoming paused 0'
receiver ''
recover web1 hostb
ends 4 'nothing says which'
steps_are ''
world "$away" 'web1--incoming paused 0'
mover
recover web1 hostb
ends 4 'a process that moves or saves the guest still lives here'
steps_are ''
world "$away" 'web1 paused 0' # just rebooting there?
recover web1 hostb
ends 3 'is being started anew'
steps_are ''
world 'web1 running 5' 'web1 running 5'
recover web1 hostb
ends 3 'started one by hand'
steps_are ''

# libvirt renames nothing: without proof that xl moved it, a guest of its is not resumed.
world 'web1 suspended 5' ''
touch "$work/here.libvirt"
recover web1 hostb
ends 3 'verdict: cannot-tell: the guest is suspended here under its own name, and libvirt'
ends 3 "if it never ran there:  $XL_FAST_LIBDIR/xl-fast-domain left $guest 00000000-0000-0000-0000-000000000000; xl-fast recover web1 hostb"
ends 3 'managed by libvirt'
steps_are ''
world 'web1 suspended 5' 'web1 running 9'
touch "$work/here.libvirt"
recover web1 hostb
ends 3 'verdict: cannot-tell'
steps_are ''
world 'web1 suspended 5' ''
touch "$work/here.libvirt"
echo 5 >"$work/here.left" # by the xl shim
recover web1 hostb
ends 0 settled
steps_are resume
world "$away" 'web1--incoming paused 0'
touch "$work/here.libvirt"
recover web1 hostb
ends 0 settled
steps_are 'take-back destroy-unrun resume'
world 'web1 suspended 5' 'web1--incoming paused 0'
touch "$work/here.libvirt"
recover web1 hostb
ends 0 settled
steps_are 'take-back destroy-unrun resume'

# Only looked at.
world "$away" 'web1--incoming paused 0'
recover -n web1 hostb
ends 0 'next, without -n: take-back'
steps_are ''
world "$away" 'web1--incoming paused 0'
recover --dry-run --json web1 hostb
[ "$status" = 0 ] || fail "exit status $status"
one_object
is verdict '"source-owns"'
is next '"take-back"'
is settled false
recover --json web1 hostb
one_object
is settled true
is reason '"runs-here"'

# An answer that is none. Whoever says nothing of use does not answer.
no_answer() { # WORDS
    recover web1 hostb
    ends 3 'verdict: cannot-tell: hostb does not answer'
    ends 3 "$1"
    steps_are ''
    world "$away" 'web1--incoming paused 0'
}
world "$away" 'web1--incoming paused 0'
touch "$work/ssh.fails"
no_answer 'failed with exit status 255'
touch "$work/there.fails"
no_answer 'failed with exit status 1'
echo hello >"$work/noise"
LOGIN_SHELL=true no_answer "unexpected answer: 'hello'"
rm "$work/noise"
echo 'echo hello' >"$work/there.look"
no_answer 'not a JSON object'
echo 'true' >"$work/there.look"
no_answer 'not a JSON object'
# shellcheck disable=SC2016  # in the stand-in
echo 'echo "{\"version\":1,\"host\":\"there\",\"boot_id\":\"$GUEST\",\"domains\":["' >"$work/there.look"
no_answer 'cut short'
echo 'echo "{\"version\":2}"' >"$work/there.look"
no_answer 'install the same xl-fast at both ends'
echo 'yes "{" 2>/dev/null' >"$work/there.look"
no_answer 'answers without end'
touch "$work/here.fails"
recover web1 hostb
ends 1 'this host'
world "$away" 'web1--incoming paused 0'
SAME_BOOT=1 recover web1 here
ends 1 'is this host'
steps_are ''

# A step that fails, at either end: no further one.
echo 'exit 1' >"$work/there.destroy-unrun"
recover web1 hostb
ends 1 'destroy-unrun: xl-fast-domain'
steps_are 'take-back destroy-unrun'
ends_as 'web1 suspended 5' 'web1--incoming paused 0'
rm "$work/there.destroy-unrun" "$work/log"
recover web1 hostb # goes on from there
ends 0 settled
steps_are 'destroy-unrun resume'
world "$away" 'web1--incoming paused 0'
echo 'true' >"$work/here.take-back" # says done, and has not
recover web1 hostb
ends 4 'the state changes during the check'

# A login shell there that prints a line, which xl migrate would fail on: said, and the answer is heard.
world "$away" 'web1--incoming paused 0'
printf 'Welcome to \033[1mhostb\nmore\n' >"$work/noise"
recover web1 hostb
rm "$work/noise"
ends 0 settled
grep -qxF "xl-fast recover: hostb: its login shell prints 'Welcome to ?[1mhostb' before the answer, and xl migrate fails on that: what it reads at its start must print nothing" "$work/err" ||
    fail "the line is not told"
[ "$(wc -l <"$work/err")" = 1 ] || fail "it is not told once"

# Words reach the other end as they are, by whatever login shell.
needs_shells
for shell in bash dash fish tcsh; do
    # shellcheck disable=SC2016  # the name is this
    for name in 'a b'"'"'$(touch x)' 'münchen' 'c"d\\0141!' -web; do
        world '' ''
        LOGIN_SHELL=$shell recover -- "$name" hostb
        ends 3 "neither here nor at hostb is there a '$name'"
        grep -qxF "there look $name" "$work/log" || fail "by $shell the name is another there: $(cat "$work/log")"
    done
done

# A name of any characters, settled and shown.
away_as() { # NAME, as JSON has it
    printf %s "$1" >"$work/name"
    cat >"$work/lib/xl-fast-domain" <<'END'
#!/bin/sh
case ${END_OF:-here} in here) boot=1 ;; *) boot=2 ;; esac
printf '{"version":1,"host":"h","boot_id":"6f1c9a52-000%s-4000-8000-0123456789ab","domains":[' "$boot"
[ "$boot" = 2 ] || printf '{"domid":7,"name":"%s--migratedaway","uuid":"%s","state":"suspended","cpu_time_ns":5}' "$(cat "$W/name")" "$GUEST"
echo '],"processes":[]}'
END
}
cp "$work/lib/xl-fast-domain" "$work/kept"
away_as "dev's pc"
recover -s 'ssh -p 2' "dev's pc" hostb
ends 3 "xl rename 'dev'\\''s pc--migratedaway' 'dev'\\''s pc'; xl-fast recover -s 'ssh -p 2' 'dev'\\''s pc' hostb"
ends 3 "xl destroy 'dev'\\''s pc--migratedaway'; then"
away_as 'münchen'
recover 'münchen' hostb
ends 3 "domain 7 'münchen--migratedaway'"
ends 3 "xl rename 'münchen--migratedaway' 'münchen'; xl-fast recover 'münchen' hostb"
away_as '-web'
recover -- -web hostb
ends 3 "xl rename -- -web--migratedaway -web; xl-fast recover -- -web hostb"
away_as '\u001b[2J'
recover "$(printf '\033[2J')" hostb
ends 3 "domain 7 '?[2J--migratedaway'"
# shellcheck disable=SC2016  # what is pasted
ends 3 'xl rename "$(printf %b "\0033\01332J--migratedaway")" "$(printf %b "\0033\01332J")"; '
away_as "$(printf 'm\374nchen')" # no UTF-8
recover --json "$(printf 'm\374nchen')" hostb
[ "$status" = 3 ] || fail "exit status $status"
python3 -c 'import json, sys; assert json.load(open(sys.argv[1]))["domain"] == "m\ufffdnchen"' "$work/out" || fail "no JSON"
mv "$work/kept" "$work/lib/xl-fast-domain"

world 'web1 running 5' ''
recover -s 'ssh -p 22' web1 hostb
grep -qF 'ssh -p 22 hostb ' "$work/log" || fail "not by -s: $(cat "$work/log")"
recover '-sssh -p 23' web1 hostb
grep -qF 'ssh -p 23 hostb ' "$work/log" || fail "not by -s: $(cat "$work/log")"

# The command line.
for words in '' 'web1' 'web1 a b' '-x web1 b' 'web1 b -w' '-w -1 web1 b' '--wait soon web1 b' 'web1 -- -oA=b' \
    'web1 b;c' '--migratedaway b'; do
    # shellcheck disable=SC2086  # words
    recover $words
    ends 2 'xl-fast recover: '
done
recover -s '' web1 hostb
ends 2 '-s needs a value'
recover web1 hostb --help
ends 0 'Exit status'
XL_FAST_LIBDIR=$work/none recover web1 hostb
ends 1 'without its Xen part'
