"""PDF through pypdfium2: text with its places, twenty times faster than pypdf. Native code, which a file can crash."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from docradar.errors import ReadError
from ingest.readers.pdf_page import (
    DAMAGED,
    ENCRYPTED,
    OUTLINE_ENTRIES,
    OutlineEntry,
    Page,
    PdfFields,
    PdfFile,
    Rule,
    Word,
    fields_of,
    filled,
)

_PIECE: Final = re.compile("\n|\ufffe|[^\\s\ufffe]+")
_HYPHEN: Final = (
    "\ufffe"  # pdfium's sign for a hyphen that a line's end asked for, in place of the line's end
)
_MOST_WORDS: Final = 20_000  # of a page whose layout is looked at
_SAMPLED_WORDS: Final = 200
_LITTLE_TEXT_CHARS: Final = 200
_MOST_OBJECTS: Final = 5_000  # of a page, looked at for rules and pictures
_MOST_POINTS: Final = 400
_MOST_POINTS_ON_PAGE: Final = 20_000
_MOST_RULES: Final = 1_000
_RULE_POINTS: Final = 2.5  # how thick a line may be
_LEAST_RULE_POINTS: Final = 6.0
_FARTHEST_POINTS: Final = 20_000.0
_INFORMATION: Final = ("Title", "Author", "CreationDate", "ModDate")
_BOLD: Final = re.compile(r"bold|black|heavy|semibold|demi|cmbx|[-,]bd?(?![a-z])", re.IGNORECASE)


@contextmanager
def open_pdfium(path: Path) -> Iterator[PdfFile]:
    """Opens with pypdfium2, trying the empty password.

    Raises:
        ReadError: It needs a password, or is no PDF.
    """
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        raise ReadError(ENCRYPTED if "password" in str(error).lower() else DAMAGED) from error
    try:
        yield _Pdfium(document)
    finally:
        document.close()


class _Pdfium:
    engine = "pypdfium2"

    def __init__(self, document: Any) -> None:
        self._document = document
        self.page_count: int = len(document)
        if self.page_count == 0:
            raise ReadError(DAMAGED)
        self.fields = self._fields()
        self.outline = tuple(self._outline())

    def _fields(self) -> PdfFields:
        from pypdfium2 import raw

        buffer = (ctypes.c_ushort * 64)()
        size_bytes = raw.FPDFCatalog_GetLanguage(self._document, buffer, ctypes.sizeof(buffer))
        language = bytes(buffer)[: max(0, min(size_bytes, ctypes.sizeof(buffer)) - 2)].decode(
            "utf-16-le", "replace"
        )
        return fields_of({name: self._document.get_metadata_value(name) for name in _INFORMATION}, language)

    def _outline(self) -> Iterator[OutlineEntry]:
        for count, bookmark in enumerate(self._document.get_toc(max_depth=8)):
            if count >= OUTLINE_ENTRIES:
                return
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            title = filled(bookmark.get_title())
            if title and index is not None and index >= 0:
                yield OutlineEntry(title, bookmark.level + 1, index + 1)

    def pages(self) -> Iterator[Page]:
        from pypdfium2 import PdfiumError

        for number in range(1, self.page_count + 1):
            try:
                yield self._page(number)
            except PdfiumError as error:
                yield Page(number, "", error=str(error))

    def _page(self, number: int) -> Page:
        page = self._document[number - 1]
        try:
            frame = _Frame(page)
            textpage = page.get_textpage()
            try:
                text = _characters(textpage)
                words = _Words(textpage, frame)
                rows = words.rows(text)
            finally:
                textpage.close()
            little = len(text) < _LITTLE_TEXT_CHARS and sum(map(len, text.split())) < _LITTLE_TEXT_CHARS
            rules, image_share = _drawings(page, frame, images=little)
            return Page(
                number,
                text.replace(_HYPHEN, "-\n"),
                rows,
                rules,
                frame.height,
                image_share,
                words.unmapped_share,
            )
        finally:
            page.close()


def _characters(textpage: Any) -> str:
    """The page's characters, as many as pdfium counts, so that a place in the string is one in the page."""
    from pypdfium2 import raw

    count = raw.FPDFText_CountChars(textpage)
    text: str = textpage.get_text_range()
    if len(text) == count:
        return text
    # Characters without a code are left out of the text, and those past U+FFFF can count twice.
    codes = (raw.FPDFText_GetUnicode(textpage, i) for i in range(count))
    return "".join(_HYPHEN if code == 2 else chr(code) if code < 0x110000 else "\ufffd" for code in codes)


class _Frame:
    """The page as it is shown: turned, and measured from its visible lower left."""

    def __init__(self, page: Any) -> None:
        self._left, self._bottom, right, top = page.get_bbox()
        self._width, self._height = right - self._left, top - self._bottom
        self._rotation: int = page.get_rotation()
        turned = self._rotation in (90, 270)
        self.height: float = self._width if turned else self._height
        self.width: float = self._height if turned else self._width
        self.area: float = max(1.0, self._width * self._height)
        self._plain = self._rotation == 0 and self._left == 0 and self._bottom == 0

    def shows(self, word: Word) -> bool:
        """Whether some of the word is on the page: what is drawn beside it, nobody reads."""
        return word.x0 < self.width and word.x1 > 0 and word.y0 < self.height and word.y1 > 0

    def box(self, x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        """The box in the shown page."""
        if self._plain:
            return x0, y0, x1, y1
        x0, x1, y0, y1 = x0 - self._left, x1 - self._left, y0 - self._bottom, y1 - self._bottom
        if self._rotation == 90:
            return y0, self._width - x1, y1, self._width - x0
        if self._rotation == 180:
            return self._width - x1, self._height - y1, self._width - x0, self._height - y0
        if self._rotation == 270:
            return self._height - y1, x0, self._height - y0, x1
        return x0, y0, x1, y1


class _Words:
    """Cuts a page's characters into words, and asks pdfium only for the places of each word's ends.

    Thousands of calls a page: what they need is looked up once.
    """

    def __init__(self, textpage: Any, frame: _Frame) -> None:
        from pypdfium2 import raw

        self._raw = raw
        self._textpage = textpage.raw
        self._frame = frame
        self._ask_box = raw.FPDFText_GetLooseCharBox
        self._box = raw.FS_RECTF()
        self._bold_fonts: dict[int, bool] = {}
        self._unmapped = self._asked = 0

    @property
    def unmapped_share(self) -> float:
        return self._unmapped / self._asked if self._asked else 0.0

    def rows(self, text: str) -> list[list[Word]] | None:
        """The words by line; None where there are too many, or their places make no sense."""
        rows: list[list[Word]] = []
        row: list[Word] = []
        starts: list[int] = []
        words = 0
        for match in _PIECE.finditer(text):
            piece, start = match[0], match.start()
            if piece != "\n" and piece != _HYPHEN:
                words += 1
                word = self._word(piece, start, match.end() - 1)
                if word is None or words > _MOST_WORDS:
                    return None
                if words <= _SAMPLED_WORDS:
                    self._asked += 1
                    self._unmapped += self._raw.FPDFText_HasUnicodeMapError(self._textpage, start) == 1
                if self._frame.shows(word):
                    row.append(word)
                    starts.append(start)
            elif row:
                if piece == _HYPHEN:  # pdfium writes no line's end after it
                    row[-1] = row[-1]._replace(text=row[-1].text + _HYPHEN)
                rows.append(self._with_weight(row, starts))
                row, starts = [], []
        if row:
            rows.append(self._with_weight(row, starts))
        return rows

    def _word(self, piece: str, first: int, last: int) -> Word | None:
        box, reference = self._box, ctypes.byref(self._box)
        self._ask_box(self._textpage, first, reference)
        left, bottom, right, top = box.left, box.bottom, box.right, box.top
        if last > first:
            self._ask_box(self._textpage, last, reference)
            left = min(left, box.left)
            bottom = min(bottom, box.bottom)
            right = max(right, box.right)
            top = max(top, box.top)
        # Also false for what is not a number.
        if not (-_FARTHEST_POINTS < left <= right < _FARTHEST_POINTS):
            return None
        if not (-_FARTHEST_POINTS < bottom <= top < _FARTHEST_POINTS):
            return None
        if not piece.isprintable():
            piece = piece.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return Word(piece, *self._frame.box(left, bottom, right, top))

    def _with_weight(self, row: list[Word], starts: list[int]) -> list[Word]:
        """The row with its bold words marked: if its ends are of one weight, so is the row."""
        first = self._is_bold(starts[0])
        if len(row) == 1 or self._is_bold(starts[-1]) == first:
            return [word._replace(bold=True) for word in row] if first else row
        return [word._replace(bold=self._is_bold(at)) for word, at in zip(row, starts, strict=True)]

    def _is_bold(self, index: int) -> bool:
        raw = self._raw
        drawn = raw.FPDFText_GetTextObject(self._textpage, index)
        font = raw.FPDFTextObj_GetFont(drawn) if drawn else None
        if not font:
            return False
        address = ctypes.addressof(font.contents)
        if address not in self._bold_fonts:
            name = ctypes.create_string_buffer(128)
            raw.FPDFFont_GetBaseFontName(font, name, len(name))
            # Its weight is no help: pdfium guesses that from the width of stems, which is often made up.
            self._bold_fonts[address] = bool(_BOLD.search(name.value.decode("latin-1")))
        return self._bold_fonts[address]


def _drawings(page: Any, frame: _Frame, *, images: bool) -> tuple[list[Rule], float]:
    """The page's straight lines, and if `images`, the share of it that its largest picture covers."""
    from pypdfium2 import raw

    rules: list[Rule] = []
    points_left = _MOST_POINTS_ON_PAGE
    largest = 0.0
    sides = [ctypes.c_float() for _ in range(4)]
    for index in range(min(raw.FPDFPage_CountObjects(page), _MOST_OBJECTS)):
        drawn = raw.FPDFPage_GetObject(page, index)
        kind = raw.FPDFPageObj_GetType(drawn)
        if kind not in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM):
            continue
        if kind != raw.FPDF_PAGEOBJ_PATH and not images:
            continue
        if not raw.FPDFPageObj_GetBounds(drawn, *sides):
            continue
        left, bottom, right, top = (side.value for side in sides)
        if not max(map(abs, (left, bottom, right, top))) < _FARTHEST_POINTS:
            continue
        if kind == raw.FPDF_PAGEOBJ_PATH:
            points_left -= max(0, raw.FPDFPath_CountSegments(drawn))
            if len(rules) < _MOST_RULES and points_left >= 0:
                rules += _rules(drawn, (left, bottom, right, top), frame)
        elif kind == raw.FPDF_PAGEOBJ_IMAGE or _holds_image(drawn):
            largest = max(largest, (right - left) * (top - bottom) / frame.area)
    return rules, min(largest, 1.0)


def _holds_image(form: Any) -> bool:
    from pypdfium2 import raw

    count = min(raw.FPDFFormObj_CountObjects(form), _MOST_OBJECTS)
    return any(
        raw.FPDFPageObj_GetType(raw.FPDFFormObj_GetObject(form, i)) == raw.FPDF_PAGEOBJ_IMAGE
        for i in range(count)
    )


def _rules(path: Any, bounds: tuple[float, float, float, float], frame: _Frame) -> Iterator[Rule]:
    """The lines of a path. A thin filled box is a line too, and a larger one has its edges as lines."""
    from pypdfium2 import raw

    left, bottom, right, top = bounds
    if min(right - left, top - bottom) <= _RULE_POINTS:
        yield from _rule(frame, left, bottom, right, top)
        return
    count = raw.FPDFPath_CountSegments(path)
    if not 2 <= count <= _MOST_POINTS:
        return
    matrix = raw.FS_MATRIX()
    with suppress(ValueError):
        raw.FPDFPageObj_GetMatrix(path, matrix)
    points = [_point(raw.FPDFPath_GetPathSegment(path, i), matrix) for i in range(count)]
    for (_, _, from_x, from_y), (kind, closes, x, y) in pairwise(points):
        if kind == raw.FPDF_SEGMENT_LINETO:
            yield from _rule(frame, from_x, from_y, x, y)
        if closes:
            yield from _rule(frame, x, y, points[0][2], points[0][3])


def _point(segment: Any, matrix: Any) -> tuple[int, bool, float, float]:
    from pypdfium2 import raw

    x, y = ctypes.c_float(), ctypes.c_float()
    raw.FPDFPathSegment_GetPoint(segment, x, y)
    return (
        raw.FPDFPathSegment_GetType(segment),
        bool(raw.FPDFPathSegment_GetClose(segment)),
        matrix.a * x.value + matrix.c * y.value + matrix.e,
        matrix.b * x.value + matrix.d * y.value + matrix.f,
    )


def _rule(frame: _Frame, x0: float, y0: float, x1: float, y1: float) -> Iterator[Rule]:
    wide, high = abs(x1 - x0), abs(y1 - y0)
    if max(wide, high) >= _LEAST_RULE_POINTS and min(wide, high) <= _RULE_POINTS:
        yield Rule(*frame.box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
