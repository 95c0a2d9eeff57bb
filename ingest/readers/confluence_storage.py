"""Pages in Confluence's storage format: XHTML with macros, turned into the HTML that a reader sees.

Storage format is well-formed XML with HTML's named entities and undeclared prefixes. A body that is not, which happens to pages
of old, is read as far as it can be, and the report says so.
"""

import html.entities
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from lxml import etree
from selectolax.lexbor import LexborHTMLParser

from docradar.documents import IngestReport
from docradar.errors import ReadError
from ingest.readers.confluence_page import PageBuilder, StoredPage
from ingest.readers.document import ReadDocument, ReadLimits, clean
from ingest.readers.html import text_chars
from ingest.readers.html_blocks import add_blocks

Element = Any  # lxml ships no types

_ROOT: Final = '<storage xmlns:ac="ac" xmlns:ri="ri" xmlns:at="at">'
_CDATA: Final = re.compile(r"<!\[CDATA\[.*?\]\]>", re.DOTALL)
# Inside another CDATA section, as in entities.xml, the end of one is written with a space in it.
_ESCAPED_CDATA_END: Final = re.compile(r"\]\] >(?=\s*</ac:|<!\[CDATA\[)")
_NAMED_ENTITY: Final = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,31});")
_LONE_AMPERSAND: Final = re.compile(r"&(?!#?[A-Za-z0-9]{1,32};)")
_XML_ENTITIES: Final = frozenset({"amp", "lt", "gt", "quot", "apos"})

_CODE: Final = frozenset({"code", "noformat"})
# Lists of other pages, files and people, anchors: what a page shows of others is in the others.
_NAVIGATION: Final = frozenset({
    "toc", "children", "pagetree", "pagetreesearch", "anchor", "attachments", "gallery", "recently-updated", "contentbylabel",
    "livesearch", "listlabels", "blog-posts", "space-attachments", "spaceslist", "related-labels", "popular-labels", "profile",
    "profile-picture", "change-history", "contributors", "contributors-summary", "navmap", "index", "create-from-template",
    "favpages", "view-file", "viewpdf", "viewdoc", "viewppt", "viewxls", "search", "tasks-report-macro", "detailssummary", "content-report-table", "recently-updated-dashboard", "userlister",
})  # fmt: skip
_TITLED: Final = frozenset({
    "info", "note", "tip", "warning", "panel", "success", "error", "custom-panel", "expand", "ui-expand", "card",
})  # fmt: skip
_HIDEABLE: Final = frozenset({"excerpt", "details"})
_NOT_TEXT: Final = frozenset({
    "{ac}task-id", "{ac}task-uuid", "{ac}task-status", "{ac}emoticon", "{ac}placeholder", "{ac}parameter",
    "{ac}default-parameter", "{ac}adf-attribute", "{ac}adf-mark",
})  # fmt: skip
_VOID: Final = frozenset({"br", "hr", "img", "col", "wbr", "input"})


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Reads a `StoredPage`. Raises ReadError when it is none, or holds more text than is allowed."""
    try:
        page = msgspec.json.decode(path.read_bytes(), type=StoredPage)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReadError(f"it is no page of a Confluence export: {error}; upload the export itself") from error
    storage = Storage(page.users)
    markup = storage.html(page.body)
    builder = PageBuilder(limits, page.above, page.title)
    tree = LexborHTMLParser(markup)
    if tree.body is not None:
        add_blocks(tree.body, builder, builder.headings)
    text, blocks = builder.build()
    return ReadDocument(
        text,
        blocks,
        title=page.title,
        author=page.author,
        url=page.url,
        tags=tuple(page.labels),
        created_at=page.created_at,
        updated_at=page.updated_at,
        report=IngestReport(
            reader="confluence-page",
            characters_read=text_chars(tree),
            macros_dropped=dict(storage.dropped),
            warnings=tuple(storage.warnings),
        ),
    )


class Storage:
    """Turns bodies into HTML; counts in `dropped`, by name, the macros that leave nothing, or not all, of theirs in it."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self.dropped: Counter[str] = Counter()
        self.warnings: list[str] = []
        self._users = users
        self._out: list[str] = []

    def html(self, body: str) -> str:
        """The body as HTML that holds text and structure only."""
        self._out = []
        self._children(self._parse(clean(_ESCAPED_CDATA_END.sub("]]>", body))))
        return "".join(self._out)

    def _parse(self, body: str) -> Element:
        source = f"{_ROOT}{_without_entities(body)}</storage>"
        options: dict[str, Any] = {
            "resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True,
            "remove_pis": True,
        }  # fmt: skip
        try:
            return etree.fromstring(source, etree.XMLParser(**options))
        except etree.XMLSyntaxError as error:
            self.warnings.append(
                f"the page is not well formed ({str(error)[:150]}); parts of it may be missing"
            )
        root = etree.fromstring(source, etree.XMLParser(recover=True, **options))
        return root if root is not None else etree.Element("storage")

    def _children(self, element: Element) -> None:
        """The text and the elements below one. Depth is bounded by the XML parser."""
        self._text(element.text)
        for child in element:
            if isinstance(child.tag, str):
                self._element(child)
            self._text(child.tail)

    def _text(self, text: str | None) -> None:
        if text:
            self._out.append(html.escape(text, quote=False))

    def _element(self, element: Element) -> None:
        tag = element.tag
        match tag:
            case "{ac}structured-macro" | "{ac}macro":
                self._macro(element)
            case "{ac}link":
                self._link(element)
            case "{ac}image":
                self._image(element)
            case "{ac}adf-extension":
                self._adf_extension(element)
            case "{ac}task-list":
                self._as(element, "ul")
            case "{ac}task":
                self._as(element, "li")
            case "{ac}layout" | "{ac}layout-section" | "{ac}layout-cell":
                self._as(element, "div")
            case "time":
                self._text(element.get("datetime") or element.text)
            case _ if tag[0] != "{":
                self._plain(element, tag)
            case _ if tag.startswith("{ac}") and tag not in _NOT_TEXT:
                self._children(element)

    def _plain(self, element: Element, name: str) -> None:
        spans = "".join(
            f' {span}="{element.get(span)}"'
            for span in ("rowspan", "colspan")
            if (element.get(span) or "").isdecimal()
        )
        self._out.append(f"<{name}{spans}>")
        if name not in _VOID:
            self._children(element)
            self._out.append(f"</{name}>")

    def _macro(self, element: Element) -> None:
        name = element.get("{ac}name") or "unnamed"
        parameters = {
            parameter.get("{ac}name") or "": "".join(parameter.itertext()).strip()
            for parameter in element.findall("{ac}parameter")
        }
        body = element.find("{ac}rich-text-body")
        if name in _CODE:
            self._code(element, parameters.get("title", ""))
        elif name == "status":
            self._text(f" {parameters.get('title', '')} ")
        elif name in _NAVIGATION or (name in _HIDEABLE and parameters.get("hidden") == "true"):
            return
        else:
            if body is None and (plain := element.find("{ac}plain-text-body")) is not None:
                self._plain_text("".join(plain.itertext()))
            elif body is None:
                self.dropped[name[:100]] += 1
            else:
                self._panel(parameters.get("title", "") if name in _TITLED else "", body)

    def _panel(self, title: str, body: Element) -> None:
        self._out.append("<div>")
        if title:
            self._paragraph(title)
        self._children(body)
        self._out.append("</div>")

    def _plain_text(self, text: str) -> None:
        """The text of a macro that shows what is written in it, such as Markdown, by its paragraphs."""
        for paragraph in text.split("\n\n"):
            self._paragraph(paragraph)

    def _code(self, element: Element, title: str) -> None:
        if title:
            self._paragraph(title)
        body = element.find("{ac}plain-text-body")
        if body is not None:
            # A line end right after <pre> is the parser's to drop.
            self._out.append("<pre>\n")
            self._text("".join(body.itertext()))
            self._out.append("</pre>")

    def _paragraph(self, text: str) -> None:
        self._out.append("<p>")
        self._text(text)
        self._out.append("</p>")

    def _link(self, element: Element) -> None:
        rich = element.find("{ac}link-body")
        plain = element.find("{ac}plain-text-link-body")
        if rich is not None and (len(rich) or (rich.text or "").strip()):
            self._children(rich)
        elif plain is not None and (text := "".join(plain.itertext()).strip()):
            self._text(text)
        else:
            self._text(self._target(element))

    def _target(self, link: Element) -> str:
        """What a link without a text of its own shows."""
        for target in link:
            for attribute in ("content-title", "filename", "value", "space-key"):
                if shown := target.get(f"{{ri}}{attribute}"):
                    return str(shown)
            key = target.get("{ri}userkey") or target.get("{ri}account-id") or target.get("{ri}username")
            if key:
                return self._users.get(key, "")
        return link.get("{ac}anchor") or ""

    def _image(self, element: Element) -> None:
        caption = element.find("{ac}caption")
        if caption is not None:
            self._out.append("<figcaption>")
            self._children(caption)
            self._out.append("</figcaption>")
        elif described := element.get("{ac}alt"):
            self._out.append(f'<img alt="{html.escape(described)}">')

    def _adf_extension(self, element: Element) -> None:
        """What stands in the node stands in the fallback again, as older readers show it."""
        fallback = element.find("{ac}adf-fallback")
        self._children(element if fallback is None else fallback)

    def _as(self, element: Element, tag: str) -> None:
        self._out.append(f"<{tag}>")
        self._children(element)
        self._out.append(f"</{tag}>")


def _without_entities(body: str) -> str:
    """HTML's named entities as characters, outside CDATA sections, where they are text."""
    pieces: list[str] = []
    at = 0
    for section in (*_CDATA.finditer(body), None):
        outside = body[at : section.start() if section else len(body)]
        if "&" in outside:
            outside = _LONE_AMPERSAND.sub("&amp;", _NAMED_ENTITY.sub(_character, outside))
        pieces.append(outside)
        if section:
            pieces.append(section[0])
            at = section.end()
    return "".join(pieces)


def _character(match: re.Match[str]) -> str:
    if match[1] in _XML_ENTITIES:
        return match[0]
    return html.entities.html5.get(f"{match[1]};", f"&amp;{match[1]};")
