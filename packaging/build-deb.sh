#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the Debian packages of this checkout: build-deb.sh DIRECTORY, which gets each .deb. Needs debhelper and dh-python.
set -eu
target=$(realpath "${1:?usage: build-deb.sh DIRECTORY}")
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/livefw"
cp -r src docs examples packaging requirements pyproject.toml LICENSE ./*.md "$work/livefw/"
cp -r packaging/debian "$work/livefw/debian"
find "$work" -name __pycache__ -prune -exec rm -rf {} +
(cd "$work/livefw" && dpkg-buildpackage -us -uc -b >"$work/log" 2>&1) || { cat "$work/log" >&2; exit 1; }
cp "$work"/*.deb "$target/"
