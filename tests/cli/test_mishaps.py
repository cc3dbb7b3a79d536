# SPDX-License-Identifier: Apache-2.0
"""What fails beside an outcome, or after it, takes nothing away from what the command tells."""

import errno
import os
from typing import Any

import pytest

from livefw.abi.guid import RMM
from livefw.activation.events import Attempt, Chosen, Event
from livefw.activation.history.writer import RowStatus
from livefw.activation.outcome import Outcome, Result
from livefw.errors import LivefwError, Refused, kind_of
from livefw.kernel.sysfs import Directory, fail
from livefw.providers.base import Component, Cost, Reason
from livefw.render.request import RequestResult

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

    def items(*before: Event) -> Any:
        yield from before
        raise raised

    attempts = [Attempt(_refused(ident), (), None, (), RowStatus("", None)) for ident in ("one", "two")]
    ended = RequestResult.of(items(Chosen(("x:one", "x:two", "x:three")), *attempts), phase="activate")
    error = ended.error
    assert (ended.attempts, ended.not_started, isinstance(error, LivefwError)) == (attempts, ["x:three"], True)
    assert error
    assert text in error.message
    assert kind_of(error).name == kind
    with pytest.raises(type(raised)):
        RequestResult.of(items(), phase="activate")


def _refused(ident: str) -> Result:
    return Result(Component("x", ident, "", None, None, None, Cost(None, None)), Outcome.REFUSED, Reason("no", "no"))


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
    done = vera.run("--json", "activate", "tf-rmm", "--measure", "off")
    (result,) = done.json["results"]
    assert (result["outcome"], done.code) == ("activated", 0)
    assert [each["code"] for each in result["mishaps"]] == ["others-not-seen"]
    directory.__class__ = Directory
    (row,) = vera.run("--json", "history").json["history"]
    assert [each["code"] for each in row["outcome"]["mishaps"]] == ["others-not-seen"]
    assert "besides: the other components cannot be read" in vera.run("history").out
    vera.machine.stage("rmm")
    done = vera.run("activate", "tf-rmm", "--measure", "off")
    assert (done.code, "besides: the other components cannot be read" in done.out) == (0, True)
