"""The source of truth: what documents there are, what is wanted of them, and the jobs that bring it about.

A search result counts only if the catalog says so. Every call is synchronous, and safe from any thread.
"""

from docradar.catalog.catalog import Catalog
from docradar.catalog.rows import refuse_unstorable
from docradar.catalog.types import (
    Calibration,
    CatalogCounts,
    Collection,
    Content,
    DocumentChanges,
    HydratedUnit,
    Lease,
    PutOutcome,
    PutResult,
    QueueOptions,
    SweepState,
    UnitPlace,
    UnitRange,
)

__all__ = [
    "Calibration",
    "Catalog",
    "CatalogCounts",
    "Collection",
    "Content",
    "DocumentChanges",
    "HydratedUnit",
    "Lease",
    "PutOutcome",
    "PutResult",
    "QueueOptions",
    "SweepState",
    "UnitPlace",
    "UnitRange",
    "refuse_unstorable",
]
