#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The fwupdmgr of another Debian in a folder of its own, for the tests of the daemon: nothing is installed. As root.
#
#   scripts/other-fwupd.sh DIRECTORY [SUITE]         a minute or two; SUITE is sid unless named
#   LIVEFW_FWUPDMGR=DIRECTORY make test ARGS=tests/daemon
set -eu

directory=$(realpath -m "$1")
suite=${2:-sid}

debootstrap --foreign --variant=minbase --include=fwupd "$suite" "$directory/root"
for package in "$directory"/root/var/cache/apt/archives/*.deb; do
    dpkg-deb --extract "$package" "$directory/root"
done

libraries=$(dirname "$directory"/root/usr/lib/*-linux-gnu*/libfwupd.so.*.*)
loader=$(find "$directory/root/usr/lib" "$directory/root/usr/lib64" -name 'ld-linux*' 2>/dev/null | head -n 1)
cat > "$directory/fwupdmgr" <<END
#!/bin/sh
exec $loader --library-path $libraries:$(echo "$libraries"/fwupd-*) $directory/root/usr/bin/fwupdmgr "\$@"
END
chmod +x "$directory/fwupdmgr"
echo "LIVEFW_FWUPDMGR=$directory"
