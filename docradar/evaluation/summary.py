"""A run judged: figures by query, by tag, and overall."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from docradar.errors import InvalidRequestError
from docradar.evaluation.judgements import Judgement
from docradar.evaluation.matching import Rank, Result, judged_ranks, normalised
from docradar.evaluation.metrics import Metric, metrics_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search said to one judgement's question.

    `answered` is the service's own verdict, None where it gives none; `question_digest` tells what was asked.
    """

    id: str
    question_digest: str
    results: tuple[Result, ...]
    answered: bool | None
    took_ms: float


@dataclass(frozen=True, slots=True)
class Run:
    """The answers of one way of searching. `name` is what tables call it."""

    name: str
    mode: str
    rerank: bool
    model: str
    limit: int
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """One answer with its figures; `metrics` is empty where the query is unanswerable."""

    judgement: Judgement
    answer: Answer
    ranks: tuple[Rank, ...]
    metrics: Mapping[Metric, float]

    @property
    def verdict_right(self) -> bool | None:
        """Whether `answered` says what the judgement says; None where the service gave no verdict."""
        answered = self.answer.answered
        return None if answered is None else answered == self.judgement.answerable

    def positions(self) -> list[int | None]:
        """For each expectation the result that met it, counted from 1; None where none did."""
        met = {rank.expectation: rank.result + 1 for rank in self.ranks}
        return [met.get(index) for index in range(len(self.judgement.expected))]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How far `answered` can be trusted. A share of nothing is None, and so are all where some of the queries were
    `given` no verdict: keyword search gives one only where it finds nothing, and those few would mislead.

    `unanswered_precision` is the share of unanswerable queries among those called unanswered, `unanswered_recall` the share
    of the unanswerable that are, and `answerable_answered` the share of the answerable that are not.
    """

    given: int
    unanswered_precision: float | None
    unanswered_recall: float | None
    answerable_answered: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a set of queries: `means` over the answerable ones, empty where there is none; latencies are of all, in ms."""

    answerable: int
    unanswerable: int
    means: Mapping[Metric, float]
    verdicts: Verdicts
    took_ms_p50: float
    took_ms_p95: float


@dataclass(frozen=True, slots=True)
class Summary:
    """A judged run. `by_tag` is in the order in which the tags first appear."""

    run: Run
    answers: tuple[JudgedAnswer, ...]
    overall: Figures
    by_tag: Mapping[str, Figures]


def judge(judgement: Judgement, answer: Answer) -> JudgedAnswer:
    """The answer's figures."""
    ranks = judged_ranks(judgement.expected, answer.results)
    grades = [expectation.grade for expectation in judgement.expected]
    gains = [0 if rank.expectation is None else grades[rank.expectation] for rank in ranks]
    return JudgedAnswer(judgement, answer, ranks, metrics_of(gains, grades) if grades else {})


def summarise(run: Run, judgements: Sequence[Judgement]) -> Summary:
    """The figures of the judgements that the run has answers to.

    Raises:
        InvalidRequestError: There are none: it was made with other queries.
    """
    asked = {answer.id: answer for answer in run.answers}
    answers = tuple(
        judge(judgement, answer)
        for judgement in judgements
        if (answer := asked.get(judgement.id)) and answer.question_digest == judgement.question_digest
    )
    if not answers:
        raise InvalidRequestError(
            f"the run {run.name} has an answer to none of these queries; it was made with other ones: run it again"
        )
    tags = dict.fromkeys(tag for judged in answers for tag in judged.judgement.tags)
    by_tag = {tag: figures_of([judged for judged in answers if tag in judged.judgement.tags]) for tag in tags}
    return Summary(run, answers, figures_of(answers), by_tag)


def figures_of(answers: Sequence[JudgedAnswer]) -> Figures:
    """The figures of at least one answer; percentiles are interpolated between the nearest two."""
    answerable = [judged for judged in answers if judged.judgement.answerable]
    p50, p95 = np.percentile([judged.answer.took_ms for judged in answers], [50, 95])
    return Figures(
        answerable=len(answerable),
        unanswerable=len(answers) - len(answerable),
        means={
            metric: sum(judged.metrics[metric] for judged in answerable) / len(answerable)
            for metric in (Metric if answerable else ())
        },
        verdicts=_verdicts(answers),
        took_ms_p50=float(p50),
        took_ms_p95=float(p95),
    )


def _verdicts(answers: Sequence[JudgedAnswer]) -> Verdicts:
    """Counted by (answerable, answered)."""
    given = [
        (judged.judgement.answerable, judged.answer.answered)
        for judged in answers
        if judged.answer.answered is not None
    ]
    if len(given) < len(answers):
        return Verdicts(len(given), None, None, None)
    return Verdicts(
        given=len(given),
        unanswered_precision=_share([not answerable for answerable, answered in given if not answered]),
        unanswered_recall=_share([not answered for answerable, answered in given if not answerable]),
        answerable_answered=_share([bool(answered) for answerable, answered in given if answerable]),
    )


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None


def absent_documents(judgements: Iterable[Judgement], names: Iterable[str]) -> dict[str, list[Judgement]]:
    """The expected documents that have none of `names`, with the judgements that name them."""
    known = {normalised(name) for name in names}
    absent: dict[str, list[Judgement]] = {}
    for judgement in judgements:
        for expectation in judgement.expected:
            name = expectation.document
            if name is not None and normalised(name) not in known:
                absent.setdefault(name, []).append(judgement)
    return absent
