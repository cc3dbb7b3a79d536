#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with Debian's default arm64 kernel and the newest one that its sources have, and with what modules
# for them are built against: downloaded and unpacked, never installed. Where that is not to be had, a file
# "unavailable" in the cache says so.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
apt=$cache/apt
driver=$cache/driver
new=$driver/new
rm -rf "$new" "$driver/unavailable"
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$new"
cd "$new" || exit 1

# Each step has its time: a set-up must not wait for a mirror that does not answer.
get() {
    program=$1
    shift
    timeout 300 "$program" -q -o Dir::State::lists="$apt/lists" -o Dir::Cache="$apt" -o APT::Architectures::=arm64 \
        -o APT::Sandbox::User=root -o Acquire::Retries=1 -o Acquire::http::Timeout=20 "$@"
}
# What a package depends on and begins with WORD, without its architecture.
depends() { get apt-cache depends "$1" | sed -n "s/.*Depends: <*\\($2[^ :>]*\\).*/\\1/p" | head -n 1; }
fetch() {
    get apt-get update || return
    default=$(depends linux-image-cloud-arm64:arm64 linux-image-)
    newest=$(get apt-cache search --names-only '^linux-image-[0-9].*-cloud-arm64$' | cut -d ' ' -f 1 | sort -V | tail -n 1)
    for image in $(printf '%s\n' "$default" "$newest" | sort -u); do
        headers=linux-headers-${image#linux-image-}
        get apt-get download "$image:arm64" "$headers:arm64" "$(depends "$headers:arm64" linux-headers-):all" \
            "$(depends "$headers:arm64" linux-kbuild-)" || return
    done
    for package in *.deb; do dpkg-deb -x "$package" . || return; done
    # Of the kernel only the image is booted; and the headers name each other by where they would be installed.
    find . \( -name '*.deb' -o -name vmlinux \) -delete
    rm -rf lib usr/share
    find usr/src -maxdepth 2 -name Makefile -exec sed -i "s#include /usr/src/#include $driver/root/usr/src/#" {} +
}

if fetch; then
    rm -rf "$driver/root"
    mv "$new" "$driver/root"
else
    echo "headers of arm64 kernels could not be fetched from this machine's package sources" | tee "$driver/unavailable" >&2
    exit 1
fi
