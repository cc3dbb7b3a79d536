#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# lock.sh [--upgrade]: write requirements/*.txt anew, from pyproject.toml and requirements/*.in. Each has every version
# and the SHA-256 of every file of it, for all Pythons and machines at once. Pins that still fit stay, or with --upgrade
# become the newest. Other options go to uv too: --upgrade-package NAME, --system-certs.
set -eu
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT

# The lock itself comes by the lock, from the second time on.
python3 -m venv "$venv"
if [ -s requirements/lock.txt ]; then
    "$venv/bin/pip" install -qq --disable-pip-version-check --require-hashes --only-binary=:all: -r requirements/lock.txt
else
    "$venv/bin/pip" install -qq --disable-pip-version-check -r requirements/lock.in
fi

# compile NAME ARGUMENTS: one file. What is in several of them has one version.
compile() {
    name=$1
    shift
    written=requirements/$name.txt
    [ ! -e "$written" ] || cp "$written" "$venv/out.txt"
    "$venv/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --output-file "$venv/out.txt" $constraint "$@"
    { echo "# Written by scripts/lock.sh."; cat "$venv/out.txt"; } >"$written"
    rm -f "$venv/out.txt"
}

constraint=
compile test --no-annotate --extra test pyproject.toml "$@"
constraint="--constraint requirements/test.txt"
compile run --no-annotate pyproject.toml "$@"
compile crypto --no-annotate --extra crypto pyproject.toml "$@"
# With who needs what, for the SBOM.
compile extras --annotation-style line --extra crypto --extra fwupd --extra redfish --extra tui pyproject.toml "$@"
compile docs --no-annotate --fork-strategy fewest --extra docs pyproject.toml "$@"
compile fuzz --no-annotate --extra fuzz pyproject.toml "$@"
compile peers --no-annotate --extra peers pyproject.toml "$@"
for file in requirements/*.in; do
    name=${file##*/}
    case $name in
        ansible.in | redfish-peers.in) more="--fork-strategy fewest" ;;
        redfish-data.in) more="--no-deps" ;;
        *) more= ;;
    esac
    # shellcheck disable=SC2086  # the options are words
    compile "${name%.in}" --no-annotate $more "$file" "$@"
done
