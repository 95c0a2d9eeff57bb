"""Two runs over the same queries: what differs, and whether chance may have done it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from docradar.errors import InvalidRequestError
from docradar.evaluation.judgements import Judgement
from docradar.evaluation.metrics import Metric
from docradar.evaluation.summary import JudgedAnswer, Summary

SEED: Final = 20_260
ROUNDS: Final = 20_000
MAX_ENUMERATED: Final = 14
"""Up to so many queries that differ, all 2^n signs are tried instead of a sample."""
VERDICT: Final = "verdict"
"""1 where `answered` says what the judgement says, else 0; over the queries where both runs have a verdict."""
_TOLERANCE: Final = 1e-9
_ROUNDS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """`first` and `second` are means over the queries that have the metric; `wins` counts those where the second is better.

    `p_value` is that of `randomisation_p`.
    """

    metric: str
    queries: int
    first: float
    second: float
    wins: int
    ties: int
    losses: int
    p_value: float

    @property
    def difference(self) -> float:
        """Above 0 where the second run is better."""
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Change:
    """A query whose nDCG@10 differs."""

    judgement: Judgement
    first: float
    second: float

    @property
    def difference(self) -> float:
        return self.second - self.first


@dataclass(frozen=True, slots=True)
class Comparison:
    """The second run against the first. `changes` holds the largest first; `left_out` queries are in one run only."""

    first: str
    second: str
    queries: int
    left_out: int
    metrics: tuple[MetricComparison, ...]
    changes: tuple[Change, ...]


def compare(first: Summary, second: Summary) -> Comparison:
    """The runs over the queries that both answer.

    Raises:
        InvalidRequestError: There is no such query.
    """
    others = {judged.judgement.id: judged for judged in second.answers}
    pairs = [
        (judged, others[judged.judgement.id]) for judged in first.answers if judged.judgement.id in others
    ]
    if not pairs:
        raise InvalidRequestError(
            f"{first.run.name} and {second.run.name} have no query in common; make both runs with the same queries"
        )
    compared = [
        _metric_comparison(name, values)
        for name in (*Metric, VERDICT)
        if (values := [both for pair in pairs if (both := _values(name, pair)) is not None])
    ]
    changes = [
        Change(a.judgement, a.metrics[Metric.NDCG_10], b.metrics[Metric.NDCG_10])
        for a, b in pairs
        if a.metrics and a.metrics[Metric.NDCG_10] != b.metrics[Metric.NDCG_10]
    ]
    return Comparison(
        first=first.run.name,
        second=second.run.name,
        queries=len(pairs),
        left_out=len(first.answers) + len(second.answers) - 2 * len(pairs),
        metrics=tuple(compared),
        changes=tuple(sorted(changes, key=lambda change: -abs(change.difference))),
    )


def randomisation_p(differences: Sequence[float]) -> float:
    """How likely chance alone makes the mean of paired differences as large, in either direction, as it is.

    Fisher's paired randomisation test, two-sided, on the mean: were the two runs alike, each query's difference could as
    well have the other sign. Queries without a difference change no sum and are left out. Up to `MAX_ENUMERATED` others, the
    result is exact: the share of all 2^n choices of signs whose absolute sum reaches the observed one. With more it is
    (1 + reached) / (1 + `ROUNDS`) over `ROUNDS` choices drawn by NumPy's PCG64 from `SEED`, so equal input gives equal output.
    """
    values = np.asarray(differences, np.float64)
    values = values[np.abs(values) > _TOLERANCE]
    if not values.size:
        return 1.0
    observed = abs(float(values.sum()))
    if values.size <= MAX_ENUMERATED:
        choices = (np.arange(2**values.size)[:, None] >> np.arange(values.size)) & 1
        return _reached(choices, values, observed) / len(choices)
    generator = np.random.Generator(np.random.PCG64(SEED))
    reached = sum(
        _reached(generator.integers(0, 2, (_ROUNDS_AT_ONCE, values.size)), values, observed)
        for _ in range(ROUNDS // _ROUNDS_AT_ONCE)
    )
    return (1 + reached) / (1 + ROUNDS)


def _reached(choices: NDArray[np.int64], values: NDArray[np.float64], observed: float) -> int:
    """How many rows of `choices`, (n, len(values)) of 0 and 1 for minus and plus, reach the observed sum."""
    sums = np.abs((2 * choices - 1) @ values)
    return int((sums >= observed - _TOLERANCE).sum())


def _values(metric: str, pair: tuple[JudgedAnswer, JudgedAnswer]) -> tuple[float, float] | None:
    """The metric of both answers, None where one has none."""
    if metric == VERDICT:
        first, second = (judged.verdict_right for judged in pair)
        return None if first is None or second is None else (float(first), float(second))
    if not pair[0].metrics:
        return None
    return pair[0].metrics[Metric(metric)], pair[1].metrics[Metric(metric)]


def _metric_comparison(metric: str, values: Sequence[tuple[float, float]]) -> MetricComparison:
    differences = [second - first for first, second in values]
    wins = sum(difference > _TOLERANCE for difference in differences)
    losses = sum(difference < -_TOLERANCE for difference in differences)
    return MetricComparison(
        metric=metric,
        queries=len(values),
        first=sum(first for first, _ in values) / len(values),
        second=sum(second for _, second in values) / len(values),
        wins=wins,
        ties=len(values) - wins - losses,
        losses=losses,
        p_value=randomisation_p(differences),
    )
