#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast demo --measure: what the guest writes is measured before it moves, and moves all the same.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo() { # OPTION...
    echo "+ xl-fast demo $*"
    timeout 120 "$XL_FAST" demo --memory 64M --seed 1 "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# As many pages as it has at most, and no fewer in longer times.
demo --measure 1 --dirty-rate 400M --json
[ "$status" = 0 ] || fail "exit status $status"
one_object
is ok true
is verified true
python3 - "$work/out" <<'END' || fail "measured: $(grep -A 8 '"measured"' "$work/out")"
import json, sys
m = json.load(open(sys.argv[1]))["measured"]
sys.exit(not (1e6 <= m["measured_us"] and 0 < m["dirtied_bytes"] <= 64 << 20 and not m["dirtied_bytes"] % 4096
              and m["dirty_bps"] > 0 and m["rounds"] >= 2 and m["downtime_us"] > 0))
END

# Nobody writes: nothing is left for the last round.
demo --measure 1 --writers 0 --json
[ "$status" = 0 ] || fail "exit status $status"
of() { python3 -c 'import json, sys; sys.exit(json.load(open(sys.argv[1]))["measured"][sys.argv[2]] != int(sys.argv[3]))' "$work/out" "$@" || fail "measured.$1 is not $2"; }
of dirtied_bytes 0
of dirty_bps 0
of rounds 2
of downtime_us 0

demo --measure 1
[ "$status" = 0 ] || fail "exit status $status"
grep -Eq '^  measured +[0-9.]+ [KM]iB/s written, to [0-9.]+ [KM]iB in [0-9.]+ s; at this payload [0-9]+ rounds' "$work/out" || fail "no row"
demo
grep -q measured "$work/out" && fail "measured without being asked to"
demo --measure 0
[ "$status" = 2 ] || fail "--measure 0: exit status $status"
