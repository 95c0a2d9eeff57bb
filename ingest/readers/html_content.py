"""Which part of a page is its content: everything else is navigation, or not to be seen at all.

Nodes are marked to be left out by their `mem_id`, never removed: a removed node's descendants must not be touched again.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.readers.html_text import BLOCKS, children

# Not seen, or no text of the page; beside the elements that never are.
_INVISIBLE: Final = (
    "dialog:not([open]), [hidden], [aria-hidden=true], [style*='display:none'], [style*='display: none'], a.headerlink, "
    "a.anchor-link, a.anchorjs-link, .sr-only, .visually-hidden, .screen-reader-text, .ttc"
)
_NAVIGATION_TAGS: Final = frozenset({"nav", "menu"})
_NAVIGATION_ROLES: Final = frozenset({"navigation", "search", "banner", "contentinfo", "complementary"})
_PAGE_PARTS: Final = frozenset({"header", "footer", "aside"})
# Classes and ids that say so: words of them, or all of one.
_NAMED: Final = re.compile(
    r"(?P<navigation>(?:^|[\s_-])(?:"
    r"nav(?:bar|igation(?:bar)?|header|footer|links|menu|list|box|tree)?|menu(?:bar|list)?|sphinxsidebar\w*|breadcrumbs?|pagination|"
    r"pager|skip-?(?:link|nav)|masthead|titlearea|(?:site|page)-?(?:header|nav)|colophon|cookie\w*|"
    r"advert\w*|share-?(?:bar|buttons)|social-?\w*|prev-?next|quickview|spirit-nav|"
    r"related-?(?:articles|content|links|pages|posts|topics)"
    r")(?=$|[\s_-])"
    r"|(?:^|\s)(?:top|bottom)?lang(?:s|uages)?(?=$|\s))"
    r"|(?P<footer>(?:^|\s)footer(?=$|\s)|(?:^|[\s_-])(?:(?:site|page)-?|copyright-)footer(?=$|[\s_-]))"
    r"|(?P<contents>(?:^|[\s_-])(?:toc|tableofcontents)(?=$|[\s_-]))"
    r"|(?P<header>(?:^|\s)header(?=$|\s))|(?P<sidebar>(?:^|[\s_-])sidebar(?=$|[\s_-]))",
    re.IGNORECASE,
)
_NAME_CHARS: Final = 500
_TITLES: Final = "h1, .title, .headertitle"
_PROSE: Final = "h2, h3, h4, h5, h6, p"
_SUBHEADINGS: Final = "h2, h3, h4, h5, h6"
_PROSE_LINKS: Final = 0.3
# Only what groups other elements can be navigation by its name: a heading called `toc-title` is a heading.
_GROUPS: Final = frozenset({"div", "section", "ul", "ol", "dl", "form", "center", "font", "table"})
_LISTS: Final = frozenset({"ul", "ol", "dl"})
_MAIN_TAGS: Final = frozenset({"main", "article"})
# A bar of links stands in one of these; whatever else holds text ends the search for more.
_TEXTS: Final = frozenset({"h1", "h2", "h3", "p", "pre", "blockquote"})
_BARS: Final = _TEXTS | _LISTS | {"table", "div"}
# All that is looked at one by one, in one pass over the page: a pass costs a tenth of what parsing does.
_CANDIDATES: Final = (
    ", ".join(sorted(_NAVIGATION_TAGS | _PAGE_PARTS | _GROUPS | _MAIN_TAGS | _TEXTS)) + ", [role]"
)
_WITHIN_CONTENT: Final = frozenset({"article", "main", "section", "blockquote", "li", "td", "figure"})
_NO_BARS: Final = frozenset({"h1", "h2", "h3", "pre", "blockquote"})
_BAR_LINKS: Final = 2
_BAR_SHARE: Final = 0.7
_BAR_CHARS: Final = 40
# A row of links and nothing else, whatever its name: `Home > Docs > Fees`, `Methods | Members`.
_ROW_PARENTS: Final = frozenset({"p", "div", "center", "font", "span", "small"})
_STEPS: Final = frozenset({"next", "prev", "previous", "up", "start", "contents", "index", "home"})
_WORD: Final = re.compile(r"\w+")
_LINK: Final = "\x00"
_LINK_ROW: Final = re.compile(
    rf"\s*+{_LINK}(?:\s*+[|>»›·•→]\s*+{_LINK})++\s*+(?:[|»]|[>»›→]\s*+[^{_LINK}]{{1,80}})?\s*"
)
_NO_BREAK_SPACE: Final = "\xa0".encode()
# In UTF-8: white space, and all bytes of a character but its first.
_NOT_COUNTED: Final = b" \t\n\r\f" + bytes(range(0x80, 0xC0))
_MOST_SHARE: Final = 0.6
_MAIN_SHARE: Final = 0.2
_LINKS_SHARE: Final = 0.8
_LEAST_CHARS: Final = 200
_LEAST_LINKS: Final = {"sidebar": 0.3, "contents": 0.6}
# How often a text may be looked at for all the groups that it stands in: they may stand in one another without an end.
_MOST_LOOKS: Final = 20
_CONTENTS_LINKS: Final = 4
_CONTENTS_SHARE: Final = 0.9


@dataclass(frozen=True, slots=True)
class Content:
    """The element that holds a page's content, and the `mem_id`s of the elements in it that are none."""

    root: LexborNode
    left_out: frozenset[int]


def page_content(tree: LexborHTMLParser) -> Content | None:
    """The content of any page, or None where there is no body."""
    body = tree.body
    if body is None:
        return None
    tree.strip_tags(["script", "style"])
    candidates = body.css(_CANDIDATES)
    root, total = _main(body, candidates)
    if root is not body:
        candidates = root.css(_CANDIDATES)
    left_out = {node.mem_id for node in _navigation(root, total, candidates)}
    left_out |= {node.mem_id for node in _contents(candidates, total)}
    left_out |= _link_rows(root.css("a[href]"), total)
    left_out |= invisible(root)
    left_out |= {node.mem_id for node in _link_bars(candidates, total, left_out)}
    return Content(root, frozenset(left_out))


def invisible(root: LexborNode) -> frozenset[int]:
    """Elements below `root` that nobody who looks at the page reads as text."""
    return frozenset(node.mem_id for node in root.css(_INVISIBLE))


def _main(body: LexborNode, candidates: Sequence[LexborNode]) -> tuple[LexborNode, int]:
    """The element that is marked as the main content, unless most of the page's text stands elsewhere; and its characters."""
    total = _chars(body)
    marked: dict[str, list[LexborNode]] = {"main": [], "article": []}
    for node in candidates:
        tag = node.tag or ""
        name = tag if tag in _MAIN_TAGS else node.attributes.get("role")
        if name in marked:
            marked[name].append(node)
    for found in marked.values():
        if len(found) == 1 and (chars := _chars(found[0])) > _MAIN_SHARE * total:
            return found[0], chars
    return body, total


def _navigation(root: LexborNode, total: int, candidates: Iterable[LexborNode]) -> Iterator[LexborNode]:
    """What is marked or named as navigation, unless the page would be empty without it."""
    looked_at = 0
    for node in candidates:
        least = _least_links(node, root)
        if least is None or node.mem_id == root.mem_id:
            continue
        chars = _chars(node)
        looked_at += chars
        if looked_at > _MOST_LOOKS * total:
            return
        if node.tag == "header" and node.css_first("h1") is not None:  # kept for its title
            yield from filter(_is_of_links, node.css("ul, ol"))
        elif (not least or _link_chars(node) >= least * chars) and (
            chars <= _MOST_SHARE * total or (total - chars >= _LEAST_CHARS and _is_of_links(node))
        ):
            yield node


def _least_links(node: LexborNode, root: LexborNode) -> float | None:
    """The share of its text that has to be links for an element to be navigation; None where it is none at all."""
    tag = node.tag
    attributes = node.attributes
    if not attributes and tag in _GROUPS:
        return None
    if tag in _NAVIGATION_TAGS or (attributes.get("role") in _NAVIGATION_ROLES and tag not in _MAIN_TAGS):
        return 0
    if tag in _PAGE_PARTS:
        return 0 if _is_the_pages(node, root) else None
    return _least_links_of_named(node, attributes) if tag in _GROUPS else None


def _least_links_of_named(node: LexborNode, attributes: Mapping[str, str | None]) -> float | None:
    """As `_least_links`, by an element's class and id. One that holds a main heading is no navigation.

    Prose is content whatever it is called, but for what a footer says without a heading. A header may be the title's place,
    a sidebar a box of text, and contents may tell of what they list. Sections bear their heading's words as their id, so that
    one on cookies is called as a banner on them is.
    """
    identifier = "" if node.tag == "section" else attributes.get("id") or ""
    kind = _named_kind(f"{attributes.get('class') or ''} {identifier}"[:_NAME_CHARS])
    if not kind or kind in _LEAST_LINKS:
        return _LEAST_LINKS.get(kind)
    if node.css_first(_TITLES if kind == "header" else "h1") is not None:
        return None
    prose = node.css_first(_SUBHEADINGS if kind == "footer" else _PROSE)
    return 0 if prose is None else _PROSE_LINKS


@lru_cache(maxsize=1024)  # pages name thousands of elements alike
def _named_kind(names: str) -> str:
    found = _NAMED.search(names)
    return (found.lastgroup or "") if found else ""


def _is_the_pages(node: LexborNode, root: LexborNode) -> bool:
    """Whether a header, footer or aside is the page's own, not an article's or a quotation's."""
    parent = node.parent
    while parent is not None and parent.tag not in _WITHIN_CONTENT and parent.mem_id != root.mem_id:
        parent = parent.parent
    return parent is None or parent.tag not in _WITHIN_CONTENT


def _contents(candidates: Iterable[LexborNode], total: int) -> Iterator[LexborNode]:
    """The page's own tables of contents: lists of which nearly all links to places in the page."""
    looked_at = 0
    for node in candidates:
        if node.tag not in _LISTS:
            continue
        chars = _chars(node)
        looked_at += chars
        if looked_at > _MOST_LOOKS * total:
            return
        links = node.css("a[href^='#']")
        if len(links) >= _CONTENTS_LINKS and _chars_of(links) >= _CONTENTS_SHARE * chars:
            yield node


def _link_rows(links: Iterable[LexborNode], total: int) -> frozenset[int]:
    """Rows of links to other pages, and to what comes before and after; none where they are most of the page."""
    rows: dict[int, int] = {}
    for link in links:
        parent = link.parent
        if parent is not None and parent.tag in _ROW_PARENTS and parent.mem_id not in rows:
            rows[parent.mem_id] = _chars(parent) if _is_link_row(parent) else 0
    if sum(rows.values()) > _MOST_SHARE * total:
        return frozenset()
    return frozenset(row for row, chars in rows.items() if chars)


def _is_link_row(node: LexborNode) -> bool:
    pieces: list[str] = []
    steps = 0
    for child in children(node):
        tag = child.tag
        if tag == "a":
            pieces.append(_LINK)
            attributes = child.attributes
            steps += "accesskey" in attributes or attributes.get("rel") in _STEPS
        elif tag == "-text":
            pieces.append(child.text_content or "")
        elif tag != "-comment":
            pieces.append(child.text())
    if steps >= _BAR_LINKS and steps > len(pieces) // 3:
        return True
    return _LINK_ROW.fullmatch("".join(pieces)) is not None


def _link_bars(
    candidates: Iterable[LexborNode], total: int, left_out: AbstractSet[int]
) -> Iterator[LexborNode]:
    """Rows and lists of links before the first heading and after the last text: how pages without marked parts begin and end."""
    groups = [node for node in candidates if node.tag in _BARS and node.mem_id not in left_out]
    bars = [*_leading_bars(groups, total), *_leading_bars(reversed(groups), total)]
    # A page that is a list of links is not without content.
    least = _chars_of(bars) / _MOST_SHARE
    chars = 0
    for node in groups if bars else ():
        chars += 0 if _only_arranges(node) else _chars(node)
        if chars >= least:
            yield from bars
            return


def _leading_bars(groups: Iterable[LexborNode], total: int) -> Iterator[LexborNode]:
    lone: list[LexborNode] = []
    looked_at = 0
    for node in groups:
        chars = 0 if _only_arranges(node) else _chars(node)
        if not chars:
            continue
        looked_at += chars
        links = node.css("a[href]")
        if looked_at > _MOST_LOOKS * total or not _is_bar(node, chars, links):
            return
        if len(links) < _BAR_LINKS:  # it goes with a bar that follows, and may be content itself
            lone.append(node)
            continue
        yield from (*lone, node)
        lone.clear()


def _is_bar(node: LexborNode, chars: int, links: Sequence[LexborNode]) -> bool:
    """Whether nearly all of a text is short links."""
    if not links or chars > _BAR_CHARS * len(links) or node.tag in _NO_BARS:
        return False
    if _chars_of(links) < _BAR_SHARE * chars:
        return False
    # Words between the links of a line make it a sentence: `See also …`.
    return node.tag not in _ROW_PARENTS or _words(node) <= sum(map(_words, links))


def _only_arranges(node: LexborNode) -> bool:
    return node.tag == "div" and any(child.tag in BLOCKS for child in children(node))


def _is_of_links(node: LexborNode) -> bool:
    return _link_chars(node) >= _LINKS_SHARE * _chars(node)


def _link_chars(node: LexborNode) -> int:
    return _chars_of(node.css("a[href]"))


def _chars(node: LexborNode) -> int:
    return _chars_of((node,))


def _chars_of(nodes: Iterable[LexborNode]) -> int:
    """How many characters below some nodes are no white space."""
    text = "".join(node.text() for node in nodes)
    return len(text.encode().replace(_NO_BREAK_SPACE, b"").translate(None, _NOT_COUNTED))


def _words(node: LexborNode) -> int:
    return len(_WORD.findall(node.text(separator=" ")))
