# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Starting and stopping the hosts, and the switch between three of them. Each is one QEMU in the background; its disk is the shared image
# plus a temporary overlay, so every `up` after a `down` begins with a clean host.

LAB_MEMORY=${LAB_MEMORY:-3072}
# Machines differ by a factor of five, and other work may be on them: as long as a host moves it is slow, not dead.
LAB_BOOT_TIMEOUT=${LAB_BOOT_TIMEOUT:-1200}
LAB_BOOT_STILL=${LAB_BOOT_STILL:-240}

# This emulator's AVX and XSAVE lose vector registers across context switches, silently; with SMAP a PV
# dom0 dies at its first IRET; MWAIT raises #GP; RDTSCP in a PVH guest fails Xen's instruction length
# check. Nested SVM and nested paging are emulated.
QEMU_CPU=EPYC,-smap,-smep,-monitor,-rdtscp,-avx,-avx2,-f16c,-fma,-xsave,-xsaveopt,-xsavec,-xgetbv1

# Side-channel mitigations guard against nothing in an emulator, and cost time; so does scrubbing memory that is
# zero, which this machine would have to have as well.
xen_args() { # HOST
    local memory=1536M
    # Hugepages included. What it does not have is there for guests.
    [ "${HOST_KIND[$1]}" != pvh ] || memory="1024M dom0=pvh"
    echo "console=com1 com1=115200 dom0_mem=${memory%% *},max:$memory dom0_max_vcpus=${HOST_VCPUS[$1]} cpuidle=0 spec-ctrl=no bootscrub=0"
}

linux_args() { # HOST
    local more=
    # A PV dom0 can neither have hugepages nor let user space drive a PCI device: it has no physical
    # addresses. A PVH dom0 gets the 128 MiB of hugepages that DPDK asks for, and a few to spare.
    [ "${HOST_KIND[$1]}" != pvh ] || more="hugepages=72 xf.bypass=$PORT_PCI"
    echo "root=/dev/vda rw console=hvc0 net.ifnames=0 mitigations=off cryptomgr.notests=1 quiet" \
        "systemd.show_status=no systemd.hostname=$1 xf.host=${HOST_NUMBER[$1]} $more"
}

# Xen can be a PVH dom0's only with an IOMMU, and virtio devices go through one only if told to.
machine_args() { # HOST
    case ${HOST_KIND[$1]} in
    pv) echo "-M pc,accel=tcg" ;;
    pvh) echo "-M q35,accel=tcg,kernel-irqchip=split -device intel-iommu,intremap=off,aw-bits=48" ;;
    esac
}
virtio_args() { [ "${HOST_KIND[$1]}" != pvh ] || echo ,disable-legacy=on,iommu_platform=on; }

# lab_up [options of want_hosts]: with options, hosts of another number, kind or release are stopped first.
lab_up() {
    local host running
    exec 9>"$LAB_DIR/lock"
    flock -n 9 || { say "another lab command is at work, waiting for it"; flock 9; }
    recall_hosts
    running=$(describe_hosts)
    if [ $# -gt 0 ] || ! any_running; then
        want_hosts "$@"
        [ "$(describe_hosts)" = "$running" ] || lab_down
        remember_hosts
    fi
    # Hosts that run go on with the image that they have.
    all_running || lab_build
    # The listening end of the links first.
    ! by_switch || start_switch
    for host in "${HOSTS[@]}"; do
        host_pid "$host" >/dev/null || start_host "$host"
    done
    for host in "${HOSTS[@]}"; do
        wait_host "$host"
        copy_guest "$host"
    done
    exec 9>&-
    say "hosts ${HOSTS[*]} are up: $(describe_hosts)"
}

any_running() {
    local host
    for host in "${HOSTS[@]}"; do
        ! host_pid "$host" >/dev/null || return 0
    done
    return 1
}

all_running() {
    local host
    ! by_switch || switch_pid >/dev/null || return 1
    for host in "${HOSTS[@]}"; do
        host_pid "$host" >/dev/null || return 1
    done
}

free_port() {
    local port
    for port in $(shuf -i 20000-29999 -n 50); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
    done
    return 1
}

# QEMU does not connect again, so hosts whose switch has ended cannot reach each other any more.
start_switch() {
    local i
    ! switch_pid >/dev/null || return 0
    ! any_running || { say "the switch has ended, and with it the hosts' links"; lab_down; }
    rm -f "$LAB_DIR"/switch.{json,pid} "$LAB_DIR"/link{1,2,3}.sock
    (
        cd "$LAB_DIR" || exit
        setsid nohup python3 "$REPO/scripts/lab.d/switch.py" --counters switch.json link{1,2,3}.sock \
            </dev/null >switch.log 2>&1 8>&- 9>&- &
        echo $! >switch.pid
    )
    # It writes its counters as soon as it listens.
    for ((i = 0; i < 300; i++)); do
        [ ! -f "$LAB_DIR/switch.json" ] || return 0
        sleep 0.1
    done
    cat "$LAB_DIR/switch.log" >&2
    die "the switch did not start"
}

stop_switch() {
    local pid i
    if pid=$(switch_pid); then
        kill "$pid"
        for ((i = 0; i < 50; i++)); do switch_pid >/dev/null || break; sleep 0.1; done
        ! switch_pid >/dev/null || kill -9 "$pid"
        say "the switch stopped"
    fi
    rm -f "$LAB_DIR/switch.pid"
}

start_host() {
    local host=$1 image port n=${HOST_NUMBER[$1]} server=off link nic links=() machine virtio
    read -ra machine <<<"$(machine_args "$host")"
    virtio=$(virtio_args "$host")
    image=$(image_dir "${HOST_RELEASE[$host]}")
    port=$(free_port)
    by_switch || [ "$n" != 1 ] || server=on
    for link in 1 2 3; do
        [ "$server" = off ] || rm -f "$LAB_DIR/link$link.sock"
        case $link in
        1) nic=${NIC_DEVICE[${HOST_NIC[$host]}]} ;;
        2) nic=${NIC_DEVICE[virtio]} ;;
        3) nic="virtio-net-pci" ;; # guests have an MTU of 1500
        esac
        [[ $nic != virtio* ]] || nic+=$virtio
        links+=(-netdev "stream,id=n$link,server=$server,addr.type=unix,addr.path=link$link.sock"
            -device "$nic,netdev=n$link,mac=52:54:00:0a:0$link:0$n,addr=0x$((4 + link)),romfile=")
    done
    # The NIC's number is the fifth byte of its address, for lab-net to check.
    write_ssh_config "$host" "$port"
    rm -f "$LAB_DIR/$host".{log,pid,monitor}
    # What guests have as their disk: /dev/vdb of all hosts, as storage that all reach would be. All QEMUs see
    # it through the one page cache of this machine.
    [ -f "$LAB_DIR/shared.img" ] || truncate -s 64M "$LAB_DIR/shared.img"
    say "starting host $host (${HOST_KIND[$host]} dom0, ${HOST_RELEASE[$host]}, ${HOST_NIC[$host]}, ${HOST_VCPUS[$host]} vCPU; console: $LAB_DIR/$host.log)"
    # Relative paths for the sockets, for the same reason as in ssh_dir.
    (
        cd "$LAB_DIR" || exit
        TMPDIR=$LAB_DIR setsid nohup qemu-system-x86_64 -name "xl-fast-lab-$host" -nodefaults -display none \
            "${machine[@]}" -cpu "$QEMU_CPU" -smp "${HOST_VCPUS[$host]}" -m "$LAB_MEMORY" \
            -kernel "$image/xen" -append "$(xen_args "$host")" \
            -initrd "$image/vmlinux $(linux_args "$host"),$image/initrd.img" \
            -drive "file=$image/disk.img,format=raw,if=none,id=disk,snapshot=on,cache=unsafe" \
            -device "virtio-blk-pci,drive=disk,addr=0x3$virtio" \
            -netdev "user,id=n0,restrict=on,hostfwd=tcp:127.0.0.1:$port-:22" \
            -device "virtio-net-pci,netdev=n0,mac=52:54:00:0a:00:0$n,addr=0x4,romfile=$virtio" \
            "${links[@]}" \
            -drive "file=shared.img,format=raw,if=none,id=shared,cache=unsafe,file.locking=off" \
            -device "virtio-blk-pci,drive=shared,share-rw=on,addr=0x8$virtio" \
            -serial "file:$host.log" -monitor "unix:$host.monitor,server=on,wait=off" \
            </dev/null >"$host.qemu.log" 2>&1 9>&- &
        echo $! >"$host.pid"
    )
    wait_started "$host"
}

# Until QEMU has made its sockets: B cannot connect before A listens, and before that the process may
# not even be QEMU yet.
wait_started() {
    local host=$1 i link
    for ((i = 0; i < 600; i++)); do
        kill -0 "$(cat "$LAB_DIR/$host.pid")" 2>/dev/null || break
        for link in link{1,2,3}.sock "$host.monitor"; do
            [ -S "$LAB_DIR/$link" ] || { sleep 0.1; continue 2; }
        done
        return 0
    done
    cat "$LAB_DIR/$host.qemu.log" >&2
    die "QEMU of host $host did not start"
}

write_ssh_config() {
    local host=$1 port=$2 dir
    dir=$(ssh_dir)
    mkdir -p "$dir" "$LAB_DIR/ssh.d"
    chmod 700 "$dir"
    rm -f "${dir:?}/$host"
    printf 'lab %s\n' "$(cut -d' ' -f1,2 "$LAB_DIR/key-host.pub")" >"$LAB_DIR/known_hosts"
    echo "Host $host
    Port $port
    ControlPath $dir/$host" >"$LAB_DIR/ssh.d/$host"
    {
        cat "$LAB_DIR"/ssh.d/*
        echo "Host *
    HostName 127.0.0.1
    User root
    IdentityFile $LAB_DIR/key-user
    IdentitiesOnly yes
    UserKnownHostsFile $LAB_DIR/known_hosts
    GlobalKnownHostsFile none
    HostKeyAlias lab
    KexAlgorithms curve25519-sha256
    BatchMode yes
    ConnectTimeout 20
    ServerAliveInterval 30
    LogLevel ERROR"
    } >"$LAB_DIR/ssh_config"
}

# Seconds of CPU time that a process has used.
cpu_seconds() { # PID
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086  # words; those after the name begin with the state
    set -- ${stat##*) }
    echo $(((${12} + ${13}) / $(getconf CLK_TCK)))
}

# Until it answers, for LAB_BOOT_TIMEOUT seconds; less if for LAB_BOOT_STILL seconds its console says nothing and its QEMU
# uses no CPU.
wait_host() {
    local host=$1 pid cpu=0 size=0 began=$SECONDS now cpu_was=0 size_was=-1 cpu_said=0 moved=$SECONDS said=$SECONDS
    until grep -aq lab-ready "$LAB_DIR/$host.log" 2>/dev/null; do
        if ! pid=$(host_pid "$host") || ! cpu=$(cpu_seconds "$pid"); then
            boot_failed "$host" "QEMU ended"
        fi
        size=$(stat -c %s "$LAB_DIR/$host.log" 2>/dev/null) || size=0
        now=$SECONDS
        [ "$size" = "$size_was" ] || { said=$now cpu_said=$cpu; }
        [ "$size $cpu" = "$size_was $cpu_was" ] || moved=$now
        size_was=$size cpu_was=$cpu
        if [ $((now - began)) -ge "$LAB_BOOT_TIMEOUT" ] || [ $((now - moved)) -ge "$LAB_BOOT_STILL" ]; then
            boot_failed "$host" "no answer in $((now - began)) s; QEMU has used $cpu s of CPU, $((cpu - cpu_said)) of them in the \
$((now - said)) s since the console's last word"
        fi
        sleep 1
    done
    ssh_connect "$host" 90 || ssh_connect "$host" 90 || boot_failed "$host" "no ssh"
    say "host $host is ready ($((SECONDS - began)) s of waiting)"
}

# With where its CPUs are, three times: a kernel that hangs is at one place.
boot_failed() {
    local i
    tail -n 40 "$LAB_DIR/$1.log" "$LAB_DIR/$1.qemu.log" >&2
    for i in 1 2 3; do
        ask_qemu "$1" 'info registers -a' | grep -aE '^(CPU#|[ER]IP=)' >&2 || break
        sleep 1
    done
    die "host $1 did not come up: $2"
}

# ask_qemu HOST COMMAND: of its monitor.
ask_qemu() {
    (cd "$LAB_DIR" && timeout 20 python3 - "$1.monitor" "$2" <<'END') 2>/dev/null
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.settimeout(3)
s.sendall(sys.argv[2].encode() + b"\n")
try:
    while piece := s.recv(65536):
        sys.stdout.write(piece.decode("latin-1").replace("\r", ""))
except TimeoutError:
    pass
END
}

# All that there may be: those that are wanted now need not be those that run.
lab_down() {
    local host pid i
    for host in "${ALL_HOSTS[@]}"; do
        ssh_disconnect "$host"
        if pid=$(host_pid "$host"); then
            kill "$pid"
            for ((i = 0; i < 50; i++)); do host_pid "$host" >/dev/null || break; sleep 0.1; done
            ! host_pid "$host" >/dev/null || kill -9 "$pid"
            say "host $host stopped"
        fi
        rm -f "$LAB_DIR/$host.pid" "$LAB_DIR/$host.monitor"
    done
    stop_switch
}

lab_status() {
    local host pid
    for host in "${HOSTS[@]}"; do
        if ! pid=$(host_pid "$host"); then
            say "host $host: not running"
            continue
        fi
        say "host $host: pid $pid, ${HOST_KIND[$host]} dom0, ${HOST_RELEASE[$host]}, ${HOST_NIC[$host]}, ${HOST_VCPUS[$host]} vCPU"
        ON_TIMEOUT=30 on "$host" 'uptime; xl info | grep free_memory; xl list' || true
    done
    by_switch || return 0
    if pid=$(switch_pid); then
        say "the switch: pid $pid, counters: $LAB_DIR/switch.json"
    else
        say "the switch: not running"
    fi
}

lab_ssh() {
    need_host "${1:-}"
    local host=$1
    shift
    host_pid "$host" >/dev/null || die "host $host is not running"
    ssh_connect "$host" || die "cannot reach host $host"
    exec ssh -F "$LAB_DIR/ssh_config" "$host" "$@"
}

lab_console() {
    need_host "${1:-}"
    exec tail -n 200 -F "$LAB_DIR/$1.log"
}
