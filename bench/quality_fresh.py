"""Table `fresh`: the three modes as they are, on the queries that had no part in choosing, beside those that had."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from bench.quality_answered import verdicts
from bench.quality_corpus import DEVELOPED, JudgedQuery, Part
from bench.quality_fusion import product_rankings
from bench.quality_scores import Measured, by_score, measure, search_hybrid
from bench.quality_setting import METRICS, PRODUCT_DEPTH, Setting, kinds_table
from docradar.embedding.profiles import Strength, known_model
from docradar.evaluation.metrics import CUTOFF, Metric
from docradar.index.points import Candidate
from docradar.searching.fusion import Fusion, Ranked, fuse, keyword_share, known_scores

GROUPS: Final = {"development": DEVELOPED, "fresh": (Part.FRESH,)}


def fresh_table(setting: Setting) -> str:
    """Rankings of development and fresh queries; by kind of the fresh ones; and what `answered` says."""
    queries = setting.answerable
    rows = [
        measure("keyword", queries, by_score(setting.words.bm25)),
        measure("semantic", queries, by_score(setting.cosine)),
        measure("hybrid", queries, product_rankings(setting)),
    ]
    return "\n\n".join(
        (_rankings(rows, queries), kinds_table(rows, queries, [Part.FRESH]), _verdicts_table(setting))
    )


def _rankings(rows: Sequence[Measured], queries: Sequence[JudgedQuery]) -> str:
    """`p` is of the difference in nDCG@10 from the last row."""
    lines = [
        "| | queries | nDCG@10 | MRR@10 | hit@1 | recall@10 | identifiers hit@1 | p |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, parts in GROUPS.items():
        count = sum(query.part in parts for query in queries)
        for row in rows:
            figures = [row.mean(metric, queries, parts=parts) for metric in (Metric.NDCG_10, *METRICS)]
            figures.append(row.mean(Metric.HIT_1, queries, parts=parts, kind="identifier"))
            p_value = "" if row is rows[-1] else f"{row.p_value(rows[-1], queries, parts=parts):.2g}"
            shown = " | ".join(f"{figure:.3f}" for figure in figures)
            lines.append(f"| {row.name}, {name} | {count} | {shown} | {p_value} |")
    return "\n".join(lines)


class _Found(NamedTuple):
    """What the index gives to one query."""

    text: str
    candidates: list[Candidate]


def _nearest(found: _Found) -> list[Ranked]:
    """As semantic mode ranks."""
    ranked = [Ranked(one.id, one.cosine, known_scores(one)) for one in found.candidates if one.cosine_rank]
    return sorted(ranked, key=lambda one: -one.score)


def _fused(found: _Found) -> list[Ranked]:
    return fuse(found.candidates, found.text, Fusion())


class _Confidences:
    """For each query, answerable or not, the strongest result: its cosine and what its words add to it."""

    def __init__(self, setting: Setting) -> None:
        self.queries = setting.queries
        known = known_model(setting.packaged.embedder.profile.id).centred
        assert known, "the packaged model's strength is measured with centred vectors"
        self.strength: Strength = known
        cosine = setting.vectors_of(self.queries) @ setting.vectors.T
        words = setting.words_of(self.queries).bm25
        self._found = [
            _Found(query.judgement.query, search_hybrid(own, bm25, PRODUCT_DEPTH))
            for query, own, bm25 in zip(self.queries, cosine, words, strict=True)
        ]

    @cached_property
    def answerable(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        return np.array([query.judgement.answerable for query in self.queries])

    def strongest(self, rank: Callable[[_Found], list[Ranked]], depth: int | None) -> list[float]:
        """Of the `depth` best; None is of all candidates."""
        return [
            max(
                one.scores["cosine"] + self.strength.keyword_bonus * keyword_share(one.scores.get("keyword"))
                for one in rank(found)[:depth]
            )
            for found in self._found
        ]


def _verdicts_table(setting: Setting) -> str:
    """As the service gives them at the packaged model's threshold."""
    confidences = _Confidences(setting)
    least = confidences.strength.score
    lines = [
        f"| a result of {least} or more | "
        + " | ".join(f"{name}: precision / recall / answered" for name in GROUPS)
        + " |",
        "|---|" + "---:|" * len(GROUPS),
    ]
    for name, rank, depth in (
        (f"semantic, among the first {CUTOFF}", _nearest, CUTOFF),
        (f"hybrid, among the first {CUTOFF}", _fused, CUTOFF),
        ("hybrid, among all candidates", _fused, None),
    ):
        strongest = np.array(confidences.strongest(rank, depth), np.float32)
        shown = []
        for parts in GROUPS.values():
            chosen = np.array([query.part in parts for query in confidences.queries])
            shares = verdicts(strongest[chosen], confidences.answerable[chosen], least)
            shown.append(f"{shares} ({int((strongest[chosen] < least).sum())} called unanswered)")
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)
