# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs scenarios: tests/lab/NN-name.sh. Exit status 0 is a pass, 77 a skip, anything else a failure.

LAB_QUICK=${LAB_QUICK:-}
[ "$LAB_QUICK" != 0 ] || LAB_QUICK=
LAB_SCENARIO_TIMEOUT=${LAB_SCENARIO_TIMEOUT:-$([ -n "$LAB_QUICK" ] && echo 1800 || echo 10800)}
export LAB_QUICK

# By file, by name or by number; without any: all, or with LAB_QUICK those without a line "# quick: no".
find_scenarios() {
    local wanted file found
    if [ $# -eq 0 ]; then
        for file in "$REPO"/tests/lab/[0-9][0-9]-*.sh; do
            [ -n "$LAB_QUICK" ] && grep -q '^# quick: no' "$file" || echo "$file"
        done
        return
    fi
    for wanted in "$@"; do
        found=
        for file in "$REPO"/tests/lab/[0-9][0-9]-*.sh "$REPO"/tests/lab/bench-*.sh; do
            case $(basename "$file" .sh) in
            "$(basename "$wanted" .sh)" | "$wanted"-*) found=1; echo "$file" ;;
            esac
        done
        [ -n "$found" ] || die "no such scenario: $wanted"
    done
}

# What a scenario needs its hosts to be: the options of `lab up` in its line "# lab: ...".
hosts_of() { # FILE
    local options
    options=$(sed -n 's/^# lab: //p' "$1")
    # shellcheck disable=SC2086  # words
    (want_hosts $options && describe_hosts)
}

# Scenarios that need the same hosts come one after the other, those for the hosts as they are first: to
# boot others takes minutes.
lab_run() {
    local files file status want now passed=0 failed=0 skipped=0 began=$SECONDS
    files=$(find_scenarios "$@")
    all_running || die "the hosts are not running: lab up first"
    mkdir -p "$LAB_DIR/results"
    rm -f "$LAB_DIR/results/matrix" "$LAB_DIR/results/left-out"
    lock_lab
    while read -r _ file <&3; do
        now=$(describe_hosts)
        want=$(hosts_of "$file")
        status=0
        [ "$now" = "$want" ] || change_hosts "$file" || status=1
        [ "$status" != 0 ] || run_one "$file" || status=$?
        case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
        esac
    done 3< <(for file in $files; do
        want=$(hosts_of "$file")
        [ "$want" != "$(describe_hosts)" ] || want=-
        printf '%s %s\n' "${want// /,}" "$file"
    done | sort -s -k 1,1)
    print_matrix
    print_left_out
    say "all of it took $((SECONDS - began)) s"
    printf '%d passed, %d failed' "$passed" "$failed"
    [ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
    printf '\n'
    [ "$failed" = 0 ] && [ $((passed + skipped)) -gt 0 ]
}

# Boots the hosts that a scenario needs. In shells of their own: what fails there fails the scenario
# only.
change_hosts() { # FILE
    local options began=$SECONDS
    options=$(sed -n 's/^# lab: //p' "$1")
    [ -n "$options" ] || options="--dom0 A=$HOST_KIND_DEFAULT"
    say "$(basename "$1" .sh) needs other hosts: $(hosts_of "$1")"
    # shellcheck disable=SC2086  # words
    if "$REPO/scripts/lab" up $options 8>&- && "$REPO/scripts/lab" install 8>&-; then
        recall_hosts
        say "they were up after $((SECONDS - began)) s"
        return 0
    fi
    recall_hosts
    printf '== FAIL %s (its hosts did not come up)\n' "$(basename "$1" .sh)"
    return 1
}

# What the scenarios have put into the matrix of guests and hosts (tests/lab/matrix.sh), a line a cell.
print_matrix() {
    [ -s "$LAB_DIR/results/matrix" ] || return 0
    printf '\nWhat was moved, from where to where:\n\n'
    cat "$LAB_DIR/results/matrix"
    printf '\n'
}

# Parts of scenarios that were not tried (left_out of tests/lab/lib.sh).
print_left_out() {
    [ -s "$LAB_DIR/results/left-out" ] || return 0
    printf '\nParts of scenarios that were left out: %d\n\n' "$(wc -l <"$LAB_DIR/results/left-out")"
    cat "$LAB_DIR/results/left-out"
    printf '\n'
}

run_one() {
    local file=$1 name out status=0 began=$SECONDS word
    name=$(basename "$file" .sh)
    out=$LAB_DIR/results/$name.log
    printf '== %s\n' "$name"
    LAB_IS_LOCKED=1 timeout -k 10 "$LAB_SCENARIO_TIMEOUT" bash "$file" 2>&1 </dev/null 8>&- | tee "$out" ||
        status=${PIPESTATUS[0]}
    case $status in
    0) word=PASS ;;
    77)
        word=SKIP
        name+=": $(sed -n 's/^SKIP: //p' "$out" | tail -n 1)"
        ;;
    124 | 137) word="FAIL (no end in $LAB_SCENARIO_TIMEOUT s)" ;;
    *) word=FAIL ;;
    esac
    case $word in FAIL*) collect_logs "$name" ;; esac
    printf '== %s %s (%d s)\n' "$word" "$name" $((SECONDS - began))
    return "$status"
}

# What one wants to see after a failure, while the hosts still know it.
collect_logs() {
    local name=$1 host dir
    for host in "${HOSTS[@]}"; do
        dir=$LAB_DIR/results/$name.$host
        rm -rf "$dir"
        mkdir -p "$dir"
        ON_TIMEOUT=60 on "$host" 'xl list; xl dmesg | tail -n 60; dmesg | tail -n 40; free -m' >"$dir/state.txt" 2>&1 || true
        ON_TIMEOUT=60 on "$host" 'tar -C /var/log -cz xen' 2>/dev/null | tar -C "$dir" -xz 2>/dev/null || true
    done
    ! by_switch || cp "$LAB_DIR/switch.json" "$LAB_DIR/results/$name.switch.json" || true
    warn "logs of the hosts: $LAB_DIR/results/$name.*/"
}
