"""Which result is which expectation."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

MIN_CONTAINED_CHARS: Final = 8
"""A result that is part of the expected text counts from this length on: "Yes." is part of many."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A result that should come: of `document` (any of its names), if given, and with `text`, if given.

    At least one of them is. `grade`, from 1 to 3, is the gain that nDCG counts.
    """

    document: str | None = None
    text: str | None = None
    grade: int = 1


@dataclass(frozen=True, slots=True)
class Result:
    """One result of a search. `document_names` are the ids, file name and title of its document, and of those that hold a
    duplicate which was folded into it."""

    unit_id: str
    text: str
    score: float
    document_names: tuple[str, ...]


class Rank(NamedTuple):
    """One rank of a judged ranking: which result stands there, and as which expectation (both count from 0)."""

    result: int
    expectation: int | None


def normalised(text: str) -> str:
    """The form in which texts and names are compared: NFKC, casefolded, white space as single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Folding takes ΐ apart, and a capital's marks not.
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def matches(expectation: Expectation, result: Result) -> bool:
    """Whether the result is of the expected document, and one text holds the other."""
    if expectation.document is not None and normalised(expectation.document) not in {
        normalised(name) for name in result.document_names
    }:
        return False
    if expectation.text is None:
        return True
    wanted, found = normalised(expectation.text), normalised(result.text)
    return wanted in found or (len(found) >= MIN_CONTAINED_CHARS and found in wanted)


def judged_ranks(expected: Sequence[Expectation], results: Sequence[Result]) -> tuple[Rank, ...]:
    """The ranks that metrics count, best first: at least one for each result.

    An expectation is met once, by the first result that matches it. A result that meets several at once, as a merged
    passage can, takes as many ranks, those of the highest grade first: as if its sentences had come one by one. One
    that meets nothing new takes its rank and gains nothing: the reader has to read past it, whether it is wrong or
    repeats what stands above.
    """
    ranks: list[Rank] = []
    open_ones = set(range(len(expected)))
    for position, result in enumerate(results):
        met = [index for index in open_ones if matches(expected[index], result)]
        met.sort(key=lambda index: (-expected[index].grade, index))
        open_ones.difference_update(met)
        ranks += [Rank(position, index) for index in met] or [Rank(position, None)]
    return tuple(ranks)
