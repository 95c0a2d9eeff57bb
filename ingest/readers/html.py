"""HTML as its reader sees it: the main content without navigation, tables by row, lists, definitions, code.

Lexbor parses as browsers do, so nothing here meets an unclosed tag. Its time is quadratic in the depth of nesting, which
is therefore bounded before it parses.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from docradar.documents import IngestReport
from docradar.errors import ReadError
from ingest.readers.dates import parse_date
from ingest.readers.document import ReadDocument, ReadLimits, TextBuilder, clean
from ingest.readers.encoding import Decoded, decode, decode_as
from ingest.readers.headings import HeadingPath
from ingest.readers.html_blocks import add_blocks
from ingest.readers.html_content import page_content
from ingest.readers.html_text import BLOCKS

MOST_NESTED: Final = 2000
_HEAD_CHARS: Final = 8192
_DECLARED: Final = re.compile(
    rb"<meta\b[^>]{0,200}?\bcharset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,30})", re.IGNORECASE
)
_TAG: Final = re.compile(r"<(/?[a-zA-Z][^\s/>]*)")
# Possessive, and matching whatever follows: no page makes it look at a character twice.
_WHOLE_TAG: Final = re.compile(
    r"<!--(?:-?>|(?:[^-]++|-(?!-!?>))*+)|<(/?[a-zA-Z][^\s/>]*+)"
    r"(?:[^>=/]++|=\s*+(?:\"[^\"]*+\"?|'[^']*+'?|[^\s>]*+)|/(?!>))*+(/)?"
)
_TAGS_WINDOW_CHARS: Final = 16_384
# They have no end tag, or may leave it out, or are ended by the next of their kind: left open, they are no nesting.
_UNNESTED: Final = frozenset({
    "a", "area", "base", "body", "br", "button", "col", "colgroup", "dd", "dt", "embed", "head", "hr", "html", "img", "input", "li",
    "link", "meta", "nobr", "optgroup", "option", "p", "param", "rp", "rt", "source", "tbody", "td", "tfoot", "th", "thead", "tr",
    "track", "wbr",
})  # fmt: skip
_TITLE_JOINTS: Final = re.compile(r"\s+[|–—·»:-]\s+|\s*::\s*")


@dataclass(frozen=True, slots=True)
class PageFields:
    """What a page's head says of it."""

    title: str | None = None
    author: str | None = None
    language: str | None = None
    url: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


def read(path: Path, limits: ReadLimits) -> ReadDocument:
    """Raises ReadError when the bytes are not text, are nested too deeply, or hold more text than is allowed."""
    decoded = decode_html(path.read_bytes())
    document = read_markup(decoded.text, limits)
    return replace(document, report=with_decoding(document.report, decoded))


def read_markup(markup: str, limits: ReadLimits) -> ReadDocument:
    """The main content of a page that is decoded already. Raises ReadError as `read` does."""
    tree = parse(markup)
    fields = _fields(tree)
    builder = TextBuilder(limits)
    content = page_content(tree)
    if content is not None:
        add_blocks(content.root, builder, HeadingPath(), content.left_out)
    text, blocks = builder.build()
    return ReadDocument(
        text,
        blocks,
        title=fields.title,
        author=fields.author,
        language=fields.language,
        url=fields.url,
        created_at=fields.created_at,
        updated_at=fields.updated_at,
        report=IngestReport(reader="html", characters_read=text_chars(tree)),
    )


def text_chars(tree: LexborHTMLParser) -> int:
    """Characters of all text in a page, white space folded: what its markup comes to before anything is passed over."""
    return len(" ".join(tree.body.text().split())) if tree.body is not None else 0


def with_decoding(report: IngestReport, decoded: Decoded) -> IngestReport:
    """The report of what was read from decoded bytes."""
    return replace(
        report,
        encoding=decoded.encoding,
        encoding_confidence=decoded.confidence,
        warnings=(*decoded.warnings, *report.warnings),
    )


def decode_html(content: bytes) -> Decoded:
    """The markup: by its byte order mark, as UTF-8 where it is that, then as it declares, then as it looks.

    Raises:
        ReadError: It is no text.
    """
    declared = _DECLARED.search(content[:_HEAD_CHARS])
    return decode_as(content, declared[1].decode()) if declared else decode(content)


def parse(markup: str) -> LexborHTMLParser:
    """The tree of a page.

    Raises:
        ReadError: It is nested more than `MOST_NESTED` deep.
    """
    _check_nesting(markup)
    return LexborHTMLParser(clean(markup))


def _check_nesting(markup: str) -> None:
    """Bounds the depth from above, a window of tags at a time; counts tag by tag only where the bound is too high.

    An end tag ends an element of its own name only, since the parser passes over one that fits nothing.
    """
    if markup.count("<") - markup.count("</") <= MOST_NESTED:
        return
    open_elements: Counter[str] = Counter()
    for start in range(0, len(markup), _TAGS_WINDOW_CHARS):
        tags = Counter(map(str.lower, _TAG.findall(markup, start, start + _TAGS_WINDOW_CHARS)))
        for tag in tuple(tags):
            name = tag.lstrip("/")
            if name not in _UNNESTED and (tag == name or name not in tags):
                # As if all of the window's ends came before its beginnings.
                open_elements[name] = max(0, open_elements[name] - tags["/" + name]) + tags[name]
        if open_elements.total() > MOST_NESTED:
            _count_nesting(markup)
            return


def _count_nesting(markup: str) -> None:
    open_elements: Counter[str] = Counter()
    depth = 0
    for match in _WHOLE_TAG.finditer(markup):
        name, slash = match.groups()
        if name is None:  # a comment
            continue
        tag = name.lower()
        if tag[0] == "/":
            if open_elements[tag[1:]]:
                open_elements[tag[1:]] -= 1
                depth -= 1
        # `<div/>` is open nonetheless; `<path/>` is not.
        elif tag not in _UNNESTED and (slash is None or tag in BLOCKS):
            open_elements[tag] += 1
            depth += 1
        if depth > MOST_NESTED:
            raise ReadError(
                f"its elements are nested more than {MOST_NESTED:,} deep; save it anew in a simpler form"
            )


def _fields(tree: LexborHTMLParser) -> PageFields:
    named = tree.css("title, meta[content], link[rel=canonical]")  # in the head, if all is well
    metas = _metas(node for node in named if node.tag == "meta")
    canonical = next((node.attributes.get("href") for node in named if node.tag == "link"), None)
    title = _title(next((node for node in named if node.tag == "title"), None), tree.css_first("h1"), metas)
    language = (tree.root.attributes.get("lang") if tree.root else None) or ""
    url = canonical or metas.get("og:url")
    return PageFields(
        title=title,
        author=metas.get("author") or metas.get("article:author") or metas.get("dc.creator"),
        language=language.strip().split("-")[0].lower()[:8] or None,
        url=url if url and url.startswith(("http://", "https://")) else None,
        created_at=_first_date(metas, "article:published_time", "dcterms.created", "dc.date", "date"),
        updated_at=_first_date(metas, "article:modified_time", "dcterms.modified", "last-modified"),
    )


def _metas(nodes: Iterable[LexborNode]) -> dict[str, str]:
    found: dict[str, str] = {}
    for meta in nodes:
        name = meta.attributes.get("name") or meta.attributes.get("property") or ""
        content = (meta.attributes.get("content") or "").strip()
        if name and content:
            found.setdefault(name.lower(), content[:1000])
    return found


def _title(title: LexborNode | None, heading: LexborNode | None, metas: Mapping[str, str]) -> str | None:
    """The title; without the site's name, where one of its parts is the page's main heading."""
    whole = _line(title) or metas.get("og:title", "")
    part = _line(heading)
    if part and part != whole and part in _TITLE_JOINTS.split(whole):
        return part
    return whole or part or None


def _line(node: LexborNode | None) -> str:
    text = clean(node.text()) if node is not None else ""
    return " ".join(text.replace("¶", "").split())[:1000]


def _first_date(metas: Mapping[str, str], *names: str) -> datetime | None:
    for name in names:
        if name in metas and (found := parse_date(metas[name])):
            return found
    return None
