#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# All trees made by hand, each fault on each machine, and half of the time random histories with a fresh seed, and what
# was told of them against what really took over; once, how long that takes, the driver of dkms under load, against its
# model, below livefw with each fault, and installed in an arm64 Debian, the page for Cockpit in another one, and NVMe
# drives on Debian's kernel; then property tests with fresh random data and mounted machines, over and over: soak.sh PYTHON MINUTES JOBS [PYTEST-ARGUMENT...]
# Stops at the first round that fails, or after the round during which the time is up. LIVEFW_SEED repeats a seed.
set -eu

python=$1 minutes=$2 jobs=$3
shift 3
end=$(($(date +%s) + 60 * minutes))
round=0
LIVEFW_SEED=${LIVEFW_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
LIVEFW_SOAK=$((30 * minutes))
LIVEFW_PARTS=$(nproc)
export LIVEFW_SEED LIVEFW_SOAK LIVEFW_PARTS
echo "soak: seed $LIVEFW_SEED: random histories for $LIVEFW_SOAK seconds"
"$python" -m pytest -q -n "$LIVEFW_PARTS" -o faulthandler_timeout=0 \
    tests/truth/test_hand_made.py tests/truth/test_histories.py tests/truth/test_settled.py tests/truth/test_random.py
unset LIVEFW_SOAK LIVEFW_PARTS
echo "soak: the driver of dkms, in Debian's kernel and in one that watches it"
"$python" -m pytest -q -o faulthandler_timeout=0 \
    tests/qemu/soak_module.py tests/qemu/soak_tracer.py tests/qemu/soak_kexec.py
echo "soak: seed $LIVEFW_SEED: the driver of dkms against its model, and livefw above it with each fault"
"$python" -m pytest -q -o faulthandler_timeout=0 tests/qemu/soak_steps.py tests/qemu/soak_faults.py
echo "soak: an arm64 Debian in which DKMS builds the driver, and livefw, livefwd and fwupdmgr run"
"$python" -m pytest -q -o faulthandler_timeout=0 tests/qemu/soak_debian.py
echo "soak: the page for Cockpit, all of it in that of Debian 13"
LIVEFW_COCKPIT=trixie "$python" -m pytest -q -n "$jobs" tests/cockpit
echo "soak: each fault of a drive, and SIGKILL at each moment, on Debian's kernel"
"$python" -m pytest -q -o faulthandler_timeout=0 tests/nvme/soak_kernel.py
while [ "$(date +%s)" -lt "$end" ]; do
    round=$((round + 1))
    echo "soak: round $round"
    "$python" -m pytest -q -n "$jobs" -m 'hypothesis or fuse' --hypothesis-profile=soak --timeout=1800 "$@"
done
echo "soak: $round rounds without a failure"
