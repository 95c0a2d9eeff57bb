"""What UnitIndex promises, over Qdrant Edge, the client's local mode, and a server where one is given."""

import random
import uuid
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from index_fixtures import (
    BACKENDS,
    DIM,
    GENERATION,
    LANGUAGES,
    META_FIELDS,
    SOURCES,
    START,
    TAGS,
    WORDS,
    make_document,
    make_point,
    opened_client,
    opened_index,
    random_points,
)

from docradar.documents import Generation, Kind
from docradar.errors import (
    ConfigurationError,
    FingerprintMismatchError,
    InvalidFilterError,
    UnavailableError,
)
from docradar.filters import COUNTABLE_TYPES, DECLARED_FIELDS, ORDERED_TYPES, AnyOf, Within, parse_filter
from docradar.index import FacetCount, ScoredId, UnitIndex, wire
from docradar.index.client import PointsClient
from docradar.keywords import query_keywords

FIELDS = {**DECLARED_FIELDS, **META_FIELDS}


@pytest.fixture(params=BACKENDS)
async def client(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PointsClient]:
    async with opened_client(request.param, tmp_path / "index") as opened:
        yield opened


@pytest.fixture
async def index(client: PointsClient) -> UnitIndex:
    return await opened_index(client)


def ids_of(found: list[ScoredId]) -> list[str]:
    return [candidate.id for candidate in found]


async def test_opening_again_finds_the_points(client: PointsClient, index: UnitIndex) -> None:
    await index.upsert([make_point(make_document(), 1)])
    again = await opened_index(client)
    assert await again.count() == 1
    assert (await again.info()).points == 1


async def test_another_generation_is_refused_with_both_models(client: PointsClient, index: UnitIndex) -> None:
    other = Generation("0" * 64, "other-model", DIM, GENERATION.name)
    with pytest.raises(FingerprintMismatchError, match=r"test-model .* other-model .* set `model` back"):
        await opened_index(client, other)


async def test_a_collection_of_somebody_else_is_refused(client: PointsClient) -> None:
    await client.create_collection(
        "theirs", wire.vectors_config(DIM), wire.sparse_vectors_config(), metadata={"owner": "somebody"}
    )
    with pytest.raises(ConfigurationError, match="docradar did not make"):
        await opened_index(client, replace(GENERATION, name="theirs"))


async def test_the_best_comes_first_with_its_cosine(index: UnitIndex) -> None:
    points = [make_point(make_document(), number) for number in range(100)]
    await index.upsert(points)
    found = await index.search(points[7].vector, limit=5)
    cosines = {point.id: float(point.vector @ points[7].vector) for point in points}
    assert ids_of(found) == sorted(cosines, key=lambda unit: -cosines[unit])[:5]
    assert [score for _, score in found] == pytest.approx([cosines[unit] for unit, _ in found], abs=1e-5)
    above = await index.search(points[7].vector, limit=100, score_threshold=0.99)
    assert set(ids_of(above)) == {unit for unit, cosine in cosines.items() if cosine >= 0.99}


async def test_an_upsert_replaces_vector_keywords_and_payload(index: UnitIndex) -> None:
    point = make_point(make_document(), 1, text="refund")
    await index.upsert([point])
    moved = make_point(make_document(source="prd"), 1, vector=-point.vector, text="invoice")
    await index.upsert([moved])
    assert await index.count() == 1
    assert await index.search(point.vector, limit=1) == [ScoredId(point.id, pytest.approx(-1.0))]
    assert await index.search_keywords(query_keywords("refund"), limit=1) == []
    assert await index.count(AnyOf("source", ("faq",))) == 0
    assert await index.count(AnyOf("source", ("prd",))) == 1


async def test_keywords_find_exact_words_and_rarer_ones_first(index: UnitIndex) -> None:
    texts = ["refund timeout", "refund", "refund ERR_4012", "支付超时", "login"]
    points = [make_point(make_document(), number, text=text) for number, text in enumerate(texts)]
    await index.upsert(points)
    found = await index.search_keywords(query_keywords("refund 4012"), limit=10)
    assert ids_of(found)[0] == points[2].id
    assert set(ids_of(found)) == {points[n].id for n in (0, 1, 2)}
    assert ids_of(await index.search_keywords(query_keywords("超时"), limit=10)) == [points[3].id]
    assert await index.search_keywords(query_keywords("the of"), limit=10) == []


async def test_a_unit_without_words_is_stored_and_found_by_meaning(index: UnitIndex) -> None:
    point = make_point(make_document(), 1, text="…")
    assert not point.keywords
    await index.upsert([point])
    assert ids_of(await index.search(point.vector, limit=3)) == [point.id]


async def test_a_hybrid_search_tells_both_scores_of_what_either_side_finds(index: UnitIndex) -> None:
    document = make_document()
    points = [make_point(document, n, vector=np.eye(DIM)[n], text=f"word{n}") for n in range(DIM)]
    await index.upsert(points)
    vector = (0.9 * np.eye(DIM)[3] + 0.8 * np.eye(DIM)[5]).astype(np.float32)
    vector /= np.linalg.norm(vector)
    words = query_keywords("word5 word6")
    by_id = {found.id: found for found in await index.search_hybrid(vector, words, limit=2)}
    nearest, both, worded = (by_id[points[n].id] for n in (3, 5, 6))
    assert (nearest.cosine_rank, both.cosine_rank, worded.cosine_rank) == (1, 2, None)
    assert {both.keyword_rank, worded.keyword_rank} == {1, 2}
    assert nearest.keyword is nearest.keyword_rank is None
    assert both.keyword == worded.keyword == (await index.search_keywords(words, limit=1))[0].score
    # The cosine is known of what the words alone have found, too.
    cosines = dict(await index.search(vector, limit=DIM))
    assert {found.id: found.cosine for found in by_id.values()} == pytest.approx(
        {unit_id: cosines[unit_id] for unit_id in by_id}, abs=1e-6
    )
    assert len(by_id) == 3


async def test_a_hybrid_search_obeys_filter_and_threshold(index: UnitIndex) -> None:
    document = make_document()
    points = [make_point(document, n, vector=np.eye(DIM)[n], text=f"word{n}") for n in range(4)]
    await index.upsert(points)
    vector, words = np.eye(DIM, dtype=np.float32)[0], query_keywords("word2")
    elsewhere = AnyOf("source", ("prd",))
    assert await index.search_hybrid(vector, words, filter=elsewhere, limit=4) == []
    near = await index.search_hybrid(vector, words, limit=4, score_threshold=0.5)
    assert [found.id for found in near] == [points[0].id]
    without_words = await index.search_hybrid(vector, query_keywords(""), limit=1)
    assert [(found.id, found.keyword) for found in without_words] == [(points[0].id, None)]


async def test_vectors_are_given_back(index: UnitIndex) -> None:
    points = [make_point(make_document(), n, vector=np.eye(DIM)[n]) for n in range(3)]
    await index.upsert(points)
    stored = await index.vectors([points[1].id, str(uuid.UUID(int=9999)), points[2].id])
    assert stored.keys() == {points[1].id, points[2].id}
    assert stored[points[1].id].dtype == np.float32
    assert np.allclose(stored[points[1].id], np.eye(DIM)[1], atol=1e-6)


async def test_document_payload_is_replaced_and_cleared(index: UnitIndex) -> None:
    before = make_document(1, language="zh", author="Ann", tags=("a", "b"), meta={"team": "x", "year": 2025})
    other = make_document(2, language="zh")
    await index.upsert([make_point(before, 1), make_point(before, 2), make_point(other, 3)])
    await index.set_document_payload(
        before.document_id, replace(before, language=None, author="Bo", tags=("c",), meta={"team": "y"})
    )
    assert await index.count(AnyOf("language", ("zh",))) == 1
    assert await index.count(AnyOf("author", ("Ann",))) == 0
    assert await index.count(AnyOf("author", ("Bo",))) == 2
    assert await index.count(AnyOf("tags", ("a", "b"))) == 0
    assert await index.count(AnyOf("tags", ("c",))) == 2
    assert await index.count(AnyOf("kind", (Kind.PARAGRAPH,))) == 3


async def test_a_document_has_its_new_time_only_once_all_of_its_payload_is_there(
    client: PointsClient, index: UnitIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make_document(1, author="Ann")
    await index.upsert([make_point(before, 1)])
    after = replace(before, author=None, stored_at=START + timedelta(days=1))

    async def away(*_: object, **__: object) -> None:
        raise ConnectionError

    for call in ("delete_payload", "set_payload"):
        with monkeypatch.context() as patched:
            patched.setattr(client, call, away)
            with pytest.raises((ConnectionError, UnavailableError)):
                await index.set_document_payload(after.document_id, after)
        assert await index.count(Within(field="stored_at", gte=after.stored_at)) == 0
    await index.set_document_payload(after.document_id, after)
    assert await index.count(Within(field="stored_at", gte=after.stored_at)) == 1


async def test_payload_is_stored_whole(client: PointsClient, index: UnitIndex) -> None:
    document = make_document(1, tags=("a",), meta={"team": "x", "year": 2025})
    point = make_point(document, 1, text="退款", page=4)
    await index.upsert([point])
    await index.set_document_payload(document.document_id, replace(document, meta={"team": "y"}))
    [record] = await client.retrieve(GENERATION.name, ids=[point.id], with_payload=True)
    assert record.payload == {
        "collection": "default",
        "source": "faq",
        "document_id": document.document_id,
        "external_id": "file-1.md",
        "title": "File 1",
        "media_type": "text/markdown",
        "tags": ["a"],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "stored_at": "2026-01-01T00:00:00Z",
        "meta": {"team": "y"},
        "kind": "paragraph",
        "page": 4,
        "heading_path": ["Guide", "Payments"],
        "text": "退款",
    }


async def test_a_naive_datetime_is_refused(index: UnitIndex) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        await index.upsert([make_point(make_document(updated_at=START.replace(tzinfo=None)), 1)])


async def test_moved_units_get_their_new_place(index: UnitIndex) -> None:
    points = [make_point(make_document(), number, page=1) for number in range(3)]
    await index.upsert(points)
    await index.set_unit_payload([points[0].id], kind=Kind.CODE, page=9, heading_path=("New",))
    await index.set_unit_payload([points[1].id], kind=Kind.CODE, page=None, heading_path=())
    assert await index.count(AnyOf("page", (9,))) == 1
    assert await index.count(AnyOf("page", (1,))) == 1
    assert await index.count(AnyOf("kind", (Kind.CODE,))) == 2


async def test_deletion_by_id_and_by_document(index: UnitIndex) -> None:
    first, second = make_document(1), make_document(2)
    points = [make_point(first, number) for number in range(5)]
    others = [make_point(second, number + 100) for number in range(5)]
    await index.upsert([*points, *others])
    await index.delete([points[0].id, "00000000-0000-0000-0000-00000000ffff"])
    await index.delete([])
    assert await index.document_unit_ids(first.document_id) == {point.id for point in points[1:]}
    await index.delete_document(first.document_id)
    assert await index.document_unit_ids(first.document_id) == set()
    assert await index.existing([point.id for point in (*points, *others)]) == {point.id for point in others}
    assert set(ids_of(await index.search(points[0].vector, limit=20))) == {point.id for point in others}


async def test_all_of_a_large_document_is_listed_changed_and_deleted(index: UnitIndex) -> None:
    document = make_document()
    points = [make_point(document, number) for number in range(2_345)]
    await index.upsert(points)
    wanted = {point.id for point in points}
    assert await index.document_unit_ids(document.document_id) == wanted
    assert await index.existing(wanted) == wanted
    await index.set_document_payload(document.document_id, replace(document, source="prd"))
    assert await index.count(AnyOf("source", ("prd",))) == len(points)
    await index.delete_document(document.document_id)
    assert await index.count() == 0


async def test_facets_count_values_and_obey_the_filter(index: UnitIndex) -> None:
    faq, prd = make_document(1, tags=("a", "b")), make_document(2, source="prd", tags=("b",))
    await index.upsert([*(make_point(faq, n, page=1) for n in range(3)), make_point(prd, 10, page=2)])
    assert await index.facet("source") == [FacetCount("faq", 3), FacetCount("prd", 1)]
    assert await index.facet("tags") == [FacetCount("b", 4), FacetCount("a", 3)]
    assert await index.facet("tags", limit=1) == [FacetCount("b", 4)]
    assert await index.facet("page", AnyOf("source", ("prd",))) == [FacetCount(2, 1)]
    with pytest.raises(
        InvalidFilterError, match="facet field updated_at is a datetime, whose values are not counted"
    ):
        await index.facet("updated_at")


async def test_an_empty_index_answers(index: UnitIndex) -> None:
    vector = np.ones(DIM, dtype=np.float32)
    words = query_keywords("refund")
    assert await index.search(vector, limit=5) == []
    assert await index.search_keywords(words, limit=5) == []
    assert await index.search_hybrid(vector, words, limit=5) == []
    assert await index.facet("source") == []
    assert await index.count() == 0
    assert await index.existing(["00000000-0000-0000-0000-000000000001"]) == set()


def random_filter(chosen: random.Random, depth: int = 0) -> dict[str, Any]:
    """A filter in the API's grammar, over values that `random_points` uses and some that it does not."""
    if depth < 3 and chosen.random() < 0.35:
        parts = [random_filter(chosen, depth + 1) for _ in range(chosen.randint(1, 3))]
        return {"type": chosen.choice(("and", "or")), "filters": parts}
    key = chosen.choice(
        ("collection", "source", "language", "author", "tags", "kind", "page", "updated_at", *META_FIELDS)
    )
    values: dict[str, Any] = {
        "collection": ("default", "team", "nobody"),
        "source": (*SOURCES, "absent"),
        "language": [language for language in LANGUAGES if language],
        "author": ("Ann", "李雷"),
        "tags": (*TAGS, "absent"),
        "kind": [kind.value for kind in Kind],
        "page": range(1, 32),
        "updated_at": [_moment(chosen) for _ in range(3)],
        "meta.team": ("search", "支付", "absent"),
        "meta.priority": range(-2, 9),
        "meta.ratio": (-0.5, 0, 0.1, 0.2, 2),
        "meta.urgent": (True, False),
        "meta.due": ("2026-01-31", "2026-02-01", "2026-01-31T09:30:00Z", "2026-01-31T00:00:00Z"),
    }
    ordered = ("gt", "gte", "lt", "lte") if FIELDS[key] in ORDERED_TYPES else ()
    operator = chosen.choice(("eq", "ne", "in", "nin", *ordered))
    value = chosen.choice(values[key])
    return {
        "type": operator,
        "key": key,
        "value": [value, chosen.choice(values[key])] if operator in ("in", "nin") else value,
    }


def _moment(chosen: random.Random) -> str:
    moment = START + timedelta(hours=chosen.randrange(2200))
    return chosen.choice((moment.date().isoformat(), moment.isoformat(), moment.isoformat()[:19] + "+09:30"))


def assert_same_ranking(one: list[ScoredId], other: list[ScoredId]) -> None:
    """Equal scores place by place, and equal ids but among ties, the last score's included."""
    assert [score for _, score in one] == pytest.approx([score for _, score in other], abs=1e-5)
    if one:
        clear_of_ties = {found.id for found in one if found.score > one[-1].score + 1e-5}
        assert clear_of_ties <= {found.id for found in other}


@pytest.mark.parametrize("reference", [backend for backend in BACKENDS if backend != "edge"])
async def test_edge_equals_the_client(reference: str, tmp_path: Path) -> None:
    chosen = random.Random(11)
    points = random_points(1_000)
    async with opened_client("edge", tmp_path) as edge, opened_client(reference, tmp_path) as other:
        indexes = [await opened_index(edge), await opened_index(other)]
        for index in indexes:
            await index.upsert(points)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Payload indexes have no effect in the local Qdrant")
                await index.declare_fields(META_FIELDS)
        matched = 0
        for round_number in range(60):
            expression = parse_filter(random_filter(chosen), FIELDS)
            vector = points[chosen.randrange(1_000)].vector
            found = [await index.search(vector, filter=expression, limit=1_000) for index in indexes]
            assert_same_ranking(*found)
            assert set(ids_of(found[0])) == set(ids_of(found[1])), expression
            matched += 0 < len(found[0]) < 1_000
            if round_number % 4 == 0:  # the local mode takes its time
                words = query_keywords(" ".join(chosen.choices(WORDS, k=2)))
                assert_same_ranking(
                    *[await index.search_keywords(words, filter=expression, limit=20) for index in indexes]
                )
                assert [await index.count(expression) for index in indexes] == [len(found[0])] * 2
        assert matched > 30  # the filters do tell points apart
        countable = [key for key, kind in FIELDS.items() if kind in COUNTABLE_TYPES]
        for key in countable:
            counts = [await index.facet(key, limit=1_000, fields=FIELDS) for index in indexes]
            assert set(counts[0]) == set(counts[1]), key
