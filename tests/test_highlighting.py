"""Highlights: the words of the query are marked where keyword search sees them, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.highlighting import MAX_QUERY_CHARS, Highlighter
from docradar.keywords import query_keywords


def marked(query: str, text: str) -> list[str]:
    return [text[start:end] for start, end in Highlighter(query).spans(text)]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("refunds", "The refund was REFUNDED.", ["refund", "REFUNDED"]),
        ("dying skies", "They die under a sky, diet and skit", ["die", "sky"]),
        ("the of", "The price of the order", []),
        ("ＲＥＦＵＮＤ", "a refund, a ｒｅｆｕｎｄ", ["refund", "ｒｅｆｕｎｄ"]),
        ("cafe", "Le café, le cafe\u0301", ["café", "cafe\u0301"]),
        ("Ørsted", "orsted, oersted", ["orsted"]),
        ("orsted", "Ørsted", ["Ørsted"]),
        ("Straße", "STRASSE", ["STRASSE"]),
        ("late-chunking", "chunking late", ["chunking", "late"]),
        ("user name", "getUserName, HTTPUser, username", ["UserName", "User"]),
        ("привет", "Привет, мир", ["Привет"]),
        ("refund", "", []),
        ("", "refund", []),
        ("…？", "what…？", []),
    ],
)
def test_words(query: str, text: str, expected: list[str]) -> None:
    assert marked(query, text) == expected


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("ERR_4012", "错误码ERR_4012表示超时，err_4012；ERR_4013, 4012", ["ERR_4012", "err_4012"]),
        ("4012", "ERR_4012 和4012年", ["4012", "4012"]),
        ("v2.3.1", "版本V2.3.1. Not v2.3, v2.3.10, v12.3.1", ["V2.3.1"]),
        ("2026-05-14", "report-2026-05-14.pdf of 05-14, 2026, 14", ["2026-05-14"]),
        ("２０２６－０５－１４", "on 2026-05-14", ["2026-05-14"]),
        ("iPhone15", "支持IPHONE15机型, iPhone 15, iPhone14", ["IPHONE15"]),
        ("order_timeout", "ORDER_TIMEOUT: timeout of an order", ["ORDER_TIMEOUT"]),
        ("10,000", "10,000 or 10 or 000", ["10,000"]),
        ("ERR_1,ERR_2", "ERR_2", ["ERR_2"]),
        ("U.S.A.", "a U.S.A. and a U", ["U.S.A"]),
    ],
)
def test_an_identifier_is_marked_as_a_whole(query: str, text: str, expected: list[str]) -> None:
    assert marked(query, text) == expected


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("退款失败怎么办", "失败的退款怎么处理", ["失败", "退款"]),
        ("退款的流程", "退款的流程；流程的退款", ["退款的流程", "流程", "退款"]),
        ("中华人民共和国", "中华人民共和国成立", ["中华人民共和国"]),
        ("退款单多久到账", "单独的退款单，多久到账", ["退款单", "多久到账"]),
        ("税", "印花税和税务", ["税", "税"]),
        ("データベース", "データベース、ﾃﾞｰﾀﾍﾞｰｽの", ["データベース", "ﾃﾞｰﾀﾍﾞｰｽ"]),
        ("支払いが失敗", "支払いに失敗しました", ["支払い", "失敗"]),
        ("ガス料金", "料金とガス", ["料金", "ガス"]),
        ("ราคา", "ราคาสินค้า", ["ราคา"]),
        ("「退款」", "退款", ["退款"]),
        ("支付超时timeout", "支付超时 timeout", ["支付超时", "timeout"]),
    ],
)
def test_scripts_without_spaces(query: str, text: str, expected: list[str]) -> None:
    assert marked(query, text) == expected


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [
        ("time to live", "Time  to live", ["Time", "live"]),
        (
            "time to live",
            "TIME TO LIVE; live to time; time, live",
            ["TIME TO LIVE", "live", "time", "time", "live"],
        ),
        ("refund policies", "the refund policy, policy refunds", ["refund policy", "policy", "refunds"]),
        ("refund, order", "refund，order", ["refund", "order"]),
    ],
)
def test_what_the_query_has_between_two_terms_joins_them(query: str, text: str, expected: list[str]) -> None:
    assert marked(query, text) == expected


TERMS = st.sampled_from(
    "refund refunds Refunded the of order ERR_4012 err 4012 v2.3.1 2026-05-14 iPhone15 getUserName user café 退款 失败 "  # noqa: SIM905
    "支付超时 的 税 中华人民共和国 データ ﾃﾞｰﾀ ราคา 한국어 हिन्दी ß Ø İ \ud800 😀 \u3099 ， . - _ １２３".split(
        " "
    )
)
TEXTS = st.lists(st.one_of(TERMS, st.text(max_size=5)), max_size=12).flatmap(
    lambda parts: st.sampled_from(["", " "]).map(lambda space: space.join(parts))
)


@given(TEXTS, TEXTS)
def test_spans_are_ordered_and_apart_inside_the_text(query: str, text: str) -> None:
    spans = Highlighter(query).spans(text)
    places = [place for span in spans for place in span]
    assert places == sorted(set(places))
    assert all(0 <= place <= len(text) for place in places)


PARTS = ["refund", "refunds", "err", "_", "4012", "v2.3.1", "user", "the", ".", ",", "-", "10,000", "x"]
ASCII = st.lists(st.sampled_from(PARTS), max_size=8).map("".join) | st.text(
    st.characters(max_codepoint=126, exclude_categories=["Cc"]), max_size=20
)
WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)} | {0x20: 0x3000}


@given(ASCII, ASCII)
def test_case_and_width_do_not_matter(query: str, rest: str) -> None:
    text = f"{query} {rest}".lower()
    expected = Highlighter(query).spans(text)
    assert Highlighter(query.swapcase()).spans(text) == expected
    assert Highlighter(query.translate(WIDE)).spans(text) == expected
    assert Highlighter(query).spans(text.upper()) == expected
    assert Highlighter(query).spans(text.translate(WIDE)) == expected


WORDS = """
die dies died dying lie lying tie tying sky skies ski skis cry crying happy happily gently idly ugly early only news innings
refund refunding generate general generous use uses used us is was gas ids id xs a ox oxen café cafes yes
"""
ENGLISH = WORDS.split()


@pytest.mark.parametrize("query", ENGLISH)
def test_a_word_is_marked_exactly_where_keyword_search_takes_it_for_the_same(query: str) -> None:
    wanted = set(query_keywords(query).indices)
    same = [word for word in ENGLISH if wanted & set(query_keywords(word).indices)]
    assert marked(query, " ; ".join(ENGLISH)) == same


@given(TEXTS)
def test_a_text_without_a_term_of_the_query_has_no_marks(text: str) -> None:
    assert Highlighter("zebra 斑马 Z-9").spans(text) == []


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "query", ["a.b.c.1 a.b.1 a.1", "退款 a", "é", "AbC b", "".join(map(chr, range(0x4E00, 0x6E00)))]
)
@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "a ",
        "Ab",
        "退",
        "ﾃﾞ",
        "\u0301",
        "a\u0301",
        "é ",
        "AbC ",
        "\u3099",
        "1",
        "_",
        " ",
        "\U0001f600",
    ],
)
def test_hostile_texts_take_linear_time(query: str, unit: str) -> None:
    """Twenty times as long as any text that is indexed; what is not linear would take minutes."""
    text = unit * (100_000 // len(unit))
    spans = Highlighter(query).spans(text)
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_of_a_long_query_the_beginning_counts() -> None:
    query = "refund " + "x " * MAX_QUERY_CHARS + "order"
    assert marked(query, "a refund of an order") == ["refund"]
