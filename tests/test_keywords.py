"""Keyword vectors: what people look up by the letter is found, in running text of any script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.keywords import CONTEXT_WEIGHT, SparseVector, document_keywords, query_keywords


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
    assert set(query_keywords("refund refund ERR_4012").values) == {1.0}


def test_context_counts_half_and_never_lowers_a_weight() -> None:
    own = dict(zip(*_parts(document_keywords("refund order")), strict=True))
    context = dict(zip(*_parts(document_keywords("refund invoice")), strict=True))
    both = dict(zip(*_parts(document_keywords("refund order", "refund invoice")), strict=True))
    assert both.keys() == own.keys() | context.keys()
    assert all(
        both[index] == max(own.get(index, 0), CONTEXT_WEIGHT * context.get(index, 0)) for index in both
    )
    assert {both[index] for index in own} == set(own.values())


@given(st.text(max_size=200), st.text(max_size=50))
def test_vectors_are_sorted_positive_and_fit_qdrant(text: str, context: str) -> None:
    vector = document_keywords(text, context)
    assert list(vector.indices) == sorted(set(vector.indices))
    assert len(vector.indices) == len(vector.values)
    assert all(0 <= index < 2**32 for index in vector.indices)
    assert all(value > 0 for value in vector.values)
    assert set(query_keywords(text).indices) <= set(vector.indices)


def _parts(vector: SparseVector) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return vector.indices, vector.values


def test_half_a_surrogate_pair_does_no_harm() -> None:
    assert shared("4012", "code \ud800 4012")
