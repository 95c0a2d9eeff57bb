"""`docradar optimize`, over an index and a catalog of its own."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from index_fixtures import GENERATION, make_document, make_point, opened_client, opened_index

from docradar.catalog import Catalog
from docradar.datadir import DataDirLock
from docradar.errors import ConfigurationError, DataDirInUseError, NotFoundError
from docradar.settings import Settings
from service.optimize_command import optimize_index


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return Settings(data_dir=tmp_path, database=sqlite_url)


async def test_it_prints_the_index_before_and_after(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [make_point(make_document(), number) for number in range(500)]
    async with opened_client("edge", settings.data_dir / "index") as client:
        await (await opened_index(client)).upsert(points)
    with closing(Catalog.open(settings.database_url)) as catalog:
        catalog.require_generation(GENERATION)
    await optimize_index(settings)
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("before  500 points, ")
    assert after.startswith("after   500 points, ")
    DataDirLock.acquire(settings.data_dir, "next").release()


async def test_it_says_why_it_cannot(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="ingest documents first"):
        await optimize_index(settings)
    with pytest.raises(ConfigurationError, match="optimizes by itself"):
        await optimize_index(replace(settings, qdrant_url="http://127.0.0.1:6333"))
    lock = DataDirLock.acquire(settings.data_dir, "docradar serve")
    with pytest.raises(DataDirInUseError, match="docradar serve"):
        await optimize_index(settings)
    lock.release()
