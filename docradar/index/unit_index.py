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
    UnavailableError,
)
from docradar.filters import (
    DECLARED_FIELDS,
    AnyOf,
    Fields,
    FilterExpression,
    check_countable,
    to_qdrant,
)
from docradar.index.batching import QueryBatcher
from docradar.index.client import PointsClient
from docradar.index.points import (
    Candidate,
    DocumentPayload,
    FacetCount,
    IndexInfo,
    ScoredId,
    UnitPoint,
    candidates,
)
from docradar.keywords import SparseVector

if TYPE_CHECKING:
    from qdrant_client import models

T = TypeVar("T")
Vector = NDArray[np.float32]

UPSERT_BATCH: Final = 64
IDS_BATCH: Final = 256
KEYWORD_DEPTH: Final = 4
MAX_KEYWORD_HITS: Final = 2_000
"""How much longer the list of keyword hits is than that of the nearest, so that the nearest get their BM25 scores from it.

Asking for those scores by themselves would make Qdrant search the vectors twice: 8.8 ms instead of 4.7 over 50,000 units."""


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
    async def open(
        cls, client: PointsClient, generation: Generation, meta_fields: Fields | None = None
    ) -> "UnitIndex":
        """The index of a generation, created if it does not exist, with payload indexes of all declared fields.

        `meta_fields` are those that collections declare.

        Raises:
            FingerprintMismatchError: It was built with another model or recipe.
            ConfigurationError: A Qdrant collection of this name exists, and docradar did not make it.
        """
        index = cls(client, generation)
        await index._prepare({**DECLARED_FIELDS, **(meta_fields or {})})
        return index

    async def _prepare(self, fields: Fields) -> None:
        from docradar.index import wire

        with _answering():
            if not await self._client.collection_exists(self._name):
                await self._create()
            info = await self._client.get_collection(self._name)
        self._check(wire.stored_generation(info))
        # Also those that a crash in the middle of a first start left out.
        await self.declare_fields(fields)

    async def declare_fields(self, fields: Fields) -> None:
        """Makes the payload indexes of these fields, of the points that are there too; those of the same type stay."""
        from docradar.index import wire

        with _answering():
            info = await self._client.get_collection(self._name)
            for field, schema in wire.payload_indexes(fields).items():
                present = info.payload_schema.get(field)
                if present is not None and present.data_type == wire.SCHEMA_TYPES[fields[field]]:
                    continue
                if present is not None:
                    await self._client.delete_payload_index(self._name, field_name=field)
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
        vector: Vector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002  (the field's word)
        limit: int,
        score_threshold: float | None = None,
    ) -> list[ScoredId]:
        """The `limit` units of highest cosine to `vector`, float32 (dim,), best first."""
        from docradar.index import wire

        request = wire.dense_query(vector, _qdrant_filter(filter), limit, score_threshold)
        [found] = await self._ask(request)
        return found

    async def search_keywords(
        self,
        keywords: SparseVector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int,
        score_threshold: float | None = None,
    ) -> list[ScoredId]:
        """The `limit` units of highest BM25 score, best first; only units that have one of the words."""
        from docradar.index import wire

        if not keywords:
            return []
        request = wire.keyword_query(keywords, _qdrant_filter(filter), limit, score_threshold)
        [found] = await self._ask(request)
        return found

    async def search_scored(
        self,
        vector: Vector,
        keywords: SparseVector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int,
        score_threshold: float | None = None,
    ) -> list[Candidate]:
        """What `search` finds, in its order, with BM25 scores as far as `search_hybrid` would know them."""
        return await self._candidates(vector, keywords, filter, limit, score_threshold, found_by_words=False)

    async def search_hybrid(
        self,
        vector: Vector,
        keywords: SparseVector,
        *,
        filter: FilterExpression | None = None,  # noqa: A002
        limit: int,
        score_threshold: float | None = None,
    ) -> list[Candidate]:
        """The `limit` best of either search, each with its cosine and its BM25 score; in no order.

        One request to Qdrant. `score_threshold` is the least cosine. A BM25 score of None is lower than that of the
        `limit * KEYWORD_DEPTH`th unit with one of the words.
        """
        return await self._candidates(vector, keywords, filter, limit, score_threshold, found_by_words=True)

    async def _candidates(
        self,
        vector: Vector,
        keywords: SparseVector,
        expression: FilterExpression | None,
        limit: int,
        score_threshold: float | None,
        *,
        found_by_words: bool,
    ) -> list[Candidate]:
        """The nearest with their BM25 scores, and with `found_by_words` what the words alone have found, too."""
        from docradar.index import wire

        if not keywords:
            found = await self.search(vector, filter=expression, limit=limit, score_threshold=score_threshold)
            return candidates(found, [], [])
        narrowed = _qdrant_filter(expression)
        requests = [
            wire.dense_query(vector, narrowed, limit, score_threshold),
            wire.keyword_query(keywords, narrowed, _keyword_depth(limit)),
        ]
        if found_by_words:
            requests.append(
                wire.dense_query_among_keyword_hits(vector, keywords, narrowed, limit, score_threshold)
            )
        dense, by_keyword, *rescored = await self._ask(*requests)
        return candidates(dense, by_keyword, rescored[0] if rescored else [])

    async def vectors(self, ids: Iterable[str]) -> dict[str, Vector]:
        """The stored vectors, float32 (dim,), of those units that have a point."""
        from docradar.index import wire

        found: dict[str, Vector] = {}
        with _answering():
            for batch in _batches(list(ids), IDS_BATCH):
                records = await self._client.retrieve(
                    self._name, ids=batch, with_payload=False, with_vectors=[wire.DENSE]
                )
                found |= {str(record.id): wire.dense_vector(record) for record in records}
        return found

    async def _ask(self, *requests: "models.QueryRequest") -> list[list[ScoredId]]:
        with _answering():
            answers = await self._queries.ask(*requests)
        return [[ScoredId(str(point.id), point.score) for point in points] for points in answers]

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
        *,
        fields: Fields = DECLARED_FIELDS,
    ) -> list[FacetCount]:
        """The `limit` most frequent values of a keyword, integer or boolean field, and how many points have each.

        Raises:
            InvalidFilterError: `key` is no such field among `fields`.
        """
        check_countable(key, fields)
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


def _keyword_depth(limit: int) -> int:
    return max(limit, min(limit * KEYWORD_DEPTH, MAX_KEYWORD_HITS))


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
