"""What is asked of a search."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from docradar.documents import ScoreName
from docradar.filters import FilterExpression
from docradar.searching.fusion import Fusion


class Mode(StrEnum):
    """What ranks: the meaning (cosine), the words (BM25), or both."""

    SEMANTIC = "semantic"
    KEYWORD = "keyword"
    HYBRID = "hybrid"


class GroupBy(StrEnum):
    """What belongs together: the units of one document, or those under one heading of it."""

    DOCUMENT = "document"
    SECTION = "section"


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How many units before and after each result are wanted."""

    before: int = 0
    after: int = 0

    def __bool__(self) -> bool:
        return self.before > 0 or self.after > 0


Scores = Mapping[ScoreName, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A checked search.

    `limit` counts results, or groups where `group_by` is given. `min_scores` drops what has less of a named score.
    `rerank_candidates` of the best are put in a new order by the cross-encoder, and are all that is shown; 0 is without. `merge` makes one result
    of hits that stand side by side, `fold` one of hits that say the same.
    """

    text: str
    limit: int
    mode: Mode = Mode.SEMANTIC
    filter: FilterExpression | None = None
    min_scores: Scores = field(default_factory=dict)
    instruction: str | None = None
    fusion: Fusion = field(default_factory=Fusion)
    rerank_candidates: int = 0
    neighbours: Neighbours = field(default_factory=Neighbours)
    group_by: GroupBy | None = None
    group_size: int = 3
    merge: bool = False
    fold: bool = True
    highlight: bool = True
    facets: tuple[str, ...] = ()

    @property
    def most_shown(self) -> int:
        """How many results it may come to, those of all groups together."""
        return self.limit * (self.group_size if self.group_by else 1)
