"""Whether a page's characters are those that it shows, and whether it is a picture of text."""

import re
from collections import Counter
from math import sqrt
from typing import Final

from ingest.readers.pdf_page import Page

_SIGNS_SHARE: Final = 0.2  # of a page's characters
_UNMAPPED_SHARE: Final = 0.5  # of its words
_LEAST_LETTERS: Final = 100  # to judge their mixture
_LEAST_LIKENESS: Final = 0.75
_STRAY_CHARS: Final = 40  # of a scanned page: its number, a stamp
_SCAN_SHARE: Final = 0.6  # of the page, covered by a picture
# What stands for a glyph without a character: U+FFFD, private use, control characters, and the glyphs' own names.
_SIGN: Final = re.compile(
    "[\ufffd\ue000-\uf8ff\x00-\x08\x0e-\x1f]|\\(cid:\\d+\\)|(?:/[A-Za-z]{0,3}\\d{1,5}){3,}"
)
_LETTER: Final = re.compile("[a-z]")
# Per mille, about the mean of English, French, German, Italian and Spanish.
_USUAL: Final = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        (85, 14, 35, 42, 140, 14, 17, 30, 75, 4, 6, 46, 28, 75, 62, 26, 8, 67, 70, 70, 50, 15, 12, 3, 9, 8),
        strict=True,
    )
)


def is_garbled(page: Page) -> bool:
    """Whether the page's text is not what it shows.

    Fonts that do not say which characters they draw often give the right ones all the same, as TeX's old ones do. They
    do not where the letters are in a mixture that no language in Latin script has.
    """
    visible = visible_chars(page.text)
    if visible == 0:
        return False
    if sum(map(len, _SIGN.findall(page.text))) > _SIGNS_SHARE * visible:
        return True
    return page.unmapped_share > _UNMAPPED_SHARE and not _is_language(page.text)


def needs_ocr(page: Page) -> bool:
    """Whether a page is a picture of text: one without text, or with a few characters on a picture that fills it."""
    visible = visible_chars(page.text)
    if visible == 0:
        return page.image_share > 0
    return visible <= _STRAY_CHARS and page.image_share >= _SCAN_SHARE


def visible_chars(text: str) -> int:
    """How many characters are not white space."""
    return sum(map(len, text.split()))


def _is_language(text: str) -> bool:
    """Whether the Latin letters are about as frequent as in languages; also true where there are too few to tell."""
    counts = Counter(_LETTER.findall(text.lower()))
    if counts.total() < _LEAST_LETTERS:
        return True
    product = sum(count * _USUAL[letter] for letter, count in counts.items())
    lengths = sum(count * count for count in counts.values()) * sum(
        share * share for share in _USUAL.values()
    )
    return product / sqrt(lengths) >= _LEAST_LIKENESS
