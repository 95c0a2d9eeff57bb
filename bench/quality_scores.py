"""Cosines, BM25 scores and their fusion over all units at once, and what a ranking is worth."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, NamedTuple
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from bench.quality_corpus import DEVELOPED, Corpus, Floats, JudgedQuery, Part
from docradar import keywords
from docradar.evaluation.comparison import randomisation_p
from docradar.evaluation.metrics import CUTOFF, Metric, metrics_of
from docradar.index.points import Candidate, ScoredId, candidates
from docradar.index.unit_index import KEYWORD_DEPTH
from docradar.keywords import CONTEXT_WEIGHT, SparseVector, document_keywords, query_keywords
from docradar.searching.fusion import Ranked

Indices = NDArray[np.int64]
_WITH_DIGIT: Final = re.compile(r"[A-Za-z]*\d[\w.:/-]*", re.ASCII)


@dataclass(frozen=True)
class KeywordScores:
    """`bm25` is float32 (queries, units), as Qdrant scores. `idf_sums` (queries,) is what a unit with every token of the query
    would have were each of its weights 1."""

    bm25: Floats
    idf_sums: Floats


class KeywordIndex:
    """The units' sparse vectors, by token."""

    def __init__(self, vectors: Sequence[SparseVector]) -> None:
        postings: dict[int, list[tuple[int, float]]] = {}
        for row, vector in enumerate(vectors):
            for index, weight in zip(vector.indices, vector.values, strict=True):
                postings.setdefault(index, []).append((row, weight))
        self.units = len(vectors)
        self._postings = {
            index: (
                np.array([row for row, _ in pairs]),
                np.array([weight for _, weight in pairs], np.float32),
            )
            for index, pairs in postings.items()
        }

    def idf(self, index: int) -> float:
        """As in Qdrant; a token that no unit has is the rarest of all."""
        having = len(self._postings[index][0]) if index in self._postings else 0
        return float(np.log((self.units - having + 0.5) / (having + 0.5) + 1))

    def scores(self, queries: Iterable[SparseVector]) -> KeywordScores:
        rows, sums = [], []
        for query in queries:
            scores = np.zeros(self.units, np.float32)
            total = 0.0
            for index, weight in zip(query.indices, query.values, strict=True):
                total += weight * self.idf(index)
                if index in self._postings:
                    units, weights = self._postings[index]
                    scores[units] += weight * self.idf(index) * weights
            rows.append(scores)
            sums.append(total)
        return KeywordScores(np.array(rows), np.array(sums, np.float32))


def keyword_index(
    corpus: Corpus,
    *,
    context_weight: float = CONTEXT_WEIGHT,
    headings: bool = True,
    neighbours: bool = True,
    whole_identifiers: bool = True,
) -> KeywordIndex:
    """What the index holds; or would, with another weight for context, or less in the vectors."""
    with patch.object(keywords, "CONTEXT_WEIGHT", context_weight), _identifiers_in_whole(whole_identifiers):
        vectors = [
            document_keywords(
                unit.text,
                headings=unit.headings if headings else (),
                neighbours=unit.neighbours if neighbours else (),
            )
            for unit in corpus.units
        ]
    return KeywordIndex(vectors)


def query_in_parts(text: str, digit_weight: float) -> SparseVector:
    """`query_keywords` without identifiers in whole, the tokens that hold a digit with another weight than 1."""
    with _identifiers_in_whole(False):
        vector = query_keywords(text)
        digits = {index for piece in _WITH_DIGIT.findall(text) for index in query_keywords(piece).indices}
    return SparseVector(
        vector.indices, tuple(digit_weight if index in digits else 1.0 for index in vector.indices)
    )


def query_in_whole(text: str, identifier_weight: float) -> SparseVector:
    """`query_keywords` with another weight for identifiers in whole."""
    with patch.object(keywords, "IDENTIFIER_WEIGHT", identifier_weight):
        return query_keywords(text)


def _identifiers_in_whole(wanted: bool) -> AbstractContextManager[object]:
    return nullcontext() if wanted else patch.object(keywords, "identifiers", lambda _text: frozenset())


# Fusion


class Side(NamedTuple):
    """One search's scores over all units, and its `depth` best in order."""

    scores: Floats
    best: Indices


def side(scores: Floats, depth: int, *, positive: bool = False) -> Side:
    best = np.argsort(-scores, kind="stable")[:depth]
    return Side(scores, best[scores[best] > 0] if positive else best)


def search_hybrid(cosine: Floats, bm25: Floats, depth: int) -> list[Candidate]:
    """What the index would give of these scores (units,), `depth` a side; ids ascend with the units."""
    nearest = side(cosine, depth)
    by_keyword = side(bm25, depth * KEYWORD_DEPTH, positive=True)
    return candidates(_scored(nearest), _scored(by_keyword), _scored(Side(cosine, by_keyword.best[:depth])))


def _scored(found: Side) -> list[ScoredId]:
    return [ScoredId(f"{unit:06}", float(found.scores[unit])) for unit in found.best.tolist()]


def units_of(ranked: Iterable[Ranked]) -> Indices:
    """The units of what came from `search_hybrid` and was ranked."""
    return np.array([int(one.id) for one in ranked], np.int64)


Normalise = Callable[[Floats], Floats]
"""The scores of one query's candidates, NaN where a side did not find one → comparable ones."""


def min_max(scores: Floats) -> Floats:
    spread = scores.max() - scores.min()
    return (scores - scores.min()) / spread if spread else np.ones_like(scores)


def mean_max(scores: Floats) -> Floats:
    spread = scores.max() - scores.mean()
    return (scores - scores.mean()) / spread if spread else np.ones_like(scores)


def z_score(scores: Floats) -> Floats:
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread else np.zeros_like(scores)


def over_max(scores: Floats) -> Floats:
    return scores / scores.max() if scores.max() > 0 else scores


def normalised_sum(dense: Side, words: Side, cosine: Normalise, keyword: Normalise, weight: float) -> Indices:
    """Units, best first, by cosine + weight × BM25, each normalised over the candidates of both sides."""
    found = np.union1d(dense.best, words.best)
    fused = cosine(dense.scores[found]) + weight * keyword(words.scores[found])
    return found[np.argsort(-fused, kind="stable")]


# What a ranking is worth


class Measured(NamedTuple):
    """One way of ranking: for each answerable query its metrics."""

    name: str
    metrics: list[dict[Metric, float]]

    def mean(
        self,
        metric: Metric,
        queries: Sequence[JudgedQuery],
        *,
        parts: Collection[Part] = DEVELOPED,
        kind: str | None = None,
    ) -> float:
        """Of the queries of these parts; not a number where there are none of the kind."""
        values = [
            values[metric]
            for values, query in zip(self.metrics, queries, strict=True)
            if query.part in parts and kind in (None, query.kind)
        ]
        return float(np.mean(values)) if values else float("nan")

    def p_value(
        self, other: "Measured", queries: Sequence[JudgedQuery], *, parts: Collection[Part] = DEVELOPED
    ) -> float:
        """Of the differences in nDCG@10 over the queries of these parts."""
        name = Metric.NDCG_10
        rows = zip(self.metrics, other.metrics, queries, strict=True)
        return randomisation_p([a[name] - b[name] for a, b, query in rows if query.part in parts])


def measure(name: str, queries: Sequence[JudgedQuery], rankings: Iterable[Indices]) -> Measured:
    """`rankings` come for the answerable queries in order; each as long as the deepest metric at least."""
    return Measured(
        name, [_metrics(query, ranking) for query, ranking in zip(queries, rankings, strict=True)]
    )


def _metrics(query: JudgedQuery, ranking: Indices) -> dict[Metric, float]:
    """As `docradar.evaluation` judges results that come one unit at a time."""
    grades = [expectation.grade for expectation in query.judgement.expected]
    gains: list[int] = []
    met: set[int] = set()
    for unit in ranking[:CUTOFF].tolist():
        new = [place for place in query.answers.get(unit, []) if place not in met]
        met.update(new)
        gains += sorted((grades[place] for place in new), reverse=True) or [0]
    return metrics_of(gains, grades)


def by_score(scores: Floats) -> list[Indices]:
    """Rankings by one search's scores (queries, units); what has none is no result."""
    return [side(row, CUTOFF, positive=True).best for row in scores]
