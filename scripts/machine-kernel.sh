#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# machine-kernel.sh DIR: the newest kernel that is backported to the release after Debian 12, for the virtual machine of
# virtual-machine.sh: below DIR/lib/modules its file, and those of its modules that a story loads. Not the kernel for
# clouds, which has no test_firmware. Downloaded, checked by apt and unpacked, never installed; where it is not to be had,
# a file DIR.unavailable says why.
set -u
target=${1:?usage: machine-kernel.sh DIR}
wanted="nvme ext4 autofs4 nvme-tcp raid1 test_firmware"
functions=$(dirname "$0")/apt.sh
recipe=$(cat "$0" "$functions" | sha256sum)
if [ "$(cat "$target/recipe" 2>/dev/null)" = "$recipe" ]; then exit 0; fi

fail() {
    rm -rf "$target.new"
    echo "$*" | tee "$target.unavailable" >&2
    exit 1
}

[ "$(uname -m)" = x86_64 ] || fail "the virtual machine of the tests is made on x86-64 only"
rm -rf "$target.new" "$target.unavailable"
apt=$target.new/apt
# shellcheck source=scripts/apt.sh
. "$functions" && make_apt
cd "$target.new" || exit 1

fetch() {
    get apt-get update && next_sources && get_next apt-get update || return
    release=$(get_next apt-cache search --names-only '^linux-binary-[0-9.]*[+]deb[0-9]*-amd64$' |
        sed 's/^linux-binary-\([^ ]*\) .*/\1/' | sort -V | tail -n 1)
    [ -n "$release" ] && get_next apt-get download "linux-base-$release" "linux-binary-$release" "linux-modules-$release" || return
    for package in *.deb; do dpkg-deb -x "$package" . || return; done
}
# Of 4,000 modules a machine loads some twenty.
keep() {
    ln -s usr/lib lib && depmod -b . "$release" || return
    for module in $wanted; do modprobe -d "$PWD" -S "$release" --show-depends "$module" || return; done >insmod
    sed -n 's#^insmod \([^ ]*\).*#\1#p' insmod >kept
    find "$PWD/lib/" -name '*.ko*' | grep -vxF -f kept | xargs rm && depmod -b . "$release"
}

fetch || fail "no kernel of $next's backports could be fetched from this machine's package sources"
keep || fail "the modules of the kernel $release could not be unpacked"
rm -rf apt insmod kept usr/share ./*.deb
echo "$recipe" >recipe
cd / && rm -rf "$target" && mv "$target.new" "$target"
