#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds the page for Cockpit: cockpit.sh DIRECTORY, which is replaced. Its tools come from npm once, as the lock file says.
set -eu
target=$(realpath -m "${1:?usage: cockpit.sh DIRECTORY}")
cd "$(dirname "$0")/../cockpit"
for program in node npm; do
    command -v $program >/dev/null || { echo "no program '$program'; install Debian's nodejs and npm, 18 or newer" >&2; exit 1; }
done
if ! cmp -s package-lock.json node_modules/.from; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
    cp package-lock.json node_modules/.from
fi
node build.mjs "$target"
