"""Comparisons worked out by hand, and the files that other tools compute the same figures from."""

import io
import itertools
import math
from collections.abc import Iterable, Sequence

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docradar.errors import InvalidRequestError
from docradar.evaluation.comparison import MAX_ENUMERATED, ROUNDS, VERDICT, compare, randomisation_p
from docradar.evaluation.judgements import Judgement
from docradar.evaluation.matching import Expectation, Result
from docradar.evaluation.metrics import Metric
from docradar.evaluation.summary import Answer, Run, Summary, summarise
from docradar.evaluation.trec import qrels_lines, run_lines

WORDS = ("alpha", "beta", "gamma", "delta")
THEIR_NAMES = {
    Metric.NDCG_10: ir_measures.nDCG @ 10,
    Metric.MRR_10: ir_measures.RR @ 10,
    Metric.RECALL_1: ir_measures.R @ 1,
    Metric.RECALL_5: ir_measures.R @ 5,
    Metric.RECALL_10: ir_measures.R @ 10,
    Metric.HIT_1: ir_measures.Success @ 1,
}


def judgement(query: str, *grades: int) -> Judgement:
    """A query that expects as many of the words."""
    return Judgement(
        query,
        query,
        tuple(Expectation(text=word, grade=grade) for word, grade in zip(WORDS, grades, strict=False)),
    )


def summary(name: str, answers: Sequence[tuple[Judgement, Sequence[str], bool | None]]) -> Summary:
    """A judged run from texts that came back, and the verdict."""
    return summarise(
        Run(
            name,
            "semantic",
            False,
            "model",
            10,
            tuple(
                Answer(
                    judged.id,
                    judged.question_digest,
                    tuple(Result(f"unit-{n}", text, 0.5, ()) for n, text in enumerate(texts)),
                    answered,
                    1.0,
                )
                for judged, texts, answered in answers
            ),
        ),
        [judged for judged, _, _ in answers],
    )


def test_two_runs_query_by_query() -> None:
    up, same, down, none = judgement("up", 1), judgement("same", 1), judgement("down", 1), judgement("none")
    first = summary(
        "a", [(up, ["x", "alpha"], True), (same, ["alpha"], True), (down, ["alpha"], True), (none, [], True)]
    )
    second = summary(
        "b", [(up, ["alpha"], True), (same, ["alpha"], False), (down, [], None), (none, [], False)]
    )
    comparison = compare(first, second)
    assert (comparison.first, comparison.second, comparison.queries, comparison.left_out) == ("a", "b", 4, 0)
    by_name = {compared.metric: compared for compared in comparison.metrics}
    assert list(by_name) == [*Metric, VERDICT]
    mrr = by_name[Metric.MRR_10]
    assert (mrr.queries, mrr.wins, mrr.ties, mrr.losses) == (3, 1, 1, 1)
    assert (mrr.first, mrr.second) == pytest.approx((2.5 / 3, 2 / 3))
    assert mrr.difference == pytest.approx(-0.5 / 3)
    # Signs of +0.5 and -1: sums of 0.5 and 1.5 either way; all four reach 0.5.
    assert mrr.p_value == 1
    # The verdict: `down` has none in b; `same` got worse, `none` better.
    verdict = by_name[VERDICT]
    assert (verdict.queries, verdict.wins, verdict.ties, verdict.losses) == (3, 1, 1, 1)
    assert [(change.judgement.id, change.difference) for change in comparison.changes] == [
        ("down", -1.0),
        ("up", pytest.approx(1 - 1 / math.log2(3))),
    ]


def test_queries_in_one_run_only_are_counted_and_left_out() -> None:
    one, two, three = judgement("1", 1), judgement("2", 1), judgement("3", 1)
    first, second = (
        summary("a", [(one, ["alpha"], None), (two, [], None)]),
        summary("b", [(two, ["alpha"], None), (three, [], None)]),
    )
    comparison = compare(first, second)
    assert (comparison.queries, comparison.left_out) == (1, 2)
    assert VERDICT not in {compared.metric for compared in comparison.metrics}
    with pytest.raises(InvalidRequestError, match="no query in common"):
        compare(first, summary("c", [(three, [], None)]))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        ([], 1),
        ([0, 0], 1),
        ([0.5], 1),  # one query can go either way
        ([1, 1], 2 / 4),
        ([1, 1, 1, 0], 2 / 8),
        ([1, 1, -1], 1),
        ([3, 1, 1], 2 / 8),  # only all plus and all minus reach 5
        ([3, 1, -1], 6 / 8),  # |±3 ±1 ±1| is 5, 3, 3, 1, twice each
        ([0.1] * 10, 2 / 2**10),
    ],
)
def test_the_randomisation_test_by_hand(differences: list[float], p: float) -> None:
    assert randomisation_p(differences) == pytest.approx(p)


@given(st.lists(st.integers(-5, 5), max_size=8))
@settings(max_examples=50)
def test_the_randomisation_test_counts_all_signs(differences: list[int]) -> None:
    observed = abs(sum(differences))
    sums = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    assert randomisation_p(differences) == pytest.approx(sum(s >= observed for s in sums) / len(sums))


def test_many_queries_are_sampled_and_the_sample_repeats() -> None:
    count = MAX_ENUMERATED + 6
    # 15 of 20 equal differences are plus: P(|X - 10| >= 5) of a binomial with n 20, p 1/2.
    differences = [0.25] * 15 + [-0.25] * 5
    exact = sum(math.comb(count, k) for k in range(count + 1) if abs(k - 10) >= 5) / 2**count
    assert randomisation_p(differences) == pytest.approx(exact, abs=0.01)
    assert randomisation_p(differences) == randomisation_p(differences)
    assert randomisation_p([0.1] * 200) == pytest.approx(1 / (1 + ROUNDS))


@st.composite
def searches(draw: st.DrawFn) -> list[tuple[Judgement, list[str], None]]:
    """Some queries with up to four graded expectations, and results that meet none, one, the same again, or two."""
    texts = st.sampled_from([*WORDS, "other", "alpha beta", "gamma delta"])
    found = []
    for number in range(draw(st.integers(1, 5))):
        grades = draw(st.lists(st.integers(1, 3), min_size=int(number == 0), max_size=4))
        found.append((judgement(f"q{number}", *grades), draw(st.lists(texts, max_size=14)), None))
    return found


def file_of(lines: Iterable[str]) -> io.StringIO:
    return io.StringIO("".join(f"{line}\n" for line in lines))


@given(searches())
@settings(max_examples=60, deadline=None)
def test_ir_measures_computes_the_same_from_the_files(
    searches: list[tuple[Judgement, list[str], None]],
) -> None:
    judged = summary("a run/of mine", searches)
    theirs = ir_measures.calc_aggregate(
        THEIR_NAMES.values(),
        ir_measures.read_trec_qrels(file_of(qrels_lines([judgement for judgement, _, _ in searches]))),
        ir_measures.read_trec_run(file_of(run_lines(judged))),
    )
    assert {metric: theirs[name] for metric, name in THEIR_NAMES.items()} == pytest.approx(
        dict(judged.overall.means)
    )


def test_the_files_line_by_line() -> None:
    one = judgement("q", 2, 1)
    assert list(qrels_lines([one, judgement("none")])) == ["q 0 e0 2", "q 0 e1 1"]
    assert list(run_lines(summary("my run", [(one, ["other", "beta", "beta"], None)]))) == [
        "q Q0 unit-0 1 3 my_run",
        "q Q0 e1 2 2 my_run",
        "q Q0 unit-2 3 1 my_run",
    ]
