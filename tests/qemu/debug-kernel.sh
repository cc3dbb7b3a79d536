#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Build an arm64 kernel with lockdep, KASAN and others from Debian's linux-source into the test cache, once for each
# configuration.
set -eu
here=$(dirname "$(realpath "$0")")
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}/debug-kernel
for program in flex bison bc aarch64-linux-gnu-gcc; do
    command -v $program >/dev/null || { echo "debug-kernel.sh: there is no $program" >&2; exit 1; }
done
mkdir -p "$cache"
cd "$cache"
if ! [ -d source ]; then
    rm -rf new
    mkdir new
    cd new
    package=$(apt-cache depends linux-source | sed -n 's/.*Depends: \(linux-source-[^ ]*\).*/\1/p' | head -n 1)
    apt-get -q -o APT::Sandbox::User=root download "$package"
    dpkg-deb -x ./*.deb .
    tar xf usr/src/linux-source-*.tar.xz
    mv linux-source-*/ ../source
    cd ..
    rm -rf new
fi
# What was built from the same configuration stays.
cmp -s "$here/debug-kernel.config" configuration && exit
cd source
make() { command make -s ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- KCFLAGS=-pipe "$@"; }
make KCONFIG_ALLCONFIG="$here/debug-kernel.config" allnoconfig
grep '^CONFIG' "$here/debug-kernel.config" | while read -r option; do
    grep -qxF "$option" .config || { echo "debug-kernel.sh: this kernel has no $option" >&2; exit 1; }
done
make -j"$(nproc)" Image modules
cp arch/arm64/boot/Image ../Image
cp "$here/debug-kernel.config" ../configuration
