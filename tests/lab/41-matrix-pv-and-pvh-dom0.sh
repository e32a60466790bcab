#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (40 moves between PVH dom0s)
# lab: --dom0 B=pvh
# Dom0s of two kinds: a running guest from a PV dom0, whose port is a kernel interface, to a PVH dom0,
# whose port bypasses the kernel, and back.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
# shellcheck source=tests/lab/matrix.sh
. "$(dirname "$0")/matrix.sh"
begin

MIGRATE_TIMEOUT=900 # emulated, a PVH dom0 maps pages slowly
cell pvh 1 192
matrix_ends
