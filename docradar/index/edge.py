"""Qdrant Edge, the Qdrant engine inside this process, behind the calls of `AsyncQdrantClient` that docradar makes.

Every call of Edge 0.9 holds the interpreter's lock from start to end (measured), so a thread would win nothing: calls
run where they are made, one at a time. Each is kept to a few milliseconds, and the event loop gets a turn after it.

On disk: `owner.lock` names the process that has the index open; each collection is a folder, with the shard's own files
and `generation.json`, what `create_collection` was told to remember.
"""

from __future__ import annotations  # some of Edge's types exist in its stubs alone

import asyncio
import fcntl
import json
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import qdrant_edge as edge
from qdrant_client.http import models

from docradar.errors import DataDirInUseError, UnavailableError
from docradar.index import edge_models
from docradar.index.client import UPDATES_PER_FLUSH

T = TypeVar("T")

METADATA_FILE: Final = "generation.json"
OWNER_FILE: Final = "owner.lock"
POINTS_PER_UPDATE: Final = 256
POINTS_PER_UPSERT: Final = 32
"""Some 4 ms, of which half goes into making Edge's points: it takes 2 µs for every text in a payload."""

_DONE: Final = models.UpdateResult(status=models.UpdateStatus.COMPLETED)


class EdgeClient:
    """The collections in a folder. Satisfies `PointsClient`.

    A call that Edge fails raises UnavailableError. What an update acknowledged survives the end of the process, however
    it ends; a power cut may take what came after the last flush.
    """

    def __init__(self, folder: Path) -> None:
        """Takes possession of `folder`, made if need be.

        Raises:
            DataDirInUseError: Another client has it; names its process.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._owner_fd = _take_possession(folder)
        self._shards: dict[str, edge.EdgeShard] = {}
        self._unflushed: Counter[str] = Counter()  # updates by collection
        self._lock = threading.RLock()

    async def collection_exists(self, collection_name: str) -> bool:
        return (self._path(collection_name) / METADATA_FILE).exists()

    async def create_collection(
        self,
        collection_name: str,
        vectors_config: Mapping[str, models.VectorParams],
        sparse_vectors_config: Mapping[str, models.SparseVectorParams],
        *,
        metadata: dict[str, Any],
    ) -> bool:
        """Makes the folder whole before it gets its name, so that a crash leaves none that is half made."""
        unfinished = self._path(f".{collection_name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        config = edge_models.to_config(dict(vectors_config), dict(sparse_vectors_config))
        self._call(lambda: edge.EdgeShard.create(str(unfinished), config).close())
        (unfinished / METADATA_FILE).write_text(json.dumps(metadata), encoding="utf-8")
        unfinished.rename(self._path(collection_name))
        return True

    async def get_collection(self, collection_name: str) -> models.CollectionInfo:
        """Sizes, payload schema and metadata; what else a server tells has no counterpart here and is left unset."""
        metadata = json.loads((self._path(collection_name) / METADATA_FILE).read_text(encoding="utf-8"))
        info = self._on(collection_name, lambda shard: shard.info())
        return models.CollectionInfo.model_construct(
            points_count=info.points_count,
            indexed_vectors_count=info.indexed_vectors_count,
            segments_count=info.segments_count,
            config=models.CollectionConfig.model_construct(metadata=metadata),
            payload_schema={
                name: edge_models.from_field_schema(field) for name, field in info.payload_schema.items()
            },
        )

    async def create_payload_index(
        self,
        collection_name: str,
        field_name: str,
        field_schema: models.PayloadSchemaType | models.KeywordIndexParams,
    ) -> models.UpdateResult:
        schema = edge_models.to_field_schema(field_schema)
        return await self._update(
            collection_name, edge.UpdateOperation.create_field_index(field_name, schema)
        )

    async def delete_payload_index(self, collection_name: str, field_name: str) -> models.UpdateResult:
        return await self._update(collection_name, edge.UpdateOperation.delete_field_index(field_name))

    async def upsert(self, collection_name: str, points: list[models.PointStruct]) -> models.UpdateResult:
        for first in range(0, len(points), POINTS_PER_UPSERT):
            converted = [edge_models.to_point(point) for point in points[first : first + POINTS_PER_UPSERT]]
            await self._update(collection_name, edge.UpdateOperation.upsert_points(converted))
        return _DONE

    async def query_batch_points(
        self, collection_name: str, requests: Sequence[models.QueryRequest]
    ) -> list[models.QueryResponse]:
        batch = edge.QueryBatchRequest([edge_models.to_query_request(request) for request in requests])
        answers = self._on(collection_name, lambda shard: shard.query_batch(batch))
        return [edge_models.from_scored_points(points) for points in answers]

    async def scroll(
        self,
        collection_name: str,
        scroll_filter: models.Filter | None = None,
        limit: int = 10,
        *,
        offset: Any = None,
        with_payload: bool = True,
    ) -> tuple[list[models.Record], str | None]:
        request = edge.ScrollRequest(
            offset=offset,
            limit=limit,
            filter=edge_models.to_optional_filter(scroll_filter),
            with_payload=with_payload,
        )
        records, following = await self._read(collection_name, lambda shard: shard.scroll(request))
        next_offset = None if following is None else str(following)
        return [edge_models.from_record(record) for record in records], next_offset

    async def retrieve(
        self,
        collection_name: str,
        ids: Sequence[Any],
        with_payload: bool = True,
        with_vectors: bool | list[str] = False,
    ) -> list[models.Record]:
        records = await self._read(
            collection_name, lambda shard: shard.retrieve(list(ids), with_payload, with_vectors)
        )
        return [edge_models.from_record(record) for record in records]

    async def count(
        self, collection_name: str, count_filter: models.Filter | None = None, exact: bool = True
    ) -> models.CountResult:
        request = edge.CountRequest(exact=exact, filter=edge_models.to_optional_filter(count_filter))
        return models.CountResult(count=await self._read(collection_name, lambda shard: shard.count(request)))

    async def facet(
        self,
        collection_name: str,
        key: str,
        facet_filter: models.Filter | None = None,
        limit: int = 10,
        exact: bool = False,
    ) -> models.FacetResponse:
        request = edge.FacetRequest(
            key, limit=limit, exact=exact, filter=edge_models.to_optional_filter(facet_filter)
        )
        response = await self._read(collection_name, lambda shard: shard.facet(request))
        return models.FacetResponse(
            hits=[models.FacetValueHit(value=hit.value, count=hit.count) for hit in response.hits]
        )

    async def set_payload(
        self, collection_name: str, payload: dict[str, Any], points: Sequence[Any] | models.Filter
    ) -> models.UpdateResult:
        return await self._update_each(
            collection_name, points, lambda ids: edge.UpdateOperation.set_payload(ids, payload)
        )

    async def delete_payload(
        self, collection_name: str, keys: Sequence[str], points: Sequence[Any] | models.Filter
    ) -> models.UpdateResult:
        return await self._update_each(
            collection_name, points, lambda ids: edge.UpdateOperation.delete_payload(ids, list(keys))
        )

    async def delete(
        self, collection_name: str, points_selector: Sequence[Any] | models.Filter
    ) -> models.UpdateResult:
        return await self._update_each(collection_name, points_selector, edge.UpdateOperation.delete_points)

    def optimize(self, collection_name: str) -> bool:
        """Builds HNSW graphs and merges segments; false when there was nothing to do.

        Stops the whole process meanwhile (20 s for 50,000 points): for an offline command.
        """
        changed = self._on(collection_name, lambda shard: shard.optimize())
        self._on(collection_name, lambda shard: shard.flush())
        return changed

    async def close(self) -> None:
        """Flushes, and gives the folder up. A second call does nothing."""
        with self._lock:
            for shard in self._shards.values():
                self._call(shard.close)
            self._shards.clear()
            if self._owner_fd is not None:
                os.close(self._owner_fd)
                self._owner_fd = None

    async def _update_each(
        self,
        collection_name: str,
        selector: Sequence[Any] | models.Filter,
        operation: Callable[[list[Any]], edge.UpdateOperation],
    ) -> models.UpdateResult:
        """In steps of a few milliseconds: one update of 10,000 points by filter would stop the process for 180."""
        if isinstance(selector, models.Filter):
            selector = await self._matching_ids(collection_name, selector)
        for first in range(0, len(selector), POINTS_PER_UPDATE):
            await self._update(collection_name, operation(list(selector[first : first + POINTS_PER_UPDATE])))
        return _DONE

    async def _matching_ids(self, collection_name: str, condition: models.Filter) -> list[Any]:
        found: list[Any] = []
        offset = None
        while True:
            records, offset = await self.scroll(
                collection_name, condition, POINTS_PER_UPDATE, offset=offset, with_payload=False
            )
            found.extend(record.id for record in records)
            if offset is None:
                return found

    async def _update(self, collection_name: str, operation: edge.UpdateOperation) -> models.UpdateResult:
        self._on(collection_name, lambda shard: shard.update(operation))
        self._unflushed[collection_name] += 1
        if self._unflushed[collection_name] >= UPDATES_PER_FLUSH:
            self._on(collection_name, lambda shard: shard.flush())
            self._unflushed[collection_name] = 0
        await asyncio.sleep(0)
        return _DONE

    async def _read(self, collection_name: str, call: Callable[[edge.EdgeShard], T]) -> T:
        answer = self._on(collection_name, call)
        await asyncio.sleep(0)
        return answer

    def _on(self, collection_name: str, call: Callable[[edge.EdgeShard], T]) -> T:
        with self._lock:
            shard = self._shards.get(collection_name) or self._load(collection_name)
            return self._call(lambda: call(shard))

    def _load(self, collection_name: str) -> edge.EdgeShard:
        if self._owner_fd is None:
            raise UnavailableError("the embedded index is closed")
        shard = self._call(lambda: edge.EdgeShard.load(str(self._path(collection_name))))
        self._shards[collection_name] = shard
        return shard

    def _call(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except Exception as error:
            if type(error) is not Exception:
                raise
            # Edge has no error type of its own.
            raise UnavailableError(f"the embedded index in {self._folder} failed: {error}") from error

    def _path(self, collection_name: str) -> Path:
        return self._folder / collection_name


def _take_possession(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock until it is closed or the process ends, however it ends."""
    path = folder / OWNER_FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        owner = path.read_text(encoding="utf-8").strip() or "another process"
        raise DataDirInUseError(
            f"the index in {folder} is in use by {owner}: stop it, or send your request to it, or set another data_dir"
        ) from error
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"process {os.getpid()} ({' '.join(sys.argv)[:200]})\n".encode(errors="replace"))
    return descriptor
