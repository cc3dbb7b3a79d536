# SPDX-License-Identifier: Apache-2.0
"""Every reason that a mechanism can give, collected from the tables that the product itself prints them from.

A provider says in ``providers/<name>/codes.py`` which of its modules hold such tables, and what its firmware's own
codes are. Nothing is written a second time: `livefw explain` and docs/reference/outcomes.md are made from these.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from types import ModuleType
from typing import NamedTuple

from livefw.providers import inband, opening
from livefw.providers.base import Reason, Reply


class ReasonRow(NamedTuple):
    """A reason, and the `Reply` that it explains; None for a note, and where the reply varies."""

    reason: Reason
    answer: StrEnum | None = None


class FirmwareCode(NamedTuple):
    """The firmware's own name for a result. ``also`` are other spellings; a reason without a code is only progress."""

    name: str
    reason: Reason
    also: tuple[str, ...] = ()


class Codes(NamedTuple):
    """All codes of one mechanism."""

    reasons: tuple[ReasonRow, ...]
    firmware: tuple[FirmwareCode, ...] = ()


RENAMED = {("lfa", "auth-failed"): ("auth-error",)}
"""Earlier codes by mechanism and code: histories hold them, and `livefw explain` knows them."""


def reasons_in(*modules: ModuleType, answers: type[StrEnum] = Reply) -> tuple[ReasonRow, ...]:
    """Every reason in the constants of these modules, at any depth; a field in a text shows as its name in capitals.

    The reply that a reason explains is the member of ``answers`` that stands beside it in a tuple.
    """
    return once(row for module in modules for value in vars(module).values() for row in _inside(value, None, answers))


def once(found: Iterable[ReasonRow]) -> tuple[ReasonRow, ...]:
    """Each row once, and no row without a reply for a reason that also has one with a reply."""
    every = dict.fromkeys(found)
    answered = {row.reason for row in every if row.answer}
    return tuple(row for row in every if row.answer or row.reason not in answered)


def _inside(value: object, answer: StrEnum | None, answers: type[StrEnum]) -> Iterator[ReasonRow]:
    if isinstance(value, Reason):
        yield ReasonRow(value._replace(text=value.text.format_map(_Names())), answer)
    elif isinstance(value, tuple):
        answer = next((each for each in value if isinstance(each, answers)), answer)
        for each in value:
            yield from _inside(each, answer, answers)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _inside(each, answer, answers)


class _Names(dict[str, str]):
    """A value for every field of a text: its name."""

    def __missing__(self, key: str) -> str:
        return key.upper().replace("_", " ")


def codes(provider: str) -> Codes:
    """The codes of a provider; `ModuleNotFoundError` if it has no ``codes`` module."""
    found: Codes = import_module(f"livefw.providers.{provider}.codes").CODES
    return found


SHARED = reasons_in(inband) + tuple(ReasonRow(row.reason, Reply.REFUSED) for row in reasons_in(opening))
"""Reasons that several mechanisms share."""
