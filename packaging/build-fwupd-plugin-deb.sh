#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian package with the source of the plugin for fwupd: build-fwupd-plugin-deb.sh DIRECTORY, which gets the .deb.
# Nothing is compiled here; the package does that on the machine that installs it.
set -eu
target=$(realpath "${1:?usage: build-fwupd-plugin-deb.sh DIRECTORY}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=livefw-fwupd-plugin
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
root=$work/root
part() { mkdir -p "$root/${2%/*}" && install -m "$1" "$3" "$root/$2"; }

for each in contrib/fwupd/plugins/arm-lfa/fu-arm-lfa-*.[ch]; do
    part 644 "usr/share/$name/plugins/arm-lfa/${each##*/}" "$each"
done
part 755 "usr/share/$name/module/build.sh" contrib/fwupd/module/build.sh
part 644 "usr/share/$name/module/module.c" contrib/fwupd/module/module.c
part 755 "usr/lib/$name/build" packaging/fwupd-plugin/build
part 644 "lib/systemd/system/$name.service" packaging/fwupd-plugin/livefw-fwupd-plugin.service
part 644 lib/systemd/system/fwupd.service.d/livefw-arm-lfa.conf packaging/fwupd-plugin/fwupd.conf
part 644 usr/share/fwupd/quirks.d/arm-lfa.quirk contrib/fwupd/plugins/arm-lfa/arm-lfa.quirk
part 644 "usr/share/doc/$name/README.md" contrib/fwupd/plugins/arm-lfa/README.md
part 644 "usr/share/doc/$name/copyright" contrib/fwupd/LICENSE
mkdir "$root/DEBIAN"
sed "s/@VERSION@/$version/" packaging/fwupd-plugin/control >"$root/DEBIAN/control"
install -m 644 packaging/fwupd-plugin/triggers "$root/DEBIAN/triggers"
install -m 755 packaging/fwupd-plugin/postinst packaging/fwupd-plugin/prerm "$root/DEBIAN/"
dpkg-deb --root-owner-group --build "$root" "$target/${name}_${version}_all.deb" >/dev/null
