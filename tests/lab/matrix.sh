# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The matrix of guests and hosts: each cell is a guest that moves to the other host and back by --fast,
# with all that fast_move asks for. Sourced after fast.sh. `scripts/lab run` prints what the scenarios of
# one run have entered.

MATRIX=$LAB_DIR/results/matrix
cells_failed=0

enter() { # TYPE VCPUS MIB FROM TO RESULT
    local line
    printf -v line '%-4s %s vCPU %4s MiB  %s (%s dom0, %s) -> %s (%s dom0, %s)  %s' "$1" "$2" "$3" \
        "$4" "${HOST_KIND[$4]}" "${HOST_RELEASE[$4]}" "$5" "${HOST_KIND[$5]}" "${HOST_RELEASE[$5]}" "$6"
    mkdir -p "${MATRIX%/*}"
    printf '%s\n' "$line" >>"$MATRIX"
    note "CELL $line"
}

# What stock says where it cannot do it either: of xl create, or of xl migrate to the other host.
stock_refuses() { # TYPE VCPUS MIB
    local output
    destroy_all A && destroy_all B
    guest_config cell type="$1" vcpus="$2" memory="$3" | on A 'cat >/lab/cell.cfg'
    if ! output=$(on A xl create -q /lab/cell.cfg 2>&1); then
        STOCK_SAYS="xl create: $(printf '%s\n' "$output" | head -n 1)"
        return 0
    fi
    wait_tick A cell 2 600
    if ! output=$(ON_TIMEOUT=600 on A xl migrate cell B 2>&1); then
        STOCK_SAYS="xl migrate: $(printf '%s\n' "$output" | tr '\r' '\n' | grep -E 'error|rror:' | head -n 1)"
        return 0
    fi
    return 1
}

there_and_back() { # TYPE VCPUS MIB [there]
    make_guest A cell type="$1" vcpus="$2" memory="$3"
    fast_move A cell
    printf '%s' "moved in $MIGRATE_SECONDS s" >"$MATRIX.cell"
    if [ -z "${4:-}" ]; then
        fast_move B cell
        printf '%s' " and back in $MIGRATE_SECONDS s" >>"$MATRIX.cell"
    fi
    end_clean
}

wanted_cell() {
    local word
    [ -n "${XF_LAB_CELLS:-}" ] || return 0
    for word in $XF_LAB_CELLS; do
        [[ $1 != "$word":* ]] || return 0
    done
    return 1
}

# cell TYPE VCPUS MIB [there]: there and back, or only there. A failing one is entered as such and ends the
# scenario at its end, not here.
cell() {
    local began=$SECONDS status
    wanted_cell "$1:$2:$3:" || return 0
    # Not as the condition of an `if`: a failing command would not end it there.
    set +e
    (set -e; there_and_back "$@")
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        enter "$1" "$2" "$3" A B "$(cat "$MATRIX.cell"), verified"
    elif stock_refuses "$1" "$2" "$3"; then
        enter "$1" "$2" "$3" A B "stock cannot either: $STOCK_SAYS"
    else
        enter "$1" "$2" "$3" A B "FAILED after $((SECONDS - began)) s"
        cells_failed=$((cells_failed + 1))
    fi
    rm -f "$MATRIX.cell"
    destroy_all A && destroy_all B
}

# cells TYPE...: of each kind, with each number of vCPUs and each size.
cells() {
    local type vcpus memory
    for type in "$@"; do
        for vcpus in 1 2; do
            for memory in 192 768; do
                cell "$type" "$vcpus" "$memory"
            done
        done
    done
}

matrix_ends() { [ "$cells_failed" = 0 ] || fail "$cells_failed cells of the matrix"; }
