# SPDX-License-Identifier: Apache-2.0
"""Which components a word selects."""

from collections.abc import Iterable, Sequence

from livefw.activation.inventory.discovery import Candidate, with_aliases
from livefw.activation.policy import pattern
from livefw.errors import AmbiguousComponent, NoSuchComponent, UsageError


def is_pattern(word: str) -> bool:
    """Whether a word may select several components."""
    return not {*"*?["}.isdisjoint(word)


def select_all(words: Iterable[str], candidates: Sequence[Candidate]) -> list[Candidate]:
    """The components that words select, each once, in the order of the words.

    A word with ``*``, ``?`` or ``[`` is a pattern as in the settings, and selects every component that it matches or
    that has exactly this name. Any other word is one of `select`.

    Raises:
        NoSuchComponent: a word selects nothing.
        AmbiguousComponent: a word that is no pattern selects several components.
        UsageError: a word is empty, or a pattern that can match nothing.
    """
    found: dict[str, Candidate] = {}
    for word in words:
        for each in _matching(word, candidates) if is_pattern(word) else [select(word, candidates)]:
            found.setdefault(each.component.key, each)
    return list(found.values())


def select(word: str, candidates: Iterable[Candidate]) -> Candidate:
    """The one component with this key, id, alias of the id or name, or whose key or alias begins with the word.

    Case does not matter. A complete key or id selects that component only. A name does not outrank the beginning of an
    id, because firmware chooses its names: if they lead to different components, the word is ambiguous. If it is none
    of these, a word of a name will do: ``rmm`` for ``TF-RMM``.

    Raises:
        NoSuchComponent: the word selects nothing.
        AmbiguousComponent: it selects several components.
        UsageError: it is empty.
    """
    wanted = word.strip().casefold()
    if not wanted:
        raise UsageError("a component's name is empty", hint="livefw list")
    everything = [(candidate, _spellings(candidate)) for candidate in candidates]
    exact = [candidate for candidate, spellings in everything if wanted in spellings]
    found = exact or [
        candidate
        for candidate, spellings in everything
        if wanted == candidate.component.name.casefold() or any(spelling.startswith(wanted) for spelling in spellings)
    ]
    if not found:
        from livefw.suggest import is_part  # for what is not written as it is shown

        found = [candidate for candidate, _ in everything if is_part(wanted, candidate.component.name)]
    if not found:
        raise _no_such(word, [candidate for candidate, _ in everything])
    if len(found) > 1:
        keys = tuple(candidate.component.key for candidate in found)
        raise AmbiguousComponent(
            f"{word!r} matches {len(found)} components",
            candidates=keys,
            hint=f"name one of them: {', '.join(keys[:8])}{', ...' if len(keys) > 8 else ''}",
        )
    return found[0]


def _matching(word: str, candidates: Sequence[Candidate]) -> list[Candidate]:
    wanted = word.strip()
    named = [each.component.key for each in candidates if each.component.name.casefold() == wanted.casefold()]
    try:
        pattern.read(wanted)
    except ValueError as error:
        if not named:
            raise UsageError(f"the name of a component {error.args[0]}: {word!r}", hint="livefw list") from error
    found = [c for c in candidates if c.component.key in named or pattern.matches(wanted, with_aliases(*c))]
    if not found:
        raise _no_such(word, candidates)
    return found


def _no_such(word: str, candidates: Sequence[Candidate]) -> NoSuchComponent:
    from livefw import suggest  # only for errors

    known = (text for each in candidates for text in (each.component.name, *_spellings(each)))
    hint = suggest.hint(word.strip("*? "), filter(None, known), rest="livefw list shows what is available")
    return NoSuchComponent(f"there is no component {word[:60]!r} here", hint=hint)


def _spellings(candidate: Candidate) -> tuple[str, ...]:
    component = with_aliases(*candidate)
    return tuple(text.casefold() for text in component.spellings)
