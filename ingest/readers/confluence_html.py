"""Confluence as HTML: a space's zip, a page of it, and the page that `Export to Word` writes."""

import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from pathlib import Path, PurePosixPath
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from docradar.documents import IngestReport
from docradar.errors import ReadError
from ingest.readers.archive import MemberError, open_zip, pieces, topmost
from ingest.readers.confluence_page import (
    SOURCE,
    UNREAD_ATTACHMENTS,
    PageBuilder,
    attachment_fields,
    attachment_id,
    bundle_of,
    is_unread,
    page_url,
    without_space,
)
from ingest.readers.container import Container, Unpacked
from ingest.readers.dates import find_dates
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.readers.encoding import Decoded
from ingest.readers.html import decode_html, parse, text_chars, with_decoding
from ingest.readers.html_blocks import add_blocks
from ingest.readers.html_content import invisible
from ingest.readers.html_text import line_of
from ingest.readers.mhtml import html_part

_PAGE_NAME: Final = re.compile(r"(?:.*_)?(\d{3,})\.html?$", re.DOTALL)
_ATTACHMENT_LINK: Final = re.compile(
    rb"<a\b[^<>]{0,2000}?\bhref=[\"'](?:\./)?attachments/(\d+)/(\d+)\.?[\w.-]{0,20}[\"'][^<>]{0,2000}>([^<]{1,1000})</a>",
    re.IGNORECASE,
)
_ATTACHMENT_NAME: Final = re.compile(r"attachments/(\d+)/(\d+)(?:\.[\w-]{1,20})?$")
_KEY_NAMES: Final = frozenset(
    {"Key", "关键字", "关键词", "密钥", "键", "空间关键字", "空间关键词", "空间标识"}
)
_NAME_NAMES: Final = frozenset({"Name", "名称", "空间名称"})
# What an export packs beside the pages: their attachments, which are taken later, and what they look like.
_SURROUNDINGS: Final = ("attachments/", "images/", "styles/", "thumbnails/", "js/", "__MACOSX/")
_MOST_PAGE_BYTES: Final = 64 * 1024**2
# What Confluence adds around what somebody wrote: lists of contents, pages and files, icons, faces, controls.
_FURNITURE: Final = (
    ".toc-macro, .aui-icon, .emoticon, .expand-icon, .expand-control-icon, .collapse-source, .expand-source, .page-metadata, "
    ".childpages-macro, .plugin_pagetree, .gallery, .plugin_attachments_container, .confluence-embedded-file, .recently-updated, "
    ".blog-posts-list, .content-by-label, .plugin-contributors, .tasks-report-macro, .hidden-excerpt, .pageSection"
)
_MACROS: Final = "img.wysiwyg-unknown-macro, .macro-placeholder, .jira-issue, .jira-table"
_MACRO_NAME: Final = re.compile(r"[?&;]name=([\w-]{1,100})")
_UNTITLED: Final = frozenset(
    {"Click here to expand...", "Expand source", "点击此处展开...", "单击此处展开...", "点击这里展开..."}
)
_CHANGED: Final = re.compile(r"\b(?:modified|updated|changed|edited)\b|修改|更新|编辑|編輯", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Head:
    """What a page shows of itself around its content. `space` and `ancestors` are titles."""

    title: str
    space: str = ""
    ancestors: tuple[str, ...] = ()
    author: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    labels: tuple[str, ...] = ()
    url: str | None = None


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Reads a page of an HTML export. Raises ReadError as the HTML reader does."""
    decoded = decode_html(path.read_bytes())
    tree = parse(decoded.text)
    content = tree.css_first("#main-content")
    if content is None:
        raise ReadError("it has no element #main-content, as a page exported from Confluence has")
    return _read_content(tree, content, _head(tree), decoded, limits, "confluence-html")


def read_word(path: Path, limits: ReadLimits) -> ReadDocument:
    """Reads a page exported to Word, as it came or saved again: HTML in a mail's clothes, with a title and no place."""
    page = html_part(path)
    tree = parse(page.markup)
    if tree.body is None:
        raise ReadError("it holds no page; export it from Confluence again")
    title = _line(tree, "title") or _line(tree, "h1")
    heading = tree.css_first("h1")
    if heading is not None and line_of(heading) == title:
        heading.decompose()  # the page's title, which stands above all of its headings
    decoded = Decoded(page.markup, page.encoding, page.confidence, page.warnings)
    return _read_content(tree, tree.body, _Head(title), decoded, limits, "confluence-word")


def _read_content(
    tree: LexborHTMLParser,
    content: LexborNode,
    head: _Head,
    decoded: Decoded,
    limits: ReadLimits,
    reader: str,
) -> ReadDocument:
    tree.strip_tags(["script", "style"])
    for day in content.css("time[datetime]"):
        day.replace_with(day.attributes.get("datetime") or day.text())
    left_out = set(invisible(content)) | {node.mem_id for node in content.css(_FURNITURE)}
    left_out |= {node.mem_id for node in content.css(".expand-control-text") if node.text() in _UNTITLED}
    macros: Counter[str] = Counter()
    for node in content.css(_MACROS):
        left_out.add(node.mem_id)
        macros[_macro_name(node)] += 1
    above = tuple(filter(None, (head.space, *head.ancestors)))
    builder = PageBuilder(limits, above, head.title)
    add_blocks(content, builder, builder.headings, left_out)
    text, blocks = builder.build()
    report = IngestReport(reader=reader, characters_read=text_chars(tree), macros_dropped=dict(macros))
    return ReadDocument(
        text,
        blocks,
        title=head.title or None,
        author=head.author,
        tags=head.labels,
        url=head.url,
        created_at=head.created_at,
        updated_at=head.updated_at,
        report=with_decoding(report, decoded),
    )


def _macro_name(node: LexborNode) -> str:
    """The name of what could not be drawn."""
    attributes = node.attributes
    if "jira" in (attributes.get("class") or ""):
        return "jira"
    match = _MACRO_NAME.search(attributes.get("src") or "")
    return attributes.get("data-macro-name") or (match[1] if match else "unknown")


def _head(tree: LexborHTMLParser) -> _Head:
    crumbs = [" ".join(link.text().split()) for link in tree.css("#breadcrumbs li a")]
    space = crumbs[0] if crumbs else ""
    title = without_space(_line(tree, "#title-text") or _line(tree, "title"), space)
    metadata = tree.css_first(".page-metadata")
    author = _line(tree, ".page-metadata .author") or None
    created, updated = _dates(line_of(metadata)) if metadata is not None else (None, None)
    labels = tuple(dict.fromkeys(" ".join(label.text().split()) for label in tree.css("a[rel=tag], a.label")))
    ancestors = tuple(crumb for crumb in crumbs[1:] if crumb)
    return _Head(title, space, ancestors, author, created, updated, labels, _url(tree))


def _dates(metadata: str) -> tuple[datetime | None, datetime | None]:
    """When a page was created and when it was changed last, as far as the line says it; one that never was is as it was created."""
    created = updated = None
    before = 0
    for at, date in find_dates(metadata):
        if _CHANGED.search(metadata, before, at) or _CHANGED.match(metadata, at + 1):
            updated = date
        else:
            created = date
        before = at
    return created, updated or created


def _url(tree: LexborHTMLParser) -> str | None:
    """Where the page is read, where the page says which Confluence it is from, and which page it is."""
    canonical = tree.css_first("link[rel=canonical]")
    if canonical is not None and (found := canonical.attributes.get("href")):
        return found if found.startswith(("http://", "https://")) else None
    site = tree.css_first("[data-base-url]")
    own = tree.css_first("meta[name=ajs-page-id]")
    container = tree.css_first("[data-linked-resource-container-id]")
    page_id = own.attributes.get("content") if own is not None else None
    if page_id is None and container is not None:
        page_id = container.attributes.get("data-linked-resource-container-id")
    if site is None or not page_id:
        return None
    return page_url(site.attributes.get("data-base-url") or "", page_id)


def _line(tree: LexborHTMLParser, selector: str) -> str:
    node = tree.css_first(selector)
    return "" if node is None else line_of(node)


def expand(path: Path, unpacked: Unpacked) -> Container:
    """Takes the pages and the attachments out of a space's zip. Raises ReadError where it is not sound, or too large."""
    with open_zip(path, unpacked.check_count) as archive:
        index = topmost(archive, "index.html")
        root = index.filename.removesuffix("index.html")
        overview = _content(archive, index, unpacked)
        attachments = dict(_add_pages(archive, root, index, unpacked))
        _add_attachments(archive, root, attachments, unpacked)
    title, key = _space(overview)
    return Container(
        reader="confluence-html-space", bundle=bundle_of([key]), global_ids=True, source=SOURCE, title=title
    )


def _space(overview: bytes) -> tuple[str, str]:
    """A space's name and key, as the page that lists its pages gives them; the key may be missing."""
    tree = LexborHTMLParser(decode_html(overview).text if overview else "")
    details: dict[str, str] = {}
    for row in tree.css("tr"):
        head, value = row.css_first("th"), row.css_first("td")
        if head is not None and value is not None:
            details.setdefault(line_of(head), line_of(value))
    title = _line(tree, "#breadcrumbs li a") or _first(details, _NAME_NAMES) or _line(tree, "title")
    return title, _first(details, _KEY_NAMES)


def _first(details: dict[str, str], names: frozenset[str]) -> str:
    return next((value for name, value in details.items() if name in names), "")


def _add_pages(
    archive: zipfile.ZipFile, root: str, index: zipfile.ZipInfo, unpacked: Unpacked
) -> Iterator[tuple[tuple[str, str], str]]:
    """Adds every page, and counts what is none; gives the names of attachments by the ids of their page and their own."""
    for entry in archive.infolist():
        name = entry.filename.removeprefix(root)
        if entry is index or entry.filename.endswith("/") or name.startswith(_SURROUNDINGS):
            continue
        if not entry.filename.startswith(root) or "/" in name or not name.endswith((".html", ".htm")):
            unpacked.skip("files that are no pages")
            continue
        content = _content(archive, entry, unpacked)
        if content:
            match = _PAGE_NAME.fullmatch(name)
            page_id = match[1] if match else PurePosixPath(name).stem
            unpacked.add(page_id, name, [content], media_type="text/html")
            for page, attachment, filename in _ATTACHMENT_LINK.findall(content):
                shown = unescape(filename.decode("utf-8", "replace")).strip()
                yield (page.decode(), attachment.decode()), shown


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, unpacked: Unpacked) -> bytes:
    """The bytes of a page, or none where it cannot be taken out, which is noted."""
    try:
        if entry.file_size > _MOST_PAGE_BYTES:
            raise MemberError(f"a page of more than {_MOST_PAGE_BYTES // 1024**2} MiB is no page")
        return b"".join(pieces(archive, entry))
    except MemberError as error:
        unpacked.fail(entry.filename, str(error))
        return b""


def _add_attachments(
    archive: zipfile.ZipFile, root: str, names: dict[tuple[str, str], str], unpacked: Unpacked
) -> None:
    """Adds the attachments that some page names; the archive itself knows them by number."""
    for entry in archive.infolist():
        match = _ATTACHMENT_NAME.match(entry.filename.removeprefix(root))
        if match is None or entry.filename.endswith("/"):
            continue
        filename = names.get((match[1], match[2])) or PurePosixPath(entry.filename).name
        if is_unread(filename):
            unpacked.skip(UNREAD_ATTACHMENTS)
            continue
        try:
            unpacked.add(
                attachment_id(match[1], filename),
                PurePosixPath(filename).name,
                pieces(archive, entry),
                fields=attachment_fields(match[1], ""),
            )
        except MemberError as error:
            unpacked.fail(filename, str(error))
