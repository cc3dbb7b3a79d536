# SPDX-License-Identifier: Apache-2.0
"""The simulation of roll-outs: the role's own rules, and the tables of docs/explanation/fleets.md."""

import random
import re
from statistics import median

import pytest
from jinja2 import Environment

from . import simulator
from .conftest import COLLECTION
from .simulator import BAD, GOOD, PAGE, PLANS, Image, Plan, roll_out


def test_the_page_has_the_tables() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert simulator.written(page) == page, "python -m tests.ansible.simulator writes them"


RULES = [(plan, wave, number) for plan in PLANS for wave in (1, 9, 100, 2500) for number in (0, 1, 5)]


def test_what_is_tolerated_is_the_rule_of_the_role() -> None:
    text = (COLLECTION / "roles/rollout/vars/main.yml").read_text(encoding="utf-8")
    found = re.search(r"^rollout__allowed: >-\n((?:  .*\n)+)", text, re.MULTILINE)
    assert found
    rule = Environment().from_string(found[1].strip())
    for plan, wave, number in RULES:
        known = {"rollout__number": number, "rollout__wave": ["host"] * wave, "rollout_tolerated": plan.tolerated}
        assert int(rule.render(known)) == simulator.allowed(plan.tolerated, wave, number)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_no_wave_is_larger_than_its_size_or_has_two_of_a_rack(plan: Plan) -> None:
    found = simulator.sizes(plan)
    assert sum(found) == simulator.HOSTS
    largest = max(simulator.HOSTS * int(size[:-1]) // 100 for size in plan.sizes if isinstance(size, str))
    assert max(found) <= (simulator.HOSTS // simulator.RACK if plan.racks else largest)


def test_a_bad_image_reaches_no_more_than_a_worse_one_and_a_good_one_all() -> None:
    for plan in PLANS:
        reached = [median(each.reached for each in simulator.runs(plan, image)) for image in (*BAD.values(), GOOD)]
        assert reached[0] == simulator.sizes(plan)[0]
        assert reached == sorted(reached)
        assert reached[-1] == simulator.HOSTS


@pytest.mark.parametrize(("count", "rate"), [(0, 0.5), (7, 0.0), (7, 1.0), (1000, 0.001), (1000, 0.5)])
def test_it_draws_as_many_as_there_are_on_average(count: int, rate: float) -> None:
    chance = random.Random(1)
    drawn = [simulator.among(count, rate, chance) for _ in range(2000)]
    assert max(drawn) <= count
    assert sum(drawn) / len(drawn) == pytest.approx(count * rate, rel=0.1)


def test_what_shows_late_is_found_by_a_longer_bake_time() -> None:
    plan, late = Plan((1, 10, "10%")), Image(1.0, seen_s=7200.0)
    short, long = (
        sum(roll_out(plan, late, random.Random(each), bake_s=bake_s).reached for each in range(50))
        for bake_s in (60.0, 36_000.0)
    )
    assert long < short
