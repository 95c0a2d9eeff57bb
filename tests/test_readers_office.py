"""Word documents: what each construct becomes, that no word is lost or read twice, and that hostile files end."""

from datetime import UTC, datetime
from pathlib import Path

import files
import office_files as office
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from office_files import cell, paragraph, row, run, table
from read_checks import blocks, check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import docx
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.sandbox import PrepareRequest, Sandbox

LIMITS = ReadLimits()
DELETED_MARK = "<w:rPr><w:del/></w:rPr>"
BOLD = "<w:b/>"


def read(folder: Path, content: bytes, limits: ReadLimits = LIMITS) -> ReadDocument:
    document = docx.read(files.write(folder, "a.docx", content), limits)
    check(document)
    return document


def bold_row(*names: str) -> str:
    return row(*(cell(paragraph(inner=run(name, BOLD))) for name in names))


def texts(folder: Path, body: str) -> list[str]:
    return [text for _, text in blocks(read(folder, office.docx(body)))]


class TestStructure:
    BODY = "".join(
        (
            paragraph("Refund handbook", "T"),
            paragraph("Overview", "1"),
            paragraph("Refunds arrive within three days."),
            paragraph("Cards", "Chapter"),
            paragraph("例外情况", "b3"),
            paragraph("Ask the bank.", "L"),
            paragraph("Then wait.", properties='<w:numPr><w:numId w:val="2"/></w:numPr>'),
            paragraph("No item any more.", "L", properties='<w:numPr><w:numId w:val="0"/></w:numPr>'),
            paragraph("if late:", "C"),
            paragraph("", "C"),
            paragraph("    refund()", "C"),
            paragraph("They said so.", "Q"),
            paragraph("附录", properties='<w:outlineLvl w:val="0"/>'),
            paragraph("Not a heading.", "1", properties='<w:outlineLvl w:val="9"/>'),
        )
    )

    @pytest.mark.parametrize("strict", [False, True], ids=["transitional", "strict"])
    def test_styles_make_headings_lists_code_and_quotes(self, tmp_path: Path, strict: bool) -> None:
        document = read(tmp_path, office.docx(self.BODY, strict=strict))
        assert blocks(document) == [
            (Kind.HEADING, "Refund handbook"),
            (Kind.HEADING, "Overview"),
            (Kind.PARAGRAPH, "Refunds arrive within three days."),
            (Kind.HEADING, "Cards"),
            (Kind.HEADING, "例外情况"),
            (Kind.LIST_ITEM, "Ask the bank."),
            (Kind.LIST_ITEM, "Then wait."),
            (Kind.PARAGRAPH, "No item any more."),
            (Kind.CODE, "if late:\n\n    refund()"),
            (Kind.QUOTE, "They said so."),
            (Kind.HEADING, "附录"),
            (Kind.PARAGRAPH, "Not a heading."),
        ]
        assert document.blocks[5].heading_path == ("Refund handbook", "Overview", "Cards", "例外情况")
        assert document.blocks[-1].heading_path == ("Refund handbook", "附录")
        assert document.title == "Refund handbook"

    def test_a_document_without_styles_has_them_by_their_ids(self, tmp_path: Path) -> None:
        body = paragraph("Why", "Heading1") + paragraph("怎么办", "标题 2") + paragraph("Because.", "Unknown")
        document = read(tmp_path, office.docx(body, styles=None))
        assert [kind for kind, _ in blocks(document)] == [Kind.HEADING, Kind.HEADING, Kind.PARAGRAPH]
        assert document.blocks[2].heading_path == ("Why", "怎么办")

    def test_styles_that_are_based_on_each_other_end(self, tmp_path: Path) -> None:
        assert texts(tmp_path, paragraph("In a circle.", "X")) == ["In a circle."]

    def test_the_core_properties_become_fields(self, tmp_path: Path) -> None:
        core = (
            "<dc:title>退款手册</dc:title><dc:creator>Ann Li</dc:creator><dc:language>zh-CN</dc:language>"
            "<cp:keywords>refunds; 支付，bank, refunds</cp:keywords>"
            "<dcterms:created>2026-01-04T08:30:00Z</dcterms:created>"
            "<dcterms:modified>2026-02-05T09:00:00+08:00</dcterms:modified>"
        )
        document = read(tmp_path, office.docx(paragraph("Some words."), core=core))
        assert (document.title, document.author, document.language) == ("退款手册", "Ann Li", "zh")
        assert document.tags == ("refunds", "支付", "bank")
        assert document.created_at == datetime(2026, 1, 4, 8, 30, tzinfo=UTC)
        assert document.updated_at == datetime(2026, 2, 5, 1, 0, tzinfo=UTC)

    def test_a_programs_placeholder_is_no_title(self, tmp_path: Path) -> None:
        core = "<dc:title>Microsoft Word - draft(2).doc</dc:title>"
        body = paragraph("Refunds", "1") + paragraph("Some words.")
        assert read(tmp_path, office.docx(body, core=core)).title == "Refunds"

    def test_what_a_librarys_template_says_of_itself_is_not_said_of_the_document(
        self, tmp_path: Path
    ) -> None:
        core = (
            "<dc:title>Word Document</dc:title><dc:creator>python-docx</dc:creator>"
            "<dcterms:created>2013-12-23T23:15:00Z</dcterms:created>"
            "<dcterms:modified>2026-02-05T09:00:00Z</dcterms:modified>"
        )
        document = read(tmp_path, office.docx(paragraph("Some words."), core=core))
        assert (document.title, document.author, document.created_at) == (None, None, None)
        assert document.updated_at == datetime(2026, 2, 5, 9, tzinfo=UTC)

    def test_the_main_part_may_have_another_name(self, tmp_path: Path) -> None:
        content = office.docx(paragraph("Found."), part="word/document2.xml")
        assert read(tmp_path, content).text == "Found."

    def test_a_part_may_be_utf_16(self, tmp_path: Path) -> None:
        part = office.word_part("document", f"<w:body>{paragraph('退款 ok')}</w:body>").decode()
        content = office.docx(
            "", parts={"word/document.xml": part.replace("UTF-8", "UTF-16").encode("utf-16")}
        )
        assert read(tmp_path, content).text == "退款 ok"


class TestText:
    @pytest.mark.parametrize(
        ("inner", "text"),
        [
            (run("a") + '<w:r><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>', "a b\nc"),
            ('<w:r><w:t>a</w:t><w:noBreakHyphen/><w:t>b</w:t><w:softHyphen/><w:t>c</w:t></w:r>', "a-bc"),
            ("<w:ins>" + run("kept ") + "</w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del>", "kept"),
            ("<w:moveTo>" + run("here") + "</w:moveTo><w:moveFrom>" + run("there") + "</w:moveFrom>", "here"),
            ("<w:hyperlink>" + run("the link") + "</w:hyperlink>", "the link"),
            ("<w:smartTag>" + run("Berlin") + "</w:smartTag>", "Berlin"),
            ("<w:sdt><w:sdtPr/><w:sdtContent>" + run("filled in") + "</w:sdtContent></w:sdt>", "filled in"),
            (
                run("x") + "<w:sdt><w:sdtPr><w:showingPlcHdr/></w:sdtPr><w:sdtContent>"
                + run("Click here") + "</w:sdtContent></w:sdt>",
                "x",
            ),
            (run("seen ") + run("hidden", "<w:vanish/>") + run("again", '<w:vanish w:val="0"/>'), "seen again"),
            (run("seen") + run("hidden", '<w:rStyle w:val="H"/>'), "seen"),
            ('<w:r><w:sym w:font="Symbol" w:char="F061"/><w:sym w:font="Wingdings" w:char="F0FC"/></w:r>', "α✓"),
            ('<w:r><w:sym w:font="Arial" w:char="20AC"/><w:sym w:font="Webdings" w:char="zz"/></w:r>', "€"),
            ("<w:r><w:ruby><w:rt>" + run("hàn") + "</w:rt><w:rubyBase>" + run("汉") + "</w:rubyBase></w:ruby></w:r>", "汉"),
            (
                "<m:oMath><m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f></m:oMath>",
                "1/2",
            ),
            (office.complex_field('HYPERLINK "http://x.y"', run("our page")), "our page"),
            (run("see ") + office.complex_field("PAGEREF _Toc1", run("17")) + run("below"), "see below"),
            (
                office.complex_field("IF 1 = 1", office.complex_field("MERGEFIELD name", run("Ann")) + run(" pays")),
                "Ann pays",
            ),
            ('<w:fldSimple w:instr=" SEQ Figure ">' + run("3") + "</w:fldSimple>", "3"),
            (run("never closed ") + '<w:r><w:fldChar w:fldCharType="begin"/></w:r>', "never closed"),
        ],
    )  # fmt: skip
    def test_a_paragraph_reads_as_it_is_shown(self, tmp_path: Path, inner: str, text: str) -> None:
        assert texts(tmp_path, paragraph(inner=inner) + paragraph("Next.")) == [text, "Next."]

    def test_a_deleted_paragraph_mark_joins_two(self, tmp_path: Path) -> None:
        body = paragraph("Refunds take ", properties=DELETED_MARK) + paragraph("three days.")
        assert texts(tmp_path, body) == ["Refunds take three days."]

    def test_text_before_a_deleted_mark_at_the_end_stays(self, tmp_path: Path) -> None:
        assert texts(tmp_path, paragraph("The end.", properties=DELETED_MARK)) == ["The end."]

    def test_a_large_first_letter_belongs_to_its_word(self, tmp_path: Path) -> None:
        frame = '<w:framePr w:dropCap="drop" w:lines="3"/>'
        assert texts(tmp_path, paragraph("O", properties=frame) + paragraph("nce upon.")) == ["Once upon."]

    def test_contents_are_left_out_whichever_way_they_are_marked(self, tmp_path: Path) -> None:
        gallery = '<w:docPartObj><w:docPartGallery w:val="Table of Contents"/></w:docPartObj>'
        body = "".join(
            (
                f"<w:sdt><w:sdtPr>{gallery}</w:sdtPr><w:sdtContent>{paragraph('Contents', 'TH')}{paragraph('A 1', 'T1')}</w:sdtContent></w:sdt>",
                paragraph(inner=office.field_begin("TOC \\o") + run("Refunds 2")),
                paragraph("Cards 3"),
                paragraph(inner=office.FIELD_END),
                paragraph("Cards .... 3", "T1"),
                paragraph("Read on."),
            )
        )
        assert texts(tmp_path, body) == ["Read on."]

    def test_contents_that_never_end_do_not_swallow_the_document(self, tmp_path: Path) -> None:
        opened = paragraph(inner=office.field_begin("TOC \\o") + run("Refunds 2"))
        assert texts(tmp_path, opened + paragraph("Refunds", "1") + paragraph("Three days.")) == [
            "Refunds",
            "Three days.",
        ]
        document = read(tmp_path, office.docx(paragraph("Before.") + opened + paragraph("Lost.")))
        assert document.text == "Before."
        assert "does not end" in document.report.warnings[0]

    def test_a_note_follows_the_block_that_refers_to_it_once(self, tmp_path: Path) -> None:
        refer = '<w:r><w:footnoteReference w:id="2"/></w:r>'
        note = paragraph(inner=f"<w:r><w:footnoteRef/></w:r>{run(' Except on holidays.')}")
        separator = paragraph(inner="<w:r><w:separator/></w:r>")
        body = paragraph("Three days.", inner=refer) + paragraph("Again.", inner=refer)
        content = office.docx(
            body, footnotes={"-1": separator, "2": note, "3": paragraph("Nobody refers to me.")}
        )
        assert [text for _, text in blocks(read(tmp_path, content))] == [
            "Three days.",
            "Except on holidays.",
            "Again.",
        ]

    def test_an_endnote_is_no_footnote_of_the_same_number(self, tmp_path: Path) -> None:
        refer = '<w:r><w:endnoteReference w:id="1"/></w:r>'
        notes = {"1": paragraph("Seen at the end.")}
        content = office.docx(
            paragraph("Text.", inner=refer), footnotes={"1": paragraph("Not me.")}, endnotes=notes
        )
        assert read(tmp_path, content).text == "Text.\n\nSeen at the end."

    def test_a_note_in_a_table_follows_its_row(self, tmp_path: Path) -> None:
        marked = paragraph("2 %", inner='<w:r><w:footnoteReference w:id="1"/></w:r>')
        body = table(bold_row("Name", "Fee"), row("Card", cell(marked)), row("Bank", "0"))
        content = office.docx(body, footnotes={"1": paragraph("At least 1 EUR.")})
        assert [text for _, text in blocks(read(tmp_path, content))] == [
            "Name: Card; Fee: 2 %",
            "At least 1 EUR.",
            "Name: Bank; Fee: 0",
        ]

    def test_a_text_box_is_read_once_after_its_paragraph(self, tmp_path: Path) -> None:
        inner = office.text_box(paragraph("In the box.") + paragraph("Item", "L"))
        assert texts(tmp_path, paragraph("Around it.", inner=inner)) == ["Around it.", "In the box.", "Item"]

    def test_what_cannot_be_shown_is_counted(self, tmp_path: Path) -> None:
        chart = '<w:r><w:drawing><a:graphic><a:graphicData uri="http://x/2006/chart"/></a:graphic></w:drawing></w:r>'
        document = read(tmp_path, office.docx(paragraph("See:", inner=chart + chart) + "<w:altChunk/>"))
        assert document.report.macros_dropped == {"chart": 2, "embedded document": 1}


class TestTables:
    def test_the_first_row_names_the_columns(self, tmp_path: Path) -> None:
        body = table(
            bold_row("Code", "Meaning:"),
            row("E1", "late"),
            row("", ""),
            row("E2", ""),
            row("E3", "lost", "extra"),
        )
        document = read(tmp_path, office.docx(body))
        assert blocks(document) == [
            (Kind.TABLE_ROW, "Code: E1; Meaning: late"),
            (Kind.TABLE_ROW, "Code: E2"),
            (Kind.TABLE_ROW, "Code: E3; Meaning: lost; extra"),
        ]

    def test_merged_cells_count_for_all_that_they_cover(self, tmp_path: Path) -> None:
        span, begins, goes_on = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
        header = "<w:tblHeader/>"
        body = table(
            row("Fees of 2026"),
            row(cell("Who", begins), cell("Price", span), properties=header),
            row(cell("", goes_on), "net", "gross", properties=header),
            row(cell("Cards", begins), "1", "1.2"),
            row(cell("", goes_on), "2", "2.4"),
            row(cell("Nothing below costs more.", '<w:gridSpan w:val="3"/>')),
            row("Bank", cell("free", span)),
            row("1", properties='<w:gridBefore w:val="1"/>'),
        )
        assert texts(tmp_path, body) == [
            "Fees of 2026",
            "Who: Cards; Price net: 1; Price gross: 1.2",
            "Who: Cards; Price net: 2; Price gross: 2.4",
            "Nothing below costs more.",
            "Who: Bank; Price net: free",
            "1",
        ]

    def test_emphasised_cells_beside_others_are_labels(self, tmp_path: Path) -> None:
        shaded = '<w:shd w:val="clear" w:fill="D9D9D9"/>'
        body = table(
            row(cell(paragraph(inner=run("负责人：", BOLD))), "Ann", cell("Since", shaded), "2024"),
            row(cell(paragraph(inner=run("State", BOLD))), "open"),
            row("Plain", "too"),
        )
        assert texts(tmp_path, body) == ["负责人: Ann; Since: 2024", "State: open", "Plain: too"]

    def test_of_two_plain_columns_the_left_one_names_the_right_one(self, tmp_path: Path) -> None:
        body = table(row("Author", "Alice Wang"), row("Status", "Draft"), row("Due", "2024-05-01"))
        assert texts(tmp_path, body) == ["Author: Alice Wang", "Status: Draft", "Due: 2024-05-01"]
        emphasised = cell(paragraph(inner=run("Draft", BOLD)))
        assert texts(tmp_path, table(row("Status", emphasised), row("Due", "May"))) == [
            "Status: Draft",
            "Due: May",
        ]
        header = row("Code", "Meaning", properties="<w:tblHeader/>")
        assert texts(tmp_path, table(header, row("E1", "late"))) == ["Code: E1; Meaning: late"]

    def test_rows_that_cells_of_a_grouped_header_cover_are_header(self, tmp_path: Path) -> None:
        span, begins, goes_on = '<w:gridSpan w:val="2"/>', '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
        body = table(
            row(cell("Team", begins), cell("Q1", span), cell("Q2", span)),
            row(cell("", goes_on), "Plan", "Actual", "Plan", "Actual"),
            row("Blue", "1", "2", "3", "4"),
        )
        assert texts(tmp_path, body) == ["Team: Blue; Q1 Plan: 1; Q1 Actual: 2; Q2 Plan: 3; Q2 Actual: 4"]
        plain = table(
            row(cell("Blue", begins), "1", "2"), row(cell("", goes_on), "3", "4"), row("Red", "5", "6")
        )
        assert texts(tmp_path, plain)[0] == "Blue: Blue; 1: 3; 2: 4"  # no group: one row of names

    def test_a_table_that_only_arranges_gives_its_blocks(self, tmp_path: Path) -> None:
        body = table(row(cell(paragraph("Left.") + paragraph("Below left.")), cell(paragraph("Right.", "L"))))
        document = read(tmp_path, office.docx(body + table(row("One"), row("Two"))))
        assert blocks(document) == [
            (Kind.PARAGRAPH, "Left."),
            (Kind.PARAGRAPH, "Below left."),
            (Kind.LIST_ITEM, "Right."),
            (Kind.PARAGRAPH, "One"),
            (Kind.PARAGRAPH, "Two"),
        ]

    def test_a_nested_table_is_part_of_its_cell(self, tmp_path: Path) -> None:
        inner = table(bold_row("Day", "Price"), row("Mon", "2"))
        body = table(bold_row("Name", "Prices"), row("Card", cell(inner + paragraph("net"))))
        assert texts(tmp_path, body) == ["Name: Card; Prices: Day: Mon; Price: 2 net"]

    def test_deleted_rows_and_cells_are_gone_and_inserted_ones_stay(self, tmp_path: Path) -> None:
        body = table(
            bold_row("A", "B"),
            row("no", "no", properties="<w:del/>"),
            row("1", cell("gone", "<w:cellDel/>"), "2", properties="<w:ins/>"),
            f"<w:sdt><w:sdtContent>{row('3', '4')}</w:sdtContent></w:sdt>",
        )
        assert texts(tmp_path, body) == ["A: 1; B: 2", "A: 3; B: 4"]


WORDS = st.lists(
    st.sampled_from(["late", "退款", "e\u0301", "a b", "3 %", "&<>"]), min_size=1, max_size=4
).map(" ".join)


def structures() -> st.SearchStrategy[list[str]]:
    """XML with a placeholder `@` for each text, which the test numbers."""
    leaf = st.one_of(
        st.sampled_from(["", "1", "Chapter", "b3", "L", "C", "Q", "T"]).map(
            lambda style: paragraph("@", style)
        ),
        st.just(paragraph(inner=f"<w:ins>{run('@')}</w:ins><w:del>{run('gone')}</w:del>{run('@')}")),
        st.just(paragraph("@", properties=DELETED_MARK)),
        st.just(paragraph(inner=office.complex_field("REF x", run("@")))),
    )
    return st.recursive(
        st.lists(leaf, min_size=1, max_size=3).map("".join),
        lambda inner: st.one_of(
            st.integers(1, 3)
            .flatmap(lambda columns: st.lists(st.lists(inner.map(cell), min_size=columns, max_size=columns), min_size=1, max_size=4))
            .map(lambda rows: table(*(row(*cells) for cells in rows))),
            inner.map(lambda content: f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"),
            inner.map(lambda content: paragraph("@", inner=office.text_box(content, paragraph("gone")))),
            st.tuples(inner, inner).map("".join),
        ),
        max_leaves=8,
    ).map(lambda xml: xml.split("@"))  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=structures(), filling=WORDS)
def test_no_word_is_lost_whatever_the_structure(tmp_path: Path, pieces: list[str], filling: str) -> None:
    numbered = [f" n{number:04} {office.escape(filling)} " for number in range(len(pieces) - 1)]
    body = "".join(part for pair in zip(pieces, [*numbered, ""], strict=True) for part in pair)
    document = read(tmp_path, office.docx(body))
    found = [word for word in document.text.replace(":", " ").replace(";", " ").split() if word[0] == "n"]
    assert set(found) == {f"n{number:04}" for number in range(len(pieces) - 1)}
    assert "gone" not in document.text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["", "1", "Chapter", "L", "C", "Q"]), min_size=1, max_size=30),
    filling=WORDS,
)
def test_words_come_out_in_order_and_once(tmp_path: Path, kinds: list[str], filling: str) -> None:
    body = "".join(paragraph(f"n{number:04} {filling}", style) for number, style in enumerate(kinds))
    document = read(tmp_path, office.docx(body))
    assert [word for word in document.text.split() if word[0] == "n"] == [
        f"n{number:04}" for number in range(len(kinds))
    ]


def nested(depth: int, around: tuple[str, str]) -> bytes:
    return office.docx(around[0] * depth + paragraph("Deep down.") + around[1] * depth)


class TestHostile:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (office.archive({"a.txt": b"x"}), "no Word document"),
            (office.docx("", part="xl/workbook.xml"), "Excel"),
            (office.docx("", part="ppt/presentation.xml"), "PowerPoint"),
            (office.docx("", parts={"word/document.xml": b""}), "no sound XML"),
            (office.docx("", parts={"word/document.xml": office.word_part("document", "<w:body><w:p></w:body>")}), "no sound XML"),
            (office.docx("", parts={"word/document.xml": office.word_part("hdr", "<w:p/>")}), "main part"),
            (office.docx(paragraph("Hello."))[:-40], "cut off"),
            (office.docx(paragraph("Hello."))[:300], "cut off"),
            (office.with_wrong_checksum(office.docx(paragraph("Hello.")), "word/document.xml"), "damaged"),
            (office.marked_encrypted(office.docx(paragraph("Hello.")), "word/document.xml"), "encrypted"),
            (nested(100_000, ("<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>")), "nested"),
            (nested(100_000, ("<w:p><w:r>", "</w:r></w:p>")), "nested"),
            (office.docx(paragraph("x" * 11_000_000)), "10 MB"),
        ],
        ids=[
            "no document", "workbook", "presentation", "empty part", "broken XML", "another root", "truncated", "cut early", "checksum",
            "encrypted", "deep controls", "deep runs", "long text",
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_says_why(self, tmp_path: Path, content: bytes, reason: str) -> None:
        with pytest.raises(ReadError, match=reason):
            read(tmp_path, content)

    @pytest.mark.parametrize(
        "around",
        [
            ("<w:sdt><w:sdtContent>", "</w:sdtContent></w:sdt>"),
            ("<w:tbl><w:tr><w:tc>", "</w:tc></w:tr></w:tbl>"),
            ("<w:p><w:r><w:txbxContent>", "</w:txbxContent></w:r></w:p>"),
        ],
        ids=["controls", "tables", "boxes"],
    )
    def test_as_deep_as_the_parser_goes_is_read(self, tmp_path: Path, around: tuple[str, str]) -> None:
        depth = 250 // around[0].count("<")
        assert read(tmp_path, nested(depth, around)).text == "Deep down."

    def test_entities_are_refused_before_they_grow(self, tmp_path: Path) -> None:
        levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
        bomb = (
            f'<!DOCTYPE w:document [<!ENTITY e0 "lol">{levels}]>'
            + office.word_part(
                "document", f"<w:body>{paragraph(inner='<w:r><w:t>&e11;</w:t></w:r>')}</w:body>"
            )
            .decode()
            .partition("\n")[2]
        )
        with pytest.raises(ReadError, match="entities"):
            read(tmp_path, office.docx("", parts={"word/document.xml": bomb.encode()}))

    def test_an_external_entity_is_not_opened(self, tmp_path: Path) -> None:
        secret = files.write(tmp_path, "secret", "do not tell")
        bomb = (
            f'<!DOCTYPE w:document [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
            + office.word_part("document", f"<w:body>{paragraph(inner='<w:r><w:t>&x;</w:t></w:r>')}</w:body>")
            .decode()
            .partition("\n")[2]
        )
        with pytest.raises(ReadError, match="DTD") as caught:
            read(tmp_path, office.docx("", parts={"word/document.xml": bomb.encode()}))
        assert "do not tell" not in str(caught.value)

    def test_a_document_bomb_ends_while_it_unpacks(self, tmp_path: Path) -> None:
        remark = f"<!--{' ' * 1_000_000}-->"
        body = office.word_part("document", f"<w:body>{remark * 80}</w:body>")
        with pytest.raises(ReadError, match="200 times"):
            read(tmp_path, office.docx("", parts={"word/document.xml": body}))

    def test_a_media_bomb_costs_nothing(self, tmp_path: Path) -> None:
        # The picture's checksum is wrong: unpacking it, however little of it, would be found out.
        content = office.docx(paragraph("Words."), parts={"word/media/image1.png": bytes(5_000_000)})
        assert read(tmp_path, office.with_wrong_checksum(content, "word/media/image1.png")).text == "Words."

    def test_too_much_text_is_refused(self, tmp_path: Path) -> None:
        content = office.docx(paragraph("Some words.") * 10)
        with pytest.raises(ReadError, match="max_text_chars"):
            read(tmp_path, content, ReadLimits(text_chars=50))
        with pytest.raises(ReadError, match="max_unpacked_bytes"):
            read(tmp_path, content, ReadLimits(unpacked_bytes=500))
        notes = office.docx(paragraph("Words."), footnotes={"1": paragraph("Long. " * 20)})
        with pytest.raises(ReadError, match="notes"):
            read(tmp_path, notes, ReadLimits(text_chars=50))

    def test_a_value_is_not_repeated_without_bound(self, tmp_path: Path) -> None:
        begins, goes_on = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
        rows = [row(cell("", goes_on), f"r{number}") for number in range(50)]
        body = table(row("H" * 5000, "B"), row(cell("v" * 5000, begins), "first"), *rows)
        document = read(tmp_path, office.docx(body))
        assert len(document.text) < 6000 + 50 * 300
        assert document.text.count("v" * 5000) == 1

    def test_columns_are_bounded(self, tmp_path: Path) -> None:
        wide = [cell("x", '<w:gridSpan w:val="1000000"/>')] * 1000
        document = read(tmp_path, office.docx(table(row(*wide), row(*wide), row(*wide))))
        assert blocks(document) == [(Kind.TABLE_ROW, "; ".join(["x: x"] * 1000))] * 2

    async def test_an_element_larger_than_the_memory_is_said_to_be(self, tmp_path: Path) -> None:
        run_of_tabs = "<w:r>" + "<w:tab/>" * 3_000_000 + "</w:r>"
        path = files.write(tmp_path, "a.docx", office.docx(paragraph(inner=run_of_tabs)))
        request = PrepareRequest(
            path=path,
            filename="a.docx",
            document_id="0" * 32,
            scratch_dir=tmp_path,
            reader="docx",
            limits=ReadLimits(memory_bytes=400 * 1024**2),
        )
        async with Sandbox() as sandbox:
            with pytest.raises(ReadError, match="memory limit of 400 MiB"):
                await sandbox.prepare(request)
