#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with Debian's arm64 kernel and a static busybox: downloaded and unpacked, never installed. Needs
# a Debian whose own package sources serve arm64 too; where they do not, a file "unavailable" in the cache says so.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
apt=$cache/apt
new=$cache/kernel/new
rm -rf "$new" "$cache/kernel/unavailable"
foreign=arm64
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/../../scripts/apt.sh" && make_apt
mkdir -p "$new"
cd "$new" || exit 1

fetch() {
    get apt-get update || return
    image=$(get apt-cache depends linux-image-cloud-arm64:arm64 | sed -n 's/.*Depends: \(linux-image-[^ :]*\).*/\1/p' | head -n 1)
    get apt-get download "$image:arm64" busybox-static:arm64 || return
    for package in *.deb; do dpkg-deb -x "$package" . || return; done
}

if fetch; then
    rm -rf lib usr ./*.deb "$cache/kernel/root"
    mv "$new" "$cache/kernel/root"
else
    echo "an arm64 kernel could not be fetched from this machine's package sources" | tee "$cache/kernel/unavailable" >&2
    exit 1
fi
