# SPDX-License-Identifier: Apache-2.0
"""What a mistyped word was meant to be. Imported where an error is made, and nowhere else."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

_LONGEST = 64
"""Characters of a word that are compared: the work grows with their square, and words come from outside."""
_MOST = 20_000
"""Choices that are compared: about a second."""
_ALIKE = 0.6
"""Of difflib's ratio; what difflib itself calls close."""
_BEGINNING = 12
"""Twice the characters of a beginning that says enough."""


def closest(word: str, choices: Iterable[str]) -> str | None:
    """The choice that was most likely meant, or None if none is near.

    Case, surrounding dashes, and which of dash, underscore and blank joins words make no difference. A beginning of one
    choice, or a part of only one, is near too.
    """
    wanted = _plain(word)
    if not wanted:
        return None
    plain = {choice: _plain(choice) for choice in islice(choices, _MOST)}
    for same in (
        [choice for choice, text in plain.items() if text == wanted],
        [choice for choice, text in plain.items() if text.startswith(wanted)],
    ):
        if len(same) == 1:
            return same[0]
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    best, found = _ALIKE, None
    for choice, text in plain.items():
        # What begins like a much longer one, as an identifier, is compared with its beginning.
        matcher.set_seq1(text[: len(wanted)] if len(text) > 2 * len(wanted) >= _BEGINNING else text)
        if matcher.real_quick_ratio() >= best and matcher.quick_ratio() >= best and (ratio := matcher.ratio()) >= best:
            best, found = ratio + 1e-9, choice
    if found is None:
        parts = [choice for choice, text in plain.items() if wanted in text]
        found = parts[0] if len(parts) == 1 else None
    return found


def is_part(word: str, name: str) -> bool:
    """Whether a word is one of the words of a name, or all of it; case and what joins them make no difference."""
    wanted, whole = _plain(word), _plain(name)
    return bool(wanted) and (wanted == whole or wanted in whole.split("-"))


def hint(word: str, choices: Iterable[str], *, form: str = "{}", rest: str = "") -> str:
    """``did you mean WORD?`` with the closest choice in ``form``, and ``rest``; only ``rest`` if none is near."""
    found = closest(word, choices)
    return " ".join(filter(None, (f"did you mean {form.format(found)}?" if found else "", rest)))


def listed(choices: Iterable[str], *, most: int = 20) -> str:
    """Choices in a hint: the first of them, and whether there are more."""
    first = list(islice(choices, most + 1))
    return ", ".join(first[:most]) + (", ..." if len(first) > most else "")


def _plain(word: str) -> str:
    return word[:_LONGEST].casefold().translate({ord("_"): "-", ord(" "): "-"}).strip("-")
