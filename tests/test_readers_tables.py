"""CSV and its relatives: delimiters, headers, quotation marks, and that no row is lost to a bad one."""

import csv
import io
from pathlib import Path

import files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_checks import blocks, check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import tables
from ingest.readers.document import ReadDocument, ReadLimits

LIMITS = ReadLimits()


def read(folder: Path, content: str | bytes, limits: ReadLimits = LIMITS) -> ReadDocument:
    document = tables.read(files.write(folder, "a.csv", content), limits)
    check(document)
    return document


def rows(folder: Path, content: str | bytes) -> list[str]:
    return [text for _, text in blocks(read(folder, content))]


class TestRows:
    def test_a_row_is_its_values_with_their_names(self, tmp_path: Path) -> None:
        content = 'Code,Meaning,Since\nE1,"late, or\nlost",2024\n\nE2,,\nE3,gone,2025,more\n'
        document = read(tmp_path, content)
        assert blocks(document) == [
            (Kind.TABLE_ROW, "Code: E1; Meaning: late, or lost; Since: 2024"),
            (Kind.TABLE_ROW, "Code: E2"),
            (Kind.TABLE_ROW, "Code: E3; Meaning: gone; Since: 2025; more"),
        ]
        assert document.report.warnings == ()

    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_the_delimiter_is_found(self, tmp_path: Path, delimiter: str) -> None:
        lines = [["Name", "Price", "Note"], ["Card", "1.5", "net"], ["Bank", "2.5", "gross"]]
        content = "\n".join(delimiter.join(cells) for cells in lines)
        assert rows(tmp_path, content)[0] == "Name: Card; Price: 1.5; Note: net"

    @pytest.mark.parametrize(
        ("content", "first"),
        [
            ("a;b\n1,5;2,5\n3,5;4,5\n", "a: 1,5; b: 2,5"),
            ("1,5;2,5;3\n3,5;4,5;6\n", "1,5; 2,5; 3"),
            ("Question;Answer\nWho, when, why?;Ann, today, just so\nHow?;So\n", "Question: Who, when, why?; Answer: Ann, today, just so"),
            ("sep=|\na|b;c\n1|2;2\n", "a: 1; b;c: 2;2"),
            ('"sep=;"\nName;Price\nCard;1\n', "Name: Card; Price: 1"),
            ("问题,答案\n怎么退款？,三天内到账，无需申请\n", "问题: 怎么退款？; 答案: 三天内到账，无需申请"),
            ('sep="\n"a;b"\n1;2\n', 'sep=": a;b'),
            ("Your name?,您的部门？\nAnn,Pay\nBo,Ops\n", "Your name?: Ann; 您的部门？: Pay"),
            (f"Code;{'Which of these do you use, ' * 4}or what else?\n1;Mail\n2;Chat\n",
             f"Code: 1; {'Which of these do you use, ' * 4}or what else?: Mail"),
            ("Key,Label,Label,Fee\nA,new,old,1\n", "Key: A; Label: new; Label: old; Fee: 1"),
            ("State,Fee\n" + "open,1\n" * 20 + "State,2\n", "State: open; Fee: 1"),
            ("Only one column\nfirst value\nsecond value\n", "Only one column: first value"),
        ],
    )  # fmt: skip
    def test_commas_in_numbers_and_texts_do_not_mislead(
        self, tmp_path: Path, content: str, first: str
    ) -> None:
        assert rows(tmp_path, content)[0] == first

    @pytest.mark.parametrize(
        "content",
        [
            "1,2\n3,4\n",
            "How do I pay?,By card.\nHow late?,Three days.\n",
            "How do I pay?,By card\nHow late?,Three days\n",
            "2026-01-04,open\n2026-01-05,closed\n",
            "ann@example.org,Ann\nbo@example.org,Bo\n",
            "Ann,yes\nBo,no\n",
            "A,A\nB,C\n",
            "Berlin,north\nParis,Berlin\nRome,north\n",
            "just,one line\n",
        ],
    )
    def test_without_a_header_the_values_stand_alone(self, tmp_path: Path, content: str) -> None:
        document = read(tmp_path, content)
        assert [t for _, t in blocks(document)] == [line.replace(",", "; ") for line in content.splitlines()]
        assert "header" in document.report.warnings[0]

    def test_years_may_name_columns(self, tmp_path: Path) -> None:
        assert rows(tmp_path, "Country,2024,2025\nFrance,1,2\n") == ["Country: France; 2024: 1; 2025: 2"]

    def test_columns_without_values_are_in_the_report(self, tmp_path: Path) -> None:
        document = read(tmp_path, "Name,Owner,Note\nCard,,net\nBank,,\n")
        assert document.text == "Name: Card; Note: net\nName: Bank"
        assert document.report.warnings == (
            "columns in which no row has a value are not searched for: Owner",
        )

    def test_lines_above_the_table_are_no_header(self, tmp_path: Path) -> None:
        document = read(tmp_path, "Fees of 2026,,\n\nName,Price,Note\nCard,1,net\nName,Price,Note\nBank,2,\n")
        assert blocks(document) == [
            (Kind.PARAGRAPH, "Fees of 2026"),
            (Kind.TABLE_ROW, "Name: Card; Price: 1; Note: net"),
            (Kind.TABLE_ROW, "Name: Bank; Price: 2"),
        ]

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
    def test_in_any_encoding(self, tmp_path: Path, encoding: str) -> None:
        content = "错误码,含义\nE1,支付超时请重试\nE2,订单已经退款\n".encode(encoding)
        assert rows(tmp_path, content)[0] == "错误码: E1; 含义: 支付超时请重试"

    def test_nul_bytes_and_old_line_ends(self, tmp_path: Path) -> None:
        assert rows(tmp_path, b"Name,Note\rCa\x00rd,net\rBank,gross\r") == [
            "Name: Card; Note: net",
            "Name: Bank; Note: gross",
        ]


class TestQuotes:
    def test_a_mark_that_is_never_closed_costs_its_line_only(self, tmp_path: Path) -> None:
        content = 'Name,Note\nCard,"12 inch\n' + "".join(f"n{number},ok\n" for number in range(100))
        document = read(tmp_path, content)
        texts = [text for _, text in blocks(document)]
        assert texts[0] == 'Name: Card; Note: "12 inch'
        assert texts[1:] == [f"Name: n{number}; Note: ok" for number in range(100)]
        assert document.report.warnings == (
            "a quotation mark in line 2 is not closed; the line was read as it stands",
        )

    def test_a_mark_that_is_closed_far_below_does_not_swallow_the_rows_between(self, tmp_path: Path) -> None:
        between = "".join(f"n{number},ok\n" for number in range(100))
        document = read(tmp_path, f'Name,Note\nCard,"12 inch\n{between}Bank,14" wide\nLast,ok\n')
        texts = [text for _, text in blocks(document)]
        assert len(texts) == 103
        assert texts[50] == "Name: n49; Note: ok"
        assert texts[-1] == "Name: Last; Note: ok"
        assert "closed only in line 103" in document.report.warnings[0]

    def test_a_long_text_in_quotation_marks_is_one_value(self, tmp_path: Path) -> None:
        story = "\n".join(f"Step {number}: wait, then look." for number in range(300))
        assert len(rows(tmp_path, f'Name,Story\nCard,"{story}"\nBank,short\n')) == 2

    def test_marks_inside_values_are_text(self, tmp_path: Path) -> None:
        assert rows(tmp_path, 'Name,Note\nCard,5" wide\nBank,"a ""b"" c"\n') == [
            'Name: Card; Note: 5" wide',
            'Name: Bank; Note: a "b" c',
        ]

    @pytest.mark.timeout(30)
    @pytest.mark.parametrize("line", ['a,"b', '"', '","', '"a,"b', '""a,"'])
    def test_many_open_marks_take_linear_time(self, tmp_path: Path, line: str) -> None:
        content = f"Name,Note\n{line}\n" + "x,y\n" * 5 + f"{line}\n" * 50_000
        assert read(tmp_path, content).blocks


class TestHostile:
    def test_a_value_of_many_megabytes(self, tmp_path: Path) -> None:
        document = read(tmp_path, "Name,Note\nCard," + "x" * 5_000_000 + "\n")
        assert len(document.text) > 5_000_000
        with pytest.raises(ReadError, match="max_text_chars"):
            read(tmp_path, 'Name,Note\nCard,"' + "x\n" * 1000 + '"\n', ReadLimits(text_chars=1000))

    def test_names_are_bounded(self, tmp_path: Path) -> None:
        document = read(tmp_path, ";".join(["y" * 70] * 1 + ["n"]) + "\n" + "a;b\n" * 100)
        assert len(document.text) < 100 * 90

    def test_too_much_text_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="max_text_chars"):
            read(tmp_path, "a,b\n" + "value,other\n" * 100, ReadLimits(text_chars=500))

    def test_binary_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="binary"):
            read(tmp_path, bytes(range(256)) * 40)


CELLS = st.lists(
    st.sampled_from(["w", "退款", "e\u0301", ",", ";", '"', "\n", " ", "\t", "|"]), max_size=6
).map("".join)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=8)
    ),
    delimiter=st.sampled_from([",", ";", "\t"]),
)
def test_what_was_written_by_the_rules_is_read_back(
    tmp_path: Path, table: list[list[str]], delimiter: str
) -> None:
    # A first column of numbers and a row of plain names: nothing here is a matter of opinion.
    header = ["id", *(f"name{place}" for place in range(len(table[0])))]
    body = [[str(number), *cells] for number, cells in enumerate(table)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([header, *body])
    expected = []
    for cells in body:
        values = [" ".join(cell.split()) for cell in cells]
        expected.append(
            "; ".join(f"{name}: {value}" for name, value in zip(header, values, strict=True) if value)
        )
    assert rows(tmp_path, out.getvalue()) == [normalised(text) for text in expected]


def normalised(text: str) -> str:
    """As the normalised text has it."""
    return text.replace("e\u0301", "é")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    pieces=st.lists(st.sampled_from(['"', ",", ";", "\n", "w", "\n\n", "sep=", "\t", '""', "1"]), max_size=40)
)
def test_spans_are_exact_and_no_word_is_lost(tmp_path: Path, pieces: list[str]) -> None:
    document = read(
        tmp_path, "".join(f" n{number:03} " if piece == "w" else piece for number, piece in enumerate(pieces))
    )
    # The names of columns without values are in the report.
    found = " ".join((document.text, *document.report.warnings))
    assert [
        number for number, piece in enumerate(pieces) if piece == "w" and f"n{number:03}" not in found
    ] == []
