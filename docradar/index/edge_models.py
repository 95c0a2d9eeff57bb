"""`qdrant_client.models` → `qdrant_edge`, for the requests that docradar makes."""

from __future__ import annotations  # some of Edge's types exist in its stubs alone

from datetime import date, datetime
from typing import Any

import numpy as np
import qdrant_edge as edge
from qdrant_client.http import models

_DISTANCES = {models.Distance.COSINE: edge.Distance.Cosine}
_MODIFIERS = {models.Modifier.IDF: edge.Modifier.Idf}
_SCHEMAS = {
    models.PayloadSchemaType.KEYWORD: edge.PayloadSchemaType.Keyword,
    models.PayloadSchemaType.INTEGER: edge.PayloadSchemaType.Integer,
    models.PayloadSchemaType.FLOAT: edge.PayloadSchemaType.Float,
    models.PayloadSchemaType.BOOL: edge.PayloadSchemaType.Bool,
    models.PayloadSchemaType.DATETIME: edge.PayloadSchemaType.Datetime,
    models.PayloadSchemaType.GEO: edge.PayloadSchemaType.Geo,
    models.PayloadSchemaType.TEXT: edge.PayloadSchemaType.Text,
    models.PayloadSchemaType.UUID: edge.PayloadSchemaType.Uuid,
}


def to_config(
    vectors: dict[str, models.VectorParams], sparse_vectors: dict[str, models.SparseVectorParams]
) -> edge.EdgeConfig:
    """With the write-ahead log on, so that what was acknowledged survives the end of the process."""
    return edge.EdgeConfig(
        vectors={
            name: edge.EdgeVectorParams(params.size, _DISTANCES[params.distance])
            for name, params in vectors.items()
        },
        sparse_vectors={
            name: edge.EdgeSparseVectorParams(
                modifier=_MODIFIERS[params.modifier] if params.modifier else None
            )
            for name, params in sparse_vectors.items()
        },
        wal_enabled=True,
    )


def to_field_schema(
    schema: models.PayloadSchemaType | models.KeywordIndexParams,
) -> edge.PayloadSchemaType | edge.KeywordIndexParams:
    if isinstance(schema, models.KeywordIndexParams):
        return edge.KeywordIndexParams(is_tenant=schema.is_tenant)
    return _SCHEMAS[schema]


def from_field_schema(info: edge.PayloadIndexInfo) -> models.PayloadIndexInfo:
    names = {schema: name for name, schema in _SCHEMAS.items()}
    return models.PayloadIndexInfo(data_type=names[info.data_type], points=info.points)


def to_point(point: models.PointStruct) -> edge.Point:
    if not isinstance(point.vector, dict):
        raise TypeError("the embedded index takes points with named vectors")
    vectors: dict[str, Any] = {name: _to_vector(vector) for name, vector in point.vector.items()}
    return edge.Point(point.id, vectors, point.payload)


def _to_vector(vector: Any) -> list[float] | edge.SparseVector:
    if isinstance(vector, models.SparseVector):
        return edge.SparseVector(vector.indices, vector.values)
    if isinstance(vector, list):
        return vector
    raise TypeError(f"the embedded index takes no vector of type {type(vector).__name__}")


def to_query_request(request: models.QueryRequest) -> edge.QueryRequest:
    prefetch = request.prefetch or []
    return edge.QueryRequest(
        limit=request.limit or 10,
        query=to_nearest(request.query, request.using),
        prefetches=[to_prefetch(side) for side in (prefetch if isinstance(prefetch, list) else [prefetch])],
        filter=to_optional_filter(request.filter),
        with_payload=bool(request.with_payload),
        score_threshold=request.score_threshold,
    )


def to_nearest(query: Any, using: str | None) -> edge.Query:
    return edge.Query.Nearest(_to_vector(query), using=using)


def to_prefetch(prefetch: models.Prefetch) -> edge.Prefetch:
    return edge.Prefetch(
        limit=prefetch.limit or 10,
        query=to_nearest(prefetch.query, prefetch.using),
        filter=to_optional_filter(prefetch.filter),
        score_threshold=prefetch.score_threshold,
    )


def to_optional_filter(condition: models.Filter | None) -> edge.Filter | None:
    return None if condition is None else to_filter(condition)


def to_filter(condition: models.Filter) -> edge.Filter:
    if condition.min_should is not None:
        raise TypeError("the embedded index takes no `min_should`")
    return edge.Filter(
        must=_to_conditions(condition.must),
        should=_to_conditions(condition.should),
        must_not=_to_conditions(condition.must_not),
    )


def _to_conditions(conditions: Any) -> list[edge.ConditionType] | None:
    if conditions is None:
        return None
    return [
        _to_condition(condition)
        for condition in (conditions if isinstance(conditions, list) else [conditions])
    ]


def _to_condition(condition: Any) -> edge.ConditionType:
    if isinstance(condition, models.Filter):
        return to_filter(condition)
    if not isinstance(condition, models.FieldCondition):
        raise TypeError(f"the embedded index takes no condition of type {type(condition).__name__}")
    if condition.range is not None:
        return edge.FieldCondition(condition.key, range=_to_range(condition.range))
    return edge.FieldCondition(condition.key, match=_to_match(condition.match))


def _to_match(match: Any) -> edge.MatchValue | edge.MatchAny:
    if isinstance(match, models.MatchValue):
        # Edge 0.9 takes Python's booleans, which are integers too, for 0 and 1, but NumPy's for what they are.
        value: Any = np.bool_(match.value) if isinstance(match.value, bool) else match.value
        return edge.MatchValue(value)
    if isinstance(match, models.MatchAny):
        return edge.MatchAny(match.any)
    raise TypeError(f"the embedded index takes no match of type {type(match).__name__}")


def _to_range(bounds: models.Range | models.DatetimeRange) -> edge.RangeFloat | edge.RangeDateTime:
    if isinstance(bounds, models.Range):
        return edge.RangeFloat(gte=bounds.gte, gt=bounds.gt, lte=bounds.lte, lt=bounds.lt)
    return edge.RangeDateTime(
        gte=_to_text(bounds.gte), gt=_to_text(bounds.gt), lte=_to_text(bounds.lte), lt=_to_text(bounds.lt)
    )


def _to_text(moment: datetime | date | None) -> str | None:
    return None if moment is None else moment.isoformat()


def from_scored_points(points: list[edge.ScoredPoint]) -> models.QueryResponse:
    """Not validated: it is the engine's own word, and validation would take longer than the search."""
    return models.QueryResponse.model_construct(
        points=[
            models.ScoredPoint.model_construct(
                id=str(point.id), version=point.version, score=point.score, payload=point.payload
            )
            for point in points
        ]
    )


def from_record(record: edge.Record) -> models.Record:
    return models.Record.model_construct(id=str(record.id), payload=record.payload, vector=record.vector)
