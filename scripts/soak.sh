#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ten thousand activations, then property tests with fresh random data and mounted machines, over and over: soak.sh PYTHON MINUTES JOBS [PYTEST-ARGUMENT...]
# Stops at the first round that fails, or after the round during which the time is up.
set -eu

python=$1 minutes=$2 jobs=$3
shift 3
end=$(($(date +%s) + 60 * minutes))
round=0
echo "soak: 10000 activations with faults and dying engines, the history against the model"
LIVEFW_SOAK=${LIVEFW_SOAK:-10000} "$python" -m pytest -q -s -o faulthandler_timeout=0 tests/activation/test_soak.py
while [ "$(date +%s)" -lt "$end" ]; do
    round=$((round + 1))
    echo "soak: round $round"
    "$python" -m pytest -q -n "$jobs" -m 'hypothesis or fuse' --hypothesis-profile=soak --timeout=1800 "$@"
done
echo "soak: $round rounds without a failure"
