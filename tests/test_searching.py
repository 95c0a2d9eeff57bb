"""Search where the index holds far more than the catalog has: points of replaced and of unfinished versions."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from index_fixtures import DIM, GENERATION, make_document, make_point

from docradar.catalog import Catalog, HydratedUnit
from docradar.embedding.scheduler import EmbeddingScheduler
from docradar.engine import ReadyEngine
from docradar.index import UnitIndex
from docradar.index.edge import EdgeClient
from docradar.searching import SearchOutcome, SearchQuery, retrieval, search
from tests.catalogs import ingest, unit
from tests.fakes import FakeEmbedder, NoReranking

STALE = 600


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[ReadyEngine]:
    """Its index holds stale points, all of which lie nearer to the query than point number `STALE`."""
    embedder = FakeEmbedder()
    near = embedder.embed_queries(["refund"])[0]
    index = await UnitIndex.open(EdgeClient(tmp_path / "index"), GENERATION)
    await index.upsert([make_point(make_document(), number, vector=near) for number in range(STALE)])
    far = near + 0.5 * np.eye(DIM, dtype=np.float32)[0]
    await index.upsert([make_point(make_document(), STALE, vector=far)])
    scheduler = EmbeddingScheduler(embedder)
    yield ReadyEngine(embedder.profile, scheduler, index, strong_score=0.5)
    await scheduler.close()
    await index.close()


@pytest.fixture
def hydrated(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many ids the catalog was asked for, each time it was."""
    sizes: list[int] = []
    hydrate = catalog.hydrate

    def counted(unit_ids: Sequence[str]) -> dict[str, HydratedUnit]:
        sizes.append(len(unit_ids))
        return hydrate(unit_ids)

    monkeypatch.setattr(catalog, "hydrate", counted)
    return sizes


async def two_hits(engine: ReadyEngine, catalog: Catalog) -> SearchOutcome:
    return await search(engine, catalog, NoReranking(), SearchQuery(text="refund", limit=2, fold=False))


async def test_what_stands_behind_many_stale_points_is_found(
    engine: ReadyEngine, catalog: Catalog, hydrated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "MAX_HYDRATED_AT_ONCE", 100)
    point = make_point(make_document(), STALE)
    ingest(catalog, units=[unit(0, unit_id=point.id)])
    outcome = await two_hits(engine, catalog)
    assert [result.hit.unit.id for result in outcome.results] == [point.id]
    # Rounds of 66, 528 and 4,224 candidates, in slices that double.
    assert hydrated[:6] == [2, 4, 8, 16, 32, 4]
    assert hydrated[-11:] == [2, 4, 8, 16, 32, 64, 100, 100, 100, 100, 75]


async def test_the_list_of_candidates_is_bounded(
    engine: ReadyEngine, catalog: Catalog, hydrated: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "MAX_CANDIDATES", 100)
    outcome = await two_hits(engine, catalog)
    assert outcome.results == []
    assert outcome.answered is False
    assert sum(hydrated) == 66 + 100
