"""One order out of two searches, by their scores or by their ranks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple

from docradar.documents import ScoreName
from docradar.index.points import Candidate
from docradar.keywords import looks_up

RRF_K: Final = 2
"""Reciprocal ranks are 1 / (k + rank), after Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet
and individual Rank Learning Methods" (SIGIR 2009); they took 60, Qdrant takes 2, which is better here, too."""
FULL_KEYWORD_SCORE: Final = 20.0
"""The BM25 score of two or three rare words. Where the best has less, it does not count in full: a lone common word is no
sign of much."""
FUSION_DEPTH: Final = 100
"""Candidates that each side brings at least."""
KEYWORD_WEIGHT: Final = 0.1
IDENTIFIER_KEYWORD_WEIGHT: Final = 2.0


class FusionMethod(StrEnum):
    """`scores` adds normalised scores, `rrf` reciprocal ranks."""

    SCORES = "scores"
    RRF = "rrf"


@dataclass(frozen=True, slots=True)
class Fusion:
    """How the two sides are weighed. A `keyword_weight` of None follows the query: who asks for an identifier means the
    word. docs/quality.md has the measurements behind the defaults."""

    method: FusionMethod = FusionMethod.SCORES
    cosine_weight: float = 1.0
    keyword_weight: float | None = None

    def for_query(self, text: str) -> "Fusion":
        """The same with a weight for the keywords."""
        if self.keyword_weight is not None:
            return self
        weight = IDENTIFIER_KEYWORD_WEIGHT if looks_up(text) else KEYWORD_WEIGHT
        return replace(self, keyword_weight=weight)


class Ranked(NamedTuple):
    """A unit in its place: `score` is what it was ranked by, `scores` are all that are known."""

    id: str
    score: float
    scores: dict[ScoreName, float]


def fuse(candidates: Sequence[Candidate], query: str, fusion: Fusion) -> list[Ranked]:
    """The candidates, best first, with their `fusion` score; equal ones in the order of their ids."""
    weighed = fusion.for_query(query)
    weights = weighed.cosine_weight, weighed.keyword_weight or 0.0
    fused = (_by_rank if fusion.method is FusionMethod.RRF else _by_score)(candidates, *weights)
    ranked = [
        Ranked(candidate.id, value, {**known_scores(candidate), "fusion": value})
        for candidate, value in zip(candidates, fused, strict=True)
    ]
    return sorted(ranked, key=lambda one: (-one.score, one.id))


def keyword_share(keyword: float | None, best: float = 0.0) -> float:
    """A BM25 score as a share, 0…1, of the best one, which counts as `FULL_KEYWORD_SCORE` at least."""
    return min(1.0, (keyword or 0.0) / max(best, FULL_KEYWORD_SCORE))


def known_scores(candidate: Candidate) -> dict[ScoreName, float]:
    """The scores that a search has told, by name."""
    known: dict[ScoreName, float] = {"cosine": candidate.cosine}
    if candidate.keyword is not None:
        known["keyword"] = candidate.keyword
    return known


def _by_rank(candidates: Sequence[Candidate], cosine_weight: float, keyword_weight: float) -> list[float]:
    """Weighted sums of reciprocal ranks; a side that did not find the unit adds nothing."""

    def reciprocal(rank: int | None) -> float:
        return 0.0 if rank is None else 1 / (RRF_K + rank)

    return [
        cosine_weight * reciprocal(candidate.cosine_rank)
        + keyword_weight * reciprocal(candidate.keyword_rank)
        for candidate in candidates
    ]


def _by_score(candidates: Sequence[Candidate], cosine_weight: float, keyword_weight: float) -> list[float]:
    """Weighted sums of the cosine, brought to 0…1 over the `FUSION_DEPTH` nearest, and the share of the keyword score.

    The others may come out below 0. A fixed depth, so that a score is the same however many results are asked for.
    """
    cosines = sorted((candidate.cosine for candidate in candidates), reverse=True)[:FUSION_DEPTH]
    lowest, spread = min(cosines, default=0.0), max(cosines, default=0.0) - min(cosines, default=0.0)
    best = max((candidate.keyword or 0.0 for candidate in candidates), default=0.0)
    return [
        cosine_weight * ((candidate.cosine - lowest) / spread if spread else 1.0)
        + keyword_weight * keyword_share(candidate.keyword, best)
        for candidate in candidates
    ]
