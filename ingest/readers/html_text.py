"""The text of elements, white space as a browser shows it."""

import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from selectolax.lexbor import LexborNode

from ingest.readers.document import clean

BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hgroup", "hr", "legend",
    "li", "listing", "main", "menu", "nav", "ol", "optgroup", "option", "p", "plaintext", "pre", "search", "section", "summary",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "xmp",
})  # fmt: skip
"""Elements that stand on lines of their own; all others, the unknown included, stand in the line."""

NEVER: Final = frozenset({
    "-comment", "!doctype", "audio", "button", "canvas", "datalist", "embed", "head", "iframe", "input", "map", "noscript", "object",
    "rp", "rt", "script", "select", "style", "svg", "template", "textarea", "title", "video",
})  # fmt: skip
"""Nodes without text, or whose text is not shown or is typed in."""

_TITLES: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt"})
_TITLE_DEPTH: Final = 4  # elements between a title and its button; bounded, for pages may nest as they like
_NOT_PLAIN: Final = NEVER | {"br", "img"}
BREAK: Final = "\x1f"
"""A line break that the page asks for. Markup that was cleaned holds none."""

_SOFT: Final = re.compile("[\u00ad\u200b\u2060]+")
_HAN: Final = "[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef]"
_SOURCE_LINE_END: Final = re.compile(rf"(?<={_HAN})[ \t]*\n[ \t]*(?={_HAN})")
_FILE_NAME: Final = re.compile(r"\S*\.(?:png|jpe?g|gif|svg|webp|bmp|tiff?)", re.IGNORECASE)
_SPACE: Final = " "


def inline_text(pieces: Iterable[str]) -> str:
    """Pieces of a line as they read: white space folded, soft hyphens gone, and `\\n` where the page breaks the line."""
    text = "".join(pieces)
    if not text.isascii():
        text = _SOURCE_LINE_END.sub("", _SOFT.sub("", text))
    if BREAK not in text:
        return " ".join(text.split())
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split(BREAK))))


def line_of(node: LexborNode, left_out: AbstractSet[int] = frozenset()) -> str:
    """All text below a node on one line."""
    return clean(inline_text(_pieces(node, left_out, _SPACE)).replace("\n", _SPACE))


def code_text(node: LexborNode, left_out: AbstractSet[int] = frozenset()) -> str:
    """The text below a node as it stands."""
    if all(inner.tag not in _NOT_PLAIN and inner.mem_id not in left_out for inner in node.css("*")):
        text = node.text()
    else:
        text = "".join(_pieces(node, left_out, "")).replace(BREAK, "\n")
    return text.replace("\xa0", " ").rstrip()


def is_read(node: LexborNode, tag: str) -> bool:
    """Whether a node's text is the page's: a button's is where it unfolds what it is the title of."""
    return tag not in NEVER or (tag == "button" and _is_in_title(node))


def _is_in_title(button: LexborNode) -> bool:
    parent = button.parent
    for _ in range(_TITLE_DEPTH):
        if parent is None or parent.tag in _TITLES:
            break
        parent = parent.parent
    return parent is not None and parent.tag in _TITLES


def node_text(node: LexborNode, tag: str) -> str:
    """What an empty element is in the line: a break, or a picture's description, unless that is a file's name."""
    if tag == "br":
        return BREAK
    if tag != "img":
        return ""
    described = (node.attributes.get("alt") or "").strip()
    return f" {described} " if described and not _FILE_NAME.fullmatch(described) else ""


def children(node: LexborNode) -> Iterator[LexborNode]:
    """The nodes that stand in a node, texts among them."""
    child = node.first_child
    while child is not None:
        yield child
        child = child.next


def _pieces(root: LexborNode, left_out: AbstractSet[int], gap: str) -> list[str]:
    """Texts below a node, with `gap` where an element begins or ends that would stand on lines of its own."""
    pieces: list[str] = []
    open_nodes: list[tuple[LexborNode, str]] = []
    node = root.first_child
    while node is not None:
        tag = node.tag or ""
        if tag == "-text":
            pieces.append(node.text_content or "")
        elif is_read(node, tag) and node.mem_id not in left_out:
            child = node.first_child
            around = gap if tag in BLOCKS else ""
            pieces.append(around)
            if child is None:
                pieces.append(node_text(node, tag))
            elif child.tag == "-text" and child.next is None:
                pieces += (child.text_content or "", around)
            else:
                open_nodes.append((node, around))
                node = child
                continue
        while (following := node.next) is None and open_nodes:
            node, around = open_nodes.pop()
            pieces.append(around)
        node = following
    return pieces
