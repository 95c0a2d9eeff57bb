"""Hits → results: what says the same is folded, what stands side by side is merged, what belongs together is grouped."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from docradar.documents import Hit, Kind, Span, Unit
from docradar.folding import fold
from docradar.highlighting import Highlighter
from docradar.searching.query import GroupBy, SearchQuery
from docradar.searching.results import Group, Match, Result


def distinct(hits: Sequence[Hit], query: SearchQuery) -> list[Result]:
    """A result for each hit, or with `query.fold` one for all that say the same, in the order of their best."""
    return _folded(hits) if query.fold else [_single(hit) for hit in hits]


def group(results: Sequence[Result], by: GroupBy, size: int) -> list[Group]:
    """Groups in the order of their best results, each with the best `size`."""
    members: dict[tuple[str, tuple[str, ...]], list[Result]] = {}
    for result in results:
        heading_path = result.hit.unit.heading_path if by is GroupBy.SECTION else ()
        members.setdefault((result.hit.document.id, heading_path), []).append(result)
    return [
        Group(
            found[0].hit.document,
            heading_path if by is GroupBy.SECTION else None,
            tuple(found[:size]),
        )
        for (_, heading_path), found in members.items()
    ]


def highlighted(results: Sequence[Result], query: str) -> list[Result]:
    """The results with the places of the query's words in them."""
    highlighter = Highlighter(query)
    return [replace(result, highlights=tuple(highlighter.spans(result.text))) for result in results]


def _single(hit: Hit) -> Result:
    return Result(hit, hit.unit.text, hit.unit.span, (hit.unit,))


def _folded(hits: Sequence[Hit]) -> list[Result]:
    """One result for all hits that say the same, in the place of the best of them."""
    duplicates: dict[int, list[Hit]] = {}
    for place, representative in enumerate(fold([hit.unit.text for hit in hits])):
        members = duplicates.setdefault(representative, [])
        if place != representative:
            members.append(hits[place])
    return [
        replace(_single(hits[representative]), duplicates=tuple(others))
        for representative, others in duplicates.items()
    ]


def merged(results: Sequence[Result]) -> list[Result]:
    """Makes a passage of results that follow each other in one section, in the place of the best of them."""
    ranks = {result.hit.unit.id: rank for rank, result in enumerate(results)}
    in_place = sorted(results, key=lambda result: (result.hit.document.id, result.hit.unit.ordinal))
    passages = [
        _passage(sorted(run, key=lambda result: ranks[result.hit.unit.id])) for run in _runs(in_place)
    ]
    return sorted(passages, key=lambda passage: ranks[passage.hit.unit.id])


def _runs(results: Sequence[Result]) -> Iterator[list[Result]]:
    """Stretches of adjacent results. Lines are entries of their own, whatever stands beside them."""

    def section_and_offset(numbered: tuple[int, Result]) -> tuple[object, ...]:
        number, result = numbered
        unit = result.hit.unit
        alone = number if unit.kind is Kind.LINE else -1
        return result.hit.document.id, unit.heading_path, alone, unit.ordinal - number

    for _, run in groupby(enumerate(results), key=section_and_offset):
        yield [result for _, result in run]


def _passage(ranked: Sequence[Result]) -> Result:
    """One result of several adjacent ones, given best first."""
    if len(ranked) == 1:
        return ranked[0]
    in_order = sorted((result.hit for result in ranked), key=lambda hit: hit.unit.ordinal)
    units = tuple(hit.unit for hit in in_order)
    text, spans = _joined(units)
    return Result(
        hit=ranked[0].hit,
        text=text,
        span=Span(units[0].span.start, units[-1].span.end),
        units=units,
        matches=tuple(Match(hit, span) for hit, span in zip(in_order, spans, strict=True)),
        duplicates=tuple(duplicate for result in ranked for duplicate in result.duplicates),
    )


def _joined(units: Sequence[Unit]) -> tuple[str, list[Span]]:
    """The units' texts in one, and the place of each in it. What stood between them, such as a list's mark, becomes a
    space or a line end."""
    pieces: list[str] = []
    spans: list[Span] = []
    at = 0
    for before, unit in zip((None, *units), units, strict=False):
        glue = _glue(before, unit) if before else ""
        start = at + len(glue)
        at = start + len(unit.text)
        pieces += (glue, unit.text)
        spans.append(Span(start, at))
    return "".join(pieces), spans


def _glue(before: Unit, after: Unit) -> str:
    if before.span.end == after.span.start:
        return ""
    return " " if before.kind is Kind.PARAGRAPH and after.kind is Kind.PARAGRAPH else "\n"
