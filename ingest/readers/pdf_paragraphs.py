"""Lines into paragraphs, the hyphens at the lines' ends undone."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from docradar.documents import Kind
from ingest.readers.lines import Paragraph, paragraphs
from ingest.readers.pdf_lines import Line
from ingest.readers.pdf_segments import HYPHEN, joined_lines

_TOKEN: Final = re.compile(r"[^\W_]+(?:[-\u2010][^\W_]+)*")
_BREAK: Final = re.compile(f"{HYPHEN} ?")
_LAST_WORD: Final = re.compile(r"[^\W_]+(?:[-\u2010][^\W_]+)*$")
_WORD_CHARS: Final = 64  # how far a word is looked for before and after a hyphen
_INNER_HYPHEN: Final = re.compile("[-\u2010]")
_LINE_END_HYPHEN: Final = re.compile("(?<=[^\\W\\d_])[-\u00ad\u2010]\\s*$")


def stretches(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Lines of one paragraph or table row together. Lines without places stay together: `paragraphs_of` parts them."""
    stretch: list[Line] = []
    for line in lines:
        if stretch and line.runs_on is False:
            yield stretch
            stretch = []
        stretch.append(line)
    if stretch:
        yield stretch


def paragraphs_of(stretch: Sequence[Line]) -> Iterator[Paragraph]:
    """The paragraphs of a stretch, U+FFFE standing for the hyphens at their lines' ends."""
    texts = [line.text for line in stretch]
    if stretch[0].row:
        yield Paragraph(Kind.TABLE_ROW, texts[0])
    elif stretch[0].runs_on is None:
        yield from paragraphs([_LINE_END_HYPHEN.sub(HYPHEN, text) for text in texts], headings=False)
    else:
        yield from paragraphs([joined_lines(texts)], headings=False)


class Hyphens:
    """Decides of each hyphen at a line's end whether the word has it anyway, by how the document writes it elsewhere."""

    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        forms: set[str] = set()
        for lines in pages:
            text = joined_lines([line.text for line in lines])
            for match in _BREAK.finditer(text):
                forms.update(_forms(*_parts(text, match)))
        self._seen: set[str] = set()
        if forms:
            for lines in pages:
                for line in lines:
                    self._seen.update(forms.intersection(_TOKEN.findall(line.text.lower())))

    def undone(self, text: str) -> str:
        """`text` without U+FFFE: nothing, or a hyphen, in its place."""
        if HYPHEN not in text:
            return text
        return _BREAK.sub(lambda match: "-" if self._keeps(*_parts(text, match)) else "", text)

    def _keeps(self, left: str, right: str) -> bool:
        last = _INNER_HYPHEN.split(left)[-1]
        if len(last) < 2 or not right[:1].islower():
            return True
        whole, compound, inner = _forms(left, right)
        if whole in self._seen or inner in self._seen:
            return False
        return compound in self._seen or last != left


def _parts(text: str, match: re.Match[str]) -> tuple[str, str]:
    """What stands before and after the break, each empty where it is no word."""
    left = _LAST_WORD.search(text, max(0, match.start() - _WORD_CHARS), match.start())
    right = _TOKEN.match(text, match.end(), match.end() + _WORD_CHARS)
    return left[0] if left else "", right[0] if right else ""


def _forms(left: str, right: str) -> tuple[str, str, str]:
    """The whole word, the word with its hyphen, and what the hyphen joins within a word of several parts."""
    inner = _INNER_HYPHEN.split(left)[-1] + _INNER_HYPHEN.split(right)[0]
    return (left + right).lower(), f"{left}-{right}".lower(), inner.lower()
