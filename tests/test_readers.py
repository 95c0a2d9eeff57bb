"""Readers: what each makes of good and of bad files, and that every span is exact."""

from pathlib import Path

import files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_checks import blocks, check

from docradar.documents import Kind, Split
from docradar.errors import ReadError
from ingest.readers import markdown, sniff, text
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.readers.encoding import decode, decode_as
from ingest.readers.headings import HeadingPath
from ingest.units import SplitCounts, statements

LIMITS = ReadLimits()


def read(folder: Path, name: str, content: bytes | str, split: Split = Split.AUTO) -> ReadDocument:
    path = files.write(folder, name, content)
    return sniff.load(sniff.reader_for(path, name, split=split))(path, LIMITS)


class TestText:
    def test_soft_wraps_are_undone_and_lists_and_headings_are_seen(self, tmp_path: Path) -> None:
        document = read(
            tmp_path,
            "a.txt",
            "第一章 概述\n\n"
            "The gateway retries a payment three times before it finally gives up,\n"
            "and then tells the merchant.\n\n"
            "支付网关在三十秒之内没有给出任何答复的时候，系统会自动再试三次，然后放弃并且\n"
            "通知商户。\n\n"
            "Steps:\n- open the app\n- click Save\n1. 重启\n",
        )
        check(document)
        assert blocks(document) == [
            (Kind.HEADING, "第一章 概述"),
            (
                Kind.PARAGRAPH,
                "The gateway retries a payment three times before it finally gives up, and then tells the merchant.",
            ),
            (
                Kind.PARAGRAPH,
                "支付网关在三十秒之内没有给出任何答复的时候，系统会自动再试三次，然后放弃并且通知商户。",
            ),
            (Kind.PARAGRAPH, "Steps:"),
            (Kind.LIST_ITEM, "open the app"),
            (Kind.LIST_ITEM, "click Save"),
            (Kind.LIST_ITEM, "1. 重启"),
        ]
        assert document.blocks[1].heading_path == ("第一章 概述",)
        assert document.title == "第一章 概述"

    def test_notes_of_short_lines_stay_lines(self, tmp_path: Path) -> None:
        document = read(tmp_path, "a.txt", "Attendees: Ann, Bo\nDate: 2026-11-22\nNothing decided\n")
        assert [t for _, t in blocks(document)] == [
            "Attendees: Ann, Bo",
            "Date: 2026-11-22",
            "Nothing decided",
        ]

    @pytest.mark.parametrize(
        "begin", ["i.e. by vectors", "e.g. scanned pages", "i. e. by vectors", "2. of the protocol"]
    )
    def test_a_wrapped_line_may_begin_like_a_list_item(self, tmp_path: Path, begin: str) -> None:
        source = f"The documents are found by what they mean and not by their words,\n{begin}, which is told below.\n"
        document = read(tmp_path, "a.txt", source)
        check(document)
        assert blocks(document) == [(Kind.PARAGRAPH, source.replace("\n", " ").strip())]

    def test_a_list_counts_on_after_a_wrapped_line(self, tmp_path: Path) -> None:
        items = [
            "1. open the order by its number, and look for the button that says Refund",
            "2. confirm",
            "a. with the code that was sent to the telephone number of the merchant",
            "b. at once",
        ]
        for pair in (items[:2], items[2:]):
            document = read(tmp_path, "a.txt", "\n".join(pair))
            assert blocks(document) == [(Kind.LIST_ITEM, text) for text in pair]

    def test_line_by_line_drops_blank_lines_and_tabs_and_keeps_emoji(self, tmp_path: Path) -> None:
        document = read(
            tmp_path, "a.txt", "\tHow do I pay?\tBy card. 🎉\r\n\r\n  \n退款多久到账？\n", Split.LINES
        )
        check(document)
        assert blocks(document) == [
            (Kind.LINE, "How do I pay? By card. 🎉"),
            (Kind.LINE, "退款多久到账？"),
        ]

    def test_what_must_not_be_in_the_text_is_taken_out(self, tmp_path: Path) -> None:
        document = read(
            tmp_path, "a.txt", b"one\x00 two\xed\xa0\x80 three\xef\xbf\xbe.\r\nfour cafe\xcc\x81\x07\n"
        )
        check(document)
        assert document.text == "one two three. four café"


class TestEncoding:
    @pytest.mark.parametrize(
        ("content", "encoding"),
        [
            ("退款多久到账", "gb18030"),
            ("付款逾時怎麼辦", "big5hkscs"),
            ("もう一度お試しください", "shift_jis"),
            ("サポートまでご連絡ください", "euc_jp"),
            ("안녕하세요 반갑습니다", "euc_kr"),
            ("hello in wide letters", "utf-16-le"),
            ("Le café est fermé à Noël", "cp1252"),
        ],
    )
    def test_a_dozen_characters_without_a_mark_are_enough(self, content: str, encoding: str) -> None:
        decoded = decode(content.encode(encoding))
        assert (decoded.text, decoded.encoding) == (content, encoding)
        assert decoded.warnings

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
    def test_a_byte_order_mark_decides(self, encoding: str) -> None:
        assert decode("支付 ok".encode(encoding)).text == "支付 ok"

    @pytest.mark.parametrize("other", ["gb18030", "big5", "shift_jis", "cp1252"])
    def test_lines_in_another_encoding_among_lines_of_utf_8(self, other: str) -> None:
        line = {
            "gb18030": "支付超时的时候请先检查网关的日志",
            "big5": "付款逾時的時候請先檢查閘道的紀錄",
            "shift_jis": "支払いのたいむあうとのときはログをみてください",
            "cp1252": "Déjà payé à l’époque où le réseau était tombé",
        }[other]
        decoded = decode(b"".join(line.encode() + b"\n" + line.encode(other) + b"\n" for _ in range(5)))
        assert decoded.text == f"{line}\n" * 10
        [warning] = decoded.warnings
        assert warning.startswith("5 of its 11 lines are not UTF-8 and were taken for ")

    @pytest.mark.parametrize("charset", ["iso-2022-jp", "hz-gb-2312", "utf-7"])
    def test_encodings_that_look_like_ascii_are_believed(self, charset: str) -> None:
        content = "支付".encode({"hz-gb-2312": "hz", "iso-2022-jp": "iso-2022-jp-2"}.get(charset, charset))
        assert decode_as(content, charset.replace("jp", "jp-2")).text == "支付"

    def test_a_declared_encoding_gives_way_to_utf_8_and_to_what_it_cannot_explain(self) -> None:
        assert decode_as("支付超时".encode(), "gb2312").encoding == "utf-8"
        assert decode_as("支付超时，请先检查网关".encode("gb18030"), "utf-8").encoding == "gb18030"
        assert decode_as("支付超时，请先检查网关".encode("gb18030"), "no-such-thing").encoding == "gb18030"

    def test_a_few_bad_bytes_in_utf_8_are_replaced_with_a_warning(self) -> None:
        decoded = decode("退款多久到账？".encode() * 100 + b"\xff" + "好".encode())
        assert decoded.encoding == "utf-8"
        assert decoded.text.count("\ufffd") == 1
        assert "1 byte sequences" in decoded.warnings[0]

    @given(st.binary(max_size=400))
    def test_any_bytes_give_text_or_a_read_error(self, content: bytes) -> None:
        try:
            decoded = decode(content)
        except ReadError:
            return
        assert 0 <= decoded.confidence <= 1


def test_a_path_has_at_most_ten_headings_the_nearest_last() -> None:
    headings = HeadingPath()
    for level in range(1, 31):
        headings.enter(level, f"h{level}")
    assert headings.path == (*(f"h{level}" for level in range(1, 10)), "h30")
    assert headings.enter(2, "next") == ("h1",)


class TestMarkdown:
    SOURCE = (
        "---\ntitle: Handbook\ntags: [ops, 支付]\nauthor: Ann\n---\n"
        "# Guide *to* [pay](http://x.y)\n\nFirst **bold** `code` &amp; ![alt](i.png)<br>line\nsoft wrap, 中文\n换行。\n\n"
        "## Steps\n\n- one\n  more\n  - nested\n- [x] two\n\n> quoted\n\n"
        "| Code | Meaning |\n|---|---|\n| E1 | late |\n| E2 | |\n\n```py\nx = 1\n\ny = 2\n```\n\n"
        "<div>raw <b>html</b></div>\n\n<script>alert(1)</script>\n"
    )

    def test_blocks_are_what_a_reader_sees(self, tmp_path: Path) -> None:
        document = read(tmp_path, "a.md", self.SOURCE)
        check(document)
        assert blocks(document) == [
            (Kind.HEADING, "Guide to pay"),
            (Kind.PARAGRAPH, "First bold code & alt line soft wrap, 中文换行。"),
            (Kind.HEADING, "Steps"),
            (Kind.LIST_ITEM, "one more"),
            (Kind.LIST_ITEM, "nested"),
            (Kind.LIST_ITEM, "two"),
            (Kind.QUOTE, "quoted"),
            (Kind.TABLE_ROW, "Code: E1; Meaning: late"),
            (Kind.TABLE_ROW, "Code: E2"),
            (Kind.CODE, "x = 1\n\ny = 2"),
            (Kind.PARAGRAPH, "raw html"),
        ]
        assert document.blocks[-1].heading_path == ("Guide to pay", "Steps")
        assert (document.title, document.author, document.tags) == ("Handbook", "Ann", ("ops", "支付"))

    def test_a_long_heading_is_cut_in_paths_and_stays_a_statement(self, tmp_path: Path) -> None:
        title = "why " * 60 + "indeed"
        document = read(tmp_path, "a.md", f"# {title}\n\n## Short\n\nThe reason is given here.")
        check(document)
        [cut, short] = document.blocks[-1].heading_path
        assert (cut[:-1], cut[-1], short) == (title[:199].rstrip(), "…", "Short")
        found = statements(document.text, document.blocks, SplitCounts())
        assert [document.text[slice(*statement.span)] for statement in found] == [
            title,
            "The reason is given here.",
        ]

    def test_the_first_top_heading_is_the_title(self, tmp_path: Path) -> None:
        assert read(tmp_path, "a.md", "## Not this\n\n# This\n\ntext").title == "This"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.lists(
            st.sampled_from(
                [
                    "# ",
                    "## ",
                    "- ",
                    "1. ",
                    "> ",
                    "|a|b|\n|-|-|\n",
                    "|",
                    "```\n",
                    "\n",
                    "\n\n",
                    "text. ",
                    "中文。",
                    "*",
                    "[x](y)",
                    "<b>",
                    "&lt;",
                    "    ",
                    "---\n",
                    "\u0301",
                ]
            ),
            max_size=40,
        ).map("".join)
    )
    def test_spans_are_exact_whatever_the_structure(self, tmp_path: Path, source: str) -> None:
        path = files.write(tmp_path, "a.md", source)
        check(markdown.read(path, LIMITS))
        check(text.read(path, LIMITS))
        check(text.read_lines(path, LIMITS))

    @pytest.mark.parametrize("run", ["> ", "- ", "*", "[", "<a", "`", "|", "![", "&#", "\\"])
    def test_hostile_runs_end(self, tmp_path: Path, run: str) -> None:
        check(markdown.read(files.write(tmp_path, "a.md", run * 20_000 + " x"), LIMITS))


class TestSniffing:
    def test_content_goes_before_the_extension(self, tmp_path: Path) -> None:
        path = files.write(tmp_path, "notes.txt", files.pdf([["A PDF."]]))
        assert sniff.reader_for(path, "notes.txt") == "pdf"

    @pytest.mark.parametrize(
        ("name", "content", "reason"),
        [
            ("a.txt", b"", "empty"),
            ("a.pdf", b"", "empty"),
            ("a.pdf", b"just words", "named as a PDF"),
            ("a.docx", b"PK\x03\x04 and so on", "cut off"),
            (
                "a.doc",
                b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on",
                "old Office document, or one with a password",
            ),
            ("a.txt", b"\x89PNG\r\n\x1a\n....", "PNG image"),
        ],
    )
    def test_what_cannot_be_read_says_what_can(
        self, tmp_path: Path, name: str, content: bytes, reason: str
    ) -> None:
        with pytest.raises(ReadError, match=reason):
            sniff.reader_for(files.write(tmp_path, "x", content), name)

    @pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
    def test_many_comments_before_anything_take_no_time(self, tmp_path: Path, name: str) -> None:
        path = files.write(tmp_path, name, "<!-- one line -->\n" * 100 + "text that begins with %PDF-1.7")
        assert sniff.reader_for(path, name) == {"a.md": "markdown", "a.txt": "text", "a.html": "html"}[name]

    def test_binary_named_as_text_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="binary"):
            read(tmp_path, "a.txt", bytes(range(256)) * 40)

    @pytest.mark.parametrize("name", ["notes", "notes.md", "../../etc/notes.txt", "log.xyz"])
    def test_text_of_any_name_is_read(self, tmp_path: Path, name: str) -> None:
        path = files.write(tmp_path, "x", "Some words.")
        assert sniff.reader_for(path, name) in ("text", "markdown")
