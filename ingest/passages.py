"""Statements → passages, the texts that go through the model, and units with ids that say what was embedded.

A passage is cut where the text itself says so: a range of statements that is too long is divided before the
statement whose hash is smallest among those about its middle. An edit therefore moves no cut but those next to it,
and one edited sentence costs one passage, seldom two.
"""

import hashlib
import uuid
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Final

from docradar.documents import Kind, Passage, Recipe, Span, Unit
from ingest.tokens import estimate_tokens
from ingest.units import Statement

PASSAGE_TOKENS: Final = 64
"""Two or three sentences: in a longer passage a sentence's vector says mostly what its neighbours say (docs/quality.md)."""
HEADING_CHARS: Final = 120

_LEAD_IN_ENDS: Final = (":", "：")


@dataclass(frozen=True, slots=True)
class PreparedPassage:
    """A passage and its units: `passage.text[passage.spans[i]] == units[i].text`."""

    passage: Passage
    units: tuple[Unit, ...]


def prepare_passages(
    text: str, statements: Iterable[Statement], recipe: Recipe, document_id: str
) -> Iterator[PreparedPassage]:
    """Passages in the document's order, every statement in exactly one of them, as `recipe` wants them."""
    numbering = _Numbering(recipe, document_id)
    for section in _sections(statements):
        for passage, members in _passages(text, section, recipe):
            yield PreparedPassage(passage, numbering.units(text, passage, members))


def _sections(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Stretches under one heading. Lines are independent of each other, so each is a section."""
    for _, group in groupby(
        statements, key=lambda s: (s.heading_path, s.block if s.kind is Kind.LINE else -1)
    ):
        yield list(group)


def _passages(
    text: str, section: list[Statement], recipe: Recipe
) -> Iterator[tuple[Passage, Sequence[Statement]]]:
    if recipe is Recipe.PLAIN or section[0].kind is Kind.LINE:
        for statement in section:
            yield Passage.whole(text[slice(*statement.span)]), (statement,)
    elif recipe is Recipe.CONTEXT:
        yield from _with_context(text, section)
    else:
        texts = [text[slice(*statement.span)] for statement in section]
        for start, end in _cut(section, texts):
            yield _joined(section[start:end], texts[start:end]), section[start:end]


def _heading(path: tuple[str, ...]) -> str:
    """The heading path as a line of context; of a long one, the end, which says most of what follows."""
    return " > ".join(path)[-HEADING_CHARS:]


def _with_context(text: str, section: list[Statement]) -> Iterator[tuple[Passage, Sequence[Statement]]]:
    """Each statement after its heading path and the one before it; a list item after what leads into its list."""
    before = ""
    heading = _heading(section[0].heading_path)
    for statement in section:
        own = text[slice(*statement.span)]
        context = "\n".join(filter(None, (heading, before))) + "\n" if heading or before else ""
        yield Passage(context + own, (Span(len(context), len(context) + len(own)),)), (statement,)
        if statement.kind is not Kind.LIST_ITEM:
            before = own


def _joined(section: Sequence[Statement], texts: Sequence[str]) -> Passage:
    """Heading path, then the statements: those of one block after a space, others on a new line."""
    heading = _heading(section[0].heading_path)
    pieces = [heading, "\n"] if heading else []
    at = len(heading) + 1 if heading else 0
    spans: list[Span] = []
    for place, (statement, own) in enumerate(zip(section, texts, strict=True)):
        if place:
            glue = _glue(section[place - 1], statement)
            pieces.append(glue)
            at += len(glue)
        pieces.append(own)
        spans.append(Span(at, at + len(own)))
        at += len(own)
    return Passage("".join(pieces), tuple(spans))


def _glue(before: Statement, after: Statement) -> str:
    if before.block != after.block or after.kind is Kind.CODE:
        return "\n"
    return "" if before.span.end == after.span.start else " "


def _cut(section: Sequence[Statement], texts: Sequence[str]) -> list[tuple[int, int]]:
    """Ranges of statements of at most `PASSAGE_TOKENS` tokens, unless one statement alone has more.

    Every cut lies in the middle half of its range, so the depth is logarithmic whatever the texts are.
    """
    budget = PASSAGE_TOKENS - estimate_tokens(_heading(section[0].heading_path))
    tokens = list(accumulate((estimate_tokens(own) for own in texts), initial=0))
    if tokens[-1] <= budget:
        return [(0, len(section))]
    hashes = [_hash(own) for own in texts]
    for i in range(1, len(section)):
        if section[i].kind is Kind.LIST_ITEM and texts[i - 1].endswith(_LEAD_IN_ENDS):
            hashes[i] += 1 << 64  # a cut of last resort: a list's first item stays with its lead-in
    ranges: list[tuple[int, int]] = []
    todo = [(0, len(section))]
    while todo:
        start, end = todo.pop()
        if tokens[end] - tokens[start] <= budget or end - start == 1:
            ranges.append((start, end))
            continue
        place = _cut_place(tokens, hashes, start, end)
        todo += ((place, end), (start, place))
    return ranges


def _cut_place(tokens: Sequence[int], hashes: Sequence[int], start: int, end: int) -> int:
    total = tokens[end] - tokens[start]
    centre = tokens[start] + total / 2
    first = max(start + 1, bisect_left(tokens, centre - total / 4, start, end))
    last = min(end, bisect_left(tokens, centre + total / 4, start, end))
    places: Sequence[int] = range(first, last)
    if not places:
        nearest = min(end - 1, max(start + 1, bisect_left(tokens, centre, start, end)))
        places = [place for place in (nearest - 1, nearest) if start < place < end]
        return min(places, key=lambda place: abs(tokens[place] - centre))
    return min(places, key=lambda place: (hashes[place], abs(tokens[place] - centre)))


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


class _Numbering:
    """Gives units their ordinals and ids.

    An id is UUIDv5(document, SHA-256 of all that the vector is made from, how many equal ones came before), so a
    unit keeps it, and its vector, as long as its passage reads the same, wherever it moves.
    """

    def __init__(self, recipe: Recipe, document_id: str) -> None:
        self._recipe = recipe
        self._namespace = uuid.UUID(document_id)
        self._seen: Counter[bytes] = Counter()
        self._ordinal = 0

    def units(self, text: str, passage: Passage, statements: Sequence[Statement]) -> tuple[Unit, ...]:
        """The units of a passage, one a statement."""
        base = hashlib.sha256(f"{self._recipe}\x1f{passage.text}".encode())
        return tuple(
            self._unit(text, base, span, statement)
            for span, statement in zip(passage.spans, statements, strict=True)
        )

    def _unit(self, text: str, passage_hash: "hashlib._Hash", span: Span, statement: Statement) -> Unit:
        own = passage_hash.copy()
        own.update(f"\x1f{span.start}\x1f{span.end}".encode())
        digest = own.digest()
        unit = Unit(
            id=str(uuid.uuid5(self._namespace, f"{digest.hex()}:{self._seen[digest]}")),
            ordinal=self._ordinal,
            kind=statement.kind,
            text=text[slice(*statement.span)],
            span=statement.span,
            heading_path=statement.heading_path,
            page=statement.page,
        )
        self._seen[digest] += 1
        self._ordinal += 1
        return unit
