#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Make an arm64 Debian 12 as somebody has it who installs the driver: systemd, fwupd, DKMS, a compiler, and the headers of
# its kernel. disk.img and vmlinuz in the test cache, once for each version of this script. Debian's kernel for clouds
# finds the disk (NVMe, ext4) without an initrd. As root: the packages are configured by their own arm64 programs, for
# which the kernel is given Debian's qemu-aarch64 until they are.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
target=$cache/debian-arm64
packages=systemd-sysv,libpam-systemd,udev,dbus,kmod,polkitd,fwupd,python3,dkms,linux-image-cloud-arm64
packages=$packages,linux-headers-cloud-arm64
recipe=$(sha256sum <"$0")
if [ "$(cat "$target/recipe" 2>/dev/null)" = "$recipe" ]; then exit 0; fi

handler=/proc/sys/fs/binfmt_misc
name=livefw-aarch64
work=$target.new
tree=$work/tree
fail() {
    echo "debian.sh: $*" >&2
    exit 1
}
leave() {
    [ -e "$handler/$name" ] && echo -1 >"$handler/$name"
    mountpoint -q "$tree/proc" && umount --lazy "$tree/proc"
    rm -rf --one-file-system "$work"
}
# Has the kernel start arm64 programs by qemu-aarch64, if it does not yet; F: the interpreter need not be in the root.
emulate() {
    [ -e "$handler/register" ] || mount -t binfmt_misc binfmt_misc "$handler" || return
    grep -qs '^magic 7f454c460201010000000000000000000200b700$' "$handler"/* && return
    (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download qemu-user-static && dpkg-deb -x qemu-user-static_*.deb user) || return
    printf '%s' ":$name:M::" '\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:' \
        '\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:' \
        "$work/user/usr/bin/qemu-aarch64-static:F" >"$handler/register"
}

[ "$(id -u)" = 0 ] || fail "this takes root"
for program in debootstrap mke2fs; do command -v $program >/dev/null || fail "$program is missing"; done
trap leave EXIT
trap 'exit 1' HUP INT TERM
rm -rf --one-file-system "$work"
mkdir -p "$work"

timeout 1200 debootstrap --arch=arm64 --foreign --variant=minbase --include="$packages" bookworm "$tree" >"$work/log" 2>&1 ||
    fail "debootstrap: $(tail -n 1 "$work/log")"
[ "$(uname -m)" = aarch64 ] || emulate || fail "the kernel cannot be told how to start arm64 programs"
# This machine's own dpkg unpacks all packages, which emulated takes half an hour; their scripts are arm64's.
printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # so that they start nothing
chmod +x "$tree/usr/sbin/policy-rc.d"
# In a container debootstrap makes a link of it, and the mount would be over this machine's own.
rm -rf --one-file-system "${tree:?}/proc"
mkdir "$tree/proc"
mount -t proc proc "$tree/proc" || fail "/proc cannot be mounted"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C INITRD=No # an initrd takes minutes, and the kernel needs none
[ "$(dpkg --print-architecture)" = arm64 ] || dpkg --root="$tree" --add-architecture arm64
dpkg --root="$tree" --force-all --unpack "$tree"/var/cache/apt/archives/*.deb >>"$work/log" 2>&1 ||
    fail "unpacking: $(tail -n 1 "$work/log")"
rm -f "$tree/var/lib/dpkg/arch"
configure() { timeout 3600 chroot "$tree" dpkg --configure "$@" >>"$work/log" 2>&1 || fail "configuring: $(tail -n 30 "$work/log")"; }
configure --force-depends base-passwd base-files mawk
configure -a
umount --lazy "$tree/proc" || fail "/proc cannot be unmounted"
rm -r "$tree/debootstrap" "$tree/usr/sbin/policy-rc.d"

# What a test brings has the console.
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim fwupd-refresh; do
    ln -sf /dev/null "$tree/etc/systemd/system/$timer.timer"
done
echo '/dev/nvme0n1 / ext4 rw 0 0' >"$tree/etc/fstab"
echo debian >"$tree/etc/hostname"
: >"$tree/etc/machine-id"
cp "$tree"/boot/vmlinuz-* "$work/vmlinuz" || fail "there is no kernel in the root"
rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/locale

mke2fs -q -t ext4 -d "$tree" "$work/disk.img" 3G || fail "mke2fs could not make the disk"
rm -rf --one-file-system "$tree" "$work/user" "$work"/*.deb
echo "$recipe" >"$work/recipe"
rm -rf "$target" && mv "$work" "$target"
