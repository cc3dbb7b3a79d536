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
    """A reason, and what has been answered (a `Reply`) where this is why; None where that differs, or it is a note."""

    reason: Reason
    answer: StrEnum | None = None


class FirmwareCode(NamedTuple):
    """A firmware's own name for something: ``also`` are other spellings, a reason without a code is only progress."""

    name: str
    reason: Reason
    also: tuple[str, ...] = ()


class Codes(NamedTuple):
    """All of one mechanism."""

    told: tuple[ReasonRow, ...]
    firmware: tuple[FirmwareCode, ...] = ()


def reasons_in(*modules: ModuleType, answers: type[StrEnum] = Reply) -> tuple[ReasonRow, ...]:
    """Every reason in the constants of these modules, at any depth; a field in a text shows as its name in capitals.

    What is answered with it is what stands beside it in a tuple and is one of ``answers``.
    """
    return once(told for module in modules for value in vars(module).values() for told in _inside(value, None, answers))


def once(found: Iterable[ReasonRow]) -> tuple[ReasonRow, ...]:
    """Without those that stand elsewhere with more: as one's own constant, and again in a table beside an answer."""
    every = dict.fromkeys(found)
    answered = {told.reason for told in every if told.answer}
    return tuple(told for told in every if told.answer or told.reason not in answered)


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
    """What the provider of this name can say; `ModuleNotFoundError` if it does not list it."""
    found: Codes = import_module(f"livefw.providers.{provider}.codes").CODES
    return found


SHARED = reasons_in(inband) + tuple(ReasonRow(told.reason, Reply.REFUSED) for told in reasons_in(opening))
"""What several mechanisms say alike."""
