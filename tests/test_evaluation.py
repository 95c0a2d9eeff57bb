"""Judged queries: what a file may say, which result is which expectation, and figures worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.errors import InvalidRequestError
from docradar.evaluation.judgements import Judgement, parse_judgements, read_judgements
from docradar.evaluation.matching import Expectation, Rank, Result, judged_ranks, matches
from docradar.evaluation.metrics import Metric, metrics_of, ndcg
from docradar.evaluation.summary import Answer, Run, Verdicts, absent_documents, judge, summarise


def found(text: str, *names: str, unit_id: str = "u") -> Result:
    return Result(unit_id, text, 0.5, names)


def answer(judgement: Judgement, *texts: str, answered: bool | None = None, took_ms: float = 1.0) -> Answer:
    results = tuple(found(text, unit_id=f"u{number}") for number, text in enumerate(texts))
    return Answer(judgement.id, judgement.question_digest, results, answered, took_ms)


def run_of(*answers: Answer, name: str = "run") -> Run:
    return Run(name, "semantic", False, "model", 10, answers)


# Judgement files


WRITTEN_BY_HAND = """\
# Refunds
{"query": "how long do refunds take", "expected": ["three working days"], "tags": ["plain", "en"]}

  {"query": "PAY-1042", "document": "payments.md", "text": "raise the limit", "id": "pay"}\r
{"query": "who won the cup", "expected": [], "filter": {"source": ["faq"]}, "collection": "kb"}
{"query": "退款", "expected": [{"document": "faq.zh.txt", "grade": 3}, {"text": "三天\u2028内"}]}"""


def test_a_file_as_people_write_it() -> None:
    first, second, third, fourth = parse_judgements(WRITTEN_BY_HAND, "q.jsonl")
    assert first.expected == (Expectation(text="three working days"),)
    assert (first.tags, first.place) == (("plain", "en"), "q.jsonl, line 2")
    assert (second.id, second.place) == ("pay", "q.jsonl, line 4")
    assert second.expected == (Expectation("payments.md", "raise the limit", 1),)
    assert (third.answerable, third.filter, third.collection) == (False, {"source": ["faq"]}, "kb")
    assert fourth.expected == (Expectation("faq.zh.txt", None, 3), Expectation(None, "三天\u2028内"))


def test_an_id_follows_from_what_is_asked_alone() -> None:
    [before] = parse_judgements('{"query": "a", "expected": []}', "x")
    [after] = parse_judgements('\n{"query": "a", "text": "b", "tags": ["c"]}', "y")
    assert before.id == after.id == before.question_digest
    [other] = parse_judgements('{"query": "a", "expected": [], "collection": "kb"}', "x")
    assert other.id != before.id


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"query": "a"', ("not JSON", "column 14", "one object a line")),
        ('["a"]', ("must be an object",)),
        ('{"expected": []}', ('"query" is missing',)),
        ('{"query": "a"}', ('"expected" is missing', '"expected": []')),
        ('{"query": " ", "expected": []}', ("query is empty",)),
        ('{"query": 7, "expected": []}', ("query must be a text",)),
        ('{"query": "a", "expected": "b"}', ("expected must be a list",)),
        ('{"query": "a", "expected": null}', ("expected must be a list",)),
        ('{"query": "a", "expected": [3]}', ("expected[0] must be a text, or an object",)),
        ('{"query": "a", "expected": ["b", ""]}', ("expected[1] is empty",)),
        ('{"query": "a", "expected": [{}]}', ("expected[0] needs a document, a text, or both",)),
        ('{"query": "a", "expected": [{"grade": 2}]}', ("expected[0] needs",)),
        ('{"query": "a", "expected": [{"text": "b", "grade": 4}]}', ("expected[0].grade is 4", "1, 2 or 3")),
        ('{"query": "a", "expected": [{"text": "b", "grade": true}]}', ("grade is True",)),
        ('{"query": "a", "expected": [{"text": "b", "file": "c"}]}', ("'file' in expected[0]", "document")),
        ('{"query": "a", "expected": [{"text": ["b"]}]}', ("expected[0].text must be a text",)),
        ('{"query": "a", "expected": ["B  c", {"text": "b C"}]}', ("expected[1] repeats",)),
        ('{"query": "a", "text": "b", "expected": []}', ("text stands beside expected",)),
        ('{"query": "a", "expected": [], "tag": "b"}', ("unknown key 'tag'", "tags")),
        ('{"query": "a", "expected": [], "tags": "b"}', ("tags must be a list",)),
        ('{"query": "a", "expected": [], "tags": [1]}', ("tags[0] must be a text",)),
        ('{"query": "a", "expected": [], "filter": []}', ("filter must be an object",)),
        ('{"query": "a", "expected": [], "collection": 1}', ("collection must be a text",)),
        ('{"query": "a", "expected": [], "id": "b c"}', ("without white space",)),
        ('{"query": "a", "query": "b", "expected": []}', ("'query' is given twice",)),
        ('{"query": "\\ud800", "expected": []}', ("surrogate",)),
        ('{"query": "a", "expected": [], "filter": {"page": NaN}}', ("NaN",)),
        ('{"query": "a", "expected": [], "filter": {"page": 1e999}}', ("too large",)),
        ('{"query": "a", "expected": [], "filter": {"page": ' + "9" * 5000 + "}}", ("too large",)),
        ('{"query": "a", "expected": ' + "[" * 100_000, ("nested too deeply",)),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_the_remedy(line: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequestError, match=r"^q\.jsonl, line 2: ") as caught:
        parse_judgements(f"# here\n{line}\n", "q.jsonl")
    for word in words:
        assert word in str(caught.value)


def test_a_question_that_is_asked_twice_is_refused_across_files(tmp_path: Path) -> None:
    line = '{"query": "a", "expected": []}\n'
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text(line, encoding="utf-8-sig")
    second.write_text(f"\n{line}", encoding="utf-8")
    assert len(read_judgements([first])) == 1
    with pytest.raises(
        InvalidRequestError, match=r"b\.jsonl, line 2: 'a' has the id .*a\.jsonl, line 1 has too"
    ):
        read_judgements([first, second])


@pytest.mark.parametrize(("content", "word"), [(b"\xff\n", "is not UTF-8"), (b"# nothing\n", "no query")])
def test_a_file_without_queries_is_refused(tmp_path: Path, content: bytes, word: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=word):
        read_judgements([path])


# Matching


@pytest.mark.parametrize(
    ("expected", "result", "matching"),
    [
        (Expectation(text="three  days"), found("It takes THREE\ndays."), True),
        (Expectation(text="ＰＡＹ－1042"), found("Error PAY-1042 means"), True),
        (Expectation(text="It takes three days. Then it is done."), found("It takes three days."), True),
        (
            Expectation(text="Yes. It takes three days."),
            found("Yes."),
            False,
        ),  # four characters prove nothing
        (Expectation(text="abcdefgh ij"), found("abcdefgh"), True),
        (Expectation(text="abcdefg hij"), found("abcdefg"), False),
        (Expectation(text="three days"), found("four days"), False),
        (Expectation("faq.md", "days"), found("three days", "id", "faq.md"), True),
        (Expectation("FAQ.md", "days"), found("three days", "faq.md"), True),
        (Expectation("faq.md", "days"), found("three days", "other.md"), False),
        (Expectation("faq.md"), found("anything", "faq.md"), True),
        (Expectation("faq"), found("anything", "faq.md"), False),
        (Expectation("cafe\u0301.md"), found("anything", "caf\u00e9.md"), True),
        (Expectation(text="\u03aa\u0301"), found("\u0390"), True),  # capital and small ΐ
    ],
)
def test_a_result_matches_by_document_and_text(expected: Expectation, result: Result, matching: bool) -> None:
    assert matches(expected, result) is matching


def test_an_expectation_is_met_once_and_a_repeat_takes_its_rank() -> None:
    expected = [Expectation(text="alpha"), Expectation(text="beta")]
    results = [found("alpha"), found("alpha again"), found("other"), found("beta")]
    assert judged_ranks(expected, results) == (Rank(0, 0), Rank(1, None), Rank(2, None), Rank(3, 1))


def test_a_passage_that_meets_two_expectations_takes_two_ranks_the_better_first() -> None:
    expected = [Expectation(text="alpha"), Expectation(text="beta", grade=2), Expectation(text="gamma")]
    ranks = judged_ranks(expected, [found("alpha beta"), found("gamma")])
    assert ranks == (Rank(0, 1), Rank(0, 0), Rank(1, 2))


# Metrics, by hand


@pytest.mark.parametrize(
    ("gains", "ideal", "values"),
    [
        ([1], [1], [1, 1, 1, 1, 1, 1]),
        ([], [1], [0, 0, 0, 0, 0, 0]),
        ([0, 1], [1], [1 / math.log2(3), 1 / 2, 0, 1, 1, 0]),
        # DCG 1/log2(3) + 3/log2(4) over 3/log2(2) + 1/log2(3)
        ([0, 1, 3], [3, 1], [(0.63093 + 1.5) / 3.63093, 1 / 2, 0, 1, 1, 0]),
        ([2, 0, 0, 0, 0, 0, 1], [1, 2], [(2 + 1 / 3) / 2.63093, 1, 1 / 2, 1 / 2, 1, 1]),
        ([0] * 10 + [1], [1], [0, 0, 0, 0, 0, 0]),
        ([0] * 9 + [1], [1], [1 / math.log2(11), 1 / 10, 0, 0, 1, 0]),
        # Eleven expected: the ideal of ten ranks holds ten, and recall counts all.
        ([1] * 10, [1] * 11, [1, 1, 1 / 11, 5 / 11, 10 / 11, 1]),
    ],
)
def test_metrics_worked_out_by_hand(gains: list[int], ideal: list[int], values: list[float]) -> None:
    assert list(metrics_of(gains, ideal).values()) == pytest.approx(values, abs=1e-5)
    assert list(metrics_of(gains, ideal)) == list(Metric)


@st.composite
def rankings(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Gains and ideal: some of the ideal's grades, in any order, among zeros."""
    ideal = draw(st.lists(st.integers(1, 3), min_size=1, max_size=14))
    met = draw(st.lists(st.sampled_from(range(len(ideal))), unique=True))
    zeros = draw(st.integers(0, 12))
    return list(draw(st.permutations([ideal[index] for index in met] + [0] * zeros))), ideal


@given(rankings())
def test_metrics_lie_between_0_and_1(ranking: tuple[list[int], list[int]]) -> None:
    values = metrics_of(*ranking)
    assert all(0 <= value <= 1 for value in values.values())
    assert values[Metric.RECALL_1] <= values[Metric.RECALL_5] <= values[Metric.RECALL_10]
    assert values[Metric.HIT_1] <= values[Metric.MRR_10]


@given(rankings())
def test_ndcg_is_1_exactly_in_the_ideal_order(ranking: tuple[list[int], list[int]]) -> None:
    gains, ideal = ranking
    best = sorted(ideal, reverse=True)[:10]
    assert (ndcg(gains, ideal) == 1) == (gains[: len(best)] == best)


@given(rankings(), st.data())
def test_ndcg_rises_when_a_better_result_moves_up(
    ranking: tuple[list[int], list[int]], data: st.DataObject
) -> None:
    gains, ideal = ranking
    upper, lower = sorted(data.draw(st.tuples(*[st.integers(0, 9)] * 2)))
    if lower >= len(gains) or gains[lower] <= gains[upper]:
        return
    swapped = list(gains)
    swapped[upper], swapped[lower] = gains[lower], gains[upper]
    assert ndcg(swapped, ideal) > ndcg(gains, ideal)


# Runs


def judgement(query: str, *texts: str, tags: tuple[str, ...] = ()) -> Judgement:
    return Judgement(query, query, tuple(Expectation(text=text) for text in texts), tags)


def test_a_run_is_summed_up_overall_and_by_tag() -> None:
    easy = judgement("easy", "alpha", tags=("en",))
    hard = judgement("hard", "beta", "gamma", tags=("en", "zh"))
    none = judgement("none", tags=("zh", "no"))
    run = run_of(
        answer(easy, "alpha", answered=True, took_ms=10),
        answer(hard, "x", "beta", answered=False, took_ms=20),
        answer(none, "x", answered=False, took_ms=30),
    )
    summary = summarise(run, [easy, hard, none])
    overall = summary.overall
    assert (overall.answerable, overall.unanswerable) == (2, 1)
    hard_ndcg = (1 / math.log2(3)) / (1 + 1 / math.log2(3))
    assert overall.means[Metric.NDCG_10] == pytest.approx((1 + hard_ndcg) / 2)
    assert overall.means[Metric.MRR_10] == pytest.approx(0.75)
    assert overall.means[Metric.RECALL_10] == pytest.approx(0.75)
    assert overall.means[Metric.HIT_1] == 0.5
    # Called unanswered: hard (wrongly) and none.
    assert overall.verdicts == Verdicts(3, 1 / 2, 1.0, 1 / 2)
    assert (overall.took_ms_p50, overall.took_ms_p95) == pytest.approx((20, 29))
    assert list(summary.by_tag) == ["en", "zh", "no"]
    assert summary.by_tag["zh"].means[Metric.NDCG_10] == pytest.approx(hard_ndcg)
    assert summary.by_tag["no"].means == {}
    assert summary.by_tag["en"].verdicts == Verdicts(2, 0.0, None, 1 / 2)


def test_shares_of_verdicts_need_all_of_them() -> None:
    one, two = judgement("one", "alpha"), judgement("two")
    run = run_of(answer(one, "alpha"), answer(two, answered=False))
    assert summarise(run, [one, two]).overall.verdicts == Verdicts(1, None, None, None)
    assert summarise(run, [two]).overall.verdicts == Verdicts(1, 1.0, 1.0, None)


def test_positions_are_those_of_the_results() -> None:
    one = judgement("one", "alpha", "beta", "delta", "gamma")
    assert judge(one, answer(one, "x", "alpha beta", "gamma")).positions() == [2, 2, None, 3]


def test_a_run_is_judged_by_the_questions_it_was_asked() -> None:
    one, two = judgement("one", "alpha"), judgement("two", "beta")
    asked_otherwise = Judgement("two", "two, in other words", two.expected)
    summary = summarise(run_of(answer(one, "alpha"), answer(asked_otherwise, "beta")), [one, two])
    assert [judged.judgement.id for judged in summary.answers] == ["one"]
    with pytest.raises(InvalidRequestError, match="an answer to none of these queries"):
        summarise(run_of(answer(asked_otherwise, "beta")), [two])


def test_documents_that_nobody_knows_are_named_with_who_expects_them() -> None:
    def expecting(query: str, **wanted: Any) -> Judgement:
        return Judgement(query, query, (Expectation(**wanted),))

    one, two, three = (
        expecting("1", document="A.md"),
        expecting("2", document="b.md", text="t"),
        expecting("3", text="t"),
    )
    assert absent_documents([one, two, three], ["a.md", "c.md"]) == {"b.md": [two]}
