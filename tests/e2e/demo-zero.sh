#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Zero pages are not sent: a guest of zeros of any size crosses in a few packets.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

demo --memory "$(size 1G 128M)" --fill zero --dirty-rate 0 --seed 1 --json
verified
pages=$(size 262144 32768)
is pages_total "$pages"
is pages_zero "$pages"
is pages_sent "$pages"
wire=$(get bytes_wire)
[ "$wire" -lt $((pages * 16)) ] || fail "$wire bytes for $pages zero pages"

# With writers the pages that they touch are not zero any more. The guest is large, so that a writer
# gets to write before all has crossed, however crowded the machine is.
demo --memory 4G --fill zero --dirty-rate 50M --seed 2 --json
verified
[ "$(get pages_zero)" -lt "$(get pages_sent)" ] || fail "written pages were taken for zero"
