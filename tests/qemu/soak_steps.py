# SPDX-License-Identifier: Apache-2.0
"""The driver of dkms/ against its model, over more steps by chance than test_model_of_module.py has; for ``make soak``.

A guest plays 625 of LIVEFW_STEPS (10,000), on 1 to 16 CPUs in turn: the seed says how many. Seeds count up from
LIVEFW_SEED.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.qemu import steps_made
from tests.qemu.test_model_of_module import compare
from tests.qemu.test_module import Module, module

__all__ = ["module"]

IN_ONE_GUEST = 625
MOST_CPUS = 16
STEPS = int(os.environ.get("LIVEFW_STEPS", "10000"))
SEED = int(os.environ.get("LIVEFW_SEED") or random.SystemRandom().getrandbits(32))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("number", range(-(-STEPS // IN_ONE_GUEST)))
def test_the_module_does_what_its_model_does(
    module: Callable[[str], Module], python: str, number: int, tmp_path: Path
) -> None:
    seed, steps = SEED + number, min(STEPS, IN_ONE_GUEST)
    print(f"seed {seed}, {steps} steps")
    differs = compare(
        module("default"), python, tmp_path, seed=seed, steps=steps, cpus=seed % MOST_CPUS + 1, begin=steps_made.loaded
    )
    assert not differs, f"LIVEFW_SEED={seed} LIVEFW_STEPS={steps} pytest {__file__}\n{differs}"
