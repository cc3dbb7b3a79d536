# SPDX-License-Identifier: Apache-2.0
"""The platform ``nvme``: what its drives are."""

from livefw.machine.nvme.subsystem import DriveSpec

PLATFORM = "nvme"
"""The name by which ``livefw machine run --platform`` means it."""
DESCRIPTION = "NVMe drives with two firmware slots, over NVMe/TCP for the kernel of this machine"
INVENTED = ("maker, model and versions", "the durations: 1 s for an activation, and an MTFA of 5 s")
DRIVES, MOST_DRIVES = 2, 64
"""A mirror takes two; no server has more than 64."""
ADDRESS = "127.0.0.1"


def specs(count: int) -> tuple[DriveSpec, ...]:
    """What the drives are. A kernel polls every 100 ms, over a program that may be slow: hence the wide MTFA."""
    return tuple(
        DriveSpec(serial=f"LFW{number:04}", subnqn=f"nqn.2026-11.org.livefw:drive{number}", mtfa=50, activation_s=1.0)
        for number in range(1, count + 1)
    )
