# SPDX-License-Identifier: Apache-2.0
"""What a playbook sees: check mode is the plan, a second run changes nothing, and what failed has failed."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from livefw.machine.faults import FaultRequest
from livefw.machine.machine import Machine

from .conftest import COLLECTION, LIVEFW, MODULES, Controller, Task

pytestmark = pytest.mark.timeout(600)  # a controller takes a second for each task, and ten on a busy machine


def task(module: str, *, check: bool = False, **options: Any) -> Task:
    return {f"livefw.fleet.{module}": options, "check_mode": check, "diff": True}


class Step(NamedTuple):
    """A task, and what of its result has to be so; a task that did not fail, unless that says so."""

    task: Task
    result: dict[str, Any]


RMM = "lfa:6c0762a6-12f2-4b56-92cb-ba8f633606d9"
ACTIVATE = "livefw_activate"
CHANGES = {"changed": True, "version_before": "1.0", "version_after": "1.1"}
IDLE = {"changed": False, "outcome": "nothing-to-do", "version_before": "1.1", "version_after": "1.1"}
FAILS = {"failed": True, "changed": False}
ROLL_OUT = (
    Step(task(ACTIVATE, check=True, component="tf-rmm", version="1.1"), CHANGES | {"outcome": "would-activate"}),
    Step(task("livefw_info", gather=["history"]), {"changed": False, "history": []}),
    Step(task(ACTIVATE, component="tf-rmm", version="1.2"), FAILS | {"outcome": "refused", "code": "other-version"}),
    Step(
        task(ACTIVATE, component="tf-rmm", version="1.2", refused_ok=["other-version"]),
        {"skipped": True, "changed": False, "outcome": "refused"},
    ),
    Step(task(ACTIVATE, component="tf-rmm", version="1.2", refused_ok=["window"]), FAILS | {"outcome": "refused"}),
    Step(
        task(ACTIVATE, component="tf-rmm", version="1.1", reason="CVE-2026-0001", wait_busy=5),
        CHANGES | {"outcome": "activated", "code": "version-arrived", "component": RMM},
    ),
    Step(task(ACTIVATE, component="tf-rmm", version="1.1"), IDLE),
    Step(task(ACTIVATE, check=True, component="tf-rmm", version="1.1"), IDLE),
    Step(task(ACTIVATE, component="tf-rmm"), IDLE),
    Step(task("livefw_cancel", check=True, component="tf-rmm"), {"changed": False, "outcome": "nothing-to-do"}),
    Step(task("livefw_cancel", component="tf-rmm"), {"changed": False, "outcome": "nothing-to-do"}),
    Step(task(ACTIVATE, component="nothing"), FAILS | {"outcome": "failed", "code": "no-such-component"}),
    Step(task(ACTIVATE, component="*"), FAILS),
    Step(task("livefw_info", gather=["components", "plan", "history", "record"]), {"changed": False}),
)


@pytest.mark.fuse
def test_a_roll_out(controller: Controller, defaults: dict[str, Any]) -> None:
    found = controller.play([step.task for step in ROLL_OUT], defaults)
    for step, result in zip(ROLL_OUT, found, strict=True):
        wanted = {"failed": False} | step.result
        assert {name: result.get(name) for name in wanted} == wanted, (step.task, result)
    would, done, seen = found[0], found[5], found[-1]
    assert would["diff"] == done["diff"]
    assert (done["diff"]["before"], done["diff"]["after"]) == ("1.0\n", "1.1\n")
    assert done["stall_ms"] > 0
    assert len(json.dumps(done)) < 2048
    (now,) = (each for each in seen["components"] if each["key"] == RMM)
    assert (now["current_version"], now["pending"], now["state"]) == ("1.1", False, "up-to-date")
    assert seen["plan"] == {"outcome": "nothing-to-do", "steps": []}
    # Refusals and the activation, and nothing of what had nothing to do.
    assert [(each["outcome"], each["code"]) for each in seen["history"]] == [
        ("activated", "version-arrived"),
        *[("refused", "other-version")] * 3,
    ]
    (first,) = (each for each in seen["history"] if each["outcome"] == "activated")
    assert (first["activation"], first["reason"]) == (done["activation"], "CVE-2026-0001")
    assert (seen["record"]["whole"], seen["record"]["flaws"]) == (True, [])


@pytest.mark.fuse
def test_a_failure_and_a_policy(
    controller: Controller, defaults: dict[str, Any], machine: Machine, tmp_path: Path
) -> None:
    machine.inject(FaultRequest(name="auth-error", component=RMM.removeprefix("lfa:")))
    settings: Any = {"settings": str(tmp_path / "settings")}
    denied = 'deny = ["tf-rmm"]\n'
    failed, mistaken, would, absent, set_, same, refused, misspelt, removed = controller.play(
        [
            task(ACTIVATE, component="tf-rmm"),
            task("livefw_policy", content="deny = [", **settings),
            task("livefw_policy", check=True, content=denied, **settings),
            task("livefw_policy", state="absent", **settings),
            task("livefw_policy", content=denied, **settings),
            task("livefw_policy", content=denied, **settings),
            task(ACTIVATE, component="tf-rmm", refused_ok=["policy", "failed-this-boot"], **settings),
            task("livefw_policy", content='deny = ["tf-rrm"]', unmatched_ok=False, **settings),
            task("livefw_policy", state="absent", **settings),
        ],
        defaults,
    )
    assert (failed["failed"], failed["changed"], failed["outcome"]) == (True, False, "failed")
    assert (failed["firmware_code"], failed["version_after"]) == ("AUTH_ERROR", "1.0")
    assert mistaken["failed"]
    assert mistaken["mistakes"]
    assert [each["changed"] for each in (would, absent, set_, same, removed)] == [True, False, True, False, True]
    assert set_["diff"]["after"] == denied
    assert (refused["skipped"], refused["outcome"]) == (True, "refused")
    assert "policy" in [each["check"] for each in refused["checks"]]
    assert (misspelt["failed"], misspelt["unmatched"]) == (True, ["tf-rrm"])
    assert not (tmp_path / "settings/livefw.toml").exists()


STAGE = "livefw_stage"
STAGED = (
    Step(task(STAGE, check=True, component="pmfw-a", image="{image}", version="2.0.0"), {"changed": True}),
    Step(
        task(STAGE, component="pmfw-a", image="{image}", version="2.0.0"),
        {"changed": True, "outcome": "staged", "version_before": "1.2.0", "pending_version": None},
    ),
    Step(
        task(STAGE, component="pmfw-a", image="{image}", version="2.0.0"),
        {"changed": False, "outcome": "nothing-to-do", "pending_version": "2.0.0"},
    ),
    Step(task("livefw_cancel", check=True, component="pmfw-a"), {"changed": True, "outcome": "would-cancel"}),
    Step(task(ACTIVATE, component="pmfw-a", version="2.0.0"), {"changed": True, "outcome": "activated"}),
    Step(task(STAGE, component="pmfw-a", image="{image}", version="2.0.0"), {"changed": False}),
    # Without a version the BMC is asked, which knows it.
    Step(
        task(STAGE, component="pmfw-a", image="{image}"),
        {"changed": False, "outcome": "nothing-to-do", "code": "already-installed"},
    ),
    Step(task(STAGE, component="bios-x", image="{image}"), FAILS | {"code": "no-such-component"}),
)


def of_bmc(bmc: Path, folder: Path) -> dict[str, Any]:
    """The options by which the modules find a modelled BMC."""
    return {
        "executable": str(LIVEFW),
        "root": str(bmc),
        "settings": str(bmc / "etc/livefw"),
        "state_dir": str(folder / "state"),
    }


def test_an_image_for_a_bmc(controller: Controller, bmc: Path, tmp_path: Path) -> None:
    image = tmp_path / "pmfw.bin"
    image.write_bytes(b"version=2.0.0")
    tasks = [json.loads(json.dumps(step.task).replace("{image}", str(image))) for step in STAGED]
    for step, result in zip(STAGED, controller.play(tasks, of_bmc(bmc, tmp_path)), strict=True):
        wanted = {"failed": False} | step.result
        assert {name: result.get(name) for name in wanted} == wanted, (step.task, result)


# Documents


def examples(controller: Controller, module: str) -> list[Task]:
    text = (COLLECTION / f"plugins/modules/{module}.py").read_text(encoding="utf-8")
    found: list[Task] = controller.yaml(text.partition('EXAMPLES = r"""')[2].partition('"""')[0])
    return found


@pytest.mark.fuse
def test_the_examples_run(controller: Controller, defaults: dict[str, Any], tmp_path: Path) -> None:
    """As they stand, with a directory of their own. Those of a BMC run on one, below."""
    tasks = [each for module in MODULES for each in examples(controller, module) if "redfish:" not in str(each)]
    for each in tasks:
        if "livefw.fleet.livefw_policy" in each:
            each["livefw.fleet.livefw_policy"]["settings"] = str(tmp_path / "settings")
    for each, result in zip(tasks, controller.play(tasks, defaults), strict=True):
        assert not result["failed"], (each, result)


def test_the_examples_of_a_bmc_run(controller: Controller, bmc: Path, tmp_path: Path) -> None:
    image = tmp_path / "pmfw.bin"
    image.write_bytes(b"version=2.0.0")
    found = [each for module in ("livefw_stage", "livefw_cancel") for each in examples(controller, module)]
    text = json.dumps(found)
    assert text.count("/srv/firmware/pmfw-2.0.0.cab") == 1
    tasks = json.loads(text.replace("/srv/firmware/pmfw-2.0.0.cab", str(image)))
    results = controller.play(tasks, of_bmc(bmc, tmp_path))
    assert [each["outcome"] for each in results] == ["staged", "cancelled"]


def test_every_option_and_return_value_is_documented(controller: Controller) -> None:
    names = [f"livefw.fleet.{module}" for module in MODULES]
    found = json.loads(controller.run("ansible-doc", "-t", "module", "-j", *names))
    assert sorted(found) == sorted(names)
    for name, each in found.items():
        assert each["examples"].strip(), name
        assert each["return"], name
        assert each["doc"]["attributes"]["check_mode"]["support"] == "full", name
        for option, about in each["doc"]["options"].items():
            assert about["description"], (name, option)


def test_the_group_has_every_module_that_calls_the_command(controller: Controller) -> None:
    runtime = controller.yaml((COLLECTION / "meta/runtime.yml").read_text(encoding="utf-8"))
    local = {"livefw_collect", "livefw_waves"}  # which run on the controller, and take no option of the command
    assert sorted(runtime["action_groups"]["livefw"]) == sorted(set(MODULES) - local)
