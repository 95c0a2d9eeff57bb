"""A question → the sentences that mean it, from documents that are there.

embed → retrieve (dense, keywords, or both fused) → hydrate from the catalog → (rerank) → arrange → add what stands beside
"""

from docradar.searching.fusion import Fusion, FusionMethod
from docradar.searching.query import (
    GroupBy,
    Mode,
    Neighbours,
    Scores,
    SearchQuery,
)
from docradar.searching.results import Group, Match, Result, SearchOutcome, Timings
from docradar.searching.search import search, search_batch, search_similar

__all__ = [
    "Fusion",
    "FusionMethod",
    "Group",
    "GroupBy",
    "Match",
    "Mode",
    "Neighbours",
    "Result",
    "Scores",
    "SearchOutcome",
    "SearchQuery",
    "Timings",
    "search",
    "search_batch",
    "search_similar",
]
