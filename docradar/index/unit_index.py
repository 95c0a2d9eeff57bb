"""The index of one generation: one Qdrant collection of units, searched by meaning, by words, or by both."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from docradar.documents import Generation
from docradar.errors import (
    ConfigurationError,
    FingerprintMismatchError,
    InvalidFilterError,
    UnavailableError,
)
from docradar.filters import DECLARED_FIELDS, AnyOf, FieldType, FilterExpression, to_qdrant
from docradar.index.batching import QueryBatcher
from docradar.index.client import PointsClient
from docradar.index.points import (
    DocumentPayload,
    FacetCount,
    FusionMethod,
    IndexInfo,
    ScoredId,
    UnitPoint,
)
from docradar.keywords import SparseVector

if TYPE_CHECKING:
    from qdrant_client import models

T = TypeVar("T")

UPSERT_BATCH: Final = 64
IDS_BATCH: Final = 256
FUSION_DEPTH: Final = 4  # candidates each side of a fusion brings, as a multiple of the limit


class UnitIndex:
    """Units by id, with their vectors and payload.

    Every method raises UnavailableError when Qdrant does not answer; what it did by then may have been done.
    All writes may be repeated.
    """

    def __init__(self, client: PointsClient, generation: Generation) -> None:
        """Prefer `open`, which makes sure that the collection exists and is of this generation."""
        self._client = client
        self._name = generation.name
        self._queries = QueryBatcher(client, generation.name)
        self.generation = generation

    @classmethod
    async def open(cls, client: PointsClient, generation: Generation) -> "UnitIndex":
        """The index of a generation, created with all its payload indexes if it does not exist.

        Raises:
            FingerprintMismatchError: It was built with another model or recipe.
            ConfigurationError: A Qdrant collection of this name exists, and docradar did not make it.
        """
        index = cls(client, generation)
        await index._prepare()
        return index

    async def _prepare(self) -> None:
        from docradar.index import wire

        with _answering():
            if not await self._client.collection_exists(self._name):
                await self._create()
            info = await self._client.get_collection(self._name)
            self._check(wire.stored_generation(info))
            # Also those that a crash in the middle of a first start left out.
            for field, schema in wire.payload_indexes().items():
                if field not in info.payload_schema:
                    await self._client.create_payload_index(self._name, field_name=field, field_schema=schema)

    async def _create(self) -> None:
        from docradar.index import wire

        try:
            with _answering():
                await self._client.create_collection(
                    self._name,
                    vectors_config=wire.vectors_config(self.generation.dim),
                    sparse_vectors_config=wire.sparse_vectors_config(),
                    metadata=wire.metadata(self.generation),
                )
        except UnavailableError:
            # Another process that started at the same time may have been first.
            if not await self._client.collection_exists(self._name):
                raise

    def _check(self, stored: Generation | None) -> None:
        if stored is None:
            raise ConfigurationError(
                f"Qdrant has a collection {self._name!r} that docradar did not make; rename or remove it"
            )
        if (stored.fingerprint, stored.dim) != (self.generation.fingerprint, self.generation.dim):
            raise FingerprintMismatchError(
                f"index {self._name!r} was built with {_described(stored)}, but the settings give "
                f"{_described(self.generation)}: set `model` back, or use another data folder or Qdrant server "
                "and ingest again"
            )

    async def upsert(self, points: Sequence[UnitPoint]) -> None:
        """Stores the points, replacing any of the same id. When it returns, searches see them."""
        from docradar.index import wire

        with _answering():
            for batch in _batches(points, UPSERT_BATCH):
                structs = [wire.point_struct(point) for point in batch]
                await self._client.upsert(self._name, points=structs)

    async def search(
        self,
        vector: NDArray[np.float32],
        *,
        filter: FilterExpression | None = None,  # noqa: A002  (the field's word)
        limit: int,
        score_threshold: float | None = None,
    ) -> list[ScoredId]:
        """The `limit` units of highest cosine to `vector`, float32 (dim,), best first."""
        from docradar.index import wire

        return await self._query(
            query=vector.tolist(),
            using=wire.DENSE,
            filter=_qdrant_filter(filter),
            limit=limit,
            score_threshold=score_threshold,
        )

    async def search_keywords(
        self,
        keywords: SparseVector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int,
    ) -> list[ScoredId]:
        """The `limit` units of highest BM25 score, best first; only units that have one of the words."""
        from docradar.index import wire

        if not keywords:
            return []
        return await self._query(
            query=wire.sparse_vector(keywords),
            using=wire.KEYWORDS,
            filter=_qdrant_filter(filter),
            limit=limit,
        )

    async def search_hybrid(
        self,
        vector: NDArray[np.float32],
        keywords: SparseVector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int,
        method: FusionMethod = "rrf",
    ) -> list[ScoredId]:
        """Both searches fused by Qdrant, best first: `rrf` adds reciprocal ranks, `dbsf` normalised scores.

        The score has no meaning beyond the order.
        """
        from docradar.index import wire

        prefetch = wire.prefetch(vector, keywords, _qdrant_filter(filter), limit * FUSION_DEPTH)
        return await self._query(query=wire.fusion(method), prefetch=prefetch, limit=limit)

    async def _query(self, **request: Any) -> list[ScoredId]:
        from docradar.index import wire

        with _answering():
            points = await self._queries.ask(wire.query_request(**request))
        return [ScoredId(str(point.id), point.score) for point in points]

    async def set_document_payload(self, document_id: str, payload: DocumentPayload) -> None:
        """Replaces what the points of a document share; vectors, text and places stay."""
        from docradar.index import wire

        await self._replace_payload(wire.document_payload(payload), to_qdrant(_of_document(document_id)))

    async def set_unit_payload(
        self, ids: Iterable[str], *, kind: str, page: int | None, heading_path: tuple[str, ...]
    ) -> None:
        """Replaces the place of units that moved without changing."""
        from docradar.index import wire

        place = wire.place_payload(kind, page, heading_path)
        for batch in _batches(list(ids), IDS_BATCH):
            await self._replace_payload(place, batch)

    async def _replace_payload(
        self, payload: dict[str, Any], points: "Sequence[str] | models.Filter"
    ) -> None:
        from docradar.index import wire

        present, absent = wire.split_absent(payload)
        with _answering():
            if absent:
                await self._client.delete_payload(self._name, keys=absent, points=points)
            # Last, for `stored_at` among them says that all is done.
            await self._client.set_payload(self._name, payload=present, points=points)

    async def delete(self, ids: Iterable[str]) -> None:
        """Removes the points; ids that are not there are no error."""
        with _answering():
            for batch in _batches(list(ids), IDS_BATCH):
                await self._client.delete(self._name, points_selector=batch)

    async def delete_document(self, document_id: str) -> None:
        """Removes all points of a document."""
        selector = to_qdrant(_of_document(document_id))
        with _answering():
            await self._client.delete(self._name, points_selector=selector)

    async def document_unit_ids(self, document_id: str) -> set[str]:
        """The ids of all points of a document."""
        return {unit_id async for unit_id in self._scroll_ids(to_qdrant(_of_document(document_id)))}

    async def _scroll_ids(self, qdrant_filter: "models.Filter") -> AsyncIterator[str]:
        offset = None
        while True:
            with _answering():
                records, offset = await self._client.scroll(
                    self._name,
                    scroll_filter=qdrant_filter,
                    limit=IDS_BATCH,
                    offset=offset,
                    with_payload=False,
                )
            for record in records:
                yield str(record.id)
            if offset is None:
                return

    async def existing(self, ids: Iterable[str]) -> set[str]:
        """Those of `ids` that have a point."""
        found: set[str] = set()
        with _answering():
            for batch in _batches(list(ids), IDS_BATCH):
                records = await self._client.retrieve(self._name, ids=batch, with_payload=False)
                found.update(str(record.id) for record in records)
        return found

    async def count(self, filter: FilterExpression | None = None) -> int:  # noqa: A002
        """How many points match, exactly."""
        with _answering():
            result = await self._client.count(self._name, count_filter=_qdrant_filter(filter), exact=True)
        return result.count

    async def facet(
        self,
        key: str,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int = 10,
    ) -> list[FacetCount]:
        """The `limit` most frequent values of a keyword or integer field, and how many points have each.

        Raises:
            InvalidFilterError: `key` is no such field.
        """
        countable = [name for name, kind in DECLARED_FIELDS.items() if kind is not FieldType.DATETIME]
        if key not in countable:
            raise InvalidFilterError(
                f"facet {key!r} is not a field with values to count: {', '.join(countable)}"
            )
        with _answering():
            response = await self._client.facet(
                self._name, key=key, facet_filter=_qdrant_filter(filter), limit=limit, exact=True
            )
        return [FacetCount(hit.value, hit.count) for hit in response.hits]

    async def info(self) -> IndexInfo:
        """Sizes, as Qdrant estimates them; `count` is exact."""
        with _answering():
            info = await self._client.get_collection(self._name)
        return IndexInfo(
            generation=self.generation,
            points=info.points_count or 0,
            segments=info.segments_count,
            indexed_vectors=info.indexed_vectors_count or 0,
            indexed_fields=tuple(sorted(info.payload_schema)),
        )

    async def close(self) -> None:
        """Closes the client too."""
        with _answering():
            await self._client.close()


@contextmanager
def _answering() -> Iterator[None]:
    from docradar.index.failures import translated_failures

    with translated_failures():
        yield


def _qdrant_filter(expression: FilterExpression | None) -> "models.Filter | None":
    return None if expression is None else to_qdrant(expression)


def _of_document(document_id: str) -> AnyOf:
    return AnyOf("document_id", (document_id,))


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _described(generation: Generation) -> str:
    return (
        f"model {generation.model} ({generation.dim} dimensions, fingerprint {generation.fingerprint[:12]})"
    )
