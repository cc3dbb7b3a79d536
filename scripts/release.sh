#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# release.sh [--sign-with gpg|ssh] [--key KEY] DIRECTORY: what is published of the commit that is checked out, into a new
# directory: wheel, source, Debian package (where dpkg-buildpackage is), SBOM, provenance, SHA256SUMS. The tree has to be
# clean and tagged vVERSION. All is built twice, in different places, and has to be equal to the byte. PYTHON names an
# interpreter that has what requirements/build.txt pins (.venv/bin/python). Without --sign-with nothing is signed; the key
# is the caller's (gpg: its default key, ssh: a file).
set -eu

die() { echo "release: $*" >&2; exit 1; }
usage() { die "usage: release.sh [--sign-with gpg|ssh] [--key KEY] DIRECTORY"; }

sign= key=
while [ $# -gt 1 ]; do
    case $1 in
        --sign-with) sign=$2 ;;
        --key) key=$2 ;;
        *) usage ;;
    esac
    shift 2
done
[ $# = 1 ] || usage
case $1 in -*) usage ;; esac
case $sign in
    "" | gpg) ;;
    ssh) [ -n "$key" ] || die "--sign-with ssh takes --key FILE" ;;
    *) usage ;;
esac
[ ! -e "$1" ] || die "$1 is there already"
mkdir -p "$1"
out=$(cd "$1" && pwd)
[ -z "$key" ] || [ ! -e "$key" ] || key=$(realpath "$key")
cd "$(dirname "$0")/.."
python=$(command -v "${PYTHON:-.venv/bin/python}") || die "no Python ${PYTHON:-.venv/bin/python}; make test makes one"
python=$(cd "$(dirname "$python")" && pwd)/${python##*/}
work=$(mktemp -d)
trap 'rm -rf "$work"; [ -e "$out/SHA256SUMS" ] || rm -rf "$out"' EXIT

[ -z "$(git status --porcelain)" ] || die "the tree is not clean; see git status"
version=$("$python" packaging/provenance.py version) || exit 1
tag=v$version
[ "$(git rev-parse -q --verify "refs/tags/$tag^{commit}")" = "$(git rev-parse HEAD)" ] ||
    die "the commit is not tagged $tag, which is its version"
"$python" packaging/provenance.py check requirements/build.txt || exit 1

# From the commit and not from the tree: what git ignores does not get in.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
export PYTHONDONTWRITEBYTECODE=1
for place in first "second/in another place"; do
    mkdir -p "$work/$place/livefw" "$work/$place/out"
    git archive HEAD | tar -x -C "$work/$place/livefw"
    (
        cd "$work/$place/livefw"
        "$python" -m hatchling build -d ../out >../log 2>&1 || { cat ../log >&2; die "it cannot be built"; }
        if command -v dpkg-buildpackage >/dev/null && command -v dh_python3 >/dev/null; then
            sh packaging/build-deb.sh ../out || die "the Debian package cannot be built"
        else
            echo "release: without dpkg-buildpackage and dh_python3 there is no Debian package" >&2
        fi
        "$python" packaging/sbom.py ../out/livefw.cdx.json
    )
done
diff -r "$work/first/out" "$work/second/in another place/out" >&2 || die "two builds are not equal"

cp "$work"/first/out/* "$out/"
"$python" packaging/provenance.py statement "$out" "$(git rev-parse HEAD)" "$tag" >"$work/provenance"
cp "$work/provenance" "$out/livefw-$version.provenance.json"
(cd "$out" && sha256sum -- * >"$work/sums" && cp "$work/sums" SHA256SUMS)
case $sign in
    gpg) gpg --armor --detach-sign ${key:+--local-user "$key"} --output "$out/SHA256SUMS.asc" "$out/SHA256SUMS" ;;
    ssh) ssh-keygen -q -Y sign -n livefw-release -f "$key" "$out/SHA256SUMS" ;;
    *) echo "release: nothing is signed" >&2 ;;
esac
