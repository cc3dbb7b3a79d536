# SPDX-License-Identifier: Apache-2.0
"""The alert rules, by Prometheus's own tool: each fires for what it is about, and for nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import CHECKOUT

RULES = CHECKOUT / "packaging/prometheus/livefw.rules.yml"
CASES = Path(__file__).parent / "livefw.rules.test.yml"


def run(promtool: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, *map(str, words)], capture_output=True, text=True, check=False)


def test_the_rules_are_valid(promtool: str) -> None:
    done = run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_fires_for_what_it_is_about(promtool: str, tmp_path: Path) -> None:
    for file in (RULES, CASES):
        shutil.copy(file, tmp_path)
    done = run(promtool, "test", "rules", tmp_path / CASES.name)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[str]:
    return re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    cases = CASES.read_text(encoding="utf-8")
    assert len(alerts()) > 10
    for name in alerts():
        assert re.search(rf"alertname: {name}\n +eval_time: \w+\n +exp_alerts:\n", cases), name


@pytest.mark.parametrize("alert", alerts())
def test_a_rule_that_never_fires_is_noticed(promtool: str, tmp_path: Path, alert: str) -> None:
    text = RULES.read_text(encoding="utf-8")
    begin = text.index("expr: ", text.index(f"- alert: {alert}\n"))
    broken = text[:begin] + "expr: vector(1) == 0" + text[text.index("\n", begin) :]
    (tmp_path / RULES.name).write_text(broken, encoding="utf-8")
    shutil.copy(CASES, tmp_path)
    assert run(promtool, "test", "rules", tmp_path / CASES.name).returncode != 0
