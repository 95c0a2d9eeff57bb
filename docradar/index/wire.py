"""docradar's types → `qdrant_client.models`, and the schema of a Qdrant collection."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from docradar.documents import Generation
from docradar.filters import Fields, FieldType
from docradar.index.points import DocumentPayload, UnitPayload, UnitPoint
from docradar.keywords import SparseVector

DENSE: Final = "dense"
KEYWORDS: Final = "keywords"
TENANT_FIELD: Final = "collection"
SCHEMA_TYPES: Final = {
    FieldType.KEYWORD: models.PayloadSchemaType.KEYWORD,
    FieldType.INTEGER: models.PayloadSchemaType.INTEGER,
    FieldType.NUMBER: models.PayloadSchemaType.FLOAT,
    FieldType.BOOLEAN: models.PayloadSchemaType.BOOL,
    FieldType.DATETIME: models.PayloadSchemaType.DATETIME,
}


def vectors_config(dim: int) -> dict[str, models.VectorParams]:
    return {DENSE: models.VectorParams(size=dim, distance=models.Distance.COSINE)}


def sparse_vectors_config() -> dict[str, models.SparseVectorParams]:
    return {KEYWORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def payload_indexes(fields: Fields) -> dict[str, models.KeywordIndexParams | models.PayloadSchemaType]:
    """One for each field. Points of one tenant are stored together, so that its searches read less."""
    return {name: _payload_index(name, kind) for name, kind in fields.items()}


def _payload_index(name: str, kind: FieldType) -> models.KeywordIndexParams | models.PayloadSchemaType:
    if name == TENANT_FIELD:
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    return SCHEMA_TYPES[kind]


def metadata(generation: Generation) -> dict[str, Any]:
    """What is stored with the collection; `stored_generation` reads it back."""
    return asdict(generation)


def stored_generation(info: models.CollectionInfo) -> Generation | None:
    """None where docradar did not make the collection."""
    stored = info.config.metadata or {}
    if not {"fingerprint", "model", "dim", "name"} <= stored.keys():
        return None
    return Generation(stored["fingerprint"], stored["model"], int(stored["dim"]), stored["name"])


def dense_query(
    vector: NDArray[np.float32],
    query_filter: models.Filter | None,
    limit: int,
    score_threshold: float | None = None,
) -> models.QueryRequest:
    """The nearest to `vector`."""
    return _query(
        query=vector.tolist(), using=DENSE, filter=query_filter, limit=limit, score_threshold=score_threshold
    )


def keyword_query(
    keywords: SparseVector,
    query_filter: models.Filter | None,
    limit: int,
    score_threshold: float | None = None,
) -> models.QueryRequest:
    """Those of highest BM25 score."""
    return _query(
        query=sparse_vector(keywords),
        using=KEYWORDS,
        filter=query_filter,
        limit=limit,
        score_threshold=score_threshold,
    )


def dense_query_among_keyword_hits(
    vector: NDArray[np.float32],
    keywords: SparseVector,
    query_filter: models.Filter | None,
    limit: int,
    score_threshold: float | None = None,
) -> models.QueryRequest:
    """What `keyword_query` finds, with cosines to `vector` for scores."""
    hits = models.Prefetch.model_construct(
        query=sparse_vector(keywords), using=KEYWORDS, filter=query_filter, limit=limit
    )
    return _query(
        query=vector.tolist(), using=DENSE, prefetch=[hits], limit=limit, score_threshold=score_threshold
    )


def _query(**fields: Any) -> models.QueryRequest:
    """A request for ids and scores. Not validated: a vector's numbers are ours, and checking each takes milliseconds."""
    given = {name: value for name, value in fields.items() if value is not None}
    return models.QueryRequest.model_construct(with_payload=False, **given)


def point_struct(point: UnitPoint) -> models.PointStruct:
    """Not validated, as in `_query`."""
    vectors: dict[str, Any] = {DENSE: point.vector.tolist()}
    if point.keywords:
        vectors[KEYWORDS] = sparse_vector(point.keywords)
    present, _ = split_absent(unit_payload(point.payload))
    return models.PointStruct.model_construct(id=point.id, vector=vectors, payload=present)


def sparse_vector(vector: SparseVector) -> models.SparseVector:
    return models.SparseVector.model_construct(indices=list(vector.indices), values=list(vector.values))


def dense_vector(record: models.Record) -> NDArray[np.float32]:
    """The vector that a record was asked for."""
    vectors = record.vector
    if not isinstance(vectors, dict):
        raise TypeError("the record came without its named vectors")
    return np.asarray(vectors[DENSE], np.float32)


def unit_payload(payload: UnitPayload) -> dict[str, Any]:
    return {
        **document_payload(payload.document),
        **place_payload(payload.kind, payload.page, payload.heading_path),
        "text": payload.text,
    }


def document_payload(payload: DocumentPayload) -> dict[str, Any]:
    """Every field; None where the document has no value."""
    return {
        "collection": payload.collection,
        "source": payload.source,
        "document_id": payload.document_id,
        "external_id": payload.external_id,
        "title": payload.title,
        "media_type": payload.media_type,
        "language": payload.language,
        "author": payload.author,
        "tags": list(payload.tags),
        "url": payload.url,
        "created_at": _rfc3339(payload.created_at),
        "updated_at": _rfc3339(payload.updated_at),
        "stored_at": _rfc3339(payload.stored_at),
        "meta": dict(payload.meta),
    }


def place_payload(kind: str, page: int | None, heading_path: tuple[str, ...]) -> dict[str, Any]:
    return {"kind": str(kind), "page": page, "heading_path": list(heading_path)}


def split_absent(payload: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The fields that have a value, and the names of the others.

    A null cannot clear a field: the client leaves it out of what it sends over REST.
    """
    present = {name: value for name, value in payload.items() if value is not None}
    return present, [name for name in payload if name not in present]


def _rfc3339(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError(f"datetime {moment} has no time zone; payload needs aware datetimes")
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
