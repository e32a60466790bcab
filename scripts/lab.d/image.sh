# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The hosts' disk image: a small Debian with Xen, made by debootstrap and apt, once for each release.
# In LAB_DIR/image-RELEASE: disk.img, and what QEMU boots from outside the disk: xen, vmlinux, initrd.img.

image_packages() {
    echo linux-image-amd64 systemd-sysv udev kmod initramfs-tools xen-utils-common xenstore-utils \
        qemu-system-xen openssh-server iproute2 ethtool procps tcsh dmsetup lvm2 qemu-utils liblz4-1 libxxhash0 libjson-c5
    release_packages "$1"
}

# Kernel modules that no emulated host has a device for: two thirds of the kernel package.
unneeded_modules() {
    printf '%s\n' sound drivers/gpu drivers/media drivers/net/wireless drivers/net/ethernet drivers/iio \
        drivers/staging drivers/infiniband drivers/scsi drivers/usb drivers/hwmon drivers/input \
        drivers/bluetooth drivers/isdn drivers/mtd drivers/comedi drivers/target fs/ocfs2 fs/xfs fs/btrfs
}
# Of those, what `lab up --nic` gives a host. (vmxnet3 is elsewhere.)
needed_modules() { echo drivers/net/ethernet/intel/e1000e; }

# What a guest's disk and network card need; Debian's kernels have them as modules.
guest_modules() { echo xen-blkfront xen-netfront; }

image_dir() { echo "$LAB_DIR/image-$1"; }

# Everything that the image is made from. When this changes, the image is made anew.
image_hash() {
    { cat "$REPO/scripts/lab.d/image.sh"; base_hash "$1"; image_packages "$1"; host_names; } | sha256sum | cut -d' ' -f1
}

lab_build() { # [options of want_hosts]
    local release
    [ $# -eq 0 ] || want_hosts "$@"
    [ ! -x "$REPO/scripts/setup" ] || "$REPO/scripts/setup" lab
    for release in $(printf '%s\n' "${HOST_RELEASE[@]}" | sort -u); do
        build_image "$release"
    done
}

build_image() (
    release=$1
    need_apt_lists "$release"
    hash=$(image_hash "$release")
    ! made "image-$release" "$hash" || exit 0
    lock_build
    build_base "$release"
    making "image-$release" make_image "$release" "$(image_dir "$release")"
    remember_made "image-$release" "$hash"
)

make_image() {
    local release=$1 dir=$2
    copy_base "$release" "$dir/root"
    make_packages "$release" "$dir/root"
    make_settings "$dir/root"
    make_boot_files "$dir/root" "$dir"
    make_disk "$dir/root" "$dir/disk.img"
    rm -rf "$dir/root"
}

make_packages() {
    local release=$1 root=$2 packages m
    mkdir -p "$root/etc/initramfs-tools/"{conf.d,hooks}
    {
        for m in $(unneeded_modules); do echo "path-exclude=/lib/modules/*/kernel/$m/*"; done
        for m in $(needed_modules); do echo "path-include=/lib/modules/*/kernel/$m/*"; done
    } >>"$root/etc/dpkg/dpkg.cfg.d/lab"
    # A small initramfs is quickly unpacked: only what finds the disk.
    printf 'MODULES=list\nCOMPRESS=gzip\n' >"$root/etc/initramfs-tools/conf.d/lab"
    cat >"$root/etc/initramfs-tools/hooks/lab" <<'HOOK'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
. /usr/share/initramfs-tools/hook-functions
manual_add_modules virtio_pci virtio_blk ext4 crc32c_generic crc32c_intel
HOOK
    chmod +x "$root/etc/initramfs-tools/hooks/lab"

    read -ra packages <<<"$(image_packages "$release" | tr '\n' ' ')"
    in_root "$root" apt-get update -qq
    in_root "$root" apt-get install -y -qq --no-install-recommends "${packages[@]}"
    # The image must not remember where it came from.
    rm -rf "$root/usr/sbin/policy-rc.d" "$root/etc/apt/apt.conf.d/99lab" "$root/etc/apt/sources.list" \
        "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb
}

# Of /etc/hosts. An image is any host's, so it knows all that there may be.
host_names() {
    local host
    for host in "${ALL_HOSTS[@]}"; do echo "10.91.0.${HOST_NUMBER[$host]} $host"; done
}

# Host keys and root's key are the lab's own, the same in all hosts, so that each knows the others.
make_keys() {
    local key
    for key in host user; do
        [ -f "$LAB_DIR/key-$key" ] || ssh-keygen -q -t ed25519 -N '' -C "lab-$key" -f "$LAB_DIR/key-$key"
    done
}

make_settings() {
    local root=$1
    make_keys
    rm -f "$root"/etc/ssh/ssh_host_*
    install -m 600 "$LAB_DIR/key-host" "$root/etc/ssh/ssh_host_ed25519_key"
    install -D -m 600 "$LAB_DIR/key-user.pub" "$root/root/.ssh/authorized_keys"
    install -m 600 "$LAB_DIR/key-user" "$root/root/.ssh/id_ed25519"
    sed "s/^/$(host_names | tr ' \n' ',,' | sed 's/,$//') /" "$LAB_DIR/key-host.pub" >"$root/etc/ssh/ssh_known_hosts"
    # The default key exchange costs an emulated CPU seconds. The cipher stays ssh's default: it is
    # what stock migration is measured with.
    printf 'KexAlgorithms curve25519-sha256\nCheckHostIP no\n' >"$root/etc/ssh/ssh_config.d/lab.conf"
    cat >"$root/etc/ssh/sshd_config.d/lab.conf" <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
PrintMotd no
MaxSessions 64
CONF
    chmod 700 "$root/root/.ssh"

    { echo '127.0.0.1 localhost'; host_names; } >"$root/etc/hosts"
    printf '/dev/vda / ext4 noatime 0 1\n' >"$root/etc/fstab"
    printf '[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n' >"$root/etc/systemd/journald.conf"
    mkdir -p "$root/lab" "$root/var/log/xen/console"
    ln -sf /boot/vmlinux "$root/lab/vmlinux"
    # Guests' consoles are logged: it is how the scenarios hear from a guest.
    printf 'XENCONSOLED_ARGS="--log=guest"\n' >>"$root/etc/default/xen"

    # What a host would load for devices and ciphers that nothing here uses.
    printf 'blacklist %s\n' floppy ata_piix ata_generic ahci i2c_piix4 i2c_i801 lpc_ich intel_rapl_msr \
        crct10dif_pclmul crc32_pclmul ghash_clmulni_intel sha512_ssse3 sha256_ssse3 sha1_ssse3 aesni_intel \
        qemu_fw_cfg button >"$root/etc/modprobe.d/lab.conf"

    make_units "$root"
    # Or the first boot, which each boot here is, makes anew what follows from /usr: half a minute.
    touch "$root/etc/.updated" "$root/var/.updated"
}

make_units() {
    local root=$1
    cat >"$root/usr/local/sbin/lab-net" <<'NET'
#!/bin/sh
# The four interfaces, known by the fifth byte of their addresses, as start_host gives it: which driver came first
# says nothing. xf.host=N on the kernel command line says which host this is.
set -eu
n=$(sed -n 's/.*xf\.host=\([0-9]*\).*/\1/p' /proc/cmdline)
pci=$(sed -n 's/.*xf\.bypass=\([^ ]*\).*/\1/p' /proc/cmdline)
sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
if [ -n "$pci" ]; then
    # Kernel bypass: NIC 1 leaves the kernel's driver, and its interface with it, for DPDK's own.
    modprobe uio_pci_generic
    echo uio_pci_generic >"/sys/bus/pci/devices/$pci/driver_override"
    [ ! -e "/sys/bus/pci/devices/$pci/driver" ] || echo "$pci" >"/sys/bus/pci/devices/$pci/driver/unbind"
    echo "$pci" >/sys/bus/pci/drivers_probe
fi
misnamed=
for dev in /sys/class/net/eth*; do
    [ "eth$(cut -c 14 "$dev/address")" = "${dev##*/}" ] || misnamed=1
done
if [ -n "$misnamed" ]; then
    for dev in /sys/class/net/eth*; do ip link set "${dev##*/}" name "nic$(cut -c 14 "$dev/address")"; done
    for dev in /sys/class/net/nic*; do ip link set "${dev##*/}" name "eth${dev##*/nic}"; done
fi
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
[ -n "$pci" ] || ip link set eth1 mtu 9000 up
ip addr add "10.91.0.$n/24" dev eth2
ip link set eth2 mtu 9000 up
# The guests' network. A bridge makes its address from the machine's id, which is one and the same in all hosts.
ip link add br0 address "52:54:00:0b:00:0$n" type bridge
ip link set eth3 master br0 up
ip addr add "10.92.0.$n/24" dev br0
ip link set br0 up
NET
    chmod +x "$root/usr/local/sbin/lab-net"
    cat >"$root/etc/systemd/system/lab-net.service" <<'UNIT'
[Unit]
DefaultDependencies=no
After=systemd-udev-settle.service systemd-sysctl.service
Wants=systemd-udev-settle.service
Before=network.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/local/sbin/lab-net
[Install]
WantedBy=multi-user.target
UNIT
    # The line that `lab up` waits for on the serial console.
    cat >"$root/etc/systemd/system/lab-ready.service" <<'UNIT'
[Unit]
After=lab-net.service ssh.service xen.service
Requires=lab-net.service ssh.service xen.service
[Service]
Type=oneshot
RemainAfterExit=yes
# As a host in earnest would have it: dom0 goes before guests that compute.
ExecStart=/usr/sbin/xl sched-credit2 -d 0 -w 2048
ExecStart=/bin/sh -c 'xl info >/dev/null && echo "lab-ready $(cut -d" " -f1 /proc/uptime)" >/dev/console'
[Install]
WantedBy=multi-user.target
UNIT
    in_root "$root" systemctl -q enable lab-net lab-ready
    # Each unit costs an emulated host seconds of its boot.
    in_root "$root" systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
        e2scrub_all.timer e2scrub_reap.service fstrim.timer getty@tty1.service serial-getty@hvc0.service \
        getty.target systemd-pstore.service xendomains.service remote-fs.target systemd-logind.service \
        systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-user-sessions.service \
        systemd-binfmt.service systemd-tmpfiles-clean.timer systemd-journal-flush.service \
        systemd-ask-password-wall.path systemd-ask-password-console.path systemd-random-seed.service \
        sys-fs-fuse-connections.mount sys-kernel-tracing.mount systemd-firstboot.service \
        proc-sys-fs-binfmt_misc.automount systemd-repart.service systemd-network-generator.service \
        systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-machine-id-commit.service
}

make_boot_files() {
    local root=$1 dir=$2 kernel
    kernel=$(find "$root/boot" -name 'vmlinuz-*' | head -n 1)
    cp "$root"/boot/initrd.img-* "$dir/initrd.img"
    # Unpacked once here instead of at every boot in the emulator. The same kernel serves the guests.
    unpack_kernel "$kernel" >"$dir/vmlinux"
    # An HVM guest's BIOS boots only the packed form.
    cp "$dir/vmlinux" "$root/boot/vmlinux"
    ln -s "/boot/${kernel##*/}" "$root/lab/vmlinuz"
    # Both forms and the modules also for guests of another release's hosts.
    cp "$kernel" "$dir/vmlinuz"
    make_guest_modules "$root" "${kernel##*/vmlinuz-}" "$dir/guest-modules"
    # QEMU's multiboot loader wants the hypervisor as the plain ELF file.
    find "$root/boot" -name 'xen-*.gz' -exec gzip -dc {} \; >"$dir/xen"
}

# Unpacked, with names that sort as they are to be loaded.
make_guest_modules() { # ROOT KERNEL DIR
    local root=$1 version=$2 dir=$3 m file n=10
    mkdir -p "$dir"
    for m in $(guest_modules); do
        for file in $(in_root "$root" modprobe -S "$version" --show-depends "$m" | awk '$1 == "insmod" { print $2 }'); do
            m=${file##*/}
            m=${m%%.*}
            [ ! -e "$(echo "$dir"/*-"$m.ko")" ] || continue
            decompress <"$root$file" >"$dir/$n-$m.ko"
            n=$((n + 1))
        done
    done
}

# The ELF kernel inside a bzImage; where it starts is in the setup header (Documentation/arch/x86/boot.rst).
unpack_kernel() {
    local setup offset length
    setup=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
    offset=$(od -An -tu4 -j $((0x248)) -N 4 "$1")
    length=$(od -An -tu4 -j $((0x24c)) -N 4 "$1")
    # The last four bytes are the kernel's length, not part of the compressed data.
    dd if="$1" iflag=skip_bytes,count_bytes skip=$(((setup + 1) * 512 + offset)) count=$((length - 4)) \
        bs=1M status=none | decompress
}

decompress() {
    local magic file
    file=$(mktemp)
    cat >"$file"
    magic=$(od -An -tx1 -N 4 "$file" | tr -d ' ')
    case $magic in
    fd377a58) xz -dc --single-stream "$file" ;;
    28b52ffd) zstd -dcq "$file" ;;
    1f8b*) gzip -dc "$file" ;;
    7f454c46) cat "$file" ;;
    *) echo "unknown compression: $magic" >&2; return 1 ;;
    esac
    rm -f "$file"
}

make_disk() {
    truncate -s 3G "$2"
    # -d fills the file system without a loop device.
    mke2fs -q -t ext4 -E lazy_itable_init=1,lazy_journal_init=1 -J size=16 -d "$1" "$2"
}
