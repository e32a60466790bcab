# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs scenarios: tests/lab/NN-name.sh. Exit status 0 is a pass, 77 a skip, anything else a failure.

LAB_SCENARIO_TIMEOUT=${LAB_SCENARIO_TIMEOUT:-1200}

# By file, by name or by number.
find_scenarios() {
    local wanted file found
    if [ $# -eq 0 ]; then
        printf '%s\n' "$REPO"/tests/lab/[0-9][0-9]-*.sh
        return
    fi
    for wanted in "$@"; do
        found=
        for file in "$REPO"/tests/lab/[0-9][0-9]-*.sh; do
            case $(basename "$file" .sh) in
            "$(basename "$wanted" .sh)" | "$wanted"-*) found=1; echo "$file" ;;
            esac
        done
        [ -n "$found" ] || die "no such scenario: $wanted"
    done
}

lab_run() {
    local files file status passed=0 failed=0 skipped=0
    files=$(find_scenarios "$@")
    all_running || die "the hosts are not running: lab up first"
    mkdir -p "$LAB_DIR/results"
    lock_lab
    for file in $files; do
        run_one "$file" && status=0 || status=$?
        case $status in
        0) passed=$((passed + 1)) ;;
        77) skipped=$((skipped + 1)) ;;
        *) failed=$((failed + 1)) ;;
        esac
    done
    printf '%d passed, %d failed' "$passed" "$failed"
    [ "$skipped" = 0 ] || printf ', %d skipped' "$skipped"
    printf '\n'
    [ "$failed" = 0 ]
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
    77) word=SKIP ;;
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
    warn "logs of the hosts: $LAB_DIR/results/$name.*/"
}
