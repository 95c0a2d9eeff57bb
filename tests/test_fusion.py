"""Two searches → one order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.index.points import Candidate, ScoredId, candidates
from docradar.searching.fusion import RRF_K, Fusion, FusionMethod, fuse


def found(name: str, cosine: float, keyword: float | None = None, **ranks: int) -> Candidate:
    return Candidate(name, cosine, keyword, ranks.get("near"), ranks.get("worded"))


def order(*given: Candidate, fusion: Fusion) -> list[str]:
    return [ranked.id for ranked in fuse(given, "", fusion)]


def test_candidates_hold_every_score_and_place_that_is_known() -> None:
    dense = [ScoredId("a", 0.9), ScoredId("b", 0.8)]
    by_keyword = [ScoredId("b", 7.0), ScoredId("c", 5.0), ScoredId("d", 1.0)]
    rescored = [ScoredId("b", 0.8), ScoredId("c", 0.1)]
    assert {one.id: one for one in candidates(dense, by_keyword, rescored)} == {
        "a": Candidate("a", 0.9, None, 1, None),
        "b": Candidate("b", 0.8, 7.0, 2, 1),
        "c": Candidate("c", 0.1, 5.0, None, 2),
    }


def test_reciprocal_ranks_are_weighed_and_added() -> None:
    [best, second] = fuse(
        [found("a", 0.9, near=1), found("b", 0.8, 3.0, near=2, worded=1)],
        "",
        Fusion(FusionMethod.RRF, 1.0, 0.5),
    )
    assert (best.id, second.id) == ("b", "a")
    assert best.score == pytest.approx(1 / (RRF_K + 2) + 0.5 / (RRF_K + 1))
    assert second.score == pytest.approx(1 / (RRF_K + 1))
    assert best.scores == {"fusion": best.score, "cosine": 0.8, "keyword": 3.0}
    assert "keyword" not in second.scores


@pytest.mark.parametrize("method", list(FusionMethod))
def test_a_weight_of_zero_leaves_the_other_side_alone(method: FusionMethod) -> None:
    given = (found("a", 0.9, 1.0, near=1, worded=2), found("b", 0.5, 9.0, near=2, worded=1))
    assert order(*given, fusion=Fusion(method, 1.0, 0.0)) == ["a", "b"]
    assert order(*given, fusion=Fusion(method, 0.0, 1.0)) == ["b", "a"]


@pytest.mark.parametrize("method", list(FusionMethod))
def test_nothing_fuses_to_nothing_and_equal_ones_keep_the_order_of_their_ids(method: FusionMethod) -> None:
    assert fuse([], "", Fusion(method)) == []
    assert order(found("b", 0.5, near=1), found("a", 0.5, near=1), fusion=Fusion(method)) == ["a", "b"]


@pytest.mark.parametrize(
    "query", ["ERR_4012", "what does err-4012 mean", "4.3.1 修了啥", "账单 20260417", "a11y"]
)
def test_who_asks_for_an_identifier_means_the_word(query: str) -> None:
    named, near = found("named", 0.1, 20.0, near=2, worded=1), found("near", 0.9, near=1)
    assert [one.id for one in fuse([near, named, found("far", 0.0, near=3)], query, Fusion())] == [
        "named",
        "near",
        "far",
    ]
    assert next(iter(fuse([near, named], "what does it mean", Fusion()))).id == "near"


def test_a_lone_common_word_does_not_count_in_full() -> None:
    weights = Fusion(keyword_weight=1.0)
    common = fuse([found("a", 0.5, 2.0), found("b", 0.5)], "", weights)
    assert [one.score for one in common] == [pytest.approx(1.0 + 2 / 20), 1.0]
    rare = fuse([found("a", 0.5, 40.0), found("b", 0.5, 10.0)], "", weights)
    assert [one.score for one in rare] == [2.0, 1.25]


scores = st.floats(-1, 1)
sides = st.lists(st.tuples(scores, st.none() | st.floats(0.01, 50)), min_size=1, max_size=30)


@given(sides, st.sampled_from(FusionMethod), st.floats(0, 2), st.floats(0.01, 2))
def test_whoever_is_better_on_both_sides_is_ranked_no_lower(
    given_scores: list[tuple[float, float | None]], method: FusionMethod, cosine: float, keyword: float
) -> None:
    near = sorted(range(len(given_scores)), key=lambda n: -given_scores[n][0])
    worded = sorted(
        (n for n in range(len(given_scores)) if given_scores[n][1] is not None),
        key=lambda n: -(given_scores[n][1] or 0),
    )
    all_of_them = [
        Candidate(
            f"{n:02}",
            given_scores[n][0],
            given_scores[n][1],
            near.index(n) + 1,
            worded.index(n) + 1 if n in worded else None,
        )
        for n in range(len(given_scores))
    ]
    ranked = fuse(all_of_them, "", Fusion(method, cosine, keyword))
    assert sorted(one.id for one in ranked) == [one.id for one in all_of_them]
    by_id = {one.id: one.score for one in ranked}
    for a in all_of_them:
        for b in all_of_them:
            nearer = a.cosine_rank <= b.cosine_rank
            by_words = (a.keyword or 0) >= (b.keyword or 0)
            by_place = (a.keyword_rank or 999) <= (b.keyword_rank or 999)
            if nearer and by_words and (by_place or method is FusionMethod.SCORES):
                assert by_id[a.id] >= by_id[b.id] - 1e-12
