"""HTML: what a reader of the page sees, and nothing else; in the structure that the page has."""

from html import escape
from pathlib import Path

import files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_checks import check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import html, sniff
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits

LIMITS = ReadLimits()


def read(markup: str) -> ReadDocument:
    document = html.read_markup(markup, LIMITS)
    check(document)
    return document


def blocks(markup: str) -> list[tuple[Kind, str]]:
    document = read(markup)
    return [(block.kind, document.text[slice(*block.span)]) for block in document.blocks]


def texts(markup: str) -> list[str]:
    return [text for _, text in blocks(markup)]


class TestStructure:
    def test_headings_paragraphs_lists_quotes_and_code(self) -> None:
        document = read(
            "<h1>Refunds</h1><p>A refund takes <b>three</b>\n days.</p><ul><li>Open the order<ul><li>by number</ul>"
            "<li><p>Confirm</p></ul><blockquote>Never twice.</blockquote><h2>API</h2><pre>POST /v2\n  {}\n</pre>"
        )
        assert [(b.kind, document.text[slice(*b.span)], b.heading_path) for b in document.blocks] == [
            (Kind.HEADING, "Refunds", ()),
            (Kind.PARAGRAPH, "A refund takes three days.", ("Refunds",)),
            (Kind.LIST_ITEM, "Open the order", ("Refunds",)),
            (Kind.LIST_ITEM, "by number", ("Refunds",)),
            (Kind.LIST_ITEM, "Confirm", ("Refunds",)),
            (Kind.QUOTE, "Never twice.", ("Refunds",)),
            (Kind.HEADING, "API", ("Refunds",)),
            (Kind.CODE, "POST /v2\n  {}", ("Refunds", "API")),
        ]

    def test_white_space_is_folded_as_a_browser_folds_it(self) -> None:
        assert texts(
            "<p>one\n\ttwo&nbsp;three<br>four</p><p>支付\n  超时</p><p>a<span>b</span><div>c</div>"
        ) == [
            "one two three\nfour",
            "支付超时",
            "ab",
            "c",
        ]

    def test_a_definition_stands_with_its_term(self) -> None:
        assert blocks("<dl><dt>PSP<dd>The bank's gateway.<dt>Fee:<dt>Rate<dd>0.3 %<dt>run()<dd><p>Runs.</p><p>Twice.</p></dl>") == [
            (Kind.LIST_ITEM, "PSP: The bank's gateway."),
            (Kind.LIST_ITEM, "Fee:, Rate: 0.3 %"),
            (Kind.LIST_ITEM, "run()"),
            (Kind.LIST_ITEM, "Runs."),
            (Kind.LIST_ITEM, "Twice."),
        ]  # fmt: skip

    def test_soft_hyphens_and_readings_are_not_read(self) -> None:
        assert texts("<p>Zah&shy;lung <ruby>支付<rt>zhīfù</rt></ruby> &#x200b;ok</p>") == ["Zahlung 支付 ok"]

    def test_code_is_as_it_stands_but_for_what_is_not_shown(self) -> None:
        assert texts(
            "<pre>a <b>b</b>\n\n  c<!-- d --></pre><pre>e<br>f<a class=headerlink href=#e>¶</a>  g<textarea>h</textarea></pre>"
        ) == [
            "a b\n\n  c",
            "e\nf  g",
        ]

    def test_a_picture_is_its_description_unless_that_is_a_file_name(self) -> None:
        assert texts('<p>See <img alt="the flow of a refund">.<img alt="IMG_2031.png"><img src=x></p>') == [
            "See the flow of a refund ."
        ]


class TestTables:
    def test_rows_name_their_columns(self) -> None:
        assert blocks(
            "<table><caption>Limits</caption><thead><tr><th>Role<th>Limit</thead>"
            "<tr><td>Clerk<td>200<tr><td>Lead<td></table>"
        ) == [
            (Kind.TABLE_ROW, "Limits"),
            (Kind.TABLE_ROW, "Role: Clerk; Limit: 200"),
            (Kind.TABLE_ROW, "Role: Lead"),
        ]

    def test_a_first_row_of_header_cells_names_columns_and_a_first_header_cell_names_its_row(self) -> None:
        assert texts("<table><tr><th>区域<th>日期<tr><td>华东<td>11-02</table>") == [
            "区域: 华东; 日期: 11-02"
        ]
        assert texts("<table><tr><th>Owner:<td>Mei<td>Jan<tr><th>Since<td>2024<td></table>") == [
            "Owner: Mei; Jan",
            "Since: 2024",
        ]

    def test_cells_that_span_rows_and_columns(self) -> None:
        assert texts(
            "<table><tr><th>Code<th>Meaning<th>Do<tr><td rowspan=2>E1<td>known<td>wait<tr><td>new<td>call"
            "<tr><td>E2<td colspan=2>ask</table>"
        ) == [
            "Code: E1; Meaning: known; Do: wait",
            "Code: E1; Meaning: new; Do: call",
            "Code: E2; Meaning: ask",
        ]

    def test_a_group_above_columns_is_part_of_their_names(self) -> None:
        below = "<tr><th>Plan<th>Actual<th>Plan</tr>"
        body = "<tbody><tr><td>Blue<td>1<td>2<td>3<tr><td>Red<td>4<td>5<td>6</table>"
        expected = [
            "Team: Blue; Q1 Plan: 1; Q1 Actual: 2; Q2 Plan: 3",
            "Team: Red; Q1 Plan: 4; Q1 Actual: 5; Q2 Plan: 6",
        ]
        above = "<tr><th rowspan=2>Team<th colspan=2>Q1<th>Q2</tr>"
        assert texts(f"<table><thead>{above}{below}</thead>{body}") == expected
        assert texts(f"<table>{above}{below}{body}") == expected

    def test_a_row_of_one_cell_above_the_header_is_a_title(self) -> None:
        rows = "<tr><th colspan=2>Fees<tr><th>Role<th>Fee<tr><td>Clerk<td>1"
        assert texts(f"<table>{rows}</table>") == ["Fees", "Role: Clerk; Fee: 1"]

    def test_a_cell_hangs_in_all_the_columns_that_it_spans(self) -> None:
        assert texts(
            "<table><tr><th>A<th>B<th>C<tr><td rowspan=2 colspan=2>both<td>1<tr><td>2<tr><td>x<td>y<td>3</table>"
        ) == ["A: both; C: 1", "A: both; C: 2", "A: x; B: y; C: 3"]

    def test_tables_that_only_arrange_are_read_through(self) -> None:
        assert texts("<table><tr><td><p>Left.</p><td><h2>Right</h2><p>Below.</table>") == [
            "Left.",
            "Right",
            "Below.",
        ]
        assert texts("<table><tr><td>a<table><tr><th>k<th>v<tr><td>1<td>2</table></table>") == [
            "a",
            "k: 1; v: 2",
        ]

    def test_absurd_spans_cost_nothing(self) -> None:
        row = "<tr><td rowspan=99999999 colspan=99999999>x<td>y"
        assert len(texts(f"<table>{row * 50}</table>")) == 50


class TestContent:
    FURNITURE = (
        '<header><a href="/">Lumen</a></header><nav><ul><li><a href="/a">Alpha</a></ul></nav>'
        '<div id="sidebar"><a href="/b">Beta</a></div><div class="breadcrumbs">Home &gt; Docs</div>'
        '<script>track("Gamma")</script><style>p{}</style><p hidden>Delta</p><div style="display:none">Epsilon</div>'
        '<form><input value="Zeta"><button>Eta</button></form><noscript>Theta</noscript><template>Iota</template>'
        '<footer>Imprint</footer><div class="skip-link">Skip</div>'
    )

    def test_furniture_is_left_out(self) -> None:
        body = "<h1>Refunds</h1><p>A refund takes three to five working days, weekends excluded.</p>"
        assert texts(f"<body>{self.FURNITURE}{body}</body>") == [
            "Refunds",
            "A refund takes three to five working days, weekends excluded.",
        ]
        assert texts(f"<body>{self.FURNITURE}<main>{body}</main><aside>Related</aside></body>") == [
            "Refunds",
            "A refund takes three to five working days, weekends excluded.",
        ]

    def test_bars_of_links_at_the_top_and_the_bottom_go(self) -> None:
        bar = '<p><a href="a">Prev</a> | <a href="b">Up</a> | <a href="c">Next</a></p>'
        page = (
            "<h1>Fees</h1><p>See <a href=x>the list of fees</a> before you answer a merchant's question.</p>"
        )
        assert texts(bar + page + bar)[1:] == [
            "See the list of fees before you answer a merchant's question."
        ]

    def test_a_page_of_links_keeps_them(self) -> None:
        page = "<ul><li><a href=a>Refunds</a><li><a href=b>Fees</a><li><a href=c>Limits</a></ul>"
        assert texts(page) == ["Refunds", "Fees", "Limits"]

    def test_a_list_of_the_pages_own_places_goes(self) -> None:
        places = "".join(f'<li><a href="#{name}">{name}</a>' for name in ("One", "Two", "Three", "Four"))
        assert texts(f"<h1>T</h1><p>First words.</p><ul>{places}</ul><h2>One</h2><p>Text.</p>") == [
            "T",
            "First words.",
            "One",
            "Text.",
        ]

    def test_contents_that_are_most_of_a_page_go_where_it_has_text_of_its_own(self) -> None:
        entries = "".join(
            f'<dt><a href="ch{number}.html">Chapter {number}, settlements</a>' for number in range(40)
        )
        assert texts(f"<div class=toc><dl>{entries}</dl></div><p>{'Own words. ' * 30}</p>") == [
            ("Own words. " * 30).strip()
        ]
        assert len(texts(f"<div class=toc><dl>{entries}</dl></div><p>Hardly a word.</p>")) == 41

    def test_contents_that_tell_of_what_they_list_are_content(self) -> None:
        entry = '<dt><a href="refund.html">refund</a> — gives the whole amount back to the card that paid it'
        assert (
            len(texts(f"<h1>Commands</h1><div class=toc><dl>{entry * 3}</dl></div><p>{'Words. ' * 90}</p>"))
            == 5
        )

    def test_what_is_named_a_header_is_left_out_unless_it_holds_the_title(self) -> None:
        assert texts("<div class=header><div class=title>Refunds</div></div><p>Three days.</p>") == [
            "Refunds",
            "Three days.",
        ]
        assert texts("<div class=header>Lumen, since 2019</div><p>A refund takes three days.</p>") == [
            "A refund takes three days."
        ]
        assert texts("<div class='card-header'>Fees</div><p>A refund is free of charge.</p>") == [
            "Fees",
            "A refund is free of charge.",
        ]

    def test_lists_of_links_in_a_header_that_holds_the_title_go(self) -> None:
        menu = "<ul><li><a href=/v1>Version 1</a><li><a href=/v2>Version 2</a></ul>"
        assert texts(f"<header><h1>Refunds</h1>{menu}</header><p>A refund takes three working days.</p>") == [
            "Refunds",
            "A refund takes three working days.",
        ]

    def test_a_sidebar_of_words_is_a_box_in_the_text(self) -> None:
        page = f"<p>{'The text of the page. ' * 5}</p>"
        assert texts(
            f"{page}<div class=sidebar><p>Never refund twice, see <a href=x>why</a>.</p></div>{page}"
        )[1] == ("Never refund twice, see why.")
        links = "<a href=a>Refunds</a> <a href=b>Fees</a>"
        assert len(texts(f"{page}<div class=sidebar>{links}</div>{page}")) == 2

    @pytest.mark.parametrize("name", ["lang-python", "section-header", "related"])
    def test_names_that_only_look_like_navigation_are_content(self, name: str) -> None:
        text = "Content of the page, whatever the class is."
        assert texts(f"<div class='{name}'><p>{text}</p></div><p>{'More. ' * 20}</p>")[0] == text

    @pytest.mark.parametrize(
        "begin",
        [
            "<section id=cookies>", "<section id=social-security>", "<div class=section id=pagination>", "<div id=navigation>",
            "<div id=menu>", "<div class=advertising-policy>", "<div class=menu-list>",
        ],
    )  # fmt: skip
    def test_prose_is_content_whatever_it_is_called(self, begin: str) -> None:
        end = "</section>" if begin.startswith("<section") else "</div>"
        page = f"<h1>Handbook</h1><p>{'The text of the page. ' * 9}</p>"
        prose = "<h2>About it</h2><p>Roast chicken, 12 euros.</p>"
        assert texts(f"{page}{begin}{prose}{end}")[2:] == ["About it", "Roast chicken, 12 euros."]
        links = "<p><a href=a>Refunds</a> and <a href=b>Fees</a></p>"
        if begin.startswith("<div"):
            assert len(texts(f"{page}{begin}{links}{end}{page}")) == 4

    @pytest.mark.parametrize(
        "row",
        [
            "<div><a href=/>Home</a> &gt; <a href=/d>Docs</a> &gt; Refunds</div>",
            "<p><a href=a>Classes</a> | <a href=b>Methods</a> | <a href=c>Members</a></p>",
            "<p>Next: <a href=n accesskey=n>Fees</a>, Up: <a href=u rel=up>Payments</a></p>",
        ],
    )
    def test_rows_of_links_go_wherever_they_stand(self, row: str) -> None:
        words = "A refund takes three to five working days, weekends excluded."
        assert texts(f"<h1>Refunds</h1><p>{words}</p>{row}<p>{words}</p>") == ["Refunds", words, words]

    def test_links_with_words_between_them_are_a_sentence(self) -> None:
        see = "<p>See also the <a href=a>settlement_report</a> and the <a href=b>settlement_export</a> commands.</p>"
        page = f"<h1>Refunds</h1><p>A refund takes three to five working days.</p>{see}"
        assert texts(page)[-1] == "See also the settlement_report and the settlement_export commands."
        kinds = "<p>Type: <a href=a>String</a> | <a href=b>Number</a></p>"
        assert texts(f"<h1>Refunds</h1>{kinds}<p>A refund takes days.</p>")[1] == "Type: String | Number"

    def test_a_footers_sentences_go_and_a_section_on_footers_stays(self) -> None:
        page = f"<h1>Handbook</h1><p>{'The text of the page. ' * 9}</p>"
        imprint = "<p>Lumen, all rights reserved.</p>"
        assert len(texts(f"{page}<div class=footer>{imprint}</div>")) == 2
        section = f"<div class=section id=footer><h2>The footer</h2>{imprint}</div>"
        assert texts(f"{page}{section}{page}")[2:4] == ["The footer", "Lumen, all rights reserved."]

    def test_a_button_is_read_where_it_is_a_title(self) -> None:
        answer = "<div><p>Write to billing within 30 days.</p></div>"
        for title in ("h3", "summary", "dt"):
            page = f"<{title} class=accordion-header><span><button>How do I get a refund?</button></span></{title}>{answer}"
            assert texts(page) == ["How do I get a refund?", "Write to billing within 30 days."]
        assert texts(f"<div><button>Copy</button></div>{answer}") == ["Write to billing within 30 days."]

    def test_a_lone_link_goes_with_the_bar_that_it_begins(self) -> None:
        bar = "<ul><li><a href=a>Fees</a><li><a href=b>Limits</a></ul>"
        page = "<h1>Refunds</h1><p>A refund takes three to five working days.</p>"
        assert texts(f"<div><a href=/>Lumen</a></div>{bar}{page}") == texts(page)
        assert texts(f"<p><a href=/>Lumen</a></p>{page}")[0] == "Lumen"

    def test_code_of_links_is_no_bar(self) -> None:
        code = "<pre><a href=o>Object</a>\n  <a href=s>Stream</a>\n</pre>"
        page = "<h1>Hierarchy</h1><p>What is derived from what, in the order of names.</p>"
        assert texts(page + code)[-1] == "Object\n  Stream"

    def test_what_holds_most_of_the_text_is_content_whatever_its_name(self) -> None:
        assert texts(f"<body><div class='sidebar'><p>{'All of it. ' * 20}</p></div><p>Little.</p>")[
            0
        ].startswith("All of it.")

    def test_a_header_within_an_article_is_the_articles(self) -> None:
        assert texts("<article><header><p>By Mei</p></header><p>Words of an article.</p></article>") == [
            "By Mei",
            "Words of an article.",
        ]


class TestFields:
    def test_what_a_page_says_of_itself(self) -> None:
        document = read(
            '<html lang="zh-CN"><head><title>退款指南 - Lumen Docs</title><meta name=author content="林梅">'
            '<link rel=canonical href="https://docs.lumen.example/refunds">'
            '<meta property="article:published_time" content="2026-09-30T08:00:00+08:00">'
            '<meta property="article:modified_time" content="2026-10-01"></head><h1>退款指南</h1><p>三到五个工作日。</p>'
        )
        assert (document.title, document.author, document.language) == ("退款指南", "林梅", "zh")
        assert document.url == "https://docs.lumen.example/refunds"
        assert document.created_at == parse_date("2026-09-30 00:00:00Z")
        assert document.updated_at == parse_date("2026-10-01")

    @pytest.mark.parametrize(
        ("content", "encoding"),
        [
            ("<meta charset=gb2312><p>支付超时，请重试。</p>".encode("gb18030"), "gb18030"),
            ("<meta charset='utf-8'><p>支付超时，请重试。</p>".encode(), "utf-8"),
            ("<meta charset=utf-8><p>支付超时，请重试。</p>".encode("gb18030"), "gb18030"),
            (
                '<META http-equiv="Content-Type" content="text/html; charset=big5"><p>付款逾時，請重試。</p>'.encode("big5"),
                "big5hkscs",
            ),
            ("\ufeff<p>支付超时，请重试。</p>".encode("utf-16-le"), "utf-16-le"),
        ],
    )  # fmt: skip
    def test_encodings_are_as_declared_unless_that_cannot_be(
        self, tmp_path: Path, content: bytes, encoding: str
    ) -> None:
        document = html.read(files.write(tmp_path, "a.html", content), LIMITS)
        assert document.report.encoding == encoding
        assert document.text in ("支付超时，请重试。", "付款逾時，請重試。")


@pytest.mark.timeout(60)
class TestHostile:
    @pytest.mark.parametrize("tag", ["div", "ul><li", "table><tr><td", "b", "span", "section", "font"])
    def test_nesting_is_bounded(self, tag: str) -> None:
        markup = f"<{tag}>" * 100_000 + "x"
        with pytest.raises(ReadError, match="nested more than 2,000 deep"):
            html.read_markup(markup, LIMITS)

    @pytest.mark.parametrize(
        "markup",
        [
            "<div></x>" * 3000,  # an end tag that fits nothing ends nothing
            "<div/>" * 3000,
            "<div title='</div>'" * 3000 + ">" + "<div>" * 3000,
            "<!--> -->" + "<div>" * 3000,
            "<DIV>" * 3000,
            "<div a=b='>" * 3000,
        ],
    )
    def test_no_disguise_hides_nesting(self, markup: str) -> None:
        with pytest.raises(ReadError, match="nested more than 2,000 deep"):
            html.read_markup(markup, LIMITS)

    @pytest.mark.parametrize(
        "markup",
        [
            "<p><b>x</b></p>" * 5000,
            "<a name=x>x" * 5000,
            "<i title='a <lang> to name'>x</i>" * 5000,
            "<svg>" + "<path d='M0 0'/>" * 5000 + "</svg>x",
            "<!-- <div> -->" * 5000 + "x",
        ],
    )
    def test_many_tags_are_no_nesting(self, markup: str) -> None:
        assert "x" in html.read_markup(markup, LIMITS).text

    @pytest.mark.parametrize("markup", ["<b ", "<!--", "<a='", "<div ='\"", "<x/", "</"])
    def test_tags_without_an_end_are_looked_at_once(self, markup: str) -> None:
        html.read_markup(markup * 200_000, LIMITS)

    @pytest.mark.parametrize(
        "group",
        ["<ul><li>", "<div class=sidebar>", "<nav>", "<header><h1>x</h1>", "<div>", "<table><tr><td>"],
    )
    def test_groups_within_groups_are_not_each_read_to_the_end(self, group: str) -> None:
        html.read_markup(group * 900 + "<a href='#x'>word</a> " * 20_000, LIMITS)

    @pytest.mark.parametrize("tag", ["p", "li", "td", "dt", "dd", "option", "br", "img"])
    def test_unclosed_elements_that_need_no_end_are_no_nesting(self, tag: str) -> None:
        assert "x" in html.read_markup(f"<{tag}>x" * 50_000, LIMITS).text

    def test_many_siblings(self) -> None:
        document = html.read_markup("<p>w</p>" * 300_000, LIMITS)
        assert len(document.blocks) == 300_000

    def test_unclosed_everything(self) -> None:
        markup = "<div><p><a href='<b><!-- <table><tr><td><![CDATA[ <script> x < y && z > \"</p"
        html.read_markup(markup * 20, LIMITS)

    @pytest.mark.parametrize(
        "markup", ["", "<a", "<html>", "\x00", "<p>&#0;&#xD800;&#x110000;</p>", "<!doctype html>"]
    )
    def test_nothing_gives_nothing(self, markup: str) -> None:
        assert not html.read_markup(markup, LIMITS).text.strip("\ufffd")


words = st.text("abcXYZ支付超时 0123&<>\"'", min_size=1, max_size=20).filter(str.strip)
inline = st.recursive(
    words.map(lambda text: escape(text)),
    lambda inner: st.tuples(st.sampled_from(["b", "i", "code", "a", "span"]), st.lists(inner, min_size=1, max_size=3)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
    max_leaves=5,
)  # fmt: skip
structure = st.recursive(
    st.tuples(st.sampled_from(["p", "h2", "li", "pre", "td", "dd", "dt", "blockquote", "div"]), inline).map(
        lambda pair: f"<{pair[0]}>{pair[1]}</{pair[0]}>"
    ),
    lambda inner: st.tuples(
        st.sampled_from(["div", "ul", "ol", "dl", "table", "tr", "section", "blockquote"]),
        st.lists(inner, min_size=1, max_size=4),
    ).map(lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(structure, min_size=1, max_size=4))
def test_any_structure_gives_exact_blocks_and_all_its_characters(pieces: list[str]) -> None:
    markup = f"<body><main>{''.join(pieces)}</main></body>"
    document = read(markup)
    found = "".join(document.text.split())
    tree = html.parse(markup)
    assert tree.body is not None
    for word in set("".join(tree.body.text(separator=" ")).split()):
        assert "".join(word.split()) in found


@settings(max_examples=100, deadline=None)
@given(st.text("<>/='\" abdiplrtuv!-&;#x0\n支", max_size=300))
def test_any_text_at_all_is_read(markup: str) -> None:
    read(markup)


def test_pages_are_known_by_their_beginning_or_their_name(tmp_path: Path) -> None:
    for name, content in (
        ("a", "<!DOCTYPE html><p>x"),
        ("a.txt", '<?xml version="1.0"?>\n<!-- c -->\n<html><p>x'),
        ("a.htm", "<p>x"),
    ):
        path = files.write(tmp_path, name, content)
        assert sniff.reader_for(path, name) == "html"
