#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Set-up for the Makefile, from the top of the checkout.
#   setup.sh run PYTHON   a fresh .venv with livefw and what it needs to run
#   setup.sh test         adds what the tests and gates need
#   setup.sh docs         adds what builds the site of the documents
#   setup.sh fuzz         adds the fuzzer
#   setup.sh packages     Debian packages for tests that mount or compare: installed as root, named otherwise; and environments
#   setup.sh collection DIRECTORY  builds the collection for Ansible there
#   setup.sh environments  other people's programs that tests run, each with its dependencies in the cache
set -eu

venv=${VENV:-.venv}
cache=${LIVEFW_TEST_CACHE:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache/livefw}
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "livefw set-up: $*" >&2; }
die() { say "$@"; exit 1; }
can_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Errors of apt-get are shown, and fatal for nobody: what is missing is reported by whoever needs it.
install() {
    say "installing $*"
    bounded="-qq -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20"
    # shellcheck disable=SC2086  # the options are words
    { apt-get $bounded update && DEBIAN_FRONTEND=noninteractive apt-get $bounded install -y --no-install-recommends "$@"; } \
        >/dev/null || { say "apt-get could not install $*"; return 1; }
}

# pinned SET: what requirements/SET.txt names, each file by its SHA-256. By uv where an earlier set-up has left it in the cache.
# A machine for which there is no wheel of one builds that from its source, with what builds it pinned too.
pinned() {
    { [ -x "$cache/uv/bin/uv" ] && by_uv "$venv" "$1"; } ||
        "$venv/bin/pip" install -qq --require-hashes --only-binary=:all: -r "requirements/$1.txt" 2>/dev/null || from_source "$1"
}
# by_uv DIRECTORY SET: the same into any environment, in less than half of the time of pip. It does not read pip's settings, so
# pip follows where it finds nothing. Compiled like pip's: tests start programs from there that keep nothing compiled, a
# hundred times.
by_uv() {
    "$cache/uv/bin/uv" pip install -q --compile-bytecode --python "$1/bin/python" --require-hashes --only-binary=:all: \
        -r "requirements/$2.txt" 2>/dev/null
}
from_source() {
    [ -e "$venv/source.stamp" ] ||
        "$venv/bin/pip" install -qq --require-hashes --only-binary=:all: -r requirements/source.txt || return
    touch "$venv/source.stamp"
    # swig and others are programs that come with these packages.
    PATH=$PWD/$venv/bin:$PATH "$venv/bin/pip" install -qq --require-hashes --no-build-isolation -r "requirements/$1.txt"
}

check_python() {
    command -v "$1" >/dev/null || die "no program '$1'; choose Python 3.11 or newer with make PYTHON=..."
    "$1" - <<'PY' || die "livefw needs Python 3.11 or newer, and '$1' is $("$1" --version 2>&1); choose one with make PYTHON=..."
import sys
sys.exit(sys.version_info < (3, 11))
PY
    # Debian keeps the part of the standard library that makes virtual environments in a package of its own.
    "$1" -c 'import ensurepip, venv' 2>/dev/null && return
    ! can_install || install python3-venv || :
    "$1" -c 'import ensurepip, venv' 2>/dev/null || die "'$1' cannot make virtual environments; on Debian: apt-get install python3-venv"
}

run() {
    check_python "$1"
    say "making $venv with $("$1" --version) (once)"
    "$1" -m venv --clear "$venv"
    pinned run
    pinned build
    pinned crypto || say "without the package cryptography the demonstration shows less"
    "$venv/bin/pip" install -qq --no-index --no-deps --no-build-isolation --editable .
    pwd > "$venv/path"
    touch "$venv/run.stamp"
}

# The wheels are for the test that installs livefw in a clean environment, so that no test needs the network.
run_tests() {
    say "adding the tools for tests (once)"
    pinned test
    "$venv/bin/pip" wheel -qq --require-hashes --no-build-isolation --wheel-dir "$venv/wheels" -r requirements/run.txt
    # binman's libfdt is compiled on the spot.
    { command -v cc >/dev/null && has_headers; } || ! can_install || install gcc libc6-dev python3-dev || :
    # Without pip's cache, whose wheel may have been built by another swig.
    PIP_NO_CACHE_DIR=1 from_source peers || say "without binman the tests that compare with it are skipped"
    touch "$venv/test.stamp"
}

run_docs() {
    say "adding the tools for the documents (once)"
    pinned docs || die "the tools for the documents could not be installed"
    touch "$venv/docs.stamp"
}

run_fuzz() {
    say "adding the fuzzer (once)"
    pinned fuzz || die "the fuzzer could not be installed; make properties does without"
    touch "$venv/fuzz.stamp"
}

has_headers() {
    "$venv/bin/python" - <<'PY'
import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
}

packages() {
    # pip fetches a part of what follows. A process of its own, which ends at the first error.
    [ -e "$venv/run.stamp" ] || sh "$0" run "${PYTHON:-python3}" || say "without $venv what pip fetches is missing"
    missing=
    need fusermount3 fuse3 "the tests that mount as an ordinary user"
    need busybox busybox-static "the tests that read by sendfile as busybox does"
    need tpm2_eventlog tpm2-tools "the tests that compare measurement logs"
    need qemu-system-aarch64 qemu-system-arm "the tests that boot the EL3 monitor"
    need aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu "the tests that boot the EL3 monitor"
    need fiptool arm-trusted-firmware-tools "the tests that compare with TF-A's tools"
    need openssl openssl "the tests in which a PKCS #11 token signs"
    need softhsm2-util "softhsm2 libengine-pkcs11-openssl" "the tests in which a PKCS #11 token signs"
    need mkeficapsule u-boot-tools "the tests that compare capsules with U-Boot's"
    need iucode_tool "iucode-tool gdisk" "the tests that compare microcode and partition tables"
    need fwupdtool fwupd "the tests that update a modelled BMC by fwupd, and those that drive the daemon"
    need gdbus libglib2.0-bin "the tests that drive the daemon by GDBus"
    # systemd's own journalctl reads a journal that systemd's own tool has made.
    [ -x /lib/systemd/systemd-journal-remote ] || silently systemd-journal-remote
    need systemd-analyze systemd "the test of what the service may do"
    need dbus-daemon dbus-daemon "the tests in which the daemon asks polkit"
    need dh_python3 "debhelper dh-python dpkg-dev" "the tests of the Debian package"
    # Every Debian package is taken to need it, and dpkg-buildpackage refuses without.
    dpkg -s build-essential >/dev/null 2>&1 || silently build-essential
    need dh_dkms "dkms dh-dkms" "the tests of the package of the driver"
    need flex flex "the kernel that make soak builds"
    need bison bison "the kernel that make soak builds"
    need bc bc "the kernel that make soak builds"
    need sparse sparse "the check of the driver by sparse in make soak"
    need rpmbuild rpm "the tests of the RPM packages"
    need rpmlint rpmlint "the tests of the RPM packages"
    need makepkg "makepkg fakeroot libarchive-tools" "the tests of Arch's packages"
    need nix-instantiate nix-bin "the tests of the recipe for Nix"
    need appstreamcli appstream "the test of the metainfo"
    need jcat-tool jcat "the test that compares signatures of archives"
    need gpgv gpgv "the tests of signatures of archives"
    need shellcheck shellcheck "the tests of the recipes' shell"
    need mandoc mandoc "the tests of the manual pages"
    need tidy tidy "the test that a report is valid HTML"
    need zsh zsh "the tests of completion"
    need fish fish "the tests of completion"
    need debootstrap debootstrap "the tests that install the package into a clean Debian"
    need qemu-system-x86_64 qemu-system-x86 "the tests of the service under a real systemd"
    /usr/bin/python3 -c 'import gi; gi.require_version("Fwupd", "2.0")' 2>/dev/null || silently python3-gi gir1.2-fwupd-2.0
    need chromium chromium "the tests of the page for Cockpit"
    need node nodejs "the tests of the page for Cockpit"
    need npm npm "the tests of the page for Cockpit"
    cockpit_server
    need ssh openssh-client "the tests of roll-outs on hosts in namespaces"
    "$venv/bin/python" -c 'import libvirt' 2>/dev/null || pkg-config --exists libvirt 2>/dev/null || silently libvirt-dev pkg-config gcc
    install_missing
    beside python_peers
    beside debians
    beside foreign
    beside cockpit_page
    await
}

# What takes long and waits mostly for others goes side by side, in three rows: pip's, debootstrap's, and files of packages,
# which share a state of apt's.
python_peers() {
    peers_of_redfish
    environments
}
debians() {
    clean_debian "$cache/chroot" bookworm
    for release in bookworm trixie; do debian_for_cockpit "$cache/debian/$release" "$release"; done
    say "making a virtual machine for tests in $cache/machine, if its recipe is new"
    PIP="$venv/bin/pip" sh scripts/virtual-machine.sh "$cache/machine" >/dev/null ||
        say "without it the tests of the service under a real systemd are skipped"
    sh scripts/machine-kernel.sh "$cache/machine-kernel" >/dev/null ||
        say "without it the tests on the newest kernel are skipped"
}
foreign() {
    promtool "$cache/promtool"
    ssh_server "$cache/sshd"
    [ -e "$cache/fwupd/generated/done" ] || say "fetching the source of fwupd for tests into $cache (once)"
    # Again where another fwupd is installed by now.
    PYTHON="$venv/bin/python" sh contrib/fwupd/module/build.sh headers "$cache/fwupd" ||
        say "without it the tests of the plugin for fwupd are skipped"
    if ! [ -d "$cache/fw/usr/lib/arm-trusted-firmware" ] || [ -e "$cache/unavailable" ]; then
        say "fetching real firmware for tests into $cache (once)"
        sh tests/image/fetch.sh >/dev/null || say "without it the tests that use it are expected to fail, and say so"
    fi
    if ! [ -d "$cache/kernel/root/boot" ]; then
        say "fetching an arm64 kernel for tests into $cache (once)"
        sh tests/qemu/fetch.sh >/dev/null || say "without it the tests that boot it are expected to fail, and say so"
    fi
    if ! [ -d "$cache/driver/root/libc" ] && ! { [ -d "$cache/driver/root" ] && [ -e "$cache/driver/unavailable" ]; }; then
        say "fetching arm64 kernels and their headers for tests into $cache (once)"
        sh tests/qemu/fetch-headers.sh >/dev/null ||
            say "without them the tests of the driver in dkms are expected to fail, and say so"
    fi
    if ! [ -d "$cache/guest-python" ]; then
        say "fetching an arm64 Python for tests into $cache (once)"
        sh scripts/guest-python.sh "$cache/guest-python" >/dev/null ||
            say "without it the test that runs livefw in a guest is expected to fail, and says so"
    fi
}

jobs=
# What a shell without job control starts so hears no Ctrl-C.
trap 'trap - TERM; kill 0' INT TERM
beside() { "$@" & jobs="$jobs $!"; }
await() {
    # shellcheck disable=SC2086  # numbers of processes
    for job in $jobs; do wait "$job" || failed=yes; done
    [ -z "${failed-}" ] || die "a part of it has failed"
}

# Where systemd runs, the package makes it listen on port 9090 of every interface: that is for the administrator to decide.
cockpit_server() {
    [ -x /usr/lib/cockpit/cockpit-ws ] && [ -e /usr/share/cockpit/shell ] && command -v cockpit-bridge >/dev/null && return
    if can_install && ! [ -d /run/systemd/system ]; then
        silently cockpit-ws cockpit-bridge cockpit-system
    else
        say "without cockpit-ws the tests of the page for Cockpit are skipped;" \
            "on Debian: apt-get install --no-install-recommends cockpit-ws cockpit-bridge cockpit-system"
    fi
}

# What npm installs for it too, so that no test needs the network.
cockpit_page() {
    { command -v node && command -v npm; } >/dev/null || return 0
    scripts/cockpit.sh build/cockpit >/dev/null || say "the page for Cockpit could not be built; its tests fail"
}

# Only the tool of the package: installing it would start a server.
promtool() {
    [ -x "$1" ] && return
    can_install || { say "without promtool the tests of the metrics and the alert rules are skipped"; return; }
    mkdir -p "$1.new" && (cd "$1.new" && apt-get -qq -o Acquire::Retries=1 download prometheus && dpkg-deb -x prometheus_*.deb .) \
        >/dev/null && mv "$1.new/usr/bin/promtool" "$1" || say "promtool could not be fetched"
    rm -rf "$1.new"
}

# Only the files of the package and of the library that nothing else has: installing it would start a server.
ssh_server() {
    [ -x /usr/sbin/sshd ] || [ -x "$1/usr/sbin/sshd" ] && return
    can_install || { say "without sshd the tests of roll-outs on hosts in namespaces are skipped"; return; }
    mkdir -p "$1.new" && (
        cd "$1.new" && apt-get -qq -o Acquire::Retries=1 download openssh-server libwrap0 &&
            for each in *.deb; do dpkg-deb -x "$each" . && rm "$each"; done
    ) >/dev/null && mv "$1.new" "$1" || say "sshd could not be fetched"
    rm -rf "$1.new"
}

# clean_debian DIRECTORY RELEASE [THEN]: a Debian with python3 and systemd and nothing else, for tests that install packages.
# THEN is done in it before anybody sees it.
clean_debian() {
    [ -x "$1/usr/bin/python3" ] && return
    { can_install && command -v debootstrap >/dev/null; } || return 0
    say "making a clean Debian $2 for tests in $1 (once)"
    mkdir -p "${1%/*}" && rm -rf "$1.new"
    if debootstrap --variant=minbase --include=python3,systemd "$2" "$1.new" >/dev/null 2>&1 && "${3-:}" "$1.new"; then
        mv "$1.new" "$1"
    else
        rm -rf "$1.new"
        say "without it the tests that install packages into a clean Debian $2 are skipped"
    fi
}

# One in which Cockpit can be installed without the network, with whatever our packages depend on or recommend. Whether its
# disk loses anything matters to nobody.
debian_for_cockpit() { clean_debian "$1" "$2" with_cockpit_fetched; }
with_cockpit_fetched() {
    [ ! -d /etc/apt/apt.conf.d ] || cp -r /etc/apt/apt.conf.d "$1/etc/apt/"
    echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/tests"
    for command in "update" "install --yes --download-only cockpit-ws cockpit-system python3-cryptography"; do
        # shellcheck disable=SC2086  # words
        DEBIAN_FRONTEND=noninteractive chroot "$1" apt-get -qq -o Acquire::Retries=1 $command >/dev/null || return
    done
}

# libvirt's test driver is the server that the Redfish client is held against; its binding is compiled, and has to be of
# the same version as the library.
peers_of_redfish() {
    "$venv/bin/python" -c 'import libvirt' 2>/dev/null && return
    version=$(pkg-config --modversion libvirt 2>/dev/null) ||
        { say "without libvirt-python the tests against sushy-emulator are skipped; on Debian: apt-get install libvirt-dev"; return; }
    [ -e "requirements/libvirt-$version.txt" ] ||
        { say "no libvirt-python $version is pinned, so the tests against sushy-emulator are skipped; see CONTRIBUTING.md"; return; }
    from_source "libvirt-$version" || say "libvirt-python could not be built; the tests against sushy-emulator are skipped"
}

# Environments of other people's programs, whose dependencies are not livefw's.
environments() {
    clients_of_redfish "$cache/redfish"
    tools_of_ansible "$cache/ansible"
    environments_of_ansible_test "$cache/ansible-test"
}

# environment DIRECTORY PYTHON SET: with what requirements/SET.txt names.
environment() {
    "$2" -m venv --without-pip --clear "$1" || return
    [ -x "$cache/uv/bin/uv" ] ||
        "$venv/bin/pip" install -qq --require-hashes --only-binary=:all: --target "$cache/uv" -r requirements/lock.txt
    by_uv "$1" "$3" || "$venv/bin/pip" --python "$1" install -qq --require-hashes --only-binary=:all: -r "requirements/$3.txt"
}

# Validators and clients of Redfish, and the older ansible-core. Of two packages a few files are enough: the modules of
# community.general, out of 600 MB, and an index of DMTF's schemas.
clients_of_redfish() {
    pins="requirements/redfish-peers.txt requirements/redfish-data.txt"
    # shellcheck disable=SC2086  # two files
    sum=$(cat $pins | sha256sum)
    [ "$(cat "$1/pins" 2>/dev/null)" = "$sum" ] && return
    say "adding other people's Redfish clients in $1 (once)"
    rm -rf "$1.new" "$1" && mkdir -p "$1.new"
    # Not moved later: the scripts of an environment have its path in them.
    if environment "$1" "$venv/bin/python" redfish-peers &&
        "$venv/bin/pip" download -qq --require-hashes --no-deps --only-binary=:all: -d "$1.new" -r requirements/redfish-data.txt &&
        "$venv/bin/python" scripts/extract.py "$1.new" "$1/data"; then
        echo "$sum" >"$1/pins"
    else
        say "without them the tests in which they ask a modelled BMC are skipped"
    fi
    rm -rf "$1.new"
}

# The newest ansible-core that a Python here can run, and what judges a collection.
tools_of_ansible() {
    sum=$(sha256sum <requirements/ansible.txt)
    [ "$(cat "$1/pins" 2>/dev/null)" = "$sum" ] && return
    newest=$(newest_python)
    say "adding ansible-core and the tools for its collections in $1, with $("$newest" --version) (once)"
    if environment "$1" "$newest" ansible; then
        echo "$sum" >"$1/pins"
    else
        say "without them tests of the collection for Ansible are skipped"
    fi
}

# Those that ansible-test makes for itself, of the pins in each ansible-core.
environments_of_ansible_test() {
    sum=$(cat "$cache/redfish/pins" "$cache/ansible/pins" 2>/dev/null | sha256sum)
    [ "$(cat "$1/pins" 2>/dev/null)" = "$sum" ] && return
    say "adding what ansible-test runs in $1 (once)"
    if "$venv/bin/python" -m tests.ansible.judges; then
        echo "$sum" >"$1/pins"
    else
        say "without it the tests that run ansible-test are skipped"
    fi
}

# The first that runs, or that of the tests. Of a version manager's the interpreters themselves, as a shim for another version
# ends with an error.
newest_python() {
    for each in 3.14 3.13 3.12; do
        for found in ~/.pyenv/versions/"$each".*/bin/python "/usr/local/bin/python$each" "/usr/bin/python$each"; do
            "$found" -c 'import venv' 2>/dev/null && echo "$found" && return
        done
    done
    say "no Python 3.12 or newer is here, so the collection is tested with the older ansible-core only"
    echo "$venv/bin/python"
}

# need PROGRAM PACKAGES TESTS: noted where there is no such program, for one transaction of all.
need() {
    command -v "$1" >/dev/null && return
    # shellcheck disable=SC2086  # may name several packages
    if can_install; then silently $2; else say "without $1 $3 are skipped; on Debian: apt-get install $2"; fi
}
silently() { missing="$missing $*"; }
# Each start of apt-get reads the lists and runs the triggers anew: 25 of them took minutes. If one package is not to be had,
# the others are.
install_missing() {
    [ -n "$missing" ] && can_install || return 0
    # shellcheck disable=SC2086  # names of packages
    install $missing || for each in $missing; do install "$each" || :; done
}

case "${1-}" in
    run) run "$2" ;;
    test) run_tests ;;
    docs) run_docs ;;
    fuzz) run_fuzz ;;
    packages) packages ;;
    environments) environments ;;
    collection)
        tools_of_ansible "$cache/ansible"
        "$cache/ansible/bin/ansible-galaxy" collection build --force --output-path "$2" ansible
        ;;
    *) die "usage: setup.sh run PYTHON | test | docs | fuzz | packages | environments | collection DIRECTORY" ;;
esac
