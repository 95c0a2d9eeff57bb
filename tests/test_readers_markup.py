"""reStructuredText and AsciiDoc: what each construct becomes, that no word is lost, and that hostile files end."""

from datetime import UTC, datetime
from pathlib import Path

import files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_checks import blocks, check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import asciidoc, rst
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.readers.sniff import Reader

LIMITS = ReadLimits()
BOTH = pytest.mark.parametrize("reader", [rst.read, asciidoc.read], ids=["rst", "asciidoc"])


def read(folder: Path, reader: Reader, content: str, limits: ReadLimits = LIMITS) -> ReadDocument:
    document = reader(files.write(folder, "a.txt", content), limits)
    check(document)
    return document


class TestRestructuredText:
    def blocks(self, folder: Path, content: str) -> list[tuple[Kind, str]]:
        return blocks(read(folder, rst.read, content))

    def test_titles_make_the_path_in_the_order_of_their_adornments(self, tmp_path: Path) -> None:
        content = "====\n指南\n====\n\nOne\n---\n\nfirst\n\nDeep\n~~~~\n\nsecond\n\nTwo\n---\n\nthird\n"
        document = read(tmp_path, rst.read, content)
        paths = {document.text[slice(*block.span)]: block.heading_path for block in document.blocks}
        assert paths["second"] == ("指南", "One", "Deep")
        assert paths["third"] == ("指南", "Two")
        assert document.title == "指南"

    def test_the_fields_below_the_title_are_the_documents(self, tmp_path: Path) -> None:
        content = "Guide\n=====\n\n:Author: Ann Li\n:Date: 2026-01-04\n:keywords: ops, refunds\n\nText.\n\n:param x: the value\n"
        document = read(tmp_path, rst.read, content)
        assert (document.author, document.tags) == ("Ann Li", ("ops", "refunds"))
        assert document.created_at == datetime(2026, 1, 4, tzinfo=UTC)
        assert blocks(document)[1:] == [(Kind.PARAGRAPH, "Text."), (Kind.LIST_ITEM, "param x: the value")]

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("Soft\nwraps, 中文\n换行。", "Soft wraps, 中文换行。"),
            ("*em*, **strong**, ``co*de``, 2*3*4, a_b", "em, strong, co*de, 2*3*4, a_b"),
            ("`words <http://x.y>`_ and name_ and `two words`__", "words and name and two words"),
            (":ref:`the label <top>` or :doc:`intro`", "the label or intro"),
            (":func:`~a.b.open` and :py:class:`!Unit`", "open and Unit"),
            ("|svc| is up.\n\n.. |svc| replace:: The *refund*\n   service", "The refund service is up."),
            ("|other| stays.", "|other| stays."),
            ("Seen [1]_ and [#auto]_ and [CIT]_.", "Seen and and CIT."),
            (r"un\ joined \*stars\*", "unjoined *stars*"),
            ("_`target` words", "target words"),
        ],
    )
    def test_inline_marks_go_and_their_words_stay(self, tmp_path: Path, source: str, text: str) -> None:
        assert self.blocks(tmp_path, source) == [(Kind.PARAGRAPH, text)]

    def test_items_terms_options_and_quotes(self, tmp_path: Path) -> None:
        content = (
            "Steps:\n\n- one\n  more\n\n  again\n- two::\n\n    code\n      more code\n\n  * nested\n\n1. first\n#. second\n\n"
            "term : kind\n   Defined here.\n\n-v, --verbose  be loud\n\n| a line\n| of verse\n\nText.\n\n   Quoted.\n"
        )
        assert self.blocks(tmp_path, content) == [
            (Kind.PARAGRAPH, "Steps:"),
            (Kind.LIST_ITEM, "one more"),
            (Kind.LIST_ITEM, "again"),
            (Kind.LIST_ITEM, "two:"),
            (Kind.CODE, "code\n  more code"),
            (Kind.LIST_ITEM, "nested"),
            (Kind.LIST_ITEM, "first"),
            (Kind.LIST_ITEM, "second"),
            (Kind.LIST_ITEM, "term: Defined here."),
            (Kind.LIST_ITEM, "-v, --verbose: be loud"),
            (Kind.PARAGRAPH, "a line"),
            (Kind.PARAGRAPH, "of verse"),
            (Kind.PARAGRAPH, "Text."),
            (Kind.QUOTE, "Quoted."),
        ]

    def test_directives_are_what_a_reader_sees_of_them(self, tmp_path: Path) -> None:
        content = (
            ".. note:: Take\n   care.\n\n   Always.\n\n"
            ".. code-block:: python\n   :linenos:\n\n   x = 1\n\n   y = 2\n\n"
            ".. function:: open(file)\n              open(file, mode)\n\n   Opens it.\n\n"
            ".. figure:: a.png\n   :alt: not seen\n\n   The caption.\n\n"
            ".. versionadded:: 3.5 The flag.\n\n"
            ".. contents::\n   :depth: 2\n\n.. toctree::\n\n   intro\n   usage\n\n"
            ".. a comment\n   over two lines\n\n.. _label:\n\n.. [1] The footnote.\n\n"
            ".. raw:: html\n\n   <b>raw</b>\n\n.. mystery:: thing\n\n   Inside.\n\n.. math:: a = b\n\n>>> 1 + 1\n2\n"
        )
        document = read(tmp_path, rst.read, content)
        assert blocks(document) == [
            (Kind.PARAGRAPH, "Take care."),
            (Kind.PARAGRAPH, "Always."),
            (Kind.CODE, "x = 1\n\ny = 2"),
            (Kind.PARAGRAPH, "open(file)"),
            (Kind.PARAGRAPH, "open(file, mode)"),
            (Kind.PARAGRAPH, "Opens it."),
            (Kind.PARAGRAPH, "The caption."),
            (Kind.PARAGRAPH, "Added in version 3.5: The flag."),
            (Kind.PARAGRAPH, "The footnote."),
            (Kind.PARAGRAPH, "thing"),
            (Kind.PARAGRAPH, "Inside."),
            (Kind.CODE, "a = b"),
            (Kind.CODE, ">>> 1 + 1\n2"),
        ]
        assert document.report.macros_dropped == {"raw": 1, "mystery": 1}

    def test_nothing_is_included_and_the_report_says_so(self, tmp_path: Path) -> None:
        files.write(tmp_path, "secret.txt", "do not tell")
        content = "Text.\n\n.. include:: secret.txt\n.. literalinclude:: secret.txt\n.. csv-table::\n   :file: secret.txt\n"
        document = read(tmp_path, rst.read, content)
        assert document.text == "Text."
        assert "secret.txt, secret.txt, secret.txt" in document.report.warnings[0]

    @pytest.mark.parametrize(
        ("source", "rows"),
        [
            (
                (
                    "+------+-------+\n| Code | 含义  |\n+======+=======+\n| E1   | 超时  |\n|      | 了    |\n+------+-------+\n| E2 and more  |\n"
                    "+------+-------+\n"
                ),
                ["Code: E1; 含义: 超时了", "Code: E2 and more"],
            ),
            (
                "+---+---+\n| a | b |\n|   +---+\n|   | c |\n+---+---+\n",
                ["a; b", "a; c"],
            ),
            (
                "=====  =====\nA      B\n=====  =====\n1      2\n       more\n3      a longer text\n=====  =====\n",
                ["A: 1; B: 2 more", "A: 3; B: a longer text"],
            ),
            ("====  ====\n1     2\n====  ====\n", ["1; 2"]),
            (
                ".. list-table:: Fees\n   :header-rows: 1\n\n   * - Name\n     - Price\n   * - Card\n     - 1\n       net\n",
                ["Fees", "Name: Card; Price: 1 net"],
            ),
            ('.. csv-table::\n   :header: "a", "b"\n\n   "1, 2", *3*\n', ["a: 1, 2; b: 3"]),
        ],
        ids=["grid", "grid with spans", "simple", "simple without header", "list", "csv"],
    )
    def test_tables_become_rows(self, tmp_path: Path, source: str, rows: list[str]) -> None:
        assert [text for _, text in self.blocks(tmp_path, source)] == rows

    def test_a_table_that_does_not_end_does_not_swallow_the_document(self, tmp_path: Path) -> None:
        found = self.blocks(tmp_path, "====  ====\n1     2\n\nA paragraph.\n\n- an item\n")
        assert found[-2:] == [(Kind.PARAGRAPH, "A paragraph."), (Kind.LIST_ITEM, "an item")]


class TestAsciiDoc:
    def blocks(self, folder: Path, content: str) -> list[tuple[Kind, str]]:
        return blocks(read(folder, asciidoc.read, content))

    def test_the_header_and_the_titles(self, tmp_path: Path) -> None:
        content = (
            "= Guide 指南\nAnn Li <ann@example.org>; Bo\nv1.0, 2026-01-04\n:keywords: ops, refunds\n\nIntro.\n\n"
            "== One\n\nfirst\n\n=== Deep\n\nsecond\n\nTwo\n---\n\nthird\n"
        )
        document = read(tmp_path, asciidoc.read, content)
        paths = {document.text[slice(*block.span)]: block.heading_path for block in document.blocks}
        assert paths["second"] == ("Guide 指南", "One", "Deep")
        assert paths["third"] == ("Guide 指南", "Two")
        assert (document.title, document.author, document.tags) == (
            "Guide 指南",
            "Ann Li, Bo",
            ("ops", "refunds"),
        )
        assert document.updated_at == datetime(2026, 1, 4, tzinfo=UTC)

    def test_a_sentence_below_the_title_is_no_author(self, tmp_path: Path) -> None:
        document = read(tmp_path, asciidoc.read, "= Guide\nThis guide is about refunds, and says how.\n")
        assert (document.author, document.text) == (
            None,
            "Guide\n\nThis guide is about refunds, and says how.",
        )

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("Soft\nwraps, 中文\n换行。", "Soft wraps, 中文换行。"),
            ("One line +\nand another.", "One line\nand another."),
            ("*strong*, _em_, `code`, #mark#, [.role]#styled#", "strong, em, code, mark, styled"),
            (
                "**un**bound __em__ H~2~O x^2^ 2*3*4 snake_case_name",
                "unbound em H2O x2 2*3*4 snake_case_name",
            ),
            (
                "http://x.y[three days] and link:a.html[a *b*^] and http://x.y/z",
                "three days and a b and http://x.y/z",
            ),
            ("<<top,the label>>, <<top>>, xref:a.adoc#x[other]", "the label, top, other"),
            ("kbd:[Ctrl+C] menu:File[Save > As]", "Ctrl+C File > Save > As"),
            ('"`quoted`" (((hidden))) ((shown))', "“quoted” shown"),
            ("Here footnote:[with a note].", "Here (with a note)."),
            (r"\*no* mark and {unknown} and a{nbsp}b", "*no* mark and {unknown} and a b"),
            (":svc: The *refund* service\n\n{svc} is up.", "The refund service is up."),
            ("NOTE: Take care.", "Take care."),
            ("// a comment\nText.", "Text."),
            ("image::a.png[]\nText.", "Text."),
        ],
    )
    def test_inline_marks_go_and_their_words_stay(self, tmp_path: Path, source: str, text: str) -> None:
        [(kind, found)] = self.blocks(tmp_path, source)
        assert (kind, " ".join(found.split(" "))) == (Kind.PARAGRAPH, text)

    def test_items_terms_and_what_is_attached(self, tmp_path: Path) -> None:
        content = (
            "* one\nmore\n** nested\n. first\n+\nattached\n\n- [x] done\n\nterm:: Defined\nhere.\nother::\n  Indented.\n\n"
            "empty::\n\n* an item\n"
        )
        assert self.blocks(tmp_path, content) == [
            (Kind.LIST_ITEM, text)
            for text in (
                "one more", "nested", "first", "attached", "done", "term: Defined here.", "other: Indented.", "empty", "an item",
            )
        ]  # fmt: skip

    def test_delimited_blocks(self, tmp_path: Path) -> None:
        content = (
            "[WARNING]\n====\nInside *block*.\n\n* item\n====\n\n[source,python]\n----\nx = 1  <1>\n\ny = 2\n----\n<1> callout\n\n"
            "____\nQuoted.\n____\n\n.Caption\n****\nAside.\n****\n\n////\nnot seen\n////\n\n++++\n<b>raw</b>\n++++\n\n[stem]\n++++\nx^2\n++++\n\n"
            "```js\nlet a\n```\n\n[quote, Ann]\nSaid.\n\n literal\n  text\n\nifdef::x[]\nConditional.\nendif::[]\n"
        )
        document = read(tmp_path, asciidoc.read, content)
        assert blocks(document) == [
            (Kind.PARAGRAPH, "Inside block."),
            (Kind.LIST_ITEM, "item"),
            (Kind.CODE, "x = 1\n\ny = 2"),
            (Kind.LIST_ITEM, "callout"),
            (Kind.QUOTE, "Quoted."),
            (Kind.PARAGRAPH, "Caption"),
            (Kind.PARAGRAPH, "Aside."),
            (Kind.CODE, "x^2"),
            (Kind.CODE, "let a"),
            (Kind.QUOTE, "Said."),
            (Kind.CODE, " literal\n  text"),
            (Kind.PARAGRAPH, "Conditional."),
        ]
        assert document.report.macros_dropped == {"passthrough": 1}

    def test_a_block_that_does_not_end_does_not_swallow_the_document(self, tmp_path: Path) -> None:
        assert self.blocks(tmp_path, "----\nx = 1\n\nA paragraph.\n") == [
            (Kind.PARAGRAPH, "x = 1"),
            (Kind.PARAGRAPH, "A paragraph."),
        ]

    @pytest.mark.parametrize(
        ("source", "rows"),
        [
            ("|===\n|Code |Meaning\n\n|E1\n|*late*\n|E2\n|\n|===\n", ["Code: E1; Meaning: late", "Code: E2"]),
            (
                '[cols="1,2",options="header"]\n|===\n|A |B\n|1\n|2 \\| 3\n2+|both\n|===\n',
                ["A: 1; B: 2 | 3", "A: both"],
            ),
            (
                '[%header,cols="2*"]\n|===\n|A |B\n.2+|1 |2\n|3\n2*|4\n|===\n',
                ["A: 1; B: 2", "A: 1; B: 3", "A: 4; B: 4"],
            ),
            ("|===\n|1 |2\n|3 |4\n|===\n", ["1; 2", "3; 4"]),
            ('[%header,format=csv]\n|===\nA,B\n"1, 2",3\n|===\n', ["A: 1, 2; B: 3"]),
            (",===\n1,2\n,===\n", ["1; 2"]),
        ],
        ids=["implicit header", "declared header", "spans", "no header", "csv", "csv delimiters"],
    )
    def test_tables_become_rows(self, tmp_path: Path, source: str, rows: list[str]) -> None:
        assert [text for _, text in self.blocks(tmp_path, source)] == rows

    def test_nothing_is_included_and_the_report_says_so(self, tmp_path: Path) -> None:
        files.write(tmp_path, "secret.txt", "do not tell")
        document = read(tmp_path, asciidoc.read, "Text.\n\ninclude::secret.txt[]\n")
        assert document.text == "Text."
        assert "secret.txt" in document.report.warnings[0]


MARKS = st.lists(
    st.sampled_from(
        [
            "word ", "退款。", "\n", "\n\n", "  ", "    ", "- ", "* ", "1. ", ".. ", "note:: ", "::", ":a: ", "====\n", "----\n", "~~~~\n",
            "|===\n", "|", "+---+\n", "=== ===\n", "`", "``", "*", "**", "_", "[x]\n", "<<", ">>", "{a}", "|a|", "\\", "+\n", "= ", "== ",
            "e\u0301", "____\n", "++++\n", "\t", ":a: b\n", ".. |a| replace:: ", ">>> ",
        ]
    ),
    max_size=50,
).map("".join)  # fmt: skip


@BOTH
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(source=MARKS)
def test_spans_are_exact_whatever_the_structure(tmp_path: Path, reader: Reader, source: str) -> None:
    read(tmp_path, reader, source)


@BOTH
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    shapes=st.lists(
        st.sampled_from(["{}", "* {}", "- {}\n  {}", "*{}* {}", "``{}``", "{}\n{}", "  {}", "title", "code"]), min_size=1, max_size=15
    )
)  # fmt: skip
def test_words_come_out_in_order_and_once(tmp_path: Path, reader: Reader, shapes: list[str]) -> None:
    number = 0
    stanzas = []
    for shape in shapes:
        if shape == "title":
            word = f"n{number:03}"
            stanza = f"{word}\n====" if reader is rst.read else f"== {word}"
            number += 1
        elif shape == "code":
            stanza = f".. code::\n\n   n{number:03}" if reader is rst.read else f"----\nn{number:03}\n----"
            number += 1
        else:
            count = shape.count("{}")
            stanza = shape.format(*(f"n{number + place:03}" for place in range(count)))
            number += count
        stanzas.append(stanza)
    document = read(tmp_path, reader, "\n\n".join(stanzas))
    assert document.text.split() == [f"n{place:03}" for place in range(number)]


@BOTH
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "run",
    [
        "*", "`", "``", "_", "|", ":", "::", "\\", "[", "<<", "{", "{a}", "((", "a_ ", "a`", ":a:`", "*a ", "**a ", "link:a[", "`a <", "a::\n",
        "- ", "- a\n", "* a\n  ", ".. \n", ".. a::\n", ".. |a| replace:: b\n", "====\n", "=== ===\n", "=== ===\na\n\n", "+--+--+\n", "+-+\n|\n",
        "|===\n", "----\n", "```a\n", "a\n----\n", "[a]\n", ":a: {a}{a}\n", ".a\n", "include::a[]\n", ">>> ", "\n ", "a\n\n", "|a", "2+|", "++++\n",
        "a\n  ", ":a: b\n", "\t", "'''\n", "--a ", "退", "退\n====\n", "[a,", "a::\n\n", ". a\n+\n", "footnote:[", "https://a[", "\"`", "a.",
    ],
)  # fmt: skip
def test_long_runs_end(tmp_path: Path, reader: Reader, run: str) -> None:
    read(tmp_path, reader, run * (200_000 // len(run)) + " x")


@BOTH
def test_deep_nesting_ends(tmp_path: Path, reader: Reader) -> None:
    indented = "\n".join(f"{'  ' * depth}- level{depth}" for depth in range(600))
    document = read(tmp_path, reader, indented)
    assert "level599" in document.text
    delimited = [f"{'=' * (length + 4)}" for length in range(300)]
    assert (
        "inside"
        in read(tmp_path, reader, "\n".join([*delimited, "", "inside", "", *reversed(delimited)])).text
    )


@BOTH
def test_too_much_text_is_refused(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(ReadError, match="max_text_chars"):
        read(tmp_path, reader, "Words here.\n\n" * 20, ReadLimits(text_chars=50))
    entities = ":a: 0123456789\n" if reader is asciidoc.read else ".. |a| replace:: 0123456789\n\n"
    with pytest.raises(ReadError, match="max_text_chars"):
        read(
            tmp_path,
            reader,
            entities + "\n" + ("{a} " if reader is asciidoc.read else "|a| ") * 100,
            ReadLimits(text_chars=500),
        )
