"""Mail and saved pages: which part is read, in whichever encoding, and that hostile ones end."""

import base64
from datetime import UTC, datetime
from email.header import Header
from pathlib import Path

import files
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mail_files import message, multipart, nested, part
from read_checks import blocks, check

from docradar.documents import Kind
from docradar.errors import ReadError
from ingest.readers import mail, mhtml
from ingest.readers.document import ReadDocument, ReadLimits

LIMITS = ReadLimits()
PAGE = "<html><head><title>Refunds</title></head><body><h1>Refunds</h1><p>退款三天内到账。</p></body></html>"


def read(folder: Path, content: bytes, limits: ReadLimits = LIMITS) -> ReadDocument:
    document = mail.read(files.write(folder, "a.eml", content), limits)
    check(document)
    return document


def plain(folder: Path, text: str, parameters: str = "") -> list[tuple[Kind, str]]:
    return blocks(read(folder, message(part(text, parameters=parameters))))


class TestMail:
    def test_header_fields_become_the_documents(self, tmp_path: Path) -> None:
        document = read(tmp_path, message(part("Three days.")))
        assert (document.title, document.author) == ("Refunds", "Ann Li")
        assert document.created_at == datetime(2026, 1, 5, 1, 0, tzinfo=UTC)
        assert document.text == "Three days."

    @pytest.mark.parametrize(
        ("field", "author"),
        [
            ('"Li, Ann" <ann@example.org>', "Li, Ann"),
            ("=?utf-8?B?5p2O5a6J?= <ann@example.org>", "李安"),
            ("<ann@example.org>", "ann@example.org"),
            ("ann@example.org (Ann Li)", "Ann Li"),
            ("ann@example.org", "ann@example.org"),
        ],
    )
    def test_the_author_is_a_name_if_there_is_one(self, tmp_path: Path, field: str, author: str) -> None:
        assert read(tmp_path, message(part("Text."), {"From": field})).author == author

    @pytest.mark.parametrize(
        ("subject", "expected"),
        [
            (Header("退款多久到账，请查收", "gb2312").encode(), "退款多久到账，请查收"),
            (Header("退款多久到账", "utf-8").encode(), "退款多久到账"),
            ("=?utf-8?B?6YCA?=\n =?utf-8?B?5qy+?= now", "退款 now"),
            ("=?gb2312?B?" + base64.b64encode("支付宝镕".encode("gbk")).decode() + "?=", "支付宝镕"),
            ("=?iso-2022-jp?B?" + base64.b64encode("返金".encode("iso2022_jp")).decode() + "?=", "返金"),
            ("=?no-such-charset?Q?plain?= words", "plain words"),
            ("=?utf-8?B?broken", "=?utf-8?B?broken"),
            ("", None),
        ],
    )
    def test_subjects_in_any_encoding(self, tmp_path: Path, subject: str, expected: str | None) -> None:
        assert read(tmp_path, message(part("Text."), {"Subject": subject})).title == expected

    def test_a_subject_without_any_encoding_is_guessed(self, tmp_path: Path) -> None:
        content = message(part("Text."), {"Subject": "SUBJECT"})
        raw = content.replace(b"SUBJECT", "退款多久到账".encode("gb18030"))
        assert read(tmp_path, raw).title == "退款多久到账"

    @pytest.mark.parametrize("coding", ["quoted-printable", "base64", "8bit"])
    @pytest.mark.parametrize(
        ("charset", "really"),
        [
            ("gb2312", "gb18030"), ("gb2312", "utf-8"), ("utf-8", "gb18030"), ("iso-8859-1", "utf-8"), ("no-such", "utf-8"),
            ("", "gb18030"), ("gbk", "gbk"),
        ],
    )  # fmt: skip
    def test_a_wrong_charset_does_not_garble(
        self, tmp_path: Path, charset: str, really: str, coding: str
    ) -> None:
        text = "支付宝的退款多久可以到账？请检查订单。"
        document = read(tmp_path, message(part(text, charset=charset, really=really, coding=coding)))
        assert document.text == text

    @pytest.mark.parametrize(
        ("charset", "text"),
        [
            ("iso-2022-jp", "返金には三日かかります。"),
            ("hz-gb-2312", "退款多久到账？"),
            ("utf-7", "退款多久到账？"),
        ],
    )
    def test_encodings_that_look_like_ascii(self, tmp_path: Path, charset: str, text: str) -> None:
        really = {"hz-gb-2312": "hz"}.get(charset, charset)
        document = read(tmp_path, message(part(text, charset=charset, really=really, coding="7bit")))
        assert (document.text, document.report.encoding) == (text, charset)

    def test_the_traditional_charset(self, tmp_path: Path) -> None:
        document = read(tmp_path, message(part("付款逾時怎麼辦", charset="big5", coding="base64")))
        assert document.text == "付款逾時怎麼辦"

    def test_one_form_of_the_same_text_is_read(self, tmp_path: Path) -> None:
        forms = [part("Three days. Not more."), part("<p>Three days. <b>Not more.</b></p>", "text/html")]
        assert blocks(read(tmp_path, message(multipart("alternative", forms)))) == [
            (Kind.PARAGRAPH, "Three days. Not more.")
        ]

    @pytest.mark.parametrize("text", ["", "See HTML."])
    def test_html_is_read_where_the_plain_text_says_less(self, tmp_path: Path, text: str) -> None:
        table = "<table><tr><th>Card<th>Days<tr><td>Visa<td>three</table>"
        forms = [part(text), part(f"<p>Refunds take three days.</p>{table}", "text/html", coding="base64")]
        related = multipart(
            "related", [multipart("alternative", forms, boundary="a"), part(b"png", "image/png", charset="")]
        )
        assert blocks(read(tmp_path, message(related))) == [
            (Kind.PARAGRAPH, "Refunds take three days."),
            (Kind.TABLE_ROW, "Card: Visa; Days: three"),
        ]

    def test_html_in_several_parts_of_one_form(self, tmp_path: Path) -> None:
        pdf = part(
            b"%PDF",
            "application/pdf",
            charset="",
            fields={"Content-Disposition": "attachment; filename=a.pdf"},
        )
        mixed = multipart(
            "mixed",
            [part("<p>Before.</p>", "text/html"), pdf, part("<p>After it.</p>", "text/html")],
            boundary="m",
        )
        document = read(tmp_path, message(multipart("alternative", [part("-"), mixed])))
        assert document.text == "Before.\n\nAfter it."
        assert "a.pdf" in document.report.warnings[0]

    def test_attachments_are_named_and_texts_among_the_parts_are_read(self, tmp_path: Path) -> None:
        named = "attachment; filename*=utf-8''%E9%80%80%E6%AC%BE.xlsx"
        parts = [
            part("See the sheet."),
            part(
                b"x",
                "application/vnd.ms-excel",
                charset="",
                coding="base64",
                fields={"Content-Disposition": named},
            ),
            part("a,b", "text/csv", fields={"Content-Disposition": 'attachment; filename="../../list.csv"'}),
            part("PS: thanks."),
            part(b"x", "image/png", charset="", coding="base64"),
        ]
        document = read(tmp_path, message(multipart("mixed", parts)))
        assert document.text == "See the sheet.\n\nPS: thanks."
        assert document.report.warnings == (
            "attachments were not read: 退款.xlsx, list.csv, image/png; upload them by themselves",
        )

    def test_an_enclosed_message_stands_under_its_subject(self, tmp_path: Path) -> None:
        inner = message(part("The bank says no."), {"Subject": "Answer"})
        enclosed = b"Content-Type: message/rfc822\n\n" + inner
        document = read(tmp_path, message(multipart("mixed", [part("See below."), enclosed])))
        assert blocks(document) == [
            (Kind.PARAGRAPH, "See below."),
            (Kind.HEADING, "Answer"),
            (Kind.PARAGRAPH, "The bank says no."),
        ]
        assert document.blocks[-1].heading_path == ("Answer",)

    def test_quotations_are_marked_and_signatures_go(self, tmp_path: Path) -> None:
        text = (
            "Three days.\n\n- Visa\n- Master\n\nOn Monday, Bo wrote:\n> How long does\n> a refund take?\n>> Really?\n"
            "\nIt varies.\n-- \nAnn Li\nSupport\n"
        )
        assert plain(tmp_path, text) == [
            (Kind.PARAGRAPH, "Three days."),
            (Kind.LIST_ITEM, "Visa"),
            (Kind.LIST_ITEM, "Master"),
            (Kind.QUOTE, "On Monday, Bo wrote:"),
            (Kind.QUOTE, "How long does a refund take?"),
            (Kind.QUOTE, "Really?"),
            (Kind.PARAGRAPH, "It varies."),
        ]

    def test_a_rule_of_hyphens_in_a_long_text_is_no_signature(self, tmp_path: Path) -> None:
        lines = [f"Line {number} says something." for number in range(20)]
        assert plain(tmp_path, "First.\n\n--\n\n" + "\n\n".join(lines))[-1] == (Kind.PARAGRAPH, lines[-1])
        assert plain(tmp_path, "First.\n--\nAnn") == [(Kind.PARAGRAPH, "First.")]

    @pytest.mark.parametrize(
        "tail",
        [
            "-----Original Message-----\nFrom: Bo\n\nHow long?",
            "------------------ 原始邮件 ------------------\n发件人: Bo\n\nHow long?",
            "From: Bo Chen\nSent: Monday\nTo: Ann\nSubject: Refunds\n\nHow long?",
            "发件人： Bo\n发送时间： 周一\n收件人： Ann\n\nHow long?",
        ],
    )
    def test_what_a_reply_carries_along_is_a_quotation(self, tmp_path: Path, tail: str) -> None:
        found = plain(tmp_path, f"Three days.\n\n{tail}\n")
        assert found[0] == (Kind.PARAGRAPH, "Three days.")
        assert {kind for kind, _ in found[1:]} == {Kind.QUOTE}
        assert found[-1] == (Kind.QUOTE, "How long?")

    def test_a_sentence_that_begins_like_a_header_is_none(self, tmp_path: Path) -> None:
        assert plain(tmp_path, "From: here on it is easy.\n\nGo on.")[-1] == (Kind.PARAGRAPH, "Go on.")

    def test_replies_in_html_are_told_apart_too(self, tmp_path: Path) -> None:
        page = (
            "<p>Three days.</p><blockquote>How long?</blockquote><p>Thanks.</p><div>--<br>Ann Li</div><div>Support</div>"
            "<div><b>From:</b> Bo<br><b>Sent:</b> Monday<br><b>To:</b> Ann</div><p>Please help.</p>"
        )
        assert blocks(read(tmp_path, message(part(page, "text/html")))) == [
            (Kind.PARAGRAPH, "Three days."),
            (Kind.QUOTE, "How long?"),
            (Kind.PARAGRAPH, "Thanks."),
            (Kind.QUOTE, "From: Bo\nSent: Monday\nTo: Ann"),
            (Kind.QUOTE, "Please help."),
        ]

    def test_flowed_lines_are_joined_as_their_writer_meant(self, tmp_path: Path) -> None:
        text = "Refunds take \nthree days.\n From here on\nshort lines.\n> quoted \n> twice\n"
        assert plain(tmp_path, text, "; format=flowed") == [
            (Kind.PARAGRAPH, "Refunds take three days."),
            (Kind.PARAGRAPH, "From here on short lines."),
            (Kind.QUOTE, "quoted twice"),
        ]
        assert plain(tmp_path, "退款三 \n天到账。\n", "; format=flowed; delsp=yes") == [
            (Kind.PARAGRAPH, "退款三天到账。")
        ]

    def test_an_encrypted_message_says_so(self, tmp_path: Path) -> None:
        content = multipart(
            "encrypted",
            [part("Version: 1", "application/pgp-encrypted"), part(b"x", "application/octet-stream")],
        )
        with pytest.raises(ReadError, match="encrypted"):
            read(tmp_path, message(content))

    def test_a_binary_part_is_left_out_with_a_warning(self, tmp_path: Path) -> None:
        parts = [part("Words."), part(bytes(range(256)) * 30, coding="base64", charset="")]
        document = read(tmp_path, message(multipart("mixed", parts)))
        assert document.text == "Words."
        assert "left out" in document.report.warnings[0]


class TestMhtml:
    def page(self, folder: Path, content: bytes) -> mhtml.MhtmlPage:
        return mhtml.html_part(files.write(folder, "a.mht", content))

    @pytest.mark.parametrize(
        ("charset", "really", "coding"),
        [
            ("utf-8", "utf-8", "quoted-printable"),
            ("gb2312", "gb18030", "quoted-printable"),
            ("unicode", "utf-16", "base64"),
            ("unicode", "utf-16-le", "base64"),
            ("", "utf-8", "8bit"),
        ],
    )
    def test_the_page_is_found_in_any_encoding(
        self, tmp_path: Path, charset: str, really: str, coding: str
    ) -> None:
        page = part(PAGE, "text/html", charset=charset, really=really, coding=coding)
        picture = part(b"png", "image/png", charset="", coding="base64", fields={"Content-Location": "a.png"})
        found = self.page(
            tmp_path, message(multipart("related", [page, picture], parameters="; type=text/html"))
        )
        assert found.markup.removeprefix("\ufeff") == PAGE
        assert found.subject == "Refunds"

    def test_a_page_without_parts_around_it(self, tmp_path: Path) -> None:
        assert self.page(tmp_path, b"\r\n" + message(part(PAGE, "text/html"))).markup == PAGE

    def test_the_start_is_not_always_the_first(self, tmp_path: Path) -> None:
        frame = part("<p>An advertisement.</p>", "text/html", fields={"Content-ID": "<frame>"})
        page = part(
            PAGE, "text/html", fields={"Content-ID": "<root>", "Content-Location": "file:///C:/a.htm"}
        )
        found = self.page(
            tmp_path, message(multipart("related", [frame, page], parameters='; start="<root>"'))
        )
        assert (found.markup, found.url) == (PAGE, None)

    def test_a_saved_page_is_a_document(self, tmp_path: Path) -> None:
        fields = {
            "Snapshot-Content-Location": "https://wiki.example.org/refunds",
            "Subject": "=?utf-8?Q?Refunds_=E2=80=94_wiki?=",
        }
        content = message(multipart("related", [part(PAGE, "text/html")]), fields)
        document = mhtml.read(files.write(tmp_path, "a.mhtml", content), LIMITS)
        check(document)
        assert blocks(document) == [(Kind.HEADING, "Refunds"), (Kind.PARAGRAPH, "退款三天内到账。")]
        assert (document.title, document.url) == ("Refunds", "https://wiki.example.org/refunds")
        assert (document.report.reader, document.report.encoding) == ("mhtml", "utf-8")

    def test_a_message_without_a_page_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="without an HTML page"):
            self.page(tmp_path, message(part("Plain.")))


class TestHostile:
    @pytest.mark.parametrize("depth", [101, 400, 1000])
    def test_parts_nested_without_end_are_refused(self, tmp_path: Path, depth: int) -> None:
        path = files.write(tmp_path, "a.eml", message(nested(depth)))
        for reader in (mail.read, mhtml.read):
            with pytest.raises(ReadError, match="nested more than 100 deep"):
                reader(path, LIMITS)

    def test_some_nesting_is_read(self, tmp_path: Path) -> None:
        assert read(tmp_path, message(nested(90))).text == "Deep down."

    def test_too_many_parts_are_refused(self, tmp_path: Path) -> None:
        content = message(multipart("mixed", [part("x")] * 3000))
        with pytest.raises(ReadError, match="2,000 parts"):
            read(tmp_path, content)

    def test_too_much_text_is_refused(self, tmp_path: Path) -> None:
        for content in (part("Words. " * 20), part("<p>Words. </p>" * 20, "text/html")):
            with pytest.raises(ReadError, match="max_text_chars"):
                read(tmp_path, message(content), ReadLimits(text_chars=50))

    @pytest.mark.parametrize(
        "content",
        [
            b"Subject: " + b"=?utf-8?q?" * 200_000 + b"\n\nx",
            b"Subject: " + b"(" * 1_000_000 + b"\nFrom: " + b"(" * 1_000_000 + b"\nDate: " + b"1 Jan " * 100_000 + b"\n\nx",
            b"A: b\n" * 200_000 + b"\nx",
            b"Content-Type: " + b"a;" * 300_000 + b"\n\nx",
            b"Content-Type: text/plain; charset*0*=" + b"%" * 100_000 + b"\n\nx",
            b"Content-Disposition: attachment; filename*0=" + b'"' * 100_000 + b"\n\nx",
            b"Subject: x\n\n" + b">" * 1_000_000,
            b"Subject: x\n\n" + b"> \n" * 100_000,
            b"Subject: x\n\n" + b"From: x\n" * 100_000,
            b"Subject: x\n\n" + b"-- \n>\n" * 100_000,
            b"Subject: x\n\n" + b"-" * 1_000_000,
        ],
        ids=["words", "comments", "fields", "parameters", "charset", "filename", "quotes", "quote lines", "headers", "signatures", "rule"],
    )  # fmt: skip
    def test_long_runs_end(self, tmp_path: Path, content: bytes) -> None:
        read(tmp_path, content)


TEXTS = st.lists(
    st.sampled_from(["word", "退款。", "> ", ">", "-- ", "--", "\n", "\n\n", " \n", "- ", "From: x", "Sent: y", "e\u0301", "===", "\x0b"]),
    max_size=40,
).map("".join)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=TEXTS, html=st.booleans(), flowed=st.booleans())
def test_spans_are_exact_whatever_is_written(tmp_path: Path, text: str, html: bool, flowed: bool) -> None:
    kind = "text/html" if html else "text/plain"
    read(tmp_path, message(part(text, kind, parameters="; format=flowed" if flowed else "")))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    lines=st.lists(st.sampled_from(["", ">", "> ", ">> ", "- ", " "]), min_size=1, max_size=20),
    charset=st.sampled_from(["utf-8", "gb18030", "utf-16"]),
    coding=st.sampled_from(["base64", "quoted-printable"]),
)
def test_words_come_out_in_order_and_once(
    tmp_path: Path, lines: list[str], charset: str, coding: str
) -> None:
    text = "\n".join(f"{mark}n{number:03} 退款" for number, mark in enumerate(lines))
    document = read(tmp_path, message(part(text, charset=charset, coding=coding)))
    assert [word for word in document.text.split() if word[0] == "n"] == [
        f"n{number:03}" for number in range(len(lines))
    ]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=600))
def test_any_bytes_give_a_document_or_a_read_error(tmp_path: Path, content: bytes) -> None:
    for head in (
        b"",
        b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n",
        b"Content-Type: text/html\n\n",
    ):
        path = files.write(tmp_path, "a.eml", head + content)
        for reader in (mail.read, mhtml.read):
            try:
                check(reader(path, LIMITS))
            except ReadError:
                continue
