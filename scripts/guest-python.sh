#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# guest-python.sh [DIR]: unpack Debian's arm64 Python for `livefw machine run --qemu KERNEL --guest-python DIR`. Packages
# are downloaded and unpacked, never installed. Needs a Debian whose own package sources serve arm64 too; where they do
# not, a file DIR.unavailable says so.
set -u
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
target=${1:-$cache/guest-python}
apt=$cache/apt
rm -rf "$target.new" "$target.unavailable"
foreign=arm64
# shellcheck source=scripts/apt.sh
. "$(dirname "$0")/apt.sh" && make_apt
mkdir -p "$target.new/packages" || exit 1
target=$(cd "$target.new" && pwd) && target=${target%.new}
cd "$target.new/packages" || exit 1

needed_by() {
    get apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances "$@" |
        sed -n 's/.*Depends: \([^ <>:]*\).*/\1/p'
}
fetch() {
    get apt-get update || return
    python=$(needed_by python3-minimal:arm64 | grep -x 'python3\.[0-9]*-minimal') || return
    packages="$python lib$python lib${python%-minimal}-stdlib"
    # shellcheck disable=SC2086,SC2046  # names of packages
    packages="$packages $(needed_by $(printf '%s:arm64 ' $packages) |
        grep -E '^(libbz2-|libc6|libcrypt1|libexpat1|libffi|liblzma|libsqlite3-|libssl|libuuid1|zlib1g)' | sort -u)"
    # shellcheck disable=SC2046,SC2086
    get apt-get download $(printf '%s:arm64 ' $packages libgcc-s1) || return
    for package in *.deb; do dpkg-deb -x "$package" .. || return; done
}

if fetch; then
    cd / && rm -rf "$target.new/packages" "$target.new/usr/share" "$target"
    mv "$target.new" "$target"
else
    cd / && rm -rf "$target.new"
    echo "an arm64 Python could not be fetched from this machine's package sources" | tee "$target.unavailable" >&2
    exit 1
fi
