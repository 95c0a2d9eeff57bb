"""Vectors, keywords and payload of units, in Qdrant: embedded (Edge) or a server, written once for both.

Importing this imports no Qdrant library: those are loaded when a client is opened.
"""

from docradar.index.client import PointsClient, open_client
from docradar.index.points import (
    Candidate,
    DocumentPayload,
    FacetCount,
    IndexInfo,
    ScoredId,
    UnitPayload,
    UnitPoint,
)
from docradar.index.unit_index import UnitIndex

__all__ = [
    "Candidate",
    "DocumentPayload",
    "FacetCount",
    "IndexInfo",
    "PointsClient",
    "ScoredId",
    "UnitIndex",
    "UnitPayload",
    "UnitPoint",
    "open_client",
]
