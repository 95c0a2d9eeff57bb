"""Folding: texts that say the same are one, and what differs by a number, a name or a "not" stays apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.folding import MIN_RESEMBLING_CHARS, fold

SENTENCE = (
    "Refunds are paid out to the account that the order was paid from, on the next working day of the bank"
)
CHINESE = (
    "退款会在审核通过之后原路退回到付款账户，具体到账时间以银行处理为准，节假日可能顺延，请耐心等待银行通知"
)


def same(left: str, right: str) -> bool:
    return fold([left, right]) == [0, 0]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("OK", "ok."),
        ("退款 流程", "退款流程。"),
        ("ＡＢＣ　退款流程", "abc 退款流程"),
        ("The limit is 20,000.", "**The limit** is 20000"),
        ("| Refund | paid |", "Refund paid"),
        ("REFUNDS IN USD", "Refunds in usd"),
        (SENTENCE, SENTENCE.replace("account that", "account thet")),
        (SENTENCE, f"{SENTENCE} now"),
        (CHINESE + CHINESE[::-1], CHINESE.replace("会在", "将在") + CHINESE[::-1]),
        (f"{SENTENCE}, but don't wait", f"{SENTENCE}, but do not wait"),
        ("", ""),
        ("…", "…"),
    ],
)
def test_near_duplicates(left: str, right: str) -> None:
    assert same(left, right)
    assert same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("Yes", "No"),
        ("", "…"),
        ("👍", "👎"),
        ("C++", "C#"),
        ("refund fee", "refund fees"),  # too short to resemble each other
        ("It costs 1.5 a call", "It costs 15 a call"),
        ("It grew by 5 percent, to 6", "It grew by 6 percent, to 5"),
        ("between -5 and 5", "between 5 and 5"),
        ("a discount of 5% is given", "a discount of 5 is given"),
        ("order_timeout in the settings", "order timeout in the settings"),
        (SENTENCE, SENTENCE.replace("was paid", "was not paid")),
        (CHINESE, CHINESE.replace("通过", "不通过")),
        (CHINESE, CHINESE[::-1]),
        (SENTENCE, CHINESE),
    ],
)
def test_different_texts(left: str, right: str) -> None:
    assert not same(left, right)
    assert not same(right, left)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("20,000", "30,000"),
        ("v2.3.1", "v2.3.10"),
        ("ERR_4012", "ERR_4013"),
        ("order_timeout", "order_timeouts"),
        ("USD", "EUR"),
        ("iOS", "iPadOS"),
        ("> 5", "< 5"),
        ("$5", "€5"),
        ("三天", "五天"),
        ("two", "ten"),
        ("٣", "٤"),
        ("will", "will never"),
        ("can", "can't"),
        ("有", "没有"),
        ("有", "无"),
    ],
)
def test_one_fact_in_a_long_text_keeps_two_apart(left: str, right: str) -> None:
    texts = [f"{SENTENCE}, {SENTENCE[::-1]} {CHINESE}: {fact} {CHINESE[::-1]}" for fact in (left, right)]
    assert not same(*texts)


def test_short_texts_are_folded_only_where_their_letters_are_equal() -> None:
    short = "a" * (MIN_RESEMBLING_CHARS - 1)
    assert not same(short, short[1:])
    assert same(f"{short}a", f"{short}aa")  # one shingle, many times


def test_the_first_represents_the_others() -> None:
    texts = [CHINESE, SENTENCE, f"{CHINESE}。", "OK", f"{SENTENCE} now", "ok", f"«{CHINESE}»"]
    assert fold(texts) == [0, 1, 0, 3, 1, 3, 0]
    assert fold([]) == []


def test_resemblance_is_to_the_representative_and_not_passed_on() -> None:
    """Else a chain of small changes would fold texts that have little in common."""
    chain = [SENTENCE[start:] + "x" * start for start in range(0, 90, 2)]
    representatives = fold(chain)
    assert representatives[1] == 0
    assert representatives[-1] != 0


TEXTS = st.lists(
    st.one_of(
        st.text(max_size=30),
        st.builds(
            lambda base, at, new: base[:at] + new + base[at + len(new) :],
            st.sampled_from([SENTENCE, CHINESE, SENTENCE[:40], CHINESE[:20]]),
            st.integers(0, 90),
            st.sampled_from(["", "x", "退", " ", "5", "not", "xyz", "、", "\ud800", "USD"]),
        ),
    ),
    max_size=12,
)


@given(TEXTS)
def test_it_is_what_comparing_each_with_each_says(texts: list[str]) -> None:
    """The shingles by which texts are found lose none; equal letters find their first text's representative."""
    representatives = fold(texts)
    assert len(representatives) == len(texts)
    for place, representative in enumerate(representatives):
        assert representative <= place
        assert representatives[representative] == representative
        firsts = [other for other in range(place) if representatives[other] == other]
        if representative == place:
            assert not any(same(texts[other], texts[place]) for other in firsts)
        else:
            assert any(
                same(texts[representative], texts[equal])
                for equal in range(place + 1)
                if representatives[equal] == representative and same(texts[equal], texts[place])
            )


@given(TEXTS)
def test_folding_again_changes_nothing(texts: list[str]) -> None:
    kept = [texts[place] for place, representative in enumerate(fold(texts)) if place == representative]
    assert fold(kept) == list(range(len(kept)))


@given(TEXTS)
def test_what_comes_later_changes_nothing_before(texts: list[str]) -> None:
    assert fold(texts)[: len(texts) // 2] == fold(texts[: len(texts) // 2])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "unit", ["x", "_", "<", "5", "5,", "< ", "a_", "n't", "不", "-", "\u0301", "😀", " ", "\ud800", "X"]
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    texts = [unit * (200_000 // len(unit)) + end for end in "abab"]
    assert fold(texts) == [0, 1, 0, 1]
