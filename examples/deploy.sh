#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Activate the RMM, and say in one word how it ended: ok, failed, later.
outcome=$(livefw --root "${LIVEFW_TEST_ROOT:-/}" --json activate --yes TF-RMM | python3 -c '
import json, sys
print(json.load(sys.stdin)["results"][0]["outcome"])')
case "$outcome" in
    activated) echo ok ;;
    refused) echo later; exit 75 ;;
    *) echo failed; exit 1 ;;
esac
