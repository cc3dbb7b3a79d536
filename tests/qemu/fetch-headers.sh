#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill the test cache with arm64 kernels, and with what modules for them are built against: Debian's default kernel, the
# newest that this machine's package sources have, and the newest that is backported to the release after Debian 12.
# Downloaded and unpacked, never installed. Where they are not to be had, a file "unavailable" in the cache says so.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
apt=$cache/apt
driver=$cache/driver
new=$driver/new
rm -rf "$new" "$driver/unavailable"
foreign=arm64
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/../../scripts/apt.sh" && make_apt
mkdir -p "$new"
cd "$new" || exit 1

# Of PACKAGE, what it depends on and begins with WORD, without its architecture; GET says where.
depends() { "$1" apt-cache depends "$2" | sed -n "s/.*Depends: <*\\($3[^ :>]*\\).*/\\1/p" | head -n 1; }
newest() { "$1" apt-cache search --names-only '^linux-image-[0-9].*-cloud-arm64$' | cut -d ' ' -f 1 | sort -V | tail -n 1; }
# From 7.0 on the package of a kernel is an empty one, and another has the file.
download() {
    headers=linux-headers-${2#linux-image-}
    binary=$(depends "$1" "$2:arm64" linux-binary-)
    "$1" apt-get download "${binary:-$2}:arm64" "$headers:arm64" "$(depends "$1" "$headers:arm64" linux-headers-):all" \
        "$(depends "$1" "$headers:arm64" linux-kbuild-)"
}
unpack() {
    for package in *.deb; do dpkg-deb -x "$package" . || return; done
    for image in usr/lib/modules/*/vmlinuz; do
        release=${image%/vmlinuz}
        [ ! -e "$image" ] || mv "$image" "boot/vmlinuz-${release##*/}"
    done
    # Of the kernel only the image is booted; and the headers name each other by where they would be installed.
    find . \( -name '*.deb' -o -name vmlinux \) -delete
    rm -rf lib usr/share usr/lib/modules
    find usr/src -maxdepth 2 -name Makefile -exec sed -i "s#\([ =]\)/usr/src/#\1$driver/root/usr/src/#" {} +
}
fetch() {
    get apt-get update || return
    default=$(depends get linux-image-cloud-arm64:arm64 linux-image-)
    for image in $(printf '%s\n' "$default" "$(newest get)" | sort -u); do download get "$image" || return; done
    unpack
}
# Its programs for this machine need the C library of their own release.
fetch_next() {
    next_sources && get_next apt-get update && get_next apt-get download libc6 && dpkg-deb -x libc6_*.deb libc && rm libc6_*.deb &&
        download get_next "$(newest get_next)" && unpack || return
    loader=$(find libc/usr/lib -name 'ld-linux-*.so.*')
    for scripts in usr/lib/linux-kbuild-[7-9]*/scripts; do
        mv "$scripts/basic/fixdep" "$scripts/basic/fixdep.real"
        for tool in basic/fixdep:fixdep.real mod/modpost:modpost.real-lsb-64; do
            real=$driver/root/$scripts/${tool%/*}/${tool#*:}
            printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$driver/root/$loader" "$driver/root/${loader%/*}" "$real" \
                >"$scripts/wrapper"
            chmod +x "$scripts/wrapper" && mv "$scripts/wrapper" "$scripts/${tool%:*}"
        done
    done
}

if fetch; then
    fetch_next || echo "no kernel of $next's backports could be fetched from this machine's package sources" | tee "$driver/unavailable" >&2
    rm -rf "$driver/root" ./*.deb
    mv "$new" "$driver/root"
else
    echo "headers of arm64 kernels could not be fetched from this machine's package sources" | tee "$driver/unavailable" >&2
    exit 1
fi
