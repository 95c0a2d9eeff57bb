"""A tree of HTML → blocks: inline text gathers until an element that breaks the line begins or ends."""

import re
from collections.abc import Set as AbstractSet
from typing import Final

from selectolax.lexbor import LexborNode

from docradar.documents import Kind
from ingest.readers.document import TextBuilder
from ingest.readers.headings import HeadingPath
from ingest.readers.html_tables import is_layout, table_rows
from ingest.readers.html_text import BLOCKS, children, code_text, inline_text, is_read, line_of, node_text

_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_CONTAINERS: Final = {"li": Kind.LIST_ITEM, "dd": Kind.LIST_ITEM, "blockquote": Kind.QUOTE}
_CODE: Final = frozenset({"pre", "listing", "xmp", "plaintext"})
_PERMALINKS: Final = frozenset({"¶", "§", "#", "🔗"})
_DEFINITION_CHARS: Final = 400
_LABELLED: Final = re.compile(r"[:：]$")


def add_blocks(
    root: LexborNode, builder: TextBuilder, headings: HeadingPath, left_out: AbstractSet[int] = frozenset()
) -> None:
    """Adds the blocks of all that stands below `root`, but for the elements whose `mem_id` is in `left_out`."""
    _Walker(builder, headings, left_out).walk(root)


class _Walker:
    """Walks without recursion, so that no depth of nesting ends it."""

    def __init__(self, builder: TextBuilder, headings: HeadingPath, left_out: AbstractSet[int]) -> None:
        self._builder = builder
        self._headings = headings
        self._left_out = left_out
        self._inline: list[str] = []
        self._terms: list[str] = []
        self._containers: list[Kind] = []

    def walk(self, root: LexborNode) -> None:
        node = root.first_child
        open_nodes: list[tuple[LexborNode, bool]] = []
        inline, left_out = self._inline, self._left_out
        while node is not None:
            tag = node.tag or ""
            if tag == "-text":
                text = node.text_content or ""
                if inline or not text.isspace():  # white space begins no line
                    inline.append(text)
            elif is_read(node, tag) and node.mem_id not in left_out:
                is_block = tag in BLOCKS
                child = node.first_child
                if (self._enter_block if is_block else self._enter_inline)(node, tag, child):
                    if child is not None:
                        open_nodes.append((node, is_block))
                        node = child
                        continue
                    if is_block:
                        self._leave_block(tag)
            while (following := node.next) is None and open_nodes:
                node, is_block = open_nodes.pop()
                if is_block:
                    self._leave_block(node.tag or "")
            node = following
        self._flush()

    def _enter_inline(self, node: LexborNode, tag: str, child: LexborNode | None) -> bool:
        """Begins an element that stands in the line; whether what stands in it is to be walked."""
        if child is None:
            self._inline.append(node_text(node, tag))
            return False
        if child.tag == "-text" and child.next is None:
            text = child.text_content or ""
            if tag != "a" or text.strip() not in _PERMALINKS:
                self._inline.append(text)
            return False
        return tag != "a" or node.text().strip() not in _PERMALINKS

    def _enter_block(self, node: LexborNode, tag: str, _child: LexborNode | None) -> bool:
        """Begins an element that stands on lines of its own; whether it is to be walked, and left again."""
        if tag == "dd" and self._terms and self._is_short(node):
            self._inline.append(self._defined())
        elif tag == "dt" and self._terms and not "".join(self._inline).strip():
            self._inline.clear()  # white space between terms of one definition
        else:
            self._flush()
        if tag in _HEADINGS:
            self._heading(node, _HEADINGS[tag])
        elif tag in _CODE:
            self._builder.add(code_text(node, self._left_out), Kind.CODE, self._headings.path)
        elif tag == "table" and not is_layout(node):
            for row in table_rows(node, self._left_out):
                self._builder.add(row, Kind.TABLE_ROW, self._headings.path)
        else:
            if tag in _CONTAINERS:
                self._containers.append(_CONTAINERS[tag])
            return True
        return False

    def _leave_block(self, tag: str) -> None:
        """Ends an element that stands on lines of its own."""
        if tag == "dt":
            self._terms.append(self._gathered())
            return
        self._flush()
        if tag in _CONTAINERS:
            self._containers.pop()

    def _flush(self) -> None:
        """Makes blocks of terms that wait for their definition, and of the text that has gathered."""
        if self._terms:
            for term in self._terms:
                self._builder.add(term, Kind.LIST_ITEM, self._headings.path)
            self._terms.clear()
        if self._inline:
            kind = self._containers[-1] if self._containers else Kind.PARAGRAPH
            self._builder.add(self._gathered(), kind, self._headings.path)

    def _gathered(self) -> str:
        text = inline_text(self._inline)
        self._inline.clear()
        return text

    def _heading(self, node: LexborNode, level: int) -> None:
        title = line_of(node, self._left_out)
        if title:
            self._builder.add(title, Kind.HEADING, self._headings.enter(level, title))

    def _is_short(self, definition: LexborNode) -> bool:
        """Whether a definition is one statement together with its term."""
        if any((child.tag or "") in BLOCKS for child in children(definition)):
            return False
        return len(definition.text()) <= _DEFINITION_CHARS

    def _defined(self) -> str:
        """The terms, as they begin their definition."""
        terms = [term for term in self._terms if term]
        self._terms.clear()
        if not terms:
            return ""
        return ", ".join(terms) + (" " if _LABELLED.search(terms[-1]) else ": ")
