#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# quick: no (10 and 15 move one of each kind; this compares with stock)
# A guest with a disk and a network card, of each kind, moves by stock xl migrate and back by --fast. It writes its disk,
# which both hosts have, reads it back and checks each block's generation; both hosts have a TCP session with it that
# must survive. The longest time in which the peers heard nothing is printed beside what the tool says.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/lab/fast.sh
. "$(dirname "$0")/fast.sh"
begin

for type in ${XF_LAB_TYPES:-pvh pv hvm}; do
    note "--- $type"
    make_guest A "dn$type" type="$type" memory=128 disk=1 net=1
    # The disk has been written once before there is anything to check.
    wait_field A "dn$type" disk 1 180
    stock_move A "dn$type"
    fast_move B "dn$type"
    destroy_all A
done
end_clean
