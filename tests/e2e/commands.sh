#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# All commands, of which the binary itself has the list: --help and -h, --version, a misspelt option, a missing value,
# --opt=value and --opt value, a misspelt command. Errors are one line on stderr, and the exit status is 2.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

run() {
    echo "+ xl-fast $*"
    "$XL_FAST" "$@" >"$work/out" 2>"$work/err" </dev/null
    status=$?
}

succeeds() { # WORDS...: with nothing on stderr
    run "$@"
    [ "$status" = 0 ] || fail "exit status $status"
    [ ! -s "$work/err" ] || fail "something on stderr"
}

refuses() { # LINE WORDS...: this line is all that it says
    local line=$1
    shift
    run "$@"
    wrong_usage ''
    diff <(echo "$line") "$work/err" || fail "another line"
}

version=$(sed -n 's/^#define XF_VERSION "\(.*\)"$/\1/p' transport/base/version.h)
[ -n "$version" ] || fail "no version in transport/base/version.h"
says_version() {
    succeeds "$@" --version
    diff <(echo "xl-fast $version") "$work/out" || fail "another version"
}

"$XL_FAST" completion-data >"$work/data"
mapfile -t commands < <(cut -f2 <(grep -P '^command\t' "$work/data"))
[ "${#commands[@]}" -ge 15 ] || fail "only ${#commands[@]} commands"

options_of() { grep -P "^option\t$1\t" "$work/data" | cut -f3-; }

for name in "${commands[@]}"; do
    read -ra command <<<"$name"
    succeeds "${command[@]}" --help
    grep -q "^usage: xl-fast $name " < <(head -1 "$work/out") || fail "the help is of another command"
    cp "$work/out" "$work/help"
    succeeds "${command[@]}" -h
    cmp "$work/help" "$work/out" || fail "-h is not --help"
    succeeds help "${command[@]}"
    cmp "$work/help" "$work/out" || fail "help COMMAND is not COMMAND --help"
    [ "$(wc -L <"$work/help")" -le 79 ] || fail "a line of more than 79 columns"
    says_version "${command[@]}"

    # In the help each option begins a line. Commands of commands have none.
    if grep -q '^Exit status: 0' "$work/help"; then
        while IFS=$'\t' read -r option _; do
            grep -qE -e "^ {2,6}(-[a-zA-Z], )?${option%\[=\]}(,| |\[|$)" "$work/help" || fail "$option is not in the help"
        done < <(options_of "$name")
    fi

    refuses "xl-fast $name: unknown option '--no-such'; see xl-fast $name --help" "${command[@]}" --no-such
    refuses "xl-fast $name: --help takes no value" "${command[@]}" --help=1
    # Each long option, with a letter of it gone.
    while IFS=$'\t' read -r option value _; do
        option=${option%\[=\]}
        case $option in
        --??????*)
            wrong=${option:0:5}${option:6}
            grep -qP "^option\t$name\t$wrong" "$work/data" && continue
            refuses "xl-fast $name: unknown option '$wrong'; did you mean '$option'?" "${command[@]}" "$wrong"
            ;;
        esac
    done < <(options_of "$name")
    # Each option with a value, without one: the long name stands for the letter.
    while IFS=$'\t' read -r option value _; do
        [ -n "$value" ] || continue
        [[ $option != *'[=]' ]] || continue
        run "${command[@]}" "$option"
        wrong_usage "^xl-fast $name: -.* needs a value: .*; see xl-fast $name --help\$"
    done < <(options_of "$name")
done

# What an option refuses is the same in each way to write it.
while IFS=$'\t' read -r _ name option value words; do
    [ -n "$words" ] || continue
    [[ $option == --* && $option != *'[=]' ]] || continue
    read -ra command <<<"$name"
    run "${command[@]}" "$option" nonsense
    wrong_usage "^xl-fast $name: $option: 'nonsense' is not "
    cp "$work/err" "$work/first"
    run "${command[@]}" "$option=nonsense"
    cmp "$work/first" "$work/err" || fail "--opt=value is not --opt value"
done < <(grep -P '^option\t' "$work/data")
succeeds bench seal --memory=8KiB --seconds=1s
succeeds bench seal --memory 10MB --seconds 1
refuses "xl-fast bench seal: --memory: '12Q' is not a size of two pages at least: such as 64M or 64MiB" bench seal --memory=12Q
refuses "xl-fast demo: --dirty-rate: '12Q' is not a size per second: such as 20M or 20MiB/s" demo --dirty-rate 12Q
refuses "xl-fast demo: --bandwidth: '10Mbytes' is not a rate: such as 10Mbit or 2.5Gbit/s" demo --bandwidth 10Mbytes
refuses "xl-fast demo: --fill: 'rnadom' is not one of random, zero, mixed, compressible; did you mean 'random'?" demo --fill rnadom
refuses "xl-fast demo: unknown option '-json'; did you mean '--json'?" demo -json
refuses "xl-fast recover: HOST is missing; see xl-fast recover --help" recover -nw5 web1
refuses "xl-fast recover: unexpected 'b'; see xl-fast recover --help" recover -nw 5 -- web1 a b
refuses "xl-fast recover: --wait: '1d' is not a time from 0 to 86400 s: such as 5, 5s or 2m" recover -nw1d web1 a

# Commands.
succeeds --help
cp "$work/out" "$work/help"
for hidden in predict follow faults completion-data; do
    ! grep -qw "^  $hidden" "$work/help" || fail "$hidden is in the general help"
done
succeeds -h
cmp "$work/help" "$work/out" || fail "-h is not --help"
succeeds help
cmp "$work/help" "$work/out" || fail "help is not --help"
says_version
refuses "xl-fast: unknown command 'dmeo'; did you mean 'demo'?" dmeo
refuses "xl-fast: unknown command 'dmeo'; did you mean 'demo'?" help dmeo
refuses "xl-fast: unknown command 'frobnicate'; see xl-fast --help" frobnicate
refuses "xl-fast: unknown option '--frobnicate'; see xl-fast --help" --frobnicate
run
[ "$status" = 2 ] || fail "no command: exit status $status"
