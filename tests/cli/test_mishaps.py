# SPDX-License-Identifier: Apache-2.0
"""What fails beside an outcome, or after it, takes nothing away from what the command tells."""

import errno
import os
from typing import Any

import pytest

from livefw.abi.guid import RMM
from livefw.errors import LivefwError, Refused, kind_of
from livefw.kernel.sysfs import Directory, fail
from livefw.render.report import Report

LFA = "/sys/firmware/lfa"

AFTER: dict[str, tuple[BaseException, str, str]] = {
    "ours": (Refused("no room"), "refused", "no room"),
    "Ctrl-C": (KeyboardInterrupt(), "interrupted", "nothing more was started"),
    "a disk": (OSError(errno.EIO, os.strerror(errno.EIO), "/x"), "transport", "/x: Input/output error"),
    "a right": (PermissionError(errno.EACCES, "denied"), "no-permission", "denied"),
    "a defect": (ValueError("odd"), "internal", "unexpected ValueError: odd"),
}
"""What is raised after the first of several: its kind, and what is said of it."""


@pytest.mark.parametrize("row", AFTER.values(), ids=AFTER)
def test_what_is_raised_after_the_first_stands_beside_it(row: tuple[BaseException, str, str]) -> None:
    raised, kind, text = row

    def items(*before: int) -> Any:
        yield from before
        raise raised

    ended = Report.of(items(1, 2), phase="activate")
    done: Any = ended.attempts
    error = ended.error
    assert (done, isinstance(error, LivefwError)) == ([1, 2], True)
    assert error
    assert text in error.message
    assert kind_of(error).name == kind
    with pytest.raises(type(raised)):
        Report.of(items(), phase="activate")


class _Unlisted(Directory):
    """One whose files can be read by those who know their names."""

    __slots__ = ()

    @property
    def names(self) -> tuple[str, ...]:
        raise fail(errno.EIO)


@pytest.mark.fuse
def test_a_look_that_fails_afterwards_is_told_by_text_json_and_history(vera: Any) -> None:
    """The components cannot be listed any more once the kernel has answered."""
    activate: Any = vera.machine.tree.lookup(f"{LFA}/{RMM.guid}/activate")
    directory: Any = vera.machine.tree.lookup(LFA)
    store = activate.store

    async def last(data: bytes) -> None:
        await store(data)
        directory.__class__ = _Unlisted

    activate.store = last
    done = vera.run("--json", "activate", "tf-rmm", "--no-measure")
    (result,) = done.json["results"]
    assert (result["outcome"], done.code) == ("activated", 0)
    assert [each["code"] for each in result["mishaps"]] == ["others-not-seen"]
    directory.__class__ = Directory
    (row,) = vera.run("--json", "history").json["history"]
    assert [each["code"] for each in row["outcome"]["mishaps"]] == ["others-not-seen"]
    assert "besides: the other components cannot be seen" in vera.run("history").out
    vera.machine.stage("rmm")
    done = vera.run("activate", "tf-rmm", "--no-measure")
    assert (done.code, "besides: the other components cannot be seen" in done.out) == (0, True)
