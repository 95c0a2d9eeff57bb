"""`docradar optimize`: the embedded index's HNSW graph, which is not built while it serves."""

import click

from docradar.catalog import Catalog
from docradar.datadir import DataDirLock
from docradar.errors import ConfigurationError, NotFoundError
from docradar.index.edge import EdgeClient
from docradar.settings import Settings


async def optimize_index(settings: Settings) -> None:
    """Builds the graph and prints what the index was before and is after.

    Raises:
        ConfigurationError: The index is on a Qdrant server.
        DataDirInUseError: A service or worker has the data folder.
        NotFoundError: Nothing has been ingested there.
    """
    if settings.qdrant_url:
        raise ConfigurationError(
            f"the index is on the Qdrant server {settings.qdrant_url}, which optimizes by itself"
        )
    lock = DataDirLock.acquire(settings.data_dir, "docradar optimize")
    try:
        name = _collection(settings)
        client = EdgeClient(settings.data_dir / "index")
        try:
            click.echo(f"before  {await _sizes(client, name)}")
            client.optimize(name)
            click.echo(f"after   {await _sizes(client, name)}")
        finally:
            await client.close()
    finally:
        lock.release()


def _collection(settings: Settings) -> str:
    catalog = Catalog.open(settings.database_url)
    try:
        generation = catalog.active_generation()
    finally:
        catalog.close()
    if generation is None:
        raise NotFoundError(
            f"there is no index in {settings.data_dir} yet; ingest documents first, or give another --data-dir"
        )
    return generation.name


async def _sizes(client: EdgeClient, name: str) -> str:
    info = await client.get_collection(name)
    return f"{info.points_count} points, {info.indexed_vectors_count} vectors in graphs, {info.segments_count} segments"
