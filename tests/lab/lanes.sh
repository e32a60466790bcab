# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Guests that several lanes move. Sourced after fast.sh.

# Of the cycles that END spent for a page, how many percent went to Xen: mapping, most of all.
mapping_percent() { # END
    local cycles sum
    cycles=$(printf '%s\n' "$MIGRATE_OUTPUT" | grep -a "^xl-fast: result {\"end\":\"$1\"" | sed 's/.*"cycles_per_page":{\([^}]*\)}.*/\1/')
    sum=$(printf '%s\n' "$cycles" | tr ',' '\n' | awk -F: '{ s += $2 } END { print s }')
    awk -v guest="$(printf '%s\n' "$cycles" | sed -n 's/.*"guest":\([0-9.]*\).*/\1/p')" -v sum="$sum" 'BEGIN { printf "%d", 100 * guest / sum }'
}

# by_lanes LANES FROM NAME: moves it, and says what part of the time was mapping.
by_lanes() {
    local lanes=$1 from=$2 name=$3 end
    fast_move "$from" "$name" --lanes "$lanes"
    for end in source target; do
        expect_eq "lanes at the $end" "$lanes" "$(result "$end" lanes)"
    done
    note "LANES $lanes: payload $(($(result source payload_bps) / 1000000)) Mbit/s, memory $(($(result source memory_us) / 1000)) ms," \
        "of its cycles for Xen's calls: source $(mapping_percent source) %, target $(mapping_percent target) %"
}

# A guest of a kind goes there and back by two lanes, and once more by one, for the figures.
two_lanes() { # TYPE MIB
    # Between emulated hosts of two CPUs guests end in triple faults, after stock's moves too, unless their vCPU stays on
    # one of them.
    make_guest A lanes type="$1" memory="$2" conf='cpus = "1"'
    by_lanes 2 A lanes
    by_lanes 2 B lanes
    by_lanes 1 A lanes
    end_clean
}
