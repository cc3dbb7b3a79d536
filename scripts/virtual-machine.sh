#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# virtual-machine.sh DIR: a small Debian with a real systemd for tests/daemon/test_systemd.py, and with what
# tests/nvme/test_kernel.py takes besides: DIR/disk.img and DIR/vmlinuz. Debian's kernel for clouds finds its disk (NVMe,
# ext4) without an initrd. As root, on x86-64; where it cannot be made, a file DIR.unavailable says why.
set -u
target=${1:?usage: virtual-machine.sh DIR}
checkout=$(cd "$(dirname "$0")/.." && pwd)
pip=${PIP:-$checkout/.venv/bin/pip}
packages=systemd-sysv,udev,dbus,libpam-systemd,polkitd,fwupd,python3,python3-prometheus-client,python3-cffi-backend
packages=$packages,python3-cryptography,linux-image-cloud-amd64,kmod,nvme-cli,mdadm,fio
recipe=$(sha256sum <"$0")
if [ "$(cat "$target/recipe" 2>/dev/null)" = "$recipe" ]; then exit 0; fi

fail() {
    rm -rf "$target.new"
    echo "$*" | tee "$target.unavailable" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "the virtual machine of the tests is made on x86-64 only"
[ "$(id -u)" = 0 ] || fail "making the virtual machine of the tests takes root"
for program in debootstrap mke2fs; do command -v $program >/dev/null || fail "$program is missing"; done
rm -rf "$target.new" "$target.unavailable"
mkdir -p "$target.new"
tree=$target.new/tree

# The modelled machine in there needs msgspec, which this Debian has not; the tool itself needs it not. First, as it is what
# most likely fails.
"$pip" download -qq --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
    --abi cp311 --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 -d "$target.new" \
    --require-hashes -r "$checkout/requirements/run.txt" ||
    fail "the wheel of msgspec cannot be had by $pip"

timeout 600 debootstrap --variant=minbase --include="$packages" bookworm "$tree" >"$target.new/log" 2>&1 ||
    fail "debootstrap: $(tail -n 1 "$target.new/log")"
python3 -m zipfile -e "$target.new"/msgspec-*.whl "$tree/opt/model" || fail "the wheel of msgspec cannot be unpacked"

# One account for each way to be allowed, or not; each password is the account's name.
for user in ordinary member ruled admin; do
    chroot "$tree" useradd --create-home --shell /bin/bash $user && echo "$user:$user" | chroot "$tree" chpasswd ||
        fail "no account $user"
done
chroot "$tree" usermod --append --groups sudo admin || fail "no administrator"

# What a test brings is on its second disk, as a tar archive; it tells on the second serial line.
cat >"$tree/etc/systemd/system/livefw-test.service" <<'UNIT'
[Unit]
Description=What the second disk brings
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=infinity
StandardOutput=journal+console
ExecStart=/bin/sh -c 'mkdir -p /run/test && tar -xf /dev/nvme1n1 -C /run/test && exec /run/test/run'
ExecStopPost=/bin/systemctl poweroff --no-block
UNIT
ln -s ../livefw-test.service "$tree/etc/systemd/system/multi-user.target.wants/"
for timer in apt-daily apt-daily-upgrade dpkg-db-backup e2scrub_all fstrim fwupd-refresh; do
    ln -s /dev/null "$tree/etc/systemd/system/$timer.timer"
done
echo '/dev/nvme0n1 / ext4 rw 0 0' >"$tree/etc/fstab"
echo livefw-test >"$tree/etc/hostname"
: >"$tree/etc/machine-id"
cp "$tree"/boot/vmlinuz-* "$target.new/vmlinuz" || fail "there is no kernel in $tree"
rm -rf "$tree"/boot/* "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc "$tree"/usr/share/locale

# Without a journal: each run writes into a copy that is thrown away.
mke2fs -q -t ext4 -O ^has_journal -d "$tree" "$target.new/disk.img" 1G || fail "mke2fs could not make the disk"
rm -rf "$tree" "$target.new"/*.whl
echo "$recipe" >"$target.new/recipe"
rm -rf "$target" && mv "$target.new" "$target"
