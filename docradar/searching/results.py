"""What a search comes to."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from docradar.documents import Document, Hit, Span, Unit
from docradar.faceting import FacetCounts

Stage = Literal["embed", "retrieve", "hydrate", "rerank"]


@dataclass(frozen=True, slots=True)
class Match:
    """A hit within the text of a merged result; `span` lies in that text."""

    hit: Hit
    span: Span


@dataclass(frozen=True, slots=True)
class Result:
    """A hit as it is shown, or several that stand side by side as one passage.

    `units` are those of the passage in their order, `hit` is the best of them, and `matches` says where each stands in
    `text`. `span` is the place of `text` in the document's normalised text, `highlights` are places in `text`.
    `duplicates` say the same as this, elsewhere.
    """

    hit: Hit
    text: str
    span: Span
    units: tuple[Unit, ...]
    matches: tuple[Match, ...] = ()
    duplicates: tuple[Hit, ...] = ()
    highlights: tuple[Span, ...] = ()
    before: tuple[Unit, ...] = ()
    after: tuple[Unit, ...] = ()

    @property
    def strong(self) -> bool | None:
        """Whether one of its hits is; None where that is not known."""
        strengths = [match.hit.strong for match in self.matches] or [self.hit.strong]
        return True if True in strengths else None if None in strengths else False


@dataclass(frozen=True, slots=True)
class Group:
    """The best results of one document, or of one section of it; `heading_path` is then the section's."""

    document: Document
    heading_path: tuple[str, ...] | None
    results: tuple[Result, ...]


@dataclass(slots=True)
class Timings:
    """Milliseconds by stage. `embed` includes waiting for the model."""

    embed: float = 0.0
    retrieve: float = 0.0
    hydrate: float = 0.0
    rerank: float = 0.0
    total: float = 0.0
    _started: float = field(default_factory=time.perf_counter, repr=False)

    @contextmanager
    def of(self, stage: Stage) -> Iterator[None]:
        """Adds the time that the block takes to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, stage, getattr(self, stage) + (time.perf_counter() - started) * 1e3)

    @property
    def elapsed(self) -> float:
        """All that passed since the search began."""
        return (time.perf_counter() - self._started) * 1e3

    def end(self) -> "Timings":
        """Sets the total."""
        self.total = self.elapsed
        return self


@dataclass(frozen=True, slots=True)
class SearchOutcome:
    """Results, best first; with groups, those hold the results and `results` the best of each.

    `answered` says whether a result is strong; None where the cosine of none is known.
    """

    results: Sequence[Result]
    groups: Sequence[Group]
    facets: Sequence[FacetCounts]
    answered: bool | None
    strong_score: float
    keyword_bonus: float
    model: str
    timings: Timings
