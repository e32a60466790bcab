#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lab: --dom0 A=pvh,B=pvh
# Between PVH dom0s `xl migrate --fast` moves a running PV guest too, through ports that bypass the
# kernel.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

MIGRATE_TIMEOUT=900 # emulated, a PVH dom0 maps pages slowly
make_guest A moved type=pv memory=128 fill=16
fast_move A moved
