"""The Confluence fixtures themselves: sound files, with every trap in them, that hold what is expected of them."""

import csv
import email
import email.policy
import gzip
import re
from collections.abc import Iterator
from io import BytesIO, StringIO
from zipfile import ZipFile

import pytest
from confluence_exports import (
    PDF_FURNITURE,
    SPACE,
    Export,
    Page,
    archive,
    csv_zip,
    entities_xml,
    expected_documents,
    expected_skipped,
    expected_units,
    exported,
    html_zip,
    page_html,
    pdf_export,
    pdf_units,
    word_doc,
    xml_zip,
)
from confluence_model import Status
from confluence_storage import storage
from confluence_xml import Flavour
from lxml import etree, html
from pypdf import PdfReader

from docradar.documents import Kind

FLAVOURS = pytest.mark.parametrize("flavour", ["server", "cloud"])
PAGES = pytest.mark.parametrize("page", SPACE.current(), ids=lambda page: str(page.id))
NEVER_FOUND = re.compile(
    r"never be found|Sixty seconds|ten working days|empty for now|really need|refund anything"
)

# Of the storage format; a page is a fragment, whose prefixes and entities its reader must know.
_PROLOGUE = (
    '<!DOCTYPE body [<!ENTITY nbsp "&#160;"><!ENTITY ldquo "“"><!ENTITY rdquo "”"><!ENTITY rsquo "’"><!ENTITY eacute "é">]>'
    '<body xmlns:ac="urn:ac" xmlns:ri="urn:ri">'
)


def parse_storage(page: Page, *, cloud: bool) -> etree._Element:
    parser = etree.XMLParser(load_dtd=True, no_network=True)
    return etree.fromstring(f"{_PROLOGUE}{storage(page.body, cloud=cloud)}</body>", parser)


def words(text: str) -> str:
    return re.sub(r"\s", "", text)


def anonymous(text: str) -> str:
    for user in SPACE.users:
        text = text.replace(user.name, "").replace(user.login, "")
    return words(text)


def table(content: bytes, name: str) -> list[dict[str, str]]:
    with ZipFile(BytesIO(content)) as packed:
        [found] = [entry for entry in packed.namelist() if entry.removesuffix(".gz") == name]
        text = packed.read(found)
    text = gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text
    return list(csv.DictReader(StringIO(text.decode(), newline="")))


def objects(flavour: Flavour, kind: str) -> Iterator[dict[str, str]]:
    """The objects of a class in `entities.xml`: a property is its text, or the id of what it refers to."""
    root = etree.fromstring(entities_xml(SPACE, flavour).encode())
    for found in root.findall(f"object[@class='{kind}']"):
        yield {p.get("name", ""): "".join(p.itertext()).strip() for p in found.findall("property")} | {
            "id": found.findtext("id", "")
        }


class TestExpectation:
    @PAGES
    def test_the_page_as_shown_holds_the_words_of_each_unit(self, page: Page) -> None:
        [content] = html.fromstring(page_html(SPACE, page)).xpath("//div[@id='main-content']")
        for shown in content.xpath(".//time"):
            shown.text = shown.get("datetime")
        alternatives = "".join(content.xpath(".//img/@alt"))
        text = words(content.text_content() + alternatives + page.title)
        for kind, unit, _ in expected_units(SPACE, page, Export.HTML):
            pieces = re.split(r"; |: ", unit) if kind is Kind.TABLE_ROW else [unit]
            for piece in pieces:
                assert words(piece) in text

    @PAGES
    @pytest.mark.parametrize("cloud", [False, True])
    def test_the_page_as_stored_is_xml_and_holds_its_code_verbatim(self, page: Page, cloud: bool) -> None:
        root = parse_storage(page, cloud=cloud)
        stored = [body.text.rstrip() for body in root.iter("{urn:ac}plain-text-body") if body.text]
        export = Export.XML_CLOUD if cloud else Export.XML_SERVER
        assert stored == [unit for kind, unit, _ in expected_units(SPACE, page, export) if kind is Kind.CODE]

    @PAGES
    def test_kinds_of_export_differ_in_names_and_included_excerpts_only(self, page: Page) -> None:
        shown, server, cloud, rows = (
            [anonymous(text) for _, text, _ in expected_units(SPACE, page, export)]
            for export in (Export.HTML, Export.XML_SERVER, Export.XML_CLOUD, Export.CSV)
        )
        assert server == cloud == rows
        included = [text for text in shown if text not in server]
        assert included == (
            ["Weanswereveryincidentwithinfifteenminutes,dayandnight."] if "银行" in page.title else []
        )

    def test_what_must_not_be_found_is_expected_nowhere_and_is_in_the_exports(self) -> None:
        for export in Export:
            for page in SPACE.current():
                assert not any(NEVER_FOUND.search(text) for _, text, _ in expected_units(SPACE, page, export))
        for content in (entities_xml(SPACE, "server"), entities_xml(SPACE, "cloud")):
            assert len(NEVER_FOUND.findall(content)) == 7
        assert (
            len(NEVER_FOUND.findall("".join(row["body"] for row in table(csv_zip(SPACE), "bodycontent.csv"))))
            == 7
        )

    def test_a_tree_three_levels_deep_gives_paths(self) -> None:
        release = next(d for d in expected_documents(SPACE, Export.HTML) if d.title.startswith("Release"))
        assert release.heading_path == (
            SPACE.name,
            "Payments Handbook",
            "支付超时手册",
            "银行 Bank A : lines & 线路",
        )

    def test_authors_are_known_as_each_export_knows_them(self) -> None:
        authors = {
            export: {d.external_id: d.author for d in expected_documents(SPACE, export)} for export in Export
        }
        assert [authors[export]["65601"] for export in Export] == ["林梅", "林梅", "mlin", "mlin", "mlin"]
        assert [authors[export]["65602"] for export in Export] == [
            "Jan Kowalski",
            "Jan Kowalski",
            "jkowalski",
            None,
            None,
        ]


class TestHtml:
    def test_each_page_is_a_file_and_each_attachment_its_bytes(self) -> None:
        with ZipFile(BytesIO(html_zip(SPACE))) as packed:
            names = packed.namelist()
            for page in exported(SPACE, Export.HTML):
                [name] = [n for n in names if re.fullmatch(rf"(?:.*_)?{page.id}\.html", n)]
                assert name in packed.read("index.html").decode()
            assert packed.read("attachments/65601/655401.txt").startswith(b"Refund limits, valid")
        assert "65603.html" in names
        assert "Release-2.0.1---timeout_65605.html" in names

    def test_a_nested_export_has_the_same_files_in_a_folder(self) -> None:
        flat, nested = (
            ZipFile(BytesIO(content)).namelist()
            for content in (html_zip(SPACE), html_zip(SPACE, nested=True))
        )
        assert nested == [f"export/PAY/{name}" for name in flat]

    @pytest.mark.parametrize(
        "trap",
        [
            "<title>支付 &amp; Refunds: Handbook : 银行 Bank A : lines &amp; 线路</title>",
            "由 <span class='author'> 林梅</span>创建, 最后修改于一月 11, 2018",
            "创建, 最后修改于2017年1月4日",
            "Created by <span class='author'> Ada Okafor</span> on Feb 18, 2025",
            "last modified by <span class='editor'> Jan Kowalski</span> on Jan 04, 2017",
            "<h2 id=\"PaymentsHandbook-\"><style type='text/css'>/*<![CDATA[*/",
            '<h2 id="attachments" class="pageSectionTitle">',
            '<h2 id="comments" class="pageSectionTitle">',
            ">Icon</span>",
            'class="syntaxhighlighter-pre"',
            'class="confluence-information-macro confluence-information-macro-warning"',
            "Click here to expand...",
            'class="columnLayout two-equal"',
            'class="columnMacro"',
            'class="wysiwyg-unknown-macro"',
            "Getting issue details...",
            'alt="(tick)"',
        ],
    )
    def test_a_page_has_the_trap(self, trap: str) -> None:
        assert any(trap in page_html(SPACE, page) for page in SPACE.current())


class TestXml:
    @FLAVOURS
    def test_what_is_skipped_is_counted_as_the_objects_say(self, flavour: Flavour) -> None:
        export = Export.XML_SERVER if flavour == "server" else Export.XML_CLOUD
        pages = [*objects(flavour, "Page"), *objects(flavour, "BlogPost")]
        files = list(objects(flavour, "Attachment"))
        versions = [o for o in pages + files if o.get("originalVersion") and o["contentStatus"] == "current"]
        counts = expected_skipped(SPACE, export)
        assert counts["old versions"] == len(versions) == 5
        assert counts["drafts"] == sum(page["contentStatus"] == Status.DRAFT for page in pages) == 2
        assert counts["trash"] == sum(o["contentStatus"] == Status.TRASHED for o in pages + files) == 2
        assert (
            counts["attachments that cannot be read"] == sum(o["title"].endswith(".png") for o in files) == 2
        )

    @FLAVOURS
    def test_each_page_has_one_body_and_each_attachment_its_bytes(self, flavour: Flavour) -> None:
        bodies = [body["content"] for body in objects(flavour, "BodyContent")]
        assert len(bodies) == len(set(bodies))
        assert set(bodies) >= {str(page.id) for page in SPACE.pages}
        assert {body["bodyType"] for body in objects(flavour, "BodyContent")} == {"0", "1", "2"}
        with ZipFile(BytesIO(archive(SPACE, Export(f"xml-{flavour}")))) as packed:
            for document in expected_documents(SPACE, Export(f"xml-{flavour}")):
                for attachment in document.attachments:
                    [found] = [
                        o
                        for o in objects(flavour, "Attachment")
                        if (o["title"], o["containerContent"]) == (attachment.filename, document.external_id)
                        and not o.get("originalVersion")
                    ]
                    path = f"attachments/{document.external_id}/{found['id']}/{found['version']}"
                    assert packed.read(path) == attachment.content

    @FLAVOURS
    def test_inner_ends_of_cdata_are_broken_by_a_space(self, flavour: Flavour) -> None:
        bodies = "".join(body["body"] for body in objects(flavour, "BodyContent"))
        assert "]]>" not in bodies
        assert ']]]] ><![CDATA[>"; }]] ></ac:plain-text-body>' in bodies

    def test_only_cloud_has_adf_and_account_ids_and_only_a_server_user_keys(self) -> None:
        server, cloud = entities_xml(SPACE, "server"), entities_xml(SPACE, "cloud")
        for mark in ("<ac:adf-fallback>", "ri:account-id=", "<?xml", "<ac:link-body>"):
            assert (mark in cloud, mark in server) == (True, False)
        for mark in ("ri:userkey=", "<ac:plain-text-link-body>"):
            assert (mark in cloud, mark in server) == (False, True)
        for mark in ("&nbsp;", "&rsquo;", '<ac:macro ac:name="tip">'):
            assert mark in cloud
            assert mark in server

    def test_descriptors_say_where_an_export_is_from(self) -> None:
        for flavour in ("server", "cloud"):
            with ZipFile(BytesIO(xml_zip(SPACE, flavour))) as packed:
                assert f"source={flavour}\n" in packed.read("exportDescriptor.properties").decode()


class TestCsv:
    def test_old_versions_look_current_but_are_in_no_space(self) -> None:
        rows = [
            row for row in table(csv_zip(SPACE), "content.csv") if row["contenttype"] in ("PAGE", "BLOGPOST")
        ]
        current = [row for row in rows if row["content_status"] == "current"]
        assert {row["contentid"] for row in current if row["spaceid"]} == {
            document.external_id for document in expected_documents(SPACE, Export.CSV)
        }
        assert all(bool(row["spaceid"]) != bool(row["prevver"]) for row in current)
        [draft] = [row for row in rows if row["content_status"] == "draft" and row["prevver"]]
        assert draft["prevver"] == "65601"

    def test_labels_and_people_can_be_joined(self) -> None:
        content = csv_zip(SPACE)
        labels = {
            row["labelid"]: row["name"] for row in table(content, "label.csv") if row["namespace"] == "global"
        }
        found: dict[str, set[str]] = {}
        for row in table(content, "content_label.csv"):
            if row["labelid"] in labels:
                found.setdefault(row["contentid"], set()).add(labels[row["labelid"]])
        for document in expected_documents(SPACE, Export.CSV):
            assert found.get(document.external_id, set()) == set(document.labels)
        people = {row["user_key"]: row["username"] for row in table(content, "user_mapping.csv")}
        assert people[SPACE.users[0].key] == "mlin"
        assert people[SPACE.users[1].key] == SPACE.users[1].account_id

    def test_some_tables_are_packed_and_some_only_named_so(self) -> None:
        with ZipFile(BytesIO(csv_zip(SPACE))) as packed:
            packed_tables = [n for n in packed.namelist() if n.endswith(".gz")]
            assert {packed.read(name)[:2] == b"\x1f\x8b" for name in packed_tables} == {True, False}


class TestWord:
    @PAGES
    def test_both_ways_of_saving_hold_the_same_words(self, page: Page) -> None:
        texts = []
        for resaved, charset in ((False, "utf-8"), (True, "utf-16-le")):
            message = email.message_from_bytes(
                word_doc(SPACE, page, resaved=resaved), policy=email.policy.default
            )
            part = next(message.iter_parts())
            content = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            assert part.get_content_type() == "text/html"
            body = html.fromstring(content.decode(charset).lstrip("\ufeff")).find("body")
            texts.append(words(body.text_content()))
        assert texts[0] == texts[1]
        assert words(page.title) in texts[0]

    def test_an_export_says_so_and_a_resaved_one_does_not(self) -> None:
        page = SPACE.titled("Refund guide")
        assert b"Subject: Exported From Confluence" in word_doc(SPACE, page)
        assert b"Subject" not in word_doc(SPACE, page, resaved=True)
        assert b"image/png" in word_doc(SPACE, page)


def test_the_pdf_holds_each_unit_and_its_furniture_on_every_page() -> None:
    reader = PdfReader(BytesIO(pdf_export(SPACE)))
    pages = [page.extract_text() for page in reader.pages]
    text = words("".join(pages))
    units = pdf_units(SPACE)
    assert len(units) > 12
    for _, unit, _ in units:
        assert words(unit) in text
    assert all(PDF_FURNITURE[0] in page and PDF_FURNITURE[1] in page for page in pages)
    assert "......" in pages[0]
