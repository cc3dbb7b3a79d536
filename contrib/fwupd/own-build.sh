#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Apply the patches for a merge request to a source of fwupd, and build it with the plugin in, in a clean Debian: that of
# scripts/setup.sh, over which a layer is laid that is thrown away. As root; a few minutes, and 100 MB from the mirror.
#
#   own-build.sh CHROOT SOURCE OUT    OUT gets the patches, the log, and what fwupd's own tests said
set -eu

here=$(dirname "$(realpath "$0")")
chroot=$(realpath "$1") source=$(realpath "$2") out=$(realpath -m "$3")
packages="gcc meson ninja-build pkg-config gettext patch libglib2.0-dev libxmlb-dev libzstd-dev libjcat-dev libcurl4-gnutls-dev \
libsqlite3-dev liblzma-dev libjson-glib-dev libusb-1.0-0-dev zlib1g-dev libarchive-dev python3-jinja2 hwdata ca-certificates"
# Nothing that the plugin does not need: no polkit, no systemd, no other plugin but fwupd's own for tests.
options="-Dauto_features=disabled -Dman=false -Ddocs=disabled -Dintrospection=disabled -Dfirmware-packager=false \
-Dbash_completion=false -Dfish_completion=false -Dlvfs=disabled -Dmetainfo=false -Dplugin_uefi_capsule_splash=false \
-Dtests=true -Dumockdev_tests=disabled"
grep -qs "'libarchive'" "$source"/meson_options.txt "$source"/meson.options && options="$options -Dlibarchive=enabled"

mkdir -p "$out"
rm -f "$out"/*.patch
"$here/patches.py" "$source" "$out"

layer=$(mktemp -d)
root=$layer/root
end() {
    umount "$root/proc" "$root/dev" "$root" 2>/dev/null || true
    umount "$layer" && rmdir "$layer"
}
trap end EXIT
mount -t tmpfs own-build "$layer"
mkdir "$layer/up" "$layer/work" "$root"
mount -t overlay -o "lowerdir=$chroot,upperdir=$layer/up,workdir=$layer/work" own-build "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp /etc/resolv.conf "$root/etc/"
# The mirror, and how it is reached, are those of this machine.
[ ! -d /etc/apt/apt.conf.d ] || cp -r /etc/apt/apt.conf.d "$root/etc/apt/"
rm -f "$root/etc/apt/sources.list"
cp /etc/apt/sources.list.d/debian.sources "$root/etc/apt/sources.list.d/" 2>/dev/null || cp /etc/apt/sources.list "$root/etc/apt/"

in_root() { chroot "$root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 sh -c "$1" >>"$out/log" 2>&1; }
: >"$out/log"
in_root "apt-get -qq update && apt-get -qq install -y --no-install-recommends $packages"
mkdir "$root/fwupd"
cp -r "$source/." "$root/fwupd/"
cp "$out"/*.patch "$root/"
in_root "cd /fwupd && for each in /0*.patch; do patch -p1 <\$each || exit 1; done"
# There is no option for fewer plugins.
python3 - "$root/fwupd/plugins/meson.build" <<'END'
import re, sys
text = open(sys.argv[1], encoding="utf-8").read()
open(sys.argv[1], "w", encoding="utf-8").write(
    re.sub(r"(?ms)^plugins = \{\n.*?^\}\n", "plugins = {\n  'arm-lfa': false,\n  'test': false,\n}\n", text, count=1)
)
END
in_root "cd /fwupd && meson setup /build $options"
in_root "cd /build && ninja src/fwupd src/fwupdmgr src/fwupdtool plugins/arm-lfa/arm-lfa-self-test"
in_root "cd /build && meson test --no-rebuild --print-errorlogs arm-lfa-self-test"
grep -E '^ *[0-9]+/[0-9]+ .*arm-lfa-self-test|^Ok:|^Fail:' "$out/log" | tail -n 4
