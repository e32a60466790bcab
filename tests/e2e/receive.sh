#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast-receive starts the watcher of the guest's arrival beside xl, and waits for nothing of it: it ends with xl's
# status, and its port is free, while the watcher still runs and talks to ssh. The watcher gets the guest's UUID, its
# parent's number and nothing else: no file of xl's, no word into the record. Without it the receiver works as well.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

dir=$work/x guest=00000000-0000-4000-8000-000000000001 attempt=00000000-0000-4000-8000-00000000000a
mkdir -p "$dir" "$work/run"
cp xl-plugin/migrate/xl-fast-receive "$dir"
cat >"$dir/xl-fast-arrival" <<'END'
#!/bin/sh
exec 9>"$DIR/watcher" # which nobody else has
echo "$1 $2 $PPID $#" >&9
ls -l /proc/$$/fd | sed -n 's/.* -> //p' >>"$DIR/watcher"
until [ -e "$DIR/go" ]; do sleep 0.05; done
echo 'xl-fast: arrival {"over":true}' >&2
echo over >>"$DIR/watcher"
END
cat >"$dir/xl" <<'END'
#!/bin/sh
echo handshake
[ ! -x "$DIR/xl-fast-arrival" ] || until [ -s "$DIR/watcher" ]; do sleep 0.05; done
echo "receiving" >&2
exit 3
END
# shellcheck disable=SC2016  # the stand-in expands it
printf '#!/bin/sh\necho "$DIR/queue"\n' >"$dir/xl-fast-preflight"
chmod +x "$dir"/*
export DIR=$dir PATH=$dir:$PATH XL_FAST_RUNDIR=$work/run

receive() {
    "$dir/xl-fast-receive" $guest $attempt xl migrate-receive </dev/null >"$work/out" 2>"$work/err"
    status=$?
    [ $status = 3 ] || fail "exit status $status"
    [ "$(cat "$work/out")" = handshake ] || fail "not xl's words alone"
    grep -qx receiving "$work/run/xl-fast/receive-$guest" || fail "xl's words are not kept"
}

receive
! grep -qx over "$dir/watcher" || fail "the watcher has ended first: nothing was shown"
flock -n "$dir/queue" true || fail "the port is not free"
read -r uuid parent ppid words <"$dir/watcher"
[ "$uuid $words" = "$guest 2" ] || fail "the watcher got: $(cat "$dir/watcher")"
[ "$parent" = "$ppid" ] || fail "the watcher's parent is $ppid, and it was told $parent"
! grep -q "queue\|receive-" "$dir/watcher" || fail "the watcher has a file of the receiver: $(cat "$dir/watcher")"
touch "$dir/go"
for _ in {1..600}; do
    grep -qx over "$dir/watcher" && break
    sleep 0.05
done
grep -q '^xl-fast: arrival {"over":true}$' "$work/err" || fail "ssh does not hear the watcher"
! grep -q arrival "$work/run/xl-fast/receive-$guest" || fail "the watcher's words are in the record"

rm "$dir/xl-fast-arrival"
receive
