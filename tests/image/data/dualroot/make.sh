#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How the certificates here were made: make.sh DIR fills DIR. Needs what ../cca/make.sh needs. No test runs this.
set -eu
mkdir -p "$1"
cd "$1"
[ -d tf-a ] || { apt-get source -q --download-only arm-trusted-firmware=2.8.0+dfsg-1; dpkg-source -x ./*.dsc tf-a; }
make -s -C tf-a/tools/cert_create COT=dualroot OPENSSL_DIR=/usr

images='tb-fw fw-config soc-fw nt-fw sp-pkg1 sp-pkg5'
certificates='tb-fw-cert trusted-key-cert soc-fw-key-cert soc-fw-cert sip-sp-cert plat-sp-cert nt-fw-cert'
words='-a ecdsa -s sha256 --tfw-nvctr 5 --ntfw-nvctr 7'
lines() { i=0; while [ $i -lt 64 ]; do echo "$1"; i=$((i + 1)); done; }
for name in $images; do lines "$name as recorded" > "$name"; words="$words --$name $name"; done
for name in rot-key trusted-world-key scp-fw-key soc-fw-key tos-fw-key prot-key; do words="$words --$name $name.pem"; done
for name in $certificates; do words="$words --$name $name.der"; done
# shellcheck disable=SC2086  # the options are words
tf-a/tools/cert_create/cert_create -n -k $words

for name in rot-key prot-key; do
    echo "$name $(openssl pkey -in $name.pem -pubout -outform DER | sha256sum | cut -d ' ' -f 1)"
done
for name in $certificates; do
    openssl x509 -inform DER -in "$name.der" -out "$name.pem"
    echo "$name $(sha256sum < "$name.der" | cut -d ' ' -f 1)"
done
