"""Vectors, keywords and payload of units, in Qdrant: embedded (Edge) or a server, written once for both.

Importing this imports no Qdrant library: those are loaded when a client is opened.
"""

from docradar.index.client import PointsClient, open_client
from docradar.index.points import (
    DocumentPayload,
    FacetCount,
    FusionMethod,
    IndexInfo,
    ScoredId,
    UnitPayload,
    UnitPoint,
)
from docradar.index.unit_index import UnitIndex

__all__ = [
    "DocumentPayload",
    "FacetCount",
    "FusionMethod",
    "IndexInfo",
    "PointsClient",
    "ScoredId",
    "UnitIndex",
    "UnitPayload",
    "UnitPoint",
    "open_client",
]
