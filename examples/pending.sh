#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# GUIDs of the components that can be activated now: by the driver's files only, whatever its version.
for component in "${1:-}"/sys/firmware/lfa/*; do
    capable=$(cat "$component/activation_capable") pending=$(cat "$component/activation_pending")
    [ "$capable$pending" = 11 ] && basename "$component"
done
exit 0
