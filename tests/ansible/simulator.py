# SPDX-License-Identifier: Apache-2.0
"""What a plan of waves does to a fleet of 100,000 machines, by the role's own rules: a simulation, and its table.

The waves are those that the role computes (`_waves.waves_of`), and a wave ends with its verdict: the roll-out halts if
more hosts are not as they should be than is tolerated, and none is in the first wave. A person who looks at a halt
recognizes a bad image by the hosts that it has broken, and runs the roll-out again if there is none.

    python -m tests.ansible.simulator        writes the tables of docs/explanation/fleets.md
"""

import math
import random
import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs/explanation/fleets.md"
HOSTS = 100_000
RACK = 40
"""Hosts of one rack."""
RUNS = 100
FAILS, UNREACHABLE = 0.001, 0.002
"""Of hosts that have nothing to do with the image: an activation fails, or the host cannot be reached."""
ACTIVATION_S, BAKE_S = 30.0, 600.0
CPU_S, TASKS, CORES = 0.1, 8, 8
"""What a task costs the controller for each host (docs/explanation/fleets.md, "Measured"), the tasks of the role, and
the cores of the controller."""

_MANY = 30
"""Hosts of which so many are expected are drawn from the normal distribution."""

_waves = runpy.run_path(str(CHECKOUT / "ansible/plugins/module_utils/_waves.py"))
waves_of: Callable[..., list[list[str]]] = _waves["waves_of"]
SIZES: list[Any] = _waves["SIZES"]


class Plan(NamedTuple):
    """The sizes of the waves, what is tolerated in all but the first, and whether no two hosts of a rack are in one."""

    sizes: tuple[int | str, ...]
    tolerated: int | str = 0
    racks: bool = False


class Image(NamedTuple):
    """An image that breaks a part of the hosts, as it breaks those of one hardware revision, or now and then.

    ``seen_s`` is after how long, on average, that shows; 0: when it is activated.
    """

    breaks: float
    seen_s: float = 0.0


class Run(NamedTuple):
    """How a roll-out went: hosts that got the image, how often it halted, and how long it took."""

    reached: int
    halts: int
    seconds: float


def sizes(plan: Plan, hosts: int = HOSTS) -> tuple[int, ...]:
    """How many hosts are in each wave."""
    return _sizes(plan.sizes, hosts, racks=plan.racks)


@cache
def _sizes(asked: tuple[int | str, ...], hosts: int, *, racks: bool) -> tuple[int, ...]:
    names = [str(number) for number in range(hosts)]
    domains = {name: number // RACK for number, name in enumerate(names)} if racks else None
    return tuple(map(len, waves_of(names, sizes=list(asked), domains=domains)))


def allowed(tolerated: int | str, wave: int, number: int) -> int:
    """How many hosts of a wave may not be as they should be: the rule of the role (``rollout__allowed``)."""
    if number == 0:
        return 0
    text = str(tolerated)
    return wave * int(text.replace("%", "")) // 100 if "%" in text else int(text)


def roll_out(plan: Plan, image: Image, chance: random.Random, *, bake_s: float = BAKE_S, hosts: int = HOSTS) -> Run:
    """One roll-out."""
    shown = image.breaks * (1 - math.exp(-bake_s / image.seen_s) if image.seen_s else 1.0)
    reached, halts, seconds = 0, 0, 0.0
    for number, wave in enumerate(sizes(plan, hosts)):
        away, failed = among(wave, UNREACHABLE, chance), among(wave, FAILS, chance)
        broken = among(wave - away - failed, shown, chance)
        reached += wave
        seconds += ACTIVATION_S + bake_s + wave * TASKS * CPU_S / CORES
        if away + failed + broken > allowed(plan.tolerated, wave, number):
            halts += 1
            if broken:
                break
    return Run(reached, halts, seconds)


def among(count: int, rate: float, chance: random.Random) -> int:
    """Of how many of so many hosts something is true.

    It takes as many steps as there are such hosts; of many hosts the binomial distribution is near the normal one.
    """
    if not 0.0 < rate < 1.0:
        return count if rate else 0
    if count * rate > _MANY:
        deviation = math.sqrt(count * rate * (1.0 - rate))
        return min(count, max(0, round(chance.gauss(count * rate, deviation))))
    found, place, each = 0, -1, math.log1p(-rate)
    while True:
        place += 1 + int(math.log(1.0 - chance.random()) / each)
        if place >= count:
            return found
        found += 1


def runs(plan: Plan, image: Image, *, bake_s: float = BAKE_S, hosts: int = HOSTS) -> list[Run]:
    """Many roll-outs, each the same whenever it is asked for."""
    chance = random.Random(f"{plan}{image}{bake_s}{hosts}")
    return [roll_out(plan, image, chance, bake_s=bake_s, hosts=hosts) for _ in range(RUNS)]


# The tables.

GOOD = Image(0.0)
BAD = {"all": Image(1.0), "1 of 20": Image(0.05), "1 of 100": Image(0.01), "1 of 1,000": Image(0.001)}
PLANS = (
    Plan(("50%",)),
    Plan((1, "25%")),
    Plan(tuple(SIZES)),
    Plan(tuple(SIZES), "1%"),
    Plan(tuple(SIZES), "5%"),
    Plan((1, 10, 100, "1%", "5%", "10%")),
    Plan((1, 10, 100, "1%", "5%", "10%"), "1%"),
    Plan((1, 10, 100, "1%", "5%", "10%"), "1%", racks=True),
)
LATE = Image(1.0, seen_s=2 * 3600.0)
BAKES_S = (0.0, 600.0, 3600.0, 4 * 3600.0)


def tables() -> dict[str, str]:
    """The tables by their names, in Markdown."""
    return {
        "100,000 machines": "\n".join(_plans(HOSTS, PLANS)),
        "500 machines": "\n".join(_plans(500, PLANS[:4])),
        "bake time": "\n".join(_bakes()),
    }


def _plans(hosts: int, plans: Sequence[Plan]) -> Iterator[str]:
    heads = [f"image bad on {name}" for name in BAD]
    yield _row(["Waves", "Tolerated", "Number of waves", *heads, "halts of a good one", "time of a good one"])
    yield _row(["---"] * (5 + len(BAD)))
    for plan in plans:
        good = runs(plan, GOOD, hosts=hosts)
        shown = f"`[{', '.join(map(str, plan.sizes))}]`" + (", no two of a rack" if plan.racks else "")
        yield _row([
            shown,
            str(plan.tolerated),
            str(len(sizes(plan, hosts))),
            *(_reached(runs(plan, image, hosts=hosts)) for image in BAD.values()),
            f"{mean(each.halts for each in good):.1f}",
            _hours(mean(each.seconds for each in good)),
        ])  # fmt: skip


def _bakes() -> Iterator[str]:
    plan = PLANS[6]
    yield _row(["Bake time", "hosts reached", "time of a good one"])
    yield _row(["---"] * 3)
    for bake_s in BAKES_S:
        good = roll_out(plan, GOOD, random.Random(0), bake_s=bake_s)
        reached = _reached(runs(plan, LATE, bake_s=bake_s))
        yield _row([f"{bake_s / 60:.0f} min", reached, _hours(good.seconds)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _reached(found: list[Run]) -> str:
    """Half of the roll-outs reached no more hosts than the first figure, and 19 of 20 no more than the second."""
    ordered = sorted(each.reached for each in found)
    half, most = ordered[len(ordered) // 2 - 1], ordered[len(ordered) * 19 // 20 - 1]
    return f"{half:,}" if half == most else f"{half:,}; {most:,}"


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h"


def written(page: str) -> str:
    """A page with the tables as they are now, each between two comments that name it."""
    for name, table in tables().items():
        begin, end = f"<!-- simulated: {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        page = f"{before}{begin}\n{table}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
