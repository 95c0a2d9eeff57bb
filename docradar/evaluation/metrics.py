"""Metrics of one ranking, each in [0, 1], as trec_eval computes them.

A ranking is the gains by rank, best rank first: an expectation's grade where one is met, else 0. `ideal` holds the grades of
all expectations; it is not empty. nDCG takes the grade itself for gain and log2(rank + 1) for discount (Järvelin and
Kekäläinen 2002, with trec_eval's discount), not 2^grade - 1.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

CUTOFF: Final = 10
"""The lowest rank that counts."""


class Metric(StrEnum):
    """What is computed for each answerable query."""

    NDCG_10 = "nDCG@10"
    MRR_10 = "MRR@10"
    RECALL_1 = "recall@1"
    RECALL_5 = "recall@5"
    RECALL_10 = "recall@10"
    HIT_1 = "hit@1"


def ndcg(gains: Sequence[int], ideal: Sequence[int], cutoff: int = CUTOFF) -> float:
    """Discounted cumulative gain over that of the ideal order; 1 exactly where no order of the first ranks has more."""
    best = sorted(ideal, reverse=True)[:cutoff]
    # Equal lists divide to exactly 1; others might by rounding.
    return 1.0 if list(gains[: len(best)]) == best else _dcg(gains[:cutoff]) / _dcg(best)


def reciprocal_rank(gains: Sequence[int], cutoff: int = CUTOFF) -> float:
    """1 over the first rank with a gain; 0 where there is none down to the cutoff. Its mean is MRR."""
    return next((1 / rank for rank, gain in enumerate(gains[:cutoff], start=1) if gain), 0.0)


def recall(gains: Sequence[int], ideal: Sequence[int], cutoff: int) -> float:
    """The share of all expectations that are met down to the cutoff."""
    return sum(gain > 0 for gain in gains[:cutoff]) / len(ideal)


def metrics_of(gains: Sequence[int], ideal: Sequence[int]) -> dict[Metric, float]:
    """Every metric of the ranking."""
    return {
        Metric.NDCG_10: ndcg(gains, ideal),
        Metric.MRR_10: reciprocal_rank(gains),
        Metric.RECALL_1: recall(gains, ideal, 1),
        Metric.RECALL_5: recall(gains, ideal, 5),
        Metric.RECALL_10: recall(gains, ideal, 10),
        Metric.HIT_1: float(any(gains[:1])),
    }


def _dcg(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
