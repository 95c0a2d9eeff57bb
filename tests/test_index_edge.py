"""The embedded index as a folder: who owns it, what survives, what a failure says."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import Awaitable
from pathlib import Path

import numpy as np
import pytest
from index_fixtures import DIM, GENERATION, make_document, make_point, opened_client, opened_index

from docradar.errors import DataDirInUseError, UnavailableError
from docradar.filters import DECLARED_FIELDS, AnyOf
from docradar.index import open_client, wire
from docradar.index.edge import POINTS_PER_UPSERT, UPDATES_PER_FLUSH, EdgeClient
from docradar.index.unit_index import IDS_BATCH
from docradar.settings import Settings

TESTS = Path(__file__).parent

# Says "<first number> <count>" of every acknowledged batch, for ever.
WRITER = """
    import asyncio, sys
    from pathlib import Path
    from index_fixtures import make_document, make_point, opened_client, opened_index

    async def write(folder):
        async with opened_client("edge", folder) as client:
            index = await opened_index(client)
            number = 0
            while True:
                await index.upsert([make_point(make_document(), n) for n in range(number, number + 7)])
                number += 7
                print(number, flush=True)

    asyncio.run(write(Path(sys.argv[1])))
"""


def start(script: str, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(folder)],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        text=True,
    )


async def test_nothing_acknowledged_is_lost_by_kill_9(tmp_path: Path) -> None:
    acknowledged = 0
    for batches in (10, UPDATES_PER_FLUSH + 10):
        writer = start(WRITER, tmp_path)
        assert writer.stdout is not None
        for _ in range(batches):
            acknowledged_now = int(writer.stdout.readline())
        writer.kill()
        rest = writer.stdout.read().split("\n")[:-1]
        writer.wait()
        writer.stdout.close()
        acknowledged = max(acknowledged, acknowledged_now, *map(int, rest))
        async with opened_client("edge", tmp_path) as client:
            index = await opened_index(client)
            wanted = [make_point(make_document(), number) for number in range(acknowledged)]
            assert await index.existing([point.id for point in wanted]) == {point.id for point in wanted}
            assert await index.count(AnyOf("source", ("faq",))) >= acknowledged
            [best] = await index.search(wanted[-1].vector, limit=1)
            assert best.score == pytest.approx(1.0, abs=1e-5)


async def test_a_clean_close_keeps_everything(tmp_path: Path) -> None:
    points = [make_point(make_document(), number, text=f"word{number}") for number in range(200)]
    async with opened_client("edge", tmp_path) as client:
        await (await opened_index(client)).upsert(points)
    async with opened_client("edge", tmp_path) as client:
        index = await opened_index(client)
        assert await index.count() == 200
        await index.upsert([make_point(make_document(), 200)])
        assert await index.count() == 201


async def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    writer = start(WRITER, tmp_path)
    assert writer.stdout is not None
    writer.stdout.readline()
    try:
        with pytest.raises(DataDirInUseError, match=rf"in use by process {writer.pid} \(.*\): stop it"):
            EdgeClient(tmp_path)
    finally:
        writer.kill()
        writer.communicate()
    await EdgeClient(tmp_path).close()


async def test_a_second_client_in_the_same_process_is_refused_too(tmp_path: Path) -> None:
    async with opened_client("edge", tmp_path):
        with pytest.raises(DataDirInUseError, match=f"process {os.getpid()}"):
            EdgeClient(tmp_path)
    async with opened_client("edge", tmp_path):
        pass


async def test_a_crash_while_a_collection_is_made_leaves_none(tmp_path: Path) -> None:
    half_made = tmp_path / f".{GENERATION.name}.new"
    half_made.mkdir(parents=True)
    (half_made / "edge_config.json").write_text("{")
    async with opened_client("edge", tmp_path) as client:
        assert not await client.collection_exists(GENERATION.name)
        index = await opened_index(client)
        assert await index.count() == 0
    assert not half_made.exists()


async def test_missing_payload_indexes_are_made_when_the_index_is_opened(tmp_path: Path) -> None:
    async with opened_client("edge", tmp_path) as client:
        await client.create_collection(
            GENERATION.name,
            wire.vectors_config(DIM),
            wire.sparse_vectors_config(),
            metadata=wire.metadata(GENERATION),
        )
        assert set((await (await opened_index(client)).info()).indexed_fields) == set(DECLARED_FIELDS)


async def test_optimizing_changes_no_result(tmp_path: Path) -> None:
    points = [make_point(make_document(), n, vector=np.sin(np.arange(DIM) * (n + 1))) for n in range(500)]
    async with opened_client("edge", tmp_path) as client:
        assert isinstance(client, EdgeClient)
        index = await opened_index(client)
        await index.upsert(points)
        before = [await index.search(point.vector, limit=5) for point in points[:20]]
        client.optimize(GENERATION.name)
        after = [await index.search(point.vector, limit=5) for point in points[:20]]
    assert [score for found in after for _, score in found] == pytest.approx(
        [score for found in before for _, score in found], abs=1e-5
    )


async def turns_during(work: Awaitable[object]) -> int:
    """How often the event loop came to other tasks until `work` was done."""
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await work
    counting.cancel()
    return turns


async def test_the_event_loop_gets_turns_during_long_calls(tmp_path: Path) -> None:
    document = make_document()
    points = [make_point(document, number) for number in range(1_000)]
    async with opened_client("edge", tmp_path) as client:
        index = await opened_index(client)
        assert await turns_during(index.upsert(points)) >= len(points) // POINTS_PER_UPSERT
        pages = len(points) // IDS_BATCH
        assert await turns_during(index.document_unit_ids(document.document_id)) >= pages
        assert await turns_during(index.existing([point.id for point in points])) >= pages
        assert await turns_during(index.delete_document(document.document_id)) >= 2 * pages


async def test_a_search_that_fails_fails_alone(tmp_path: Path) -> None:
    point = make_point(make_document(), 1)
    async with opened_client("edge", tmp_path) as client:
        index = await opened_index(client)
        await index.upsert([point])
        good, bad, worse, good_too = await asyncio.gather(
            *(index.search(np.ones(dim, dtype=np.float32), limit=1) for dim in (DIM, DIM + 1, DIM + 2, DIM)),
            return_exceptions=True,
        )
    assert isinstance(bad, UnavailableError)
    assert isinstance(worse, UnavailableError)
    assert str(bad) != str(worse)
    assert good == good_too
    assert [found.id for found in good] == [point.id]


async def test_a_vector_of_the_wrong_size_fails_with_edges_reason(tmp_path: Path) -> None:
    async with opened_client("edge", tmp_path) as client:
        index = await opened_index(client)
        await index.upsert([make_point(make_document(), 1)])
        with pytest.raises(UnavailableError, match=r"embedded index in .* failed: .*dimension"):
            await index.search(np.ones(DIM + 1, dtype=np.float32), limit=1)
        assert await index.count() == 1


async def test_a_closed_client_says_so(tmp_path: Path) -> None:
    client = EdgeClient(tmp_path)
    index = await opened_index(client)
    await index.close()
    await index.close()
    with pytest.raises(UnavailableError, match="closed"):
        await index.count()


async def test_without_a_server_set_the_index_lies_in_the_data_folder(tmp_path: Path) -> None:
    client = open_client(Settings(data_dir=tmp_path))
    await opened_index(client)
    await client.close()
    assert (tmp_path / "index" / GENERATION.name / "generation.json").exists()


def test_importing_the_index_loads_no_qdrant_library() -> None:
    script = "import sys, docradar.index, docradar.filters, docradar.keywords; print([m for m in sys.modules if m.startswith('qdrant')])"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
