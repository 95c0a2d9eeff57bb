"""The PDF reader: its text in reading order without furniture, tables as rows, headings, and what it says of bad pages."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from random import Random

import files
import pdf_files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pdf_files import Text, column, placed, prose, ruled, table
from read_checks import blocks, check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import pdf
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.readers.pdf_page import date_of

LIMITS = ReadLimits()
Reader = Callable[[Path, ReadLimits], ReadDocument]
ENGINES = pytest.mark.parametrize("reader", [pdf.read, pdf.read_with_pypdf], ids=["pdfium", "pypdf"])


def read(folder: Path, content: bytes, reader: Reader = pdf.read) -> ReadDocument:
    document = reader(files.write(folder, "a.pdf", content), LIMITS)
    check(document)
    return document


def words(document: ReadDocument) -> list[str]:
    return document.text.split()


@ENGINES
class TestPages:
    def test_furniture_goes_and_headings_and_pages_come(self, tmp_path: Path, reader: Reader) -> None:
        content = files.pdf(
            [
                [
                    "Introduction",
                    "The radar finds the sentence that means what you asked for, and shows the docu-",
                    "ment that it stands in.",
                    "1. Install it.",
                    "2. Run it.",
                ],
                ["Second page text.", "Details", "More words here."],
                ["Third page text."],
            ],
            header="Radar handbook",
            footer="Page {page} of 3",
            outline=[(1, "Introduction", 0), (2, "Details", 1)],
            title="Handbook",
            author="Ann",
        )
        document = read(tmp_path, content, reader)
        assert blocks(document) == [
            (Kind.HEADING, "Introduction"),
            (
                Kind.PARAGRAPH,
                "The radar finds the sentence that means what you asked for, and shows the document that it stands in.",
            ),
            (Kind.LIST_ITEM, "1. Install it."),
            (Kind.LIST_ITEM, "2. Run it."),
            (Kind.PARAGRAPH, "Second page text."),
            (Kind.HEADING, "Details"),
            (Kind.PARAGRAPH, "More words here."),
            (Kind.PARAGRAPH, "Third page text."),
        ]
        assert [b.page for b in document.blocks] == [1, 1, 1, 1, 2, 2, 2, 3]
        assert document.blocks[-1].heading_path == ("Introduction", "Details")
        assert (document.title, document.author) == ("Handbook", "Ann")

    def test_lines_that_only_differ_in_their_numbers_stay(self, tmp_path: Path, reader: Reader) -> None:
        pages = [[f"Order {p * 7 + i} was paid on day {i}." for i in range(8)] for p in range(5)]
        document = reader(
            files.write(tmp_path, "a.pdf", files.pdf(pages, footer="Orders 2026 - {page}")), LIMITS
        )
        assert document.text.count("was paid") == 40
        assert "Orders 2026" not in document.text

    def test_chinese_lines_are_joined_without_spaces(self, tmp_path: Path, reader: Reader) -> None:
        document = reader(files.DATA / "deploy.zh.pdf", LIMITS)
        check(document)
        assert "再继续下面的步骤" in document.text
        assert "内部资料" not in document.text
        assert "页" not in document.text
        assert document.blocks[-1].heading_path == ("部署手册", "回滚步骤")
        assert document.blocks[-1].page == 4

    def test_pages_without_text_are_reported(self, tmp_path: Path, reader: Reader) -> None:
        document = reader(
            files.write(tmp_path, "a.pdf", files.pdf([["Words here."], [], ["More words."]])), LIMITS
        )
        assert document.report.pages == 3
        assert document.report.pages_empty == (2,)

    def test_an_empty_password_opens_an_encrypted_file(self, tmp_path: Path, reader: Reader) -> None:
        path = files.write(tmp_path, "a.pdf", files.pdf([["Open to all."]], password=""))
        assert "Open to all." in reader(path, LIMITS).text

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (files.pdf([["Secret."]], password="x"), "encrypted"),
            (files.image_pdf(), "needs OCR"),
            (files.pdf([["Hello there."]])[:300], "damaged or cut off"),
            (b"%PDF-1.7\n", "damaged or cut off"),
            (files.pdf([[]]), "no text"),
        ],
        ids=["encrypted", "images", "truncated", "header only", "blank"],
    )
    def test_what_cannot_be_read_says_why(
        self, tmp_path: Path, reader: Reader, content: bytes, reason: str
    ) -> None:
        with pytest.raises(ReadError, match=reason):
            reader(files.write(tmp_path, "a.pdf", content), LIMITS)

    def test_too_many_pages_or_characters_are_refused(self, tmp_path: Path, reader: Reader) -> None:
        path = files.write(tmp_path, "a.pdf", files.pdf([["Some words."]] * 4))
        with pytest.raises(ReadError, match="max_pages"):
            reader(path, ReadLimits(pages=3))
        with pytest.raises(ReadError, match="max_text_chars"):
            reader(path, ReadLimits(text_chars=20))

    def test_what_the_file_says_of_itself(self, tmp_path: Path, reader: Reader) -> None:
        content = pdf_files.with_information(
            placed([[Text(50, 50, "Some words in English.")]]),
            {
                "/Title": "Pay guide",
                "/Author": "Ann  Lee",
                "/CreationDate": "D:20240131235959+08'00'",
                "/ModDate": "D:20240201",
            },
            language="en-GB",
        )
        document = read(tmp_path, content, reader)
        assert (document.title, document.author, document.language) == ("Pay guide", "Ann Lee", "en")
        assert document.created_at == datetime(2024, 1, 31, 15, 59, 59, tzinfo=UTC)
        assert document.updated_at == datetime(2024, 2, 1, tzinfo=UTC)

    @pytest.mark.parametrize("author", ["(anonymous)", "anonymous"])
    def test_an_author_that_a_program_made_up_is_none(
        self, tmp_path: Path, reader: Reader, author: str
    ) -> None:
        content = pdf_files.with_information(placed([[Text(50, 50, "Some words.")]]), {"/Author": author})
        assert read(tmp_path, content, reader).author is None

    @pytest.mark.parametrize(
        "title", ["Untitled", "(anonymous)", "report-final.docx", "Microsoft Word - notes.doc", " "]
    )
    def test_a_title_that_a_program_made_up_is_none(self, tmp_path: Path, reader: Reader, title: str) -> None:
        content = pdf_files.with_information(placed([[Text(50, 50, "Some words.")]]), {"/Title": title})
        assert read(tmp_path, content, reader).title is None

    def test_a_language_that_the_script_belies_is_none(self, tmp_path: Path, reader: Reader) -> None:
        chinese = pdf_files.with_information(pdf_files.CHINESE.read_bytes(), {}, language="en-US")
        english = pdf_files.with_information(placed([[Text(50, 50, "Some words.")]]), {}, language="zh-CN")
        assert read(tmp_path, chinese, reader).language is None
        assert read(tmp_path, english, reader).language is None

    def test_a_hyphen_at_a_lines_end_stays_where_the_word_has_it(
        self, tmp_path: Path, reader: Reader
    ) -> None:
        lines = [
            "The radar finds the docu-",
            "ment that was meant, in a state-of-",
            "the-art manner that is well-",
            "known, by means of X-",
            "rays and a long-",
            "winded walk over the pages of this.",
            "Everyone agrees that it is well-known.",
        ]
        text = read(tmp_path, placed([column(50, 50, lines)]), reader).text
        for word in (
            "the document that",
            "a state-of-the-art manner",
            "is well-known,",
            "X-rays",
            "longwinded walk",
        ):
            assert word in " ".join(text.split())

    def test_left_and_right_pages_may_have_different_headers(self, tmp_path: Path, reader: Reader) -> None:
        pages = [
            [
                Text(50 if n % 2 else 300, 30, "Pay handbook" if n % 2 else "Second edition", 8),
                *column(50, 100, prose(n, 480, 6)),
                Text(50 if n % 2 else 500, 820, str(n + 11), 8),
            ]
            for n in range(1, 11)
        ]
        document = read(tmp_path, placed(pages), reader)
        assert sorted(words(document)) == sorted(
            word for n in range(1, 11) for line in prose(n, 480, 6) for word in line.split()
        )

    def test_two_pages_keep_what_they_share(self, tmp_path: Path, reader: Reader) -> None:
        page = ["Minutes of the meeting", "Nobody was there.", "Nothing was decided."]
        document = read(tmp_path, files.pdf([page, page], footer="Page {page} of 2"), reader)
        assert document.text.count("Nothing was decided.") == 2
        assert "Page" not in document.text

    def test_a_single_pages_number_may_be_its_text(self, tmp_path: Path, reader: Reader) -> None:
        assert "1" in words(read(tmp_path, files.pdf([["How many are left?", "1"]]), reader))

    def test_lines_of_a_contents_page_go_with_its_title(self, tmp_path: Path, reader: Reader) -> None:
        lines = [
            "Contents",
            "1 Paying ............ 3",
            "2 Refunds . . . . . . . . 12",
            "Foreword ........ iv",
            "To be continued...",
        ]
        document = read(tmp_path, placed([column(50, 50, lines)]), reader)
        assert document.text.split() == ["To", "be", "continued..."]
        assert document.report.characters_read > 80

    def test_pages_that_are_scans_need_ocr_whatever_is_stamped_on_them(
        self, tmp_path: Path, reader: Reader
    ) -> None:
        pages = [
            [Text(50, 50, "Text of its own.")],
            [Text(280, 820, "- 2 -")],
            column(50, 50, prose(1, 480, 20)),
        ]
        document = read(tmp_path, placed(pages, scan=[2, 3]), reader)
        assert document.report.pages_need_ocr == (2,)
        assert document.report.pages_empty == ()
        assert "1 of 3 pages are images and need OCR" in document.report.warnings

    def test_a_file_of_stamped_scans_needs_ocr(self, tmp_path: Path, reader: Reader) -> None:
        with pytest.raises(ReadError, match="it needs OCR: its 2 pages"):
            read(
                tmp_path, placed([[Text(280, 820, "- 1 -")], [Text(280, 820, "- 2 -")]], scan=[1, 2]), reader
            )

    def test_fonts_without_characters_make_a_page_garbled(self, tmp_path: Path, reader: Reader) -> None:
        with pytest.raises(ReadError, match="its fonts give no readable text"):
            read(tmp_path, pdf_files.without_unicode(pdf_files.CHINESE.read_bytes()), reader)

    def test_a_garbled_page_is_left_out_and_the_others_are_read(self, tmp_path: Path, reader: Reader) -> None:
        content = pdf_files.joined(
            placed([[Text(50, 50, "A page with words.")]]),
            pdf_files.without_unicode(pdf_files.CHINESE.read_bytes()),
        )
        document = read(tmp_path, content, reader)
        assert document.text == "A page with words."
        assert document.report.pages_garbled == (2, 3, 4, 5)
        assert "4 of 5 pages have fonts that give no readable text" in document.report.warnings

    def test_a_file_cut_in_the_middle_is_read_as_far_as_it_goes_or_refused(
        self, tmp_path: Path, reader: Reader
    ) -> None:
        content = placed([column(50, 50, prose(n, 480, 30)) for n in range(6)])
        whole = {word for n in range(6) for line in prose(n, 480, 30) for word in line.split()}
        for share in (0.3, 0.6, 0.95):
            try:
                found = words(read(tmp_path, content[: int(len(content) * share)], reader))
            except ReadError as error:
                found, failure = [], str(error)
            assert found or re.search("damaged or cut off|could be read|no text", failure)
            assert set(found) <= whole


class TestFontsWithoutCharacters:
    def test_text_that_is_no_language_is_garbled(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="its fonts give no readable text"):
            read(tmp_path, pdf_files.nameless_glyphs(pdf_files.SENTENCE, shift=4))

    def test_text_that_comes_out_right_all_the_same_is_read(self, tmp_path: Path) -> None:
        document = read(tmp_path, pdf_files.nameless_glyphs(pdf_files.SENTENCE, shift=0))
        assert document.text.startswith("the gateway retries")
        assert document.report.pages_garbled == ()

    def test_names_of_glyphs_are_no_text(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="its fonts give no readable text"):
            read(tmp_path, pdf_files.nameless_glyphs(pdf_files.SENTENCE, shift=0), pdf.read_with_pypdf)


class TestLayout:
    """What needs places: pypdfium2 only."""

    def test_columns_are_read_one_after_the_other_under_what_spans_them(self, tmp_path: Path) -> None:
        left, right = column(50, 120, prose(1, 240, 10)), column(310, 120, prose(2, 240, 10))
        page = [
            Text(150, 50, "How payments are retried", 16),
            *column(50, 80, prose(3, 490, 2)),
            *[text for pair in zip(left, right, strict=True) for text in pair],  # as many programs draw them
            Text(130, 262, "Figure 1: both columns above are told by what this figure shows.", 9),
            *column(50, 300, prose(4, 240, 6)),
            *column(310, 300, prose(5, 240, 6)),
        ]
        found = [text for _, text in blocks(read(tmp_path, placed([page])))]
        wanted = [prose(3, 490, 2), prose(1, 240, 10), prose(2, 240, 10), prose(4, 240, 6), prose(5, 240, 6)]
        paragraphs = [" ".join(lines) for lines in wanted]
        figure = "Figure 1: both columns above are told by what this figure shows."
        assert found == ["How payments are retried", *paragraphs[:3], figure, *paragraphs[3:]]

    def test_three_columns_with_lines_at_different_heights(self, tmp_path: Path) -> None:
        columns = [column(40 + 180 * i, 100 + 5 * i, prose(i, 155, 9 + i)) for i in range(3)]
        drawn = sorted((text for texts in columns for text in texts), key=lambda text: text.y)
        found = [text for _, text in blocks(read(tmp_path, placed([drawn])))]
        assert found == [" ".join(prose(i, 155, 9 + i)) for i in range(3)]

    ROWS = (
        ("Limit", "Amount", "Owner"),
        ("Daily", "10,000 EUR", "Ann"),
        ("Weekly", "50,000 EUR", "Bo"),
        ("Monthly", "", "Cy and the others"),
    )
    SAID = (
        (Kind.TABLE_ROW, "Limit: Daily; Amount: 10,000 EUR; Owner: Ann"),
        (Kind.TABLE_ROW, "Limit: Weekly; Amount: 50,000 EUR; Owner: Bo"),
        (Kind.TABLE_ROW, "Limit: Monthly; Owner: Cy and the others"),
    )

    @pytest.mark.parametrize("with_rules", [True, False], ids=["ruled", "aligned"])
    def test_tables_are_rows_with_their_headers(self, tmp_path: Path, with_rules: bool) -> None:
        widths = [120, 140, 120]
        page = [
            *column(50, 60, prose(1, 490, 3)),
            *table(50, 120, self.ROWS, widths),
            *column(50, 220, prose(2, 490, 3)),
        ]
        content = placed([page], rules=ruled(50, 120, 4, widths) if with_rules else ())
        found = blocks(read(tmp_path, content))
        assert found[1:-1] == list(self.SAID)
        assert [text for _, text in (found[0], found[-1])] == [" ".join(prose(n, 490, 3)) for n in (1, 2)]

    def test_a_table_inside_a_column_stays_there(self, tmp_path: Path) -> None:
        left = [
            *column(50, 60, prose(1, 240, 4)),
            *table(50, 124, self.ROWS, [70, 80, 90]),
            *column(50, 206, prose(3, 240, 4)),
        ]
        right = column(320, 60, prose(2, 240, 16))
        found = blocks(read(tmp_path, placed([left + right])))
        assert [text for _, text in found] == [
            " ".join(prose(1, 240, 4)), *[text for _, text in self.SAID], " ".join(prose(3, 240, 4)), " ".join(prose(2, 240, 16)),
        ]  # fmt: skip

    def test_cells_with_several_lines_and_cells_over_several_columns(self, tmp_path: Path) -> None:
        texts = [
            Text(55, 60, "Rule", bold=True), Text(155, 60, "Why", bold=True),
            Text(55, 96, "Retry"), Text(155, 90, "The answer may have"), Text(155, 102, "been lost."),
            Text(55, 132, "All other rules were dropped in May."),
        ]  # fmt: skip
        rules = [(50, y, 290, y) for y in (45, 75, 115, 145)]
        rules += [(50, 45, 50, 145), (150, 45, 150, 115), (290, 45, 290, 145)]
        assert blocks(read(tmp_path, placed([texts], rules=rules))) == [
            (Kind.TABLE_ROW, "Rule: Retry; Why: The answer may have been lost."),
            (Kind.TABLE_ROW, "Rule: All other rules were dropped in May."),
        ]

    def test_pairs_without_a_header_get_none(self, tmp_path: Path) -> None:
        rows = [("Owner", "Ann"), ("State", "Draft"), ("Reviewer", "Bo"), ("Team", "Payments")]
        content = placed([table(50, 60, rows, [100, 100], bold=False)], rules=ruled(50, 60, 4, [100, 100]))
        assert [text for _, text in blocks(read(tmp_path, content))] == [f"{a}; {b}" for a, b in rows]

    def test_a_numbered_list_is_no_table(self, tmp_path: Path) -> None:
        texts = [
            t
            for i in range(1, 6)
            for t in (Text(50, 60 + 16 * i, f"{i}."), Text(80, 60 + 16 * i, f"Do step {i} at once."))
        ]
        assert blocks(read(tmp_path, placed([texts]))) == [
            (Kind.LIST_ITEM, f"{i}. Do step {i} at once.") for i in range(1, 6)
        ]

    def test_paragraphs_part_at_spaces_indents_and_short_lines(self, tmp_path: Path) -> None:
        one, two, three, four = (prose(n, 480, 4) for n in range(4))
        page = [
            *column(50, 60, one), *column(50, 126, two),  # a space
            Text(70, 174, three[0]), *column(50, 186, three[1:]),  # an indent
            Text(70, 222, "A short one."), Text(70, 234, four[0]), *column(50, 246, four[1:]),
        ]  # fmt: skip
        found = [text for _, text in blocks(read(tmp_path, placed([page])))]
        assert found == [*(" ".join(lines) for lines in (one, two, three)), "A short one.", " ".join(four)]

    def test_headings_come_from_sizes_where_there_is_no_outline(self, tmp_path: Path) -> None:
        page = [
            Text(50, 50, "Paying, and being", 20), Text(50, 73, "paid back", 20),
            *column(50, 110, prose(1, 480, 6)),
            Text(50, 210, "Refunds", 14), *column(50, 235, prose(2, 480, 6)),
            Text(50, 330, "Who may ask", 10, bold=True), *column(50, 350, prose(3, 480, 6)),
        ]  # fmt: skip
        document = read(tmp_path, placed([page]))
        title = "Paying, and being paid back"
        assert [(b.kind, b.heading_path) for b in document.blocks] == [
            (Kind.HEADING, ()), (Kind.PARAGRAPH, (title,)),
            (Kind.HEADING, (title,)), (Kind.PARAGRAPH, (title, "Refunds")),
            (Kind.HEADING, (title, "Refunds")), (Kind.PARAGRAPH, (title, "Refunds", "Who may ask")),
        ]  # fmt: skip

    def test_an_outline_alone_says_what_a_heading_is(self, tmp_path: Path) -> None:
        page = [
            Text(50, 50, "Refunds", 14),
            Text(50, 80, "Bold it is.", bold=True),
            *column(50, 110, prose(1, 480, 6)),
        ]
        content = pdf_files.with_outline(placed([page]), [("Refunds", 0)])
        document = read(tmp_path, content)
        assert [(block.kind, block.heading_path) for block in document.blocks] == [
            (Kind.HEADING, ()), (Kind.PARAGRAPH, ("Refunds",)), (Kind.PARAGRAPH, ("Refunds",))
        ]  # fmt: skip

    def test_sections_names_on_right_pages_go_where_the_outline_has_them(self, tmp_path: Path) -> None:
        pages = [
            [
                Text(50, 30, f"Section of {'abcdefghijkl'[n]} kind" if n % 2 else "The handbook", 9),
                *column(50, 90, prose(n, 480, 8)),
            ]
            for n in range(12)
        ]
        outline = [(f"{n}. Section of {'abcdefghijkl'[n]} kind", n) for n in range(1, 12, 2)]
        document = read(tmp_path, pdf_files.with_outline(placed(pages), outline))
        assert " ".join(words(document)) == " ".join(line for n in range(12) for line in prose(n, 480, 8))

    def test_headings_and_lines_alike_at_the_tops_of_pages_are_their_text(self, tmp_path: Path) -> None:
        pages = [
            [
                Text(50, 50, f"Test case {n}", 16),
                *column(50, 74, ["Priority: High", "Owner: Team Blue"]),
                *column(50, 110, prose(n, 480, 12)),
            ]
            for n in range(1, 9)
        ]
        text = read(tmp_path, placed(pages)).text
        assert [text.count(line) for line in ("Test case", "Priority: High", "Owner: Team Blue")] == [8] * 3

    def test_a_header_ends_where_a_gap_parts_it_from_the_text(self, tmp_path: Path) -> None:
        def pages(gap: float) -> list[list[Text]]:
            header = column(50, 30, ["Pay handbook", "Second edition"], size=8)
            return [[*header, *column(50, 42 + gap, prose(n, 480, 12))] for n in range(1, 9)]

        assert "edition" not in read(tmp_path, placed(pages(30))).text
        close = read(tmp_path, placed(pages(12))).text
        assert close.count("Second edition") == 8
        assert "Pay handbook" not in close

    def test_what_stands_beside_the_page_is_not_read(self, tmp_path: Path) -> None:
        page = [
            Text(50, 50, "Seen by all."),
            Text(700, 50, "Hidden"),
            Text(50, 900, "words"),
            Text(-90, 70, "too"),
        ]
        assert read(tmp_path, placed([page])).text == "Seen by all."

    def test_chapters_names_in_headers_go_and_their_headings_stay(self, tmp_path: Path) -> None:
        names = ["Paying", "Refunds", "Limits", "Audits"]
        pages = [
            [
                Text(50, 90, f"{n // 4 + 1} {names[n // 4]}", 18)
                if n % 4 == 0
                else Text(50, 30, f"{n // 4 + 1} {names[n // 4]}", 8),
                *column(50, 140, prose(n, 480, 12)),
                Text(300, 820, str(n + 1), 8),
            ]
            for n in range(16)
        ]
        document = read(tmp_path, placed(pages))
        assert [text for kind, text in blocks(document) if kind is Kind.HEADING] == [
            f"{i} {name}" for i, name in enumerate(names, start=1)
        ]
        body = [text for kind, text in blocks(document) if kind is not Kind.HEADING]
        assert " ".join(body) == " ".join(line for n in range(16) for line in prose(n, 480, 12))

    @pytest.mark.parametrize("degrees", [90, 180, 270])
    def test_a_turned_page_is_read_as_it_is_shown(self, tmp_path: Path, degrees: int) -> None:
        content = pdf_files.shown_turned(column(50, 60, prose(1, 400, 12)), degrees)
        assert [text for _, text in blocks(read(tmp_path, content))] == [" ".join(prose(1, 400, 12))]

    def test_a_hundred_columns_of_one_letter_lose_nothing(self, tmp_path: Path) -> None:
        texts = [Text(20 + 5.5 * i, 40 + 7 * j, "ab"[(i + j) % 2], 5) for i in range(100) for j in range(100)]
        assert Counter(
            read(tmp_path, placed([texts])).text.replace(" ", "").replace("\n", "").replace(";", "")
        ) == {"a": 5000, "b": 5000}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("D:20240131", datetime(2024, 1, 31, tzinfo=UTC)),
        ("D:2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("20240131120000Z", datetime(2024, 1, 31, 12, tzinfo=UTC)),
        (
            "D:20240131120000-05'30'",
            datetime(2024, 1, 31, 12, tzinfo=timezone(-timedelta(hours=5, minutes=30))),
        ),
        ("D:19700101000000Z", None),
        ("D:29990101000000Z", None),
        ("D:20241341", None),
        ("last week", None),
        ("", None),
        (None, None),
    ],
)
def test_dates(text: str | None, found: datetime | None) -> None:
    assert date_of(text) == found


LINE = st.tuples(
    st.integers(0, 2),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 12),
    st.booleans(),
    st.sampled_from([8, 10, 14]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.lists(LINE, min_size=1, max_size=6), min_size=1, max_size=3), st.randoms())
@pytest.mark.parametrize("reader", [pdf.read, pdf.read_with_pypdf], ids=["pdfium", "pypdf"])
def test_no_word_is_lost_or_doubled_whatever_the_structure(
    tmp_path: Path,
    reader: Reader,
    pages: list[list[tuple[int, int, int, bool, int]]],
    random: Random,
) -> None:
    """Bands of one to three columns or of a table, in any order and size, drawn in any order."""
    drawn, wanted = [], Counter[str]()
    for number, bands in enumerate(pages):
        texts: list[Text] = []
        y = 60.0
        for place, (shift, columns_, lines, is_table, size) in enumerate(bands):
            if y + lines * size * 1.2 > 820:
                break  # the page is full
            width = 490 / columns_ - 20
            for i in range(columns_):
                seed = number * 100 + place * 10 + i
                found = (
                    [f"c{seed}r{j}" for j in range(lines)] if is_table else prose(seed, width, lines, size)
                )
                texts += column(50 + i * (width + 20) + shift, y, found, size * 1.2, size)
            y += lines * size * 1.2 + 14
        wanted.update(word for text in texts for word in text.text.split())
        if reader is pdf.read:  # pypdf runs words together that are drawn from the right to the left
            random.shuffle(texts)
        drawn.append(texts)
    document = read(tmp_path, placed(drawn), reader)
    assert Counter(document.text.replace(";", " ").replace(":", " ").split()) == wanted
