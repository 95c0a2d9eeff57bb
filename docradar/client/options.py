"""What a caller may say beside the question or the file. Only what is given is sent; the service knows the defaults."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Required, TypedDict

from docradar.client.types import MetaValue

Mode = Literal["semantic", "keyword", "hybrid"]
GroupBy = Literal["document", "section"]
Split = Literal["auto", "lines"]


class MinScores(TypedDict, total=False):
    """The least of each score that a result must have."""

    cosine: float
    keyword: float
    fusion: float
    rerank: float


class FusionWeights(TypedDict, total=False):
    cosine: float
    keyword: float


class Fusion(TypedDict, total=False):
    """How hybrid search makes one score of two."""

    method: Literal["scores", "rrf"]
    weights: FusionWeights


class Rerank(TypedDict, total=False):
    """How many of the best hits the cross-encoder puts in order."""

    candidates: int


class Context(TypedDict, total=False):
    """How many sentences around each result are wanted."""

    before: int
    after: int


class SimilarOptions(TypedDict, total=False):
    """What narrows and shapes any search.

    `filter` is an object of fields or an expression, as in the README; its values may be datetimes. `fold` makes one result of
    near-duplicates, `merge` one passage of adjacent hits. `facets` are fields whose values are counted over all that the filter
    leaves.
    """

    limit: int | None
    filter: Mapping[str, Any] | None
    collection: str | None
    min_score: float | MinScores | None
    context: Context | None
    group_by: GroupBy | None
    group_size: int | None
    merge: bool | None
    fold: bool | None
    facets: Sequence[str] | None


class SearchOptions(SimilarOptions, total=False):
    """What also shapes the answer to a question.

    `instruction` tells models that take one what kind of text is looked for.
    """

    mode: Mode | None
    instruction: str | None
    fusion: Fusion | None
    rerank: bool | Rerank | None
    highlight: bool | None


class Query(SearchOptions, total=False):
    """One search of a batch."""

    query: Required[str]


class TextFields(TypedDict, total=False):
    """What is said of a document. Collection, source and external id are its identity: the same again updates it.

    `external_id` left out is the file's name, or made from a text's content. `split="lines"` makes every line an entry.
    """

    collection: str | None
    source: str | None
    external_id: str | None
    title: str | None
    author: str | None
    url: str | None
    language: str | None
    tags: Sequence[str] | None
    meta: Mapping[str, MetaValue] | None
    split: Split | None


class UploadFields(TextFields, total=False):
    """What is said of a file. `prune` deletes what an earlier upload of an archive or export held and this one does not."""

    prune: bool | None


class DocumentChanges(TypedDict, total=False):
    """The fields to change; None empties one, and one that is left out stays."""

    title: str
    author: str | None
    url: str | None
    language: str | None
    tags: Sequence[str]
    meta: Mapping[str, MetaValue]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
