#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with real firmware from Debian packages: downloaded and unpacked, never installed; nothing of the
# system is changed. What the machine's package sources do not serve, or not within the time, is left out and written
# down in `unavailable`, so that a slow mirror for a foreign architecture is no failure of what is tested.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
seconds=${LIVEFW_FETCH_SECONDS:-180}
apt=$cache/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$cache/debs" "$cache/fw"
cd "$cache/debs" || exit 1
rm -f "$cache/unavailable"

# ARCHITECTURE-OPTION PACKAGE...
get() {
    options="-q -o Dir::State::lists=$apt/lists -o Dir::Cache=$apt -o APT::Sandbox::User=root $1"
    options="$options -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
    shift
    # shellcheck disable=SC2086  # the options are words
    timeout "$seconds" apt-get $options update && timeout "$seconds" apt-get $options download "$@" && return
    echo "$* could not be fetched within twice $seconds s from this machine's package sources" | tee -a "$cache/unavailable" >&2
}

get "" qemu-efi-aarch64 u-boot-qemu
get "-o APT::Architectures::=arm64" arm-trusted-firmware:arm64
for package in *.deb; do
    [ ! -e "$package" ] || dpkg-deb -x "$package" "$cache/fw" || rm -f "$package"
done
rm -rf "$cache/fw/usr/share/AAVMF" # 256 MiB that no test reads
[ ! -e "$cache/unavailable" ]
