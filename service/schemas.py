"""What goes over the wire. Domain types become these at the edge, and nothing else leaves the service."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from docradar.catalog import Calibration, Collection
from docradar.documents import (
    Document,
    DocumentStatus,
    Hit,
    Job,
    JobEvent,
    JobKind,
    JobState,
    Kind,
    ScoreName,
    Split,
    Unit,
)
from docradar.engine import ReadyEngine
from docradar.faceting import FacetCounts
from docradar.filters import FieldType
from docradar.searching import Fusion, FusionMethod, Group, GroupBy, Mode, Result, SearchOutcome, Timings

DEFAULT_FUSION: Final = Fusion()
NAMED_DUPLICATES: Final = 20

MetaValue = str | int | float | bool | list[str]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Title = Annotated[str, Meta(max_length=1000)]
Tag = Annotated[str, Meta(min_length=1, max_length=100)]


class RequestStruct(Struct, forbid_unknown_fields=True, kw_only=True):
    """A request's body; an unknown field is an error, since it is a misspelt one."""


class ReportOut(Struct, kw_only=True):
    """How the file was read.

    Of a container: `documents` were taken out of it, `documents_skipped` counts by reason what is not for searching,
    `documents_failed` gives names and reasons, and `documents_vanished` are external ids that an earlier upload of it held;
    the last two name the first 100. It is the report of that upload's run: a document that is retried by itself later, or
    deleted, does not change it.
    """

    reader: str
    encoding: str | None
    encoding_confidence: float | None
    pages: int | None
    pages_empty: list[int]
    pages_garbled: list[int]
    pages_need_ocr: list[int]
    units_cut: int
    units_merged: int
    characters_read: int
    characters_indexed: int
    macros_dropped: dict[str, int]
    documents: int | None
    documents_skipped: dict[str, int]
    documents_failed: dict[str, str]
    documents_failed_count: int
    documents_vanished: list[str]
    warnings: list[str]


class DocumentOut(Struct, kw_only=True):
    """A document. `units` are those that search sees; `version` is what was uploaded last.

    `created_at` and `updated_at` are the document's own where its file says them, as filters see them; `stored_at` is when it
    was last uploaded or changed here. A `container` holds documents instead of units: list them by `container_id`.
    """

    id: str
    collection: str
    source: str
    external_id: str
    title: str
    status: DocumentStatus
    units: int
    error: str | None
    author: str | None
    url: str | None
    language: str | None
    tags: list[str]
    meta: dict[str, MetaValue]
    media_type: str
    filename: str
    size_bytes: int
    split: Split
    version: int
    active_version: int | None
    container: bool
    container_id: str | None
    report: ReportOut | None
    created_at: datetime
    updated_at: datetime
    stored_at: datetime

    @classmethod
    def of(cls, document: Document) -> "DocumentOut":
        fields, key = document.fields, document.key
        return cls(
            id=document.id,
            collection=key.collection,
            source=key.source,
            external_id=key.external_id,
            title=fields.title,
            status=document.status,
            units=document.units,
            error=document.error,
            author=fields.author,
            url=fields.url,
            language=fields.language,
            tags=list(fields.tags),
            meta=fields.meta,
            media_type=document.media_type,
            filename=document.filename,
            size_bytes=document.size_bytes,
            split=document.split,
            version=document.desired_version,
            active_version=document.active_version,
            container=document.container,
            container_id=document.container_id,
            report=msgspec.convert(document.report, ReportOut, from_attributes=True)
            if document.report
            else None,
            created_at=fields.created_at or document.created_at,
            updated_at=fields.updated_at or document.updated_at,
            stored_at=document.updated_at,
        )


class DocumentList(Struct):
    documents: list[DocumentOut]
    next_cursor: str | None


class DocumentPatch(RequestStruct):
    """The fields to change; one that is left out stays."""

    title: Title | UnsetType = UNSET
    author: Title | UnsetType | None = UNSET
    url: Annotated[str, Meta(max_length=2000)] | UnsetType | None = UNSET
    language: Annotated[str, Meta(max_length=35)] | UnsetType | None = UNSET
    tags: Annotated[list[Tag], Meta(max_length=100)] | UnsetType = UNSET
    meta: dict[str, MetaValue] | UnsetType = UNSET


class TextUpload(RequestStruct):
    """A document sent as text. `split="lines"` makes every line an entry of its own."""

    text: str
    collection: str = "default"
    source: str = "upload"
    external_id: str | None = None
    title: str = ""
    author: str | None = None
    url: str | None = None
    language: str | None = None
    tags: list[str] = []
    meta: dict[str, MetaValue] = {}
    split: Split = Split.AUTO


class JobOut(Struct, kw_only=True):
    """A job. `done` of `total` are units, or of a container's job documents; `total` is 0 until the file has been read.

    `parent_id` is the job of the container that the document was taken out of.
    """

    id: str
    kind: JobKind
    state: JobState
    stage: str
    done: int
    total: int
    document_id: str
    parent_id: str | None
    version: int
    attempts: int
    max_attempts: int
    cancel_requested: bool
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> "JobOut":
        return msgspec.convert(job, cls, from_attributes=True)


class JobList(Struct):
    jobs: list[JobOut]
    next_cursor: str | None


class UploadAccepted(Struct):
    """One job for each file, in the order of the files."""

    jobs: list[JobOut]


class JobEventOut(Struct, kw_only=True):
    """One line of a job's story; `seq` is the event's id for `Last-Event-ID`."""

    seq: int
    at: datetime
    state: JobState
    stage: str
    done: int
    total: int
    message: str

    @classmethod
    def of(cls, event: JobEvent) -> "JobEventOut":
        return msgspec.convert(event, cls, from_attributes=True)


class UnitOut(Struct, kw_only=True):
    """A unit, with its place: `normalised_text[char_start:char_end] == text`."""

    id: str
    ordinal: int
    kind: Kind
    text: str
    page: int | None
    heading_path: list[str]
    char_start: int
    char_end: int

    @classmethod
    def of(cls, unit: Unit) -> "UnitOut":
        return cls(
            id=unit.id,
            ordinal=unit.ordinal,
            kind=unit.kind,
            text=unit.text,
            page=unit.page,
            heading_path=list(unit.heading_path),
            char_start=unit.span.start,
            char_end=unit.span.end,
        )


class UnitList(Struct):
    units: list[UnitOut]
    next_cursor: str | None


Cosine = Annotated[float, Meta(ge=-1, le=1)]
Weight = Annotated[float, Meta(ge=0, le=100)]
UnitsBeside = Annotated[int, Meta(ge=0, le=10)]
Limit = Annotated[int, Meta(ge=1)]


class MinScores(RequestStruct):
    """The least of each named score that a result must have."""

    cosine: Cosine | None = None
    keyword: Annotated[float, Meta(ge=0)] | None = None
    fusion: Annotated[float, Meta(ge=0)] | None = None
    rerank: Annotated[float, Meta(ge=0, le=1)] | None = None


class FusionWeights(RequestStruct):
    """What each side counts. `keyword` left out follows the query: little, unless it holds an identifier."""

    cosine: Weight = DEFAULT_FUSION.cosine_weight
    keyword: Weight | None = None


class FusionIn(RequestStruct):
    """How a hybrid search makes one order of two: adding normalised `scores`, or reciprocal ranks (`rrf`)."""

    method: FusionMethod = DEFAULT_FUSION.method
    weights: FusionWeights = msgspec.field(default_factory=FusionWeights)


class RerankIn(RequestStruct):
    """How many of the best hits are reranked; setting `rerank_candidates` when left out."""

    candidates: Limit | None = None


class ContextIn(RequestStruct):
    """How many units before and after each result are wanted."""

    before: UnitsBeside = 0
    after: UnitsBeside = 0


class Presentation(RequestStruct, kw_only=True):
    """What both kinds of search take.

    `filter` narrows what is searched, `collection` to one. `min_score` cuts by the cosine where it is a number. `fold`
    makes one result of hits that say the same, `merge` one passage of hits that stand side by side. With `group_by`,
    `limit` counts groups of up to `group_size` results. `facets` names fields whose values are counted among the units
    that pass the filter.
    """

    limit: Limit = 5
    filter: dict[str, Any] | None = None
    collection: str | None = None
    min_score: Cosine | MinScores | None = None
    context: ContextIn = msgspec.field(default_factory=ContextIn)
    group_by: GroupBy | None = None
    group_size: Annotated[int, Meta(ge=1, le=20)] = 3
    merge: bool = False
    fold: bool = True
    facets: Annotated[list[str], Meta(max_length=10)] = []


class SearchRequest(Presentation, kw_only=True):
    """A question in plain words.

    `mode` says what ranks: the meaning, the words, or both. `instruction` tells models that take one what is looked for;
    the collection's own when left out.
    """

    query: str
    mode: Mode = Mode.SEMANTIC
    fusion: FusionIn = msgspec.field(default_factory=FusionIn)
    instruction: Annotated[str, Meta(max_length=1000)] | None = None
    rerank: bool | RerankIn = False
    highlight: bool = True


class SimilarRequest(Presentation):
    """How units like a given one are looked for."""


class BatchSearchRequest(RequestStruct):
    """Searches that are embedded together, and asked of the index together."""

    searches: Annotated[list[SearchRequest], Meta(min_length=1, max_length=32)]


class ProvenanceOut(Struct, kw_only=True):
    """Where the sentence stands in its document."""

    page: int | None
    heading_path: list[str]
    char_start: int
    char_end: int
    ordinal: int
    kind: Kind


class HitDocument(Struct, kw_only=True):
    """The document a hit belongs to; its dates are those of `DocumentOut`."""

    id: str
    collection: str
    source: str
    external_id: str
    title: str
    author: str | None
    url: str | None
    language: str | None
    tags: list[str]
    filename: str
    media_type: str
    meta: dict[str, MetaValue]
    created_at: datetime
    updated_at: datetime
    stored_at: datetime

    @classmethod
    def of(cls, document: Document) -> "HitDocument":
        return cls(
            id=document.id,
            collection=document.key.collection,
            source=document.key.source,
            external_id=document.key.external_id,
            title=document.fields.title,
            author=document.fields.author,
            url=document.fields.url,
            language=document.fields.language,
            tags=list(document.fields.tags),
            filename=document.filename,
            media_type=document.media_type,
            meta=document.fields.meta,
            created_at=document.fields.created_at or document.created_at,
            updated_at=document.fields.updated_at or document.updated_at,
            stored_at=document.updated_at,
        )


class SpanOut(Struct):
    """A half-open range of code points, `text[start:end]`."""

    start: int
    end: int


class MatchOut(Struct, kw_only=True):
    """A hit within a merged result: where it stands in the result's `text`, and its score."""

    unit_id: str
    start: int
    end: int
    score: float


class DuplicateOut(Struct, kw_only=True):
    """A hit that says the same as its result, and where it stands."""

    unit_id: str
    document_id: str
    title: str
    score: float


class ContextOut(Struct, kw_only=True):
    """The units before and after a result, in the document's order."""

    before: list[UnitOut]
    after: list[UnitOut]


class ResultOut(Struct, kw_only=True):
    """A unit, or with `merge` several that stand side by side.

    `score` is what the ranking used, `scores` are all that are known. `strong` says that it passes the model's threshold
    (see the response); null where its cosine is not known. `highlights` are the query's words in `text`. Of a merged result,
    `unit_id` and the scores are the best unit's, `matches` says where each stands in `text`, and it is strong if one of them is.
    `duplicates` names the first 20 of `duplicate_count`.
    """

    unit_id: str
    text: str
    score: float
    strong: bool | None
    scores: dict[ScoreName, float]
    document: HitDocument
    provenance: ProvenanceOut
    highlights: list[SpanOut]
    matches: list[MatchOut]
    context: ContextOut
    duplicates: list[DuplicateOut]
    duplicate_count: int

    @classmethod
    def of(cls, result: Result) -> "ResultOut":
        hit, unit = result.hit, result.hit.unit
        return cls(
            unit_id=unit.id,
            text=result.text,
            score=hit.score,
            strong=result.strong,
            scores=dict(hit.scores),
            document=HitDocument.of(hit.document),
            provenance=ProvenanceOut(
                page=result.units[0].page,
                heading_path=list(unit.heading_path),
                char_start=result.span.start,
                char_end=result.span.end,
                ordinal=result.units[0].ordinal,
                kind=unit.kind,
            ),
            highlights=[SpanOut(*span) for span in result.highlights],
            matches=[
                MatchOut(
                    unit_id=match.hit.unit.id,
                    start=match.span.start,
                    end=match.span.end,
                    score=match.hit.score,
                )
                for match in result.matches
            ],
            context=ContextOut(
                before=[UnitOut.of(unit) for unit in result.before],
                after=[UnitOut.of(unit) for unit in result.after],
            ),
            duplicates=[_duplicate(duplicate) for duplicate in result.duplicates[:NAMED_DUPLICATES]],
            duplicate_count=len(result.duplicates),
        )


def _duplicate(hit: Hit) -> DuplicateOut:
    return DuplicateOut(
        unit_id=hit.unit.id,
        document_id=hit.document.id,
        title=hit.document.fields.title,
        score=hit.score,
    )


class GroupOut(Struct, kw_only=True):
    """The best results of one document, or of one section of it; `score` is the best one's."""

    document: HitDocument
    heading_path: list[str] | None
    score: float
    results: list[ResultOut]

    @classmethod
    def of(cls, group: Group) -> "GroupOut":
        return cls(
            document=HitDocument.of(group.document),
            heading_path=None if group.heading_path is None else list(group.heading_path),
            score=group.results[0].hit.score,
            results=[ResultOut.of(result) for result in group.results],
        )


class TookMs(Struct):
    """Milliseconds: embedding the query (waiting for the model included), asking the index, reading from the catalog,
    reranking, and in all."""

    embed: float
    retrieve: float
    hydrate: float
    rerank: float
    total: float

    @classmethod
    def of(cls, timings: Timings) -> "TookMs":
        stages = (timings.embed, timings.retrieve, timings.hydrate, timings.rerank, timings.total)
        return cls(*(round(stage, 2) for stage in stages))


class CosinesOut(Struct, kw_only=True):
    """What a calibration measured: cosines of units asked as queries, and units of other documents.

    `unrelated_*` are of all pairs, `nearest_*` of each query's best; the numbers are percentiles.
    """

    queries: int
    units: int
    documents: int
    unrelated_mean: float
    unrelated_50: float
    unrelated_99: float
    nearest_5: float
    nearest_50: float
    nearest_95: float
    created_at: datetime


class CalibrationOut(Struct, kw_only=True):
    """The threshold in use, and where it comes from: a `setting`, a `calibration`, or what is known of the `model`."""

    strong_score: float
    keyword_bonus: float
    strong_score_from: Literal["setting", "calibration", "model"]
    model: str
    calibrated_score: float | None
    measured: CosinesOut | None

    @classmethod
    def of(cls, engine: ReadyEngine, calibration: Calibration | None) -> "CalibrationOut":
        return cls(
            strong_score=engine.strong_score,
            keyword_bonus=engine.keyword_bonus,
            strong_score_from=engine.strong_score_from,
            model=engine.profile.id,
            calibrated_score=calibration.strong_score if calibration else None,
            measured=_cosines(calibration) if calibration else None,
        )


def _cosines(calibration: Calibration) -> CosinesOut:
    report = msgspec.json.decode(calibration.report)
    return msgspec.convert(report | {"created_at": calibration.created_at}, CosinesOut)


class FacetValueOut(Struct):
    """How many units have `value`."""

    value: str | int | bool
    units: int


class FacetOut(Struct):
    """The most frequent values of a field."""

    field: str
    values: list[FacetValueOut]

    @classmethod
    def of(cls, counts: FacetCounts) -> "FacetOut":
        return cls(counts.field, [FacetValueOut(value, units) for value, units in counts.values])


class FacetList(Struct):
    """One for each field asked for, in their order."""

    facets: list[FacetOut]


class SearchResponse(Struct, kw_only=True):
    """Results, best first. With `group_by`, `groups` holds them, and `results` the best of each.

    `answered` is false when no result is strong, or there is none; null where results have no cosine, as in keyword mode.
    A hit is strong where `scores.cosine + keyword_bonus * min(1, scores.keyword / 20)` is `strong_score` or more.
    """

    results: list[ResultOut]
    groups: list[GroupOut]
    facets: list[FacetOut]
    answered: bool | None
    strong_score: float
    keyword_bonus: float
    took_ms: TookMs
    model: str
    mode: Mode

    @classmethod
    def of(cls, outcome: SearchOutcome, mode: Mode) -> "SearchResponse":
        return cls(
            results=[ResultOut.of(result) for result in outcome.results],
            groups=[GroupOut.of(group) for group in outcome.groups],
            facets=[FacetOut.of(counts) for counts in outcome.facets],
            answered=outcome.answered,
            strong_score=outcome.strong_score,
            keyword_bonus=outcome.keyword_bonus,
            took_ms=TookMs.of(outcome.timings),
            model=outcome.model,
            mode=mode,
        )


class BatchSearchResponse(Struct):
    """One response for each search, in their order."""

    responses: list[SearchResponse]


class CollectionDeclaration(RequestStruct):
    """All that is declared of a collection. What is left out is declared no more.

    `fields` are keys of `meta`, with the type by which filters compare their values; `instruction` tells models that take one
    what the questions asked of this collection look for.
    """

    fields: dict[str, Annotated[str, Meta(description=f"One of {', '.join(FieldType)}.")]] = {}
    instruction: Annotated[str, Meta(max_length=1000)] | None = None


class RerankRequest(RequestStruct):
    """Texts to be put in the order of their relevance. `model`, where given, must be the one that the service reranks with.

    Of a long document the reranker reads the beginning, about 2,000 tokens, or as many as its model takes.
    """

    query: str
    documents: Annotated[list[Annotated[str, Meta(max_length=100_000)]], Meta(min_length=1, max_length=1000)]
    top_n: Annotated[int, Meta(ge=1)] | None = None
    return_documents: bool = False
    instruction: Annotated[str, Meta(max_length=1000)] | None = None
    model: str | None = None


class RerankResult(Struct, kw_only=True, omit_defaults=True):
    """`index` is the document's place in the request, from 0."""

    index: int
    relevance_score: Annotated[float, Meta(ge=0, le=1)]
    document: str | None = None


class RerankResponse(Struct):
    model: str
    results: list[RerankResult]


class CollectionOut(Struct, kw_only=True):
    """What is declared of a collection, and what it holds."""

    name: str
    documents: int
    units: int
    sources: list[str]
    fields: dict[str, FieldType]
    instruction: str | None

    @classmethod
    def of(cls, collection: Collection) -> "CollectionOut":
        return msgspec.convert(collection, cls, from_attributes=True)


class CollectionList(Struct):
    collections: list[CollectionOut]


class Live(Struct):
    status: Literal["live"]
    version: str


class Readiness(Struct, kw_only=True):
    """`seconds` is how long loading has taken, so far or in all."""

    status: Literal["ready", "loading", "failed"]
    stage: str
    seconds: float
    model: str | None
    error: str | None


class Problem(Struct, kw_only=True, omit_defaults=True):
    """RFC 9457 problem details. `code` is stable; `detail` says what was wrong and what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[dict[str, str]] = []
