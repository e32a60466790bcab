#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 and 15 move each kind of guest with Debian 12's kernel)
# A second guest kernel, Debian 13's, between hosts of Debian 12, with a disk and a network card: cells of the matrix.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"

# The lab makes both images, but only those of the hosts at once.
[ -d "$LAB_DIR/image-trixie/guest-modules" ] || "$REPO/scripts/lab" build --release B=trixie
begin

give_kernel A trixie
for type in ${XF_LAB_TYPES:-pvh pv}; do
    cell "$type" 1 128 kernel=trixie disk=1 net=1
done
matrix_ends
