#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# xl-fast config: which keys are in force, every error of a file in a line of its own, its JSON
# and exit status; and that xl-fast.conf, xl-fast.conf(5) and the code know the same keys.
# shellcheck source=tests/e2e/common.bash
. "$(dirname "$0")/common.bash"

check() {
    echo "+ xl-fast config $*"
    "$XL_FAST" config "$@" >"$work/out" 2>"$work/err"
    status=$?
}

# shown KEY VALUE ORIGIN: of the text
shown() {
    grep -qE "^$1 += $2 +# $3\$" "$work/out" || fail "no '$1 = $2 # $3'"
}

unset XL_FAST_CONF XL_FAST_LIBDIR XL_FAST_MAX_DOWNTIME XL_FAST_ON_BUSY XL_FAST_THROTTLE XL_FAST_BANDWIDTH XL_FAST_COMPRESS XL_FAST_CONNECT_TIMEOUT \
    XL_FAST_VERIFY XL_FAST_STOCK_HELPER XL_FAST_LANES

# Without the Xen part there is nobody to ask.
XL_FAST_LIBDIR=$work/nowhere check --json
[ "$status" = 1 ] || fail "exit status $status without xl-fast-preflight"
is ok false
grep -q 'without its Xen part' "$work/out" || fail "it does not say what is missing"

# A call that makes no sense says nothing on stdout.
for words in '--what' 'a b' ''; do
    # shellcheck disable=SC2086
    check $words -x
    [ "$status" = 2 ] || fail "exit status $status of: $words -x"
    [ ! -s "$work/out" ] || fail "something on stdout"
done

if [ ! -x "${XF_BUILD:-build}/xl-fast-preflight" ]; then
    echo "the build has no Xen part: nothing reads xl-fast.conf"
    exit 77
fi

conf="$work/it's a file.conf"
printf '%s\n' 'port = "af_xdp:eth1"' 'address = "192.0.2.1/24"' 'bandwidth = "2.5G"' 'lanes = 4' >"$conf"
check "$conf"
[ "$status" = 0 ] || fail "exit status $status"
[ ! -s "$work/err" ] || fail "something on stderr"
shown port '"af_xdp:eth1"' file
shown address '"192.0.2.1/24"' file
shown bandwidth '"2500M"' file
shown lanes 4 file
shown udp_port 7950 default
shown compress '"auto"' default
shown on_busy '"go"' default
shown throttle 0 default
shown '#mtu' '' 'default: the largest that the port takes'
# What it prints is a file with the same meaning.
cp "$work/out" "$work/printed.conf"
grep -v ' # ' "$work/out" | grep . && fail "lines that do not say where a value is from"
check "$work/printed.conf"
[ "$status" = 0 ] || fail "what it prints is no file that it reads"
shown bandwidth '"2500M"' file
shown max_downtime 300 file
XL_FAST_MAX_DOWNTIME=20 check "$conf"
shown max_downtime 20 environment
shown '#cpus' '' 'default: where the scheduler puts the lanes'
XL_FAST_LANES=8 check "$conf"
shown lanes 8 environment
XL_FAST_CONF=$conf check
[ "$status" = 0 ] || fail "exit status $status with XL_FAST_CONF"

# Lanes that nobody has set, of a kernel interface and of a PCI device with a link of 100 Gbit/s.
sys=$work/sys
mkdir -p "$sys/devices/system/cpu" "$sys/class/net/eth7/queues/"rx-{0..7} "$sys/bus/pci/devices/0000:01:00.0/net/eth7"
echo 0-15 >"$sys/devices/system/cpu/online"
echo 100000 >"$sys/class/net/eth7/speed"
printf '%s\n' 'port = "eth7"' 'cpus = "8,2-4"' >"$work/default.conf"
XL_FAST_SYSFS=$sys check "$work/default.conf"
shown lanes 1 default
shown cpus '"8,2-4"' file
printf '%s\n' 'port = "0000:01:00.0"' >"$work/default.conf"
XL_FAST_SYSFS=$sys check "$work/default.conf"
shown lanes 4 default

check --check "$conf" # as old scripts say it
[ "$status" = 0 ] || fail "exit status $status with --check"
check --json "$conf"
one_object
is ok true
is file "\"$conf\""
for words in '"errors":[]' '"lanes":{"value":4,"origin":"file"}' '"mtu":{"value":null,"origin":"default"}' \
    '"port":{"value":"af_xdp:eth1","origin":"file"}'; do
    grep -qF "$words" < <(tr -d ' \n' <"$work/out") || fail "no $words"
done

printf '%s\n' 'port = "eth1"' 'address = "192.0.2.1"' 'max_downtme = 5' 'mtu = 100' >"$conf"
check "$conf"
[ "$status" = 1 ] || fail "exit status $status of a wrong file"
[ ! -s "$work/out" ] || fail "something on stdout"
sed -i "s|$conf|FILE|" "$work/err"
cat >"$work/expected" <<'WORDS'
xl-fast: FILE: line 3: unknown key 'max_downtme': did you mean 'max_downtime'?
xl-fast: FILE: address must be "IP/PREFIX", such as "192.0.2.1/24"
xl-fast: FILE: mtu must be a number from 576 to 9000
WORDS
diff "$work/expected" "$work/err" || fail "other errors than expected"
check --json "$conf"
[ "$status" = 1 ] || fail "exit status $status of a wrong file, --json"
one_object
is ok false
[ "$(grep -c 'FILE\|\.conf: ' "$work/out")" = 3 ] || fail "not three errors"
# What people often write, each in its own words.
printf '\357\273\277port = eth1\r\nmtu = 9000 # fine\r\naddress = 192.0.2.1/24\r\nprot = "x"\nverify = yes\n' >"$conf"
check "$conf"
[ "$status" = 1 ] || fail "exit status $status of a wrong file"
sed -i "s|$conf|CONF|" "$work/err"
cat >"$work/expected" <<'WORDS'
xl-fast: CONF: line 1: begins with a byte order mark: save the file as UTF-8 without one
xl-fast: CONF: line 1: ends with CR LF, as on DOS: sed -i 's/\r$//' FILE
xl-fast: CONF: line 1: a string needs quotes: port = "eth1"
xl-fast: CONF: line 3: a string needs quotes: address = "192.0.2.1/24"
xl-fast: CONF: line 5: verify takes a number, not 'yes'
xl-fast: CONF: line 4: unknown key 'prot': did you mean 'port'?
WORDS
diff "$work/expected" "$work/err" || fail "other errors than expected"
while read -r address words; do
    printf 'port = "eth1"\n\naddress = "%s"\n' "$address" >"$conf"
    check "$conf"
    [ "$status" = 1 ] || fail "$address is taken"
    grep -qF "line 3: address \"$address\" $words" "$work/err" || fail "another reason"
done <<'END'
0.0.0.1/8 begins with 0
127.0.0.1/8 is a loopback address
224.0.0.5/24 is a multicast address
255.255.255.255/32 is in the reserved range
192.0.2.0/24 is the address of the network
192.0.2.255/24 is the broadcast address
END
for address in 192.0.2.0/31 192.0.2.255/23 10.0.0.0/32; do
    printf 'port = "eth1"\naddress = "%s"\n' "$address" >"$conf"
    check "$conf"
    [ "$status" = 0 ] || fail "$address is refused"
done
check "$work/none.conf"
[ "$status" = 1 ] || fail "exit status $status of no file"
grep -q 'none.conf: No such file or directory' "$work/err" || fail "it does not say that there is no file"

# The same keys in the code, in the file that is installed, and in the man page.
in_code() { sed -n 's/^ *\[XF_KEY_[A-Z_]*\] = "\(.*\)",/\1/p' xl-plugin/plugin/config_keys.c | sort; }
in_file() { sed -n 's/^#\([a-z_]*\) = .*/\1/p' xl-plugin/conf/xl-fast.conf | sort; }
in_page() { sed -n '/^\.SH KEYS/,/^\.SH ENVIRONMENT/s/^\.BI \([a-z_]*\)=.*/\1/p' xl-plugin/man/xl-fast.conf.5 | sort; }
[ "$(in_code | wc -l)" -ge 11 ] || fail "keys are not found in the code"
diff <(in_code) <(in_file) || fail "other keys in the code than in xl-plugin/conf/xl-fast.conf"
diff <(in_code) <(in_page) || fail "other keys in the code than in xl-fast.conf(5)"

# That file sets nothing, and is right once each line of it is taken in.
[ -s xl-plugin/conf/xl-fast.conf ] || fail "there is no xl-plugin/conf/xl-fast.conf"
grep -v '^#' xl-plugin/conf/xl-fast.conf | grep . && fail "the file that is installed sets something"
sed 's/^#\([a-z_]* = \)/\1/' xl-plugin/conf/xl-fast.conf >"$conf"
check "$conf"
[ "$status" = 0 ] || fail "the examples in the file that is installed are wrong"
[ "$(grep -c '# file$' "$work/out")" = "$(in_code | wc -l)" ] || fail "not every key is set by it"
