# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the xl shim does while the guest moves, and after: events and the screen, running xl, cancelling it, where
# the guest is. Functions for xl beside it, in whose variables they work.
# shellcheck disable=SC2034,SC2154,SC2317  # xl's variables; functions that traps call

# A word of a command line to be pasted (xl-plugin/cli/quote.h).
quote() {
    case $1 in
    *[[:cntrl:]]*)
        # shellcheck disable=SC2016  # what is pasted
        printf '"$(printf %%b "%s")"' "$(printf %s "$1" | od -An -v -to1 | tr -d '\n' | sed 's/ /\\0/g')"
        ;;
    '' | *[!A-Za-z0-9._/:@%+=,-]*) printf "'%s'" "$(printf %s "$1" | LC_ALL=C sed "s/'/'\\\\''/g")" ;;
    *) printf %s "$1" ;;
    esac
}

follower=
# By the save helper's word, which has failed then: so xl has told no target to start the guest.
ended=
# The plug-in writes events to a file, which never holds it up; what they become is read from there.
begin_events() {
    if [ -z "$user_events" ] && [ -n "${XL_FAST_EVENTS:-}" ] && ! can_write "$XL_FAST_EVENTS"; then
        unset XL_FAST_EVENTS
    fi
    if [ -z "${XL_FAST_EVENTS:-}" ]; then
        # There is no place for them. Only who asked for them is told.
        [ -z "$json$report" ] || die "cannot make a file in $run/xl-fast"
        screen=all
        return
    fi
    [ -n "$user_events" ] || own_events=$XL_FAST_EVENTS
    # What is no file, such as a pipe, could hold the shim up.
    [ -f "$XL_FAST_EVENTS" ] || [ ! -e "$XL_FAST_EVENTS" ] || die "$XL_FAST_EVENTS: is no file"
    can_write "$XL_FAST_EVENTS" || die "$XL_FAST_EVENTS: cannot be written"
    XL_FAST_GUEST=$guest_name
    XL_FAST_HOST=$host
    XL_FAST_CAP=$run/xl-fast/cap-$attempt
    export XL_FAST_CAP
    export XL_FAST_EVENTS XL_FAST_GUEST XL_FAST_HOST
    from=$(wc -c <"$XL_FAST_EVENTS")
    file=$(stat -c %d:%i -- "$XL_FAST_EVENTS")
    begin_screen
    [ -n "$json" ] || return
    # stdout is theirs alone, until the last one.
    exec 4>&1 1>&2
    { tail -c "+$((from + 1))" -s 0.2 --pid=$$ -f "$XL_FAST_EVENTS" | sed -u '/"event":"exit"/q' >&4; } 2>/dev/null 8>&- &
    follower=$!
}

# Instead of all that xl and both ends say, which goes to a file: a write to it waits for nobody. Where the
# screen cannot be, they are heard as ever.
begin_screen() {
    [ "$screen" != all ] || return 0
    said=$run/xl-fast/said-$attempt
    if ! can_write "$said" || { [ "$screen$json" = live ] && ! command -v xl-fast >/dev/null; }; then
        rm -f "$said"
        said=
        screen=all
        return 0
    fi
    [ "$screen$json" = live ] || return 0
    # USR1, which tells it of a cancellation, may come before it is ready for it.
    (
        trap '' USR1 USR2
        exec xl-fast follow --from "$from" --pid $$ "$XL_FAST_EVENTS" 8>&-
    ) &
    follower=$!
}

end_events() {
    [ -n "${XL_FAST_EVENTS:-}" ] || return
    exit_event="{\"version\":1,\"event\":\"exit\",\"status\":$status}"
    # Who follows the events waits for that one. Where it cannot be written, or where the file is not the one that was
    # begun, nobody will ever read it.
    if ! { [ "$(stat -c %d:%i -- "$XL_FAST_EVENTS")" = "$file" ] && printf '%s\n' "$exit_event" >>"$XL_FAST_EVENTS"; } 2>/dev/null; then
        say "$XL_FAST_EVENTS: not all events could be written"
        sleep 0.5 # for what was
        if [ "$screen$json" = live ]; then
            kill -USR2 "$follower"
        elif [ -n "$follower" ]; then
            kill "$follower"
        fi 2>/dev/null
        [ -z "$json" ] || printf '%s\n' "$exit_event" >&4
    fi
    if [ -n "$follower" ] && ! wait "$follower" 2>/dev/null && [ "$screen$json$status" = live0 ]; then
        say "$guest_name has moved to $host" # the screen has not lived to say it
    fi
    ! tail -c "+$((from + 1))" "$XL_FAST_EVENTS" |
        grep -q '"event":"failed".*the guest has ended while it moved' || ended=yes
    [ -z "$json" ] || exec 4>&-
    [ -z "$report" ] || xl-fast report "$XL_FAST_EVENTS" "$report"
    over=yes
}

# libxl's save helper, while xl has one.
find_helper() {
    # shellcheck disable=SC2013  # words
    for child in $(cat "/proc/$xl/task/$xl/children"); do
        if tr '\0' '\n' <"/proc/$child/cmdline" | grep -qx -e --save-domain; then
            echo "$child"
            return
        fi
    done 2>/dev/null
    return 1
}

has_begun() { [ -n "${from:-}" ] && tail -c "+$((from + 1))" "$XL_FAST_EVENTS" | grep -q '"event":"start"'; }

# The helper ends by itself when it is told to as libxl would tell it; xl then lets the guest go on here, and
# tells the target. With it gone the memory is there and xl is about to start the guest there, or to let it go
# on here: to end xl then could leave it suspended at both ends. So that is only for who asks once more, after so
# long that it was no impatience, and not for `xl-fast cancel`, which sends USR1.
cancelled=
cancelled_s=
cancel() { # the exit status [once]
    trap '' INT TERM HUP USR1 # a second handler within this one would mix up what they find
    heard=yes
    act_on "$@"
    catch_signals
}

catch_signals() {
    trap 'cancel 130' INT
    trap 'cancel 143' TERM
    trap 'cancel 129' HUP
    trap 'cancel 143 once' USR1
    trap heard=yes QUIT
}

act_on() {
    [ "$screen$json" != live ] || kill -USR1 "$follower" 2>/dev/null
    if [ -n "$cancelled" ]; then
        [ -n "${2:-}" ] || [ "$(date +%s)" -lt $((cancelled_s + 4)) ] || kill -TERM "$xl"
        return
    elif [ -z "$xl" ]; then
        : # it is about to be started, see run_xl
    elif child=$(find_helper); then
        kill -TERM "$child"
    elif ! has_begun; then
        kill -TERM "$xl"
    fi
    cancelled=$1
    cancelled_s=$(date +%s)
}

# A guest that the save helper has slowed down (--throttle) is given its CPU time back by the helper, unless
# that was killed; then what it has left in writing says how (xl-plugin/plugin/cap.h).
undo_cap() {
    [ -s "${XL_FAST_CAP:-}" ] || return 0
    undo=$(head -n 1 "$XL_FAST_CAP")
    # shellcheck disable=SC2086  # words
    set -- $undo
    case $* in
    "sched-credit -d "[0-9]*" -c "[0-9]* | "sched-credit2 -d "[0-9]*" -c "[0-9]*) ;;
    *) set -- false ;;
    esac
    if "$real" "$@" >&2; then
        rm -f "$XL_FAST_CAP"
        note "$guest_name was slowed down, and has its CPU time again"
    else
        say "$guest_name may still be slowed down: to undo it, xl $undo"
    fi
}

# Runs xl and stays, because of what is to be said if it leaves the guest suspended. Ctrl-C, which all
# processes of a terminal get, is for the shim alone to act on.
run_xl() {
    exec 3<&0
    if [ -n "$said" ]; then
        exec 6>>"$said" 7>&6
    else
        exec 6>&1 7>&2
    fi
    xl=
    catch_signals
    # Who reads what this says may have gone; that is no reason to leave a guest on its way alone.
    trap '' PIPE
    env --ignore-signal=INT --default-signal=QUIT,PIPE "$helper" XL_FAST=1 ${said:+"XL_FAST_SAID=$said"} "$@" \
        <&3 >&6 2>&7 3<&- 4>&- 6>&- 7>&- 8>&- &
    xl=$!
    [ -z "$cancelled" ] || kill -TERM "$xl"
    # A wait that a signal ends says so by a status above 128, which xl may have ended with as well: then there
    # is nothing left to wait for.
    heard=
    wait "$xl"
    status=$?
    while [ -n "$heard" ] && [ "$status" -gt 128 ]; do
        heard=
        wait "$xl"
        again=$?
        [ "$again" != 127 ] || break
        status=$again
    done
    trap : INT TERM HUP USR1 # what is left to do takes no time
    undo_cap
    exec 3<&- 6>&- 7>&-
    [ "$status" = 0 ] || status=${cancelled:-$status}
}

# After a migration that failed.
show_said() {
    [ -s "$said" ] || return 0
    say "xl and both ends said:"
    tail -n 200 "$said" | tr '\r' '\n' | LC_ALL=C tr -d '\000-\010\013-\037\177' | sed '/^ *$/d; s/^/    /' >&2
}

# After a migration that failed: where the guest is now.
say_left() {
    recover="xl-fast recover$([ "$ssh" = ssh ] || printf ' -s %s' "$(quote "$ssh")")"
    case $guest_name in
    -*) recover="$recover --" ;;
    esac
    recover="$recover $(quote "$guest_name") $host"
    # An end is no suspension: nobody has to settle anything. The name may be that of a new domain already.
    case ${ended:+ended-}$left in
    ended-gone | ended-dying) say "$guest_name has ended here while it moved (shut down, rebooted or destroyed), and $host does not have it" ;;
    ended-shut-down) say "$guest_name has shut down here while it moved, and $host does not have it" ;;
    ended-running | ended-paused) say "$guest_name has rebooted here while it moved: try again" ;;
    *-*) left=${left#ended-} ended= ;;
    esac
    [ -z "$ended" ] || return 0
    case $left in
    running) say "$guest_name goes on here" ;;
    paused) say "$guest_name is here, paused" ;;
    suspended) say "the guest is suspended here, and may run on $host. To settle who owns it: $recover" ;;
    *) say "$guest_name is no longer here, or cannot be seen. To find out who owns it: $recover" ;;
    esac
}
