"""Blocks → statements: where units begin and end."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.documents import Block, Kind, Span
from ingest.readers.document import ReadLimits, TextBuilder
from ingest.units import LONG_CHARS, SplitCounts, Statement, statements


def build(*parts: tuple[Kind, str] | tuple[Kind, str, tuple[str, ...]]) -> tuple[str, tuple[Block, ...]]:
    builder = TextBuilder(ReadLimits())
    for part in parts:
        builder.add(part[1], part[0], part[2] if len(part) == 3 else ())
    return builder.build()


def split(
    *parts: tuple[Kind, str] | tuple[Kind, str, tuple[str, ...]],
) -> tuple[list[str], list[Statement], SplitCounts]:
    text, blocks = build(*parts)
    counts = SplitCounts()
    found = list(statements(text, blocks, counts))
    return [text[slice(*s.span)] for s in found], found, counts


def texts(*parts: tuple[Kind, str] | tuple[Kind, str, tuple[str, ...]]) -> list[str]:
    return split(*parts)[0]


def test_a_paragraph_becomes_its_sentences() -> None:
    assert texts((Kind.PARAGRAPH, "支付超时怎么办？请检查网络。Then retry once.")) == [
        "支付超时怎么办？",
        "请检查网络。",
        "Then retry once.",
    ]


def test_too_short_a_sentence_joins_its_neighbour_in_the_same_block_only() -> None:
    found, _, counts = split(
        (Kind.PARAGRAPH, "Why not? Because it costs too much. No."), (Kind.PARAGRAPH, "Yes.")
    )
    assert found == ["Why not?", "Because it costs too much. No.", "Yes."]
    assert counts.merged == 1
    assert texts((Kind.PARAGRAPH, "好。我们明天早上再来看一看。")) == ["好。我们明天早上再来看一看。"]


def test_a_row_a_line_and_a_list_item_are_whole() -> None:
    row = "Code: E1. See log; Meaning: It failed. Retry."
    assert texts((Kind.TABLE_ROW, row), (Kind.LINE, "One. Two. Three.")) == [row, "One. Two. Three."]
    assert texts((Kind.LIST_ITEM, "Open the door"), (Kind.LIST_ITEM, "Walk in")) == [
        "Open the door",
        "Walk in",
    ]


def test_a_heading_is_a_unit_only_where_nothing_stands_under_it() -> None:
    found = texts(
        (Kind.HEADING, "Guide"),
        (Kind.HEADING, "Setup", ("Guide",)),
        (Kind.PARAGRAPH, "Install it first.", ("Guide", "Setup")),
        (Kind.HEADING, "Empty", ("Guide",)),
        (Kind.HEADING, "Last", ("Guide",)),
    )
    assert found == ["Install it first.", "Empty", "Last"]


def test_short_code_is_one_unit_and_long_code_is_cut_between_lines() -> None:
    short = "def f():\n\n    return 1"
    assert texts((Kind.CODE, short)) == [short]
    functions = [f"def f{i}():\n    return {i}" for i in range(60)]
    found = texts((Kind.CODE, "\n\n".join(functions)))
    assert len(found) > 2
    assert "\n\n".join(found) == "\n\n".join(functions)
    assert all(len(piece) <= LONG_CHARS for piece in found)


def test_too_long_a_sentence_is_cut_at_clause_marks() -> None:
    clause = "如果支付网关在三十秒之内没有给出任何答复，"
    found, _, counts = split((Kind.PARAGRAPH, clause * 60))
    assert counts.cut == 1
    assert "".join(found) == clause * 60
    assert all(len(piece) <= LONG_CHARS and piece.endswith("，") for piece in found)


@pytest.mark.parametrize("text", ["x" * 5_000_000, "word " * 400_000, "长" * 1_000_000, "a\u0301" * 300_000])
def test_megabytes_on_one_line_are_cut_into_units_that_fit(text: str) -> None:
    found = texts((Kind.PARAGRAPH, text))
    assert all(0 < len(piece) <= LONG_CHARS for piece in found)
    assert sum(map(len, found)) >= len(text.replace(" ", "")) // 2


kinds = st.sampled_from([k for k in Kind if k is not Kind.HEADING])
prose = st.lists(
    st.sampled_from(
        [
            "支付。",
            "好！",
            "Retry it. ",
            "e.g. ",
            "x" * 90,
            "，",
            " ",
            "\n",
            "\n\n",
            "    ",
            "😀",
            "“",
            "”",
            "。",
        ]
    ),
    max_size=80,
).map("".join)


@given(st.lists(st.tuples(kinds, st.one_of(prose, st.text(max_size=80))), max_size=8))
def test_statements_are_exact_ordered_and_lose_nothing(parts: Sequence[tuple[Kind, str]]) -> None:
    text, blocks = build(*parts)
    found = list(statements(text, blocks, SplitCounts()))
    end = 0
    for statement in found:
        assert end <= statement.span.start < statement.span.end
        assert not text[end : statement.span.start].strip()
        assert any(b.span.start <= statement.span.start and statement.span.end <= b.span.end for b in blocks)
        assert len(text[slice(*statement.span)]) <= LONG_CHARS
        end = statement.span.end
    assert not text[end:].strip()


def test_a_span_is_counted_in_code_points() -> None:
    text, blocks = build((Kind.LINE, "😀 emoji"), (Kind.LINE, "𠮷野家"))
    assert [b.span for b in blocks] == [Span(0, 7), Span(8, 11)]
    assert text == "😀 emoji\n𠮷野家"
