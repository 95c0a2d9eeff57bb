"""Hits → results, passages and groups."""

from datetime import UTC, datetime

from docradar.documents import (
    Document,
    DocumentFields,
    DocumentKey,
    DocumentStatus,
    Hit,
    Kind,
    Span,
    Split,
    Unit,
)
from docradar.searching.arranging import distinct, group, highlighted, merged
from docradar.searching.query import GroupBy, SearchQuery
from docradar.searching.results import Result

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(name: str) -> Document:
    return Document(
        id=name,
        key=DocumentKey("default", "faq", name),
        fields=DocumentFields(title=name),
        status=DocumentStatus.READY,
        desired_version=1,
        active_version=1,
        units=9,
        media_type="text/plain",
        filename=name,
        size_bytes=1,
        blob="",
        split=Split.AUTO,
        error=None,
        report=None,
        created_at=NOW,
        updated_at=NOW,
    )


def hit(
    name: str,
    ordinal: int,
    text: str,
    *,
    heading: str = "A",
    kind: Kind = Kind.PARAGRAPH,
    start: int | None = None,
) -> Hit:
    begin = ordinal * 100 if start is None else start
    unit = Unit(f"{name}{ordinal}", ordinal, kind, text, Span(begin, begin + len(text)), (heading,))
    return Hit(unit, document(name), 1.0 - ordinal / 100, True, {"cosine": 0.9})


def query(**asked: object) -> SearchQuery:
    return SearchQuery(text="refund", limit=5, **asked)  # type: ignore[arg-type]


def arrange(hits: list[Hit], asked: SearchQuery) -> list[Result]:
    results = distinct(hits, asked)
    return merged(results) if asked.merge else results


def test_what_says_the_same_is_one_result_with_the_others_named() -> None:
    hits = [
        hit("a", 1, "Refunds take five working days."),
        hit("b", 1, "Something else is said here."),
        hit("c", 1, "refunds take five working days"),
        hit("d", 1, "Refunds take six working days."),
    ]
    results = arrange(hits, query())
    assert [result.hit.unit.id for result in results] == ["a1", "b1", "d1"]
    assert [duplicate.unit.id for duplicate in results[0].duplicates] == ["c1"]
    assert len(arrange(hits, query(fold=False))) == 4


def test_adjacent_hits_become_a_passage_in_the_place_of_the_best() -> None:
    best = hit("b", 7, "Alone.")
    first, second, third = (hit("a", n, text) for n, text in enumerate(("One.", "Two.", "Three."), 1))
    other_section = hit("a", 4, "Four.", heading="B")
    results = arrange([best, second, other_section, third, first], query(merge=True, fold=False))
    assert [result.text for result in results] == ["Alone.", "One. Two. Three.", "Four."]
    passage = results[1]
    assert passage.hit is second
    assert passage.span == Span(first.unit.span.start, third.unit.span.end)
    assert [unit.ordinal for unit in passage.units] == [1, 2, 3]
    assert [passage.text[slice(*match.span)] for match in passage.matches] == ["One.", "Two.", "Three."]
    assert results[0].matches == ()


def test_a_passage_reads_as_its_document_does() -> None:
    touching = [hit("a", 1, "第一句。", start=0), hit("a", 2, "第二句。", start=4)]
    [passage] = arrange(touching, query(merge=True))
    assert (passage.text, passage.span) == ("第一句。第二句。", Span(0, 8))
    items = [hit("a", n, text, kind=Kind.LIST_ITEM) for n, text in ((1, "eggs"), (2, "milk"))]
    [passage] = arrange(items, query(merge=True))
    assert passage.text == "eggs\nmilk"


def test_lines_are_entries_of_their_own() -> None:
    lines = [hit("a", n, f"Entry {n}", kind=Kind.LINE) for n in (1, 2)]
    assert len(arrange(lines, query(merge=True))) == 2


def test_groups_stand_in_the_order_of_their_best_and_hold_so_many() -> None:
    hits = [
        hit("b", 1, "Bees fly."),
        hit("a", 1, "Apples grow."),
        hit("b", 2, "Bears walk.", heading="B"),
        hit("b", 3, "Boars run."),
        hit("b", 4, "Bats hang."),
    ]
    results = arrange(hits, query())
    by_document = group(results, GroupBy.DOCUMENT, 2)
    assert [(g.document.id, g.heading_path, [r.text for r in g.results]) for g in by_document] == [
        ("b", None, ["Bees fly.", "Bears walk."]),
        ("a", None, ["Apples grow."]),
    ]
    by_section = group(results, GroupBy.SECTION, 9)
    assert [(g.document.id, g.heading_path, len(g.results)) for g in by_section] == [
        ("b", ("A",), 3),
        ("a", ("A",), 1),
        ("b", ("B",), 1),
    ]


def test_highlights_are_places_in_the_text_shown() -> None:
    hits = [hit("a", 1, "Nothing here."), hit("a", 2, "We refund everything.")]
    [passage] = highlighted(arrange(hits, query(merge=True)), "refund")
    assert [passage.text[slice(*span)] for span in passage.highlights] == ["refund"]
