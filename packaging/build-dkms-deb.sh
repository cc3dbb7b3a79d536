#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian package of the driver: build-dkms-deb.sh DIRECTORY, which gets the .deb. Needs debhelper and dh-dkms.
set -eu
target=$(realpath "${1:?usage: build-dkms-deb.sh DIRECTORY}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r dkms "$work/livefw-dkms"
cp -r packaging/debian-dkms "$work/livefw-dkms/debian"
# Both packages have one version and one history.
sed 's/^livefw /livefw-dkms /' packaging/debian/changelog >"$work/livefw-dkms/debian/changelog"
(cd "$work/livefw-dkms" && dpkg-buildpackage -us -uc -b >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
cp "$work"/*.deb "$target/"
