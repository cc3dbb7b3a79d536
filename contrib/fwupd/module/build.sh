#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Build the plugin as a module for the fwupd that is installed here. Its headers are in no package, so they are taken from
# the distribution's source package of exactly this version; a module for another version is not loaded, or crashes.
#
#   build.sh fetch DIRECTORY          the source of the installed fwupd, and the headers of libraries that are not installed
#   build.sh headers DIRECTORY        the headers that are generated from it
#   build.sh module DIRECTORY OUT     the module, OUT/libfu_plugin_arm_lfa.so; the others first, where needed
#   build.sh self-test DIRECTORY OUT  OUT/arm-lfa-self-test, the test that fwupd would run
#   build.sh where                    the directory from which the installed fwupd loads modules
#
# PYTHON needs jinja2, as fwupd's own build does. Nothing is installed, and of the system's package lists nothing changes.
set -eu

here=$(dirname "$(realpath "$0")")
plugin=$here/../plugins/arm-lfa
python=${PYTHON:-python3}
libraries="libglib2.0-dev libxmlb-dev libjson-glib-dev libusb-1.0-0-dev"
modules="gio-unix-2.0 gmodule-2.0 xmlb json-glib-1.0 libusb-1.0"

die() { echo "build.sh: $*" >&2; exit 1; }

version() {
    found=$(dpkg-query -W -f '${source:Version}' fwupd 2>/dev/null) || die "fwupd is not installed"
    echo "$found"
}

where() {
    for each in /usr/lib/*-linux-gnu*/fwupd-*/libfwupdplugin.so; do
        [ -e "$each" ] && dirname "$each" && return
    done
    die "no libfwupdplugin.so below /usr/lib"
}

# A package manager's state of our own: the system's lists need no sources, and no rights.
apt() {
    command=$1
    shift
    "$command" -o Dir::State::lists="$apt/lists" -o Dir::Etc::sourcelist="$apt/none" -o Dir::Etc::sourceparts="$apt/sources" \
        -o Dir::Cache="$apt/cache" -o APT::Sandbox::User= -o Acquire::Retries=1 -o Acquire::http::Timeout=20 -qq "$@"
}

# Only the sources from which fwupd comes; of a machine with many others each would be asked.
sources() {
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/sources"
    : >"$apt/none"
    for each in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list /etc/apt/sources.list; do
        grep -Eqs '(debian|ubuntu)' "$each" || continue
        case $each in
            *.sources) sed 's/^Types:.*/Types: deb deb-src/' "$each" ;;
            *) sed -n 's/^deb \(.*\)/deb \1\ndeb-src \1/p' "$each" ;;
        esac >"$apt/sources/${each##*/}"
    done
}

fetch() {
    [ -e "$1/fetched" ] && [ "$(cat "$1/fetched")" = "$(version)" ] && return
    command -v dpkg-source >/dev/null || die "dpkg-source is missing; on Debian: apt-get install dpkg-dev"
    rm -rf "$1" && mkdir -p "$1/root"
    apt=$(realpath "$1")/apt
    sources
    apt apt-get update >/dev/null 2>&1 || die "the package lists cannot be read"
    (cd "$1" && apt apt-get source "fwupd=$(version)" >/dev/null 2>&1) || die "no source of fwupd $(version)"
    mv "$1"/fwupd-*/ "$1/source"
    # shellcheck disable=SC2086  # they are words
    if ! pkg-config --exists $modules 2>/dev/null; then
        # shellcheck disable=SC2086
        (cd "$1/root" && apt apt-get download $libraries >/dev/null 2>&1) || die "no headers of $libraries"
        for each in "$1"/root/*.deb; do dpkg-deb -x "$each" "$1/root"; done
    fi
    rm -rf "$apt" "$1"/root/*.deb
    version >"$1/fetched"
}

headers() {
    fetch "$1"
    [ -e "$1/generated/done" ] && return
    rm -rf "$1/generated"
    mkdir -p "$1/generated/libfwupd" "$1/generated/libfwupdplugin"
    # One process for all: to start one, and jinja2 in it, takes longer than its work.
    "$python" - "$1/source" "$1/generated" <<'END' ||
import pathlib, runpy, sys
source, out = map(pathlib.Path, sys.argv[1:])
generator = source / "libfwupdplugin/rustgen.py"
newer = "--outc" in generator.read_text(encoding="utf-8")  # from 2.1 on
for each in sorted(source.glob("libfwupd*/*.rs")):
    made = [f"{out}/{each.parent.name}/{each.stem}-struct.{ext}" for ext in "ch"]
    made = ["--outc", made[0], "--outh", made[1]] if newer else made
    about = ["--include", "fwupd.h", "--prefix", "Fu"] if each.parent.name == "libfwupdplugin" else []
    sys.argv = [generator.name, str(each), *made, *(about or ["--include", "libfwupd/fwupd-build.h"])]
    runpy.run_path(str(generator), run_name="__main__")
END
        die "fwupd's generator failed; does $python have jinja2?"
    upstream=$(sed -n "s/^ *version: '\([0-9.]*\)'.*/\1/p" "$1/source/meson.build" | head -n 1)
    IFS=. read -r major minor micro <<END
$upstream
END
    sed "s/@MAJOR_VERSION@/$major/;s/@MINOR_VERSION@/$minor/;s/@MICRO_VERSION@/$micro/" \
        "$1/source/libfwupd/fwupd-version.h.in" >"$1/generated/libfwupd/fwupd-version.h"
    printf '#define HAVE_GIO_UNIX 1\n#define SUPPORTED_BUILD 1\n' >"$1/generated/config.h"
    touch "$1/generated/done"
}

# compile DIRECTORY OUT MAIN OPTIONS: the plugin with one more source, against the libraries of the fwupd that is
# installed. In one piece: to read the headers takes longer than all the rest.
compile() {
    headers "$1"
    source=$1
    out=$2
    main=$3
    shift 3
    mkdir -p "${out%/*}"
    lib=$(where)
    # Headers that were fetched are not where their pkg-config files say.
    if [ -d "$source/root/usr" ]; then
        usr=$source/root/usr
        includes="-isystem $usr/include"
        for each in glib-2.0 gio-unix-2.0 libxmlb-2 json-glib-1.0 libusb-1.0; do
            includes="$includes -isystem $usr/include/$each"
        done
        for each in "$usr"/lib/*/glib-2.0/include; do includes="$includes -isystem $each"; done
    else
        # shellcheck disable=SC2086
        includes=$(pkg-config --cflags $modules)
    fi
    # What differs from one version of fwupd to another; patches.py leaves the part that fits.
    grep -qs fu_context_set_path "$source/source/libfwupdplugin/fu-context.h" && set -- -DFU_ARM_LFA_FWUPD_2_1 "$@"
    # Without the packages for developers the libraries have only the names by which programs find them.
    triplet=$(dirname "$lib")
    # shellcheck disable=SC2086
    for each in "$plugin"/fu-arm-lfa-*.c "$main"; do printf '#include "%s"\n' "$each"; done |
        ${CC:-cc} -std=c11 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers \
            -Wno-cast-function-type -D_GNU_SOURCE -DG_LOG_DOMAIN='"FuPluginArmLfa"' -Wl,-z,relro,-z,now \
            -I"$source/generated" -I"$source/source" -I"$source/source/libfwupd" -I"$source/generated/libfwupd" \
            -I"$source/source/libfwupdplugin" -I"$source/generated/libfwupdplugin" -I"$plugin" $includes ${CFLAGS-} \
            -o "$out" "$@" -x c - -x none "$lib/libfwupdplugin.so" "$triplet"/libfwupd.so.? -L"$triplet" \
            -l:libgio-2.0.so.0 -l:libgobject-2.0.so.0 -l:libglib-2.0.so.0 -Wl,-rpath,"$lib" -Wl,-rpath-link,"$lib"
}

[ $# -ge 1 ] || die "usage: build.sh fetch|headers DIRECTORY | module|self-test DIRECTORY OUT | where"
case $1 in
    fetch) fetch "$(realpath -m "$2")" ;;
    headers) headers "$(realpath -m "$2")" ;;
    module)
        compile "$(realpath -m "$2")" "$3/libfu_plugin_arm_lfa.so" "$here/module.c" \
            -fPIC -shared -fvisibility=hidden -Wl,-z,defs
        ;;
    self-test) compile "$(realpath -m "$2")" "$3/arm-lfa-self-test" "$plugin/fu-self-test.c" ;;
    where) where ;;
    *) die "there is no $1" ;;
esac
