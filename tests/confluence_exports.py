"""One space in every kind of export, and what must be found in each: the parts that tests use."""

from confluence_csv import csv_zip
from confluence_expected import (
    ExpectedAttachment,
    ExpectedDocument,
    Unit,
    expected_documents,
    expected_skipped,
    expected_units,
    exported,
    macros_dropped,
    page_path,
)
from confluence_html import html_zip, page_html, single_html, word_doc
from confluence_model import Export, Page, Space
from confluence_pdf import PDF_FURNITURE, pdf_export, pdf_units
from confluence_space import SPACE
from confluence_xml import entities_xml, xml_zip

__all__ = [
    "PDF_FURNITURE",
    "SPACE",
    "ExpectedAttachment",
    "ExpectedDocument",
    "Export",
    "Page",
    "Space",
    "Unit",
    "archive",
    "csv_zip",
    "entities_xml",
    "expected_documents",
    "expected_skipped",
    "expected_units",
    "exported",
    "html_zip",
    "macros_dropped",
    "page_html",
    "page_path",
    "pdf_export",
    "pdf_units",
    "single_html",
    "word_doc",
    "xml_zip",
]


def archive(space: Space, export: Export) -> bytes:
    """The zip of a kind of export that is one."""
    match export:
        case Export.HTML:
            return html_zip(space)
        case Export.XML_SERVER:
            return xml_zip(space, "server")
        case Export.XML_CLOUD:
            return xml_zip(space, "cloud")
        case Export.CSV:
            return csv_zip(space)
        case Export.WORD:
            raise ValueError("a Word export is one page, not a space: use word_doc")
