"""One space in every kind of export must come in as the same documents, with the same units."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import confluence_exports as exports
import files
import pytest
from confluence_exports import SPACE, Export, Page

from docradar.documents import DocumentFields, IngestReport
from ingest.prepare import Prepared, PrepareRequest, prepare

SPACES = (Export.HTML, Export.XML_SERVER, Export.XML_CLOUD, Export.CSV)


@dataclass(frozen=True)
class Read:
    """A document of an export, read as its own job would."""

    filename: str
    units: list[exports.Unit]
    fields: DocumentFields
    report: IngestReport


def prepared(folder: Path, path: Path, filename: str, media_type: str = "") -> Prepared:
    scratch = folder / uuid.uuid4().hex
    scratch.mkdir()
    return prepare(
        PrepareRequest(
            path=path,
            filename=filename,
            media_type=media_type,
            document_id=str(uuid.UUID(int=7)),
            scratch_dir=scratch,
        )
    )


def read(folder: Path, path: Path, filename: str, media_type: str = "") -> Read:
    found = prepared(folder, path, filename, media_type)
    text = found.text_path.read_text(encoding="utf-8")
    units = [unit for passage in found.passages() for unit in passage.units]
    assert [text[slice(*unit.span)] for unit in units] == [unit.text for unit in units]
    return Read(
        filename, [(unit.kind, unit.text, unit.heading_path) for unit in units], found.fields, found.report
    )


def documents(folder: Path, container: Prepared) -> Iterator[tuple[str, Read]]:
    for member in container.members():
        found = read(folder, container.member_path(member), member.filename, member.media_type)
        yield (
            member.external_id,
            Read(found.filename, found.units, member.fields.or_else(found.fields), found.report),
        )


@pytest.fixture(params=SPACES)
def export(request: pytest.FixtureRequest) -> Export:
    kind: Export = request.param
    return kind


@pytest.fixture
def container(export: Export, tmp_path: Path) -> Prepared:
    return prepared(tmp_path, files.write(tmp_path, "space.zip", exports.archive(SPACE, export)), "space.zip")


class TestSpaces:
    def test_every_kind_gives_the_units_that_the_space_holds(
        self, export: Export, container: Prepared, tmp_path: Path
    ) -> None:
        found = dict(documents(tmp_path, container))
        for page in exports.exported(SPACE, export):
            assert found[str(page.id)].units == exports.expected_units(SPACE, page, export), page.title

    def test_pages_and_their_attachments_are_the_documents_and_nothing_else(
        self, export: Export, container: Prepared
    ) -> None:
        wanted = exports.expected_documents(SPACE, export)
        ids = [document.external_id for document in wanted]
        ids += [attachment.external_id for document in wanted for attachment in document.attachments]
        assert sorted(member.external_id for member in container.members()) == sorted(ids)
        assert container.report.documents == len(ids)
        assert container.report.documents_failed == {}
        assert container.report.documents_skipped == exports.expected_skipped(SPACE, export)
        assert container.container is not None
        assert (container.container.bundle, container.container.source) == ("confluence:PAY", "confluence")
        assert container.fields.title == SPACE.name

    def test_documents_know_what_the_export_says_of_them(
        self, export: Export, container: Prepared, tmp_path: Path
    ) -> None:
        found = dict(documents(tmp_path, container))
        for wanted in exports.expected_documents(SPACE, export):
            fields = found[wanted.external_id].fields
            assert (fields.title, fields.author) == (wanted.title, wanted.author)
            assert (fields.created_at, fields.updated_at) == (wanted.created, wanted.updated), wanted.title
            assert sorted(fields.tags) == sorted(wanted.labels)
            assert found[wanted.external_id].report.macros_dropped == wanted.macros_dropped, wanted.title

    def test_attachments_are_their_bytes_and_name_their_page(
        self, export: Export, container: Prepared
    ) -> None:
        members = {member.external_id: member for member in container.members()}
        for document in exports.expected_documents(SPACE, export):
            for attachment in document.attachments:
                member = members[attachment.external_id]
                assert container.member_path(member).read_bytes() == attachment.content
                assert member.filename == attachment.filename
                assert member.fields.meta["page_id"] == document.external_id

    def test_no_draft_old_version_or_comment_is_in_it(
        self, export: Export, container: Prepared, tmp_path: Path
    ) -> None:
        text = " ".join(unit for _, found in documents(tmp_path, container) for _, unit, _ in found.units)
        for hidden in (
            "draft",
            "unpublished",
            "trashed",
            "ten working days",
            "Does the director",
            "50 euros",
        ):
            assert hidden not in text


@pytest.mark.parametrize("page", exports.exported(SPACE, Export.HTML), ids=lambda page: str(page.id))
class TestSinglePages:
    def test_a_page_of_its_own_is_the_page_of_the_space(self, page: Page, tmp_path: Path) -> None:
        path = files.write(tmp_path, "page.html", exports.single_html(SPACE, page))
        assert read(tmp_path, path, "page.html").units == exports.expected_units(SPACE, page, Export.HTML)

    @pytest.mark.parametrize("resaved", [False, True])
    def test_a_word_export_is_the_page_without_its_place(
        self, page: Page, resaved: bool, tmp_path: Path
    ) -> None:
        path = files.write(tmp_path, "page.doc", exports.word_doc(SPACE, page, resaved=resaved))
        found = read(tmp_path, path, "page.doc")
        assert found.units == exports.expected_units(SPACE, page, Export.WORD)
        assert found.fields.title == page.title


def test_a_pdf_export_gives_the_units_of_its_pages_and_no_furniture(tmp_path: Path) -> None:
    found = read(tmp_path, files.write(tmp_path, "space.pdf", exports.pdf_export(SPACE)), "space.pdf")
    expected = exports.pdf_units(SPACE)
    assert [text for _, text, _ in found.units if text in {text for _, text, _ in expected}] == [
        text for _, text, _ in expected
    ]
    shown = " ".join(text for _, text, _ in found.units)
    assert not any(furniture in shown for furniture in exports.PDF_FURNITURE)
    assert "Table of Contents" not in shown
