#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with real firmware from Debian packages: downloaded and unpacked, never installed. Needs a Debian
# whose own package sources serve arm64 too; nothing of the system is changed.
set -eu
cache=${LIVEFW_TEST_CACHE:-$HOME/.cache/livefw}
apt=$cache/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/debs" "$cache/fw"
options="-q -o Dir::State::lists=$apt/lists -o Dir::Cache=$apt -o APT::Architectures::=arm64 -o APT::Sandbox::User=root"
cd "$cache/debs"
# shellcheck disable=SC2086  # the options are words
apt-get $options update
# shellcheck disable=SC2086
apt-get $options download arm-trusted-firmware:arm64 qemu-efi-aarch64 u-boot-qemu
for package in *.deb; do dpkg-deb -x "$package" "$cache/fw"; done
rm -rf "$cache/fw/usr/share/AAVMF"  # 256 MiB that no test reads
