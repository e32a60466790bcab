# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The matrix of guests and hosts: each cell is a guest that moves to the other host and back by --fast,
# with all that fast_move asks for. Sourced after fast.sh. `scripts/lab run` prints what the scenarios of
# one run have entered. What fails has FAILED: only a cell of which the scenario says beforehand that stock
# may not do it (cell_if_stock) can be without a move, and only if stock itself has just failed at it.

MATRIX=$LAB_DIR/results/matrix
mkdir -p "${MATRIX%/*}"
cells_failed=0

enter() { # TYPE VCPUS MIB FROM TO RESULT
    local line
    printf -v line '%-4s %s vCPU %4s MiB  %s (%s dom0, %s) -> %s (%s dom0, %s)  %s' "$1" "$2" "$3" \
        "$4" "${HOST_KIND[$4]}" "${HOST_RELEASE[$4]}" "$5" "${HOST_KIND[$5]}" "${HOST_RELEASE[$5]}" "$6"
    printf '%s\n' "$line" >>"$MATRIX"
    note "CELL $line"
}

# try_stock TYPE VCPUS MIB [words]: 0: stock moves such a guest from A to B; 1: it says why not, left in
# STOCK_SAYS: of xl create, or of xl migrate, after which the guest runs on. All else, such as no answer in time or
# a failure without an error of xl's, says nothing about what stock can do, and is 2.
try_stock() {
    local type=$1 vcpus=$2 memory=$3 output status=0 before
    shift 3
    STOCK_SAYS="nothing"
    destroy_all A && destroy_all B || return 2
    guest_config cell type="$type" vcpus="$vcpus" memory="$memory" "$@" | on A 'cat >/lab/cell.cfg' || return 2
    output=$(on A xl create -q /lab/cell.cfg 2>&1) || status=$?
    if [ "$status" != 0 ]; then
        says_why "$status" "xl create" "$output"
        return
    fi
    (wait_tick A cell 2 600) || return 2
    before=$(guest_tick A cell)
    output=$(ON_TIMEOUT=${MIGRATE_TIMEOUT:-600} on A xl migrate cell B 2>&1) || status=$?
    [ "$status" != 0 ] || return 0
    (expect_goes_on A cell "$before") || return 2
    says_why "$status" "xl migrate" "$output"
}

# says_why STATUS COMMAND OUTPUT: 1 if it is an answer.
says_why() {
    STOCK_SAYS=$(printf '%s\n' "$3" | tr '\r' '\n' | grep -m 1 -E '[Ee]rror') || STOCK_SAYS=
    case $1 in 124 | 137 | 255) STOCK_SAYS= ;; esac
    [ -n "$STOCK_SAYS" ] || { STOCK_SAYS="status $1, no error of its own: $3"; return 2; }
    STOCK_SAYS="$2: $STOCK_SAYS"
    return 1
}

there_and_back() { # TYPE VCPUS MIB [there] [words]
    local type=$1 vcpus=$2 memory=$3 there=
    shift 3
    [ "${1:-}" != there ] || { there=1 && shift; }
    make_guest A cell type="$type" vcpus="$vcpus" memory="$memory" "$@"
    fast_move A cell
    printf '%s' "moved in $MIGRATE_SECONDS s" >"$MATRIX.cell"
    if [ -z "$there" ]; then
        fast_move B cell
        printf '%s' " and back in $MIGRATE_SECONDS s" >>"$MATRIX.cell"
    fi
    printf '%s' ", verified${*:+ ($*)}" >>"$MATRIX.cell"
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

# cell TYPE VCPUS MIB [there] [words of make_guest]: there and back, or only there. A failing one is entered as such
# and ends the scenario at its end, not here.
cell() {
    local began=$SECONDS status
    wanted_cell "$1:$2:$3:" || return 0
    # Not as the condition of an `if`: a failing command would not end it there.
    set +e
    (set -e; there_and_back "$@")
    status=$?
    set -e
    if [ "$status" = 0 ]; then
        enter "$1" "$2" "$3" A B "$(cat "$MATRIX.cell")"
    else
        enter "$1" "$2" "$3" A B "FAILED after $((SECONDS - began)) s"
        cells_failed=$((cells_failed + 1))
    fi
    rm -f "$MATRIX.cell"
    destroy_all A && destroy_all B
}

# cell_if_stock TYPE VCPUS MIB [words]: a cell of which it is not known that stock can do it: stock comes first.
cell_if_stock() {
    local status=0
    wanted_cell "$1:$2:$3:" || return 0
    try_stock "$@" || status=$?
    case $status in
    0) cell "$@" ;;
    1) enter "$1" "$2" "$3" A B "stock cannot either: $STOCK_SAYS" ;;
    *)
        enter "$1" "$2" "$3" A B "FAILED: stock gave no answer: $STOCK_SAYS"
        cells_failed=$((cells_failed + 1))
        ;;
    esac
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
