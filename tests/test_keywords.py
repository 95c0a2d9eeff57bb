"""Keyword vectors: what people look up by the letter is found, in running text of any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.keywords import (
    CONTEXT_WEIGHT,
    IDENTIFIER_WEIGHT,
    SparseVector,
    document_keywords,
    identifiers,
    looks_up,
    query_keywords,
)


def shared(query: str, document: str) -> set[int]:
    return set(query_keywords(query).indices) & set(document_keywords(document).indices)


@pytest.mark.parametrize(
    ("query", "document"),
    [
        ("1234", "Order 1234 was refunded."),
        ("1234", "订单1234超时"),
        ("１２３４", "Order 1234 was refunded."),
        ("2026-11-22", "Released on 2026-11-22."),
        ("iPhone15", "The iPhone15 Pro is not supported."),
        ("iphone15", "支持iPhone15机型"),
        ("ERR_4012", "错误码ERR_4012表示支付超时"),
        ("4012", "ERR_4012 means that the payment timed out"),
        ("v1.2.3", "版本v1.2.3发布于2026年11月22日"),
        ("order_timeout_ms", "Set order_timeout_ms to 500."),
        ("支付超时", "支付超时怎么办"),
        ("超时", "订单1234超时"),
        ("支払い", "注文の支払いが失敗しました"),
        ("timeouts", "The timeout is 30 seconds."),
        ("cafe", "Le café est fermé."),
    ],
)
def test_every_token_of_the_query_is_found(query: str, document: str) -> None:
    wanted = set(query_keywords(query).indices)
    assert wanted
    assert shared(query, document) == wanted


def test_other_words_are_not_found() -> None:
    assert not shared("1234", "订单5678超时")
    assert not shared("退款", "支付超时怎么办")


def test_stop_words_and_punctuation_alone_are_no_keywords() -> None:
    assert not query_keywords("the of and …？")
    assert query_keywords("") == SparseVector((), ())


def test_query_tokens_weigh_one() -> None:
    assert set(query_keywords("refund refund timeout").values) == {1.0}
    assert sorted(set(query_keywords("refund ERR_4012").values)) == [1.0, IDENTIFIER_WEIGHT]


def test_context_counts_half_and_never_lowers_a_weight() -> None:
    own = dict(zip(*_parts(document_keywords("refund order")), strict=True))
    context = dict(zip(*_parts(document_keywords("refund invoice")), strict=True))
    both = dict(zip(*_parts(document_keywords("refund order", neighbours=["refund invoice"])), strict=True))
    assert both.keys() == own.keys() | context.keys()
    assert all(
        both[index] == max(own.get(index, 0), CONTEXT_WEIGHT * context.get(index, 0)) for index in both
    )
    assert {both[index] for index in own} == set(own.values())


@given(st.text(max_size=200), st.text(max_size=50))
def test_vectors_are_sorted_positive_and_fit_qdrant(text: str, context: str) -> None:
    vector = document_keywords(text, headings=[context])
    assert list(vector.indices) == sorted(set(vector.indices))
    assert len(vector.indices) == len(vector.values)
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(value > 0 for value in vector.values)
    assert set(query_keywords(text).indices) <= set(vector.indices)


def _parts(vector: SparseVector) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return vector.indices, vector.values


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert shared("4012", "code \ud800 4012")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Alert ALR-506 fired", {"alr-506"}),
        ("错误码ERR_4012表示", {"err_4012"}),
        ("version 4.3.1, build 4310", {"4.3.1"}),
        ("2027-02-28 之前", {"2027-02-28"}),
        ("ＡＬＲ－５０６", {"alr-506"}),
        ("a11y and/or well-known 1234", {"a11y"}),
        ("", set()),
    ],
)
def test_identifiers_are_tokens_in_whole(text: str, found: set[str]) -> None:
    assert identifiers(text) == found


def test_an_identifier_is_told_from_others_that_share_its_parts() -> None:
    def score(query: str, document: SparseVector) -> float:
        weights = dict(zip(document.indices, document.values, strict=True))
        return sum(
            weight * weights.get(index, 0.0)
            for index, weight in zip(*_parts(query_keywords(query)), strict=True)
        )

    right, parts = document_keywords("ALR-506 is red"), document_keywords("ALR-12 is raised 506 times by ALR")
    assert score("ALR-506", right) > 1.5 * score("ALR-506", parts)
    beneath = document_keywords("It was mended.", headings=["Version 4.3.1"])
    beside = document_keywords("It was mended.", neighbours=["Version 4.3.1"])
    assert score("4.3.1", beneath) > score("4.3.1", beside) > 0


def test_a_query_that_looks_something_up_is_known() -> None:
    assert all(map(looks_up, ("ERR_4012", "订单 20260417", "v2.1 release", "１２３４")))
    assert not any(map(looks_up, ("how do refunds work", "3 days", "退款", "")))


def test_identifiers_of_a_hostile_text_take_no_time_to_speak_of() -> None:
    for text in ("a" * 200_000, "a-" * 100_000, "1." * 100_000 + "é", "1a" * 100_000):
        identifiers.__wrapped__(text)
