#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with real firmware from Debian packages: downloaded and unpacked, never installed. Debian or Ubuntu.
set -eu
cache=${LIVEFW_TEST_CACHE:-$HOME/.cache/livefw}
apt=$cache/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/debs" "$cache/fw"
printf 'deb [arch=arm64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s bookworm main\n' \
    "${LIVEFW_TEST_MIRROR:-http://deb.debian.org/debian}" >"$apt/sources.list"
options="-q -o Dir::Etc::sourcelist=$apt/sources.list -o Dir::Etc::sourceparts=- -o Dir::State::lists=$apt/lists
    -o Dir::Cache=$apt -o APT::Architectures::=arm64 -o APT::Sandbox::User=root"
cd "$cache/debs"
# shellcheck disable=SC2086  # the options are words
apt-get $options update
# shellcheck disable=SC2086
apt-get $options download arm-trusted-firmware:arm64 qemu-efi-aarch64 u-boot-qemu
for package in *.deb; do dpkg-deb -x "$package" "$cache/fw"; done
