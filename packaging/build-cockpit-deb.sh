#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian package of the page for Cockpit: build-cockpit-deb.sh DIRECTORY, which gets the .deb. Needs Node.js and npm.
set -eu
target=$(realpath "${1:?usage: build-cockpit-deb.sh DIRECTORY}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=cockpit-livefw
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/debian/changelog)
root=$work/root
documents=$root/usr/share/doc/$name
metainfo=$root/usr/share/metainfo

scripts/cockpit.sh "$work/page"
mkdir -p "$root/usr/share/cockpit/livefw" "$documents" "$metainfo" "$root/DEBIAN"
install -m 644 "$work"/page/* "$root/usr/share/cockpit/livefw/"
install -m 644 packaging/cockpit/org.livefw.cockpit.metainfo.xml "$metainfo/"
# What is bundled has a licence of its own, beside ours.
{ cat packaging/debian/copyright; cat packaging/cockpit/copyright; } >"$documents/copyright"
sed "s/^livefw /$name /" packaging/debian/changelog | gzip -9n >"$documents/changelog.gz"
sed "s/@VERSION@/$version/" packaging/cockpit/control >"$root/DEBIAN/control"
chmod 644 "$documents"/* "$root/DEBIAN/control"
chmod -R u+rwX,go+rX,go-w "$root"
dpkg-deb --root-owner-group --build "$root" "$target/${name}_${version}_all.deb" >/dev/null
