"""What a service answers to a question."""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from docradar.client.types import Unit


class HitDocument(Struct, kw_only=True, frozen=True):
    """The document that a result belongs to."""

    id: str
    collection: str = "default"
    source: str = ""
    external_id: str = ""
    title: str = ""
    author: str | None = None
    url: str | None = None
    language: str | None = None
    tags: list[str] = []
    filename: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    stored_at: datetime | None = None


class Provenance(Struct, kw_only=True, frozen=True):
    """Where a result stands in its document; the characters count code points of the document's text."""

    page: int | None = None
    heading_path: list[str] = []
    char_start: int
    char_end: int
    ordinal: int
    kind: str


class Highlight(Struct, frozen=True):
    """A word of the question in a result: `text[start:end]`."""

    start: int
    end: int


class Surroundings(Struct, frozen=True):
    """The units before and after a result, in the order of the document."""

    before: list[Unit] = []
    after: list[Unit] = []


class Match(Struct, kw_only=True, frozen=True):
    """A sentence of a merged passage that matched: `text[start:end]` of the passage."""

    unit_id: str
    start: int
    end: int
    score: float


class Duplicate(Struct, kw_only=True, frozen=True):
    """Another place that says the same as a result."""

    unit_id: str
    document_id: str
    title: str = ""
    score: float


class Result(Struct, kw_only=True, frozen=True):
    """A sentence that was found, or a passage of several.

    `score` is what the ranking used, `scores` are all that are known by name: cosine, keyword, fusion, rerank. `strong` says
    whether the cosine passes the model's threshold, None where it is not known.
    """

    unit_id: str
    text: str
    score: float
    strong: bool | None = None
    scores: dict[str, float] = {}
    document: HitDocument
    provenance: Provenance
    highlights: list[Highlight] = []
    context: Surroundings | None = None
    matches: list[Match] = []
    duplicates: list[Duplicate] = []
    duplicate_count: int = 0


class Group(Struct, kw_only=True, frozen=True):
    """The best results of one document, or of one section of it, whose `heading_path` is then given."""

    document: HitDocument
    heading_path: list[str] | None = None
    score: float
    results: list[Result]


class FacetValue(Struct, frozen=True):
    """How many sentences have a value."""

    value: str | int | bool
    units: int


class Facet(Struct, frozen=True):
    """The values of a field, the most frequent first."""

    field: str
    values: list[FacetValue]


class FacetList(Struct, frozen=True):
    facets: list[Facet]


class TookMs(Struct, kw_only=True, frozen=True):
    """Milliseconds spent in the service, by stage and in all."""

    embed: float = 0.0
    retrieve: float = 0.0
    hydrate: float = 0.0
    rerank: float = 0.0
    total: float = 0.0


class SearchResponse(Struct, kw_only=True, frozen=True):
    """The results, best first; iterating over the response gives them.

    `answered` says whether one of them is strong, None where that is not known. With `group_by`, `groups` hold the
    results, and `results` the best of each group.
    """

    results: list[Result]
    groups: list[Group] = []
    answered: bool | None = None
    strong_score: float | None = None
    facets: list[Facet] = []
    took_ms: TookMs = TookMs()
    model: str = ""
    mode: str = "semantic"

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __getitem__(self, place: int) -> Result:
        return self.results[place]


class BatchResponse(Struct, frozen=True):
    responses: list[SearchResponse]


class Reranked(Struct, kw_only=True, frozen=True):
    """A document's place in the list that was sent, and how relevant it is, 0 to 1."""

    index: int
    relevance_score: float
    document: str | None = None


class RerankResponse(Struct, kw_only=True, frozen=True):
    """The documents' places, most relevant first."""

    model: str = ""
    results: list[Reranked]

    def __iter__(self) -> Iterator[Reranked]:
        return iter(self.results)

    def __len__(self) -> int:
        return len(self.results)
