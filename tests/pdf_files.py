"""PDFs for the reader's tests, good and hostile: drawn with fpdf2 where text has to stand in places, else of raw objects."""

import zlib
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Final, NamedTuple

from files import DATA, raw_pdf, stream
from fpdf import FPDF
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

SENTENCE: Final = (
    "the gateway retries a payment when no answer comes and tells the merchant what became of it before the day ends "
    "so that nobody has to ask twice while the ledger keeps every step in order and shows who changed which amount"
)
FONT: Final = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


class Text(NamedTuple):
    """A line of text, its left end `x` and its baseline `y` in points from the page's upper left."""

    x: float
    y: float
    text: str
    size: float = 10
    bold: bool = False


def placed(
    pages: Iterable[Sequence[Text]],
    *,
    rules: Sequence[tuple[float, float, float, float]] = (),
    scan: Sequence[int] = (),
) -> bytes:
    """A4 pages with each text at its place, `rules` (x0, y0, x1, y1) drawn on all of them.

    A picture fills the pages numbered in `scan`, from 1.
    """
    document = FPDF(unit="pt")
    document.set_auto_page_break(auto=False)
    for number, texts in enumerate(pages, start=1):
        document.add_page()
        if number in scan:
            document.image(_picture(), 0, 0, document.w, document.h)
        for line in rules:
            document.line(*line)
        for text in texts:
            document.set_font("helvetica", "B" if text.bold else "", text.size)
            document.text(text.x, text.y, text.text)
    return bytes(document.output())


def _picture() -> BytesIO:
    picture = BytesIO()
    Image.new("RGB", (620, 877), "lavender").save(picture, "PNG")
    picture.seek(0)
    return picture


def prose(seed: int, width: float, lines: int, size: float = 10) -> list[str]:
    """Lines of words as wide as fits into `width` points, each column's words marked by its `seed`."""
    document = FPDF(unit="pt")
    document.set_font("helvetica", size=size)
    words = SENTENCE.split()
    found, line, number = list[str](), "", 0
    while len(found) < lines:
        word = f"{words[(seed * 7 + number) % len(words)]}{seed}x{number}"
        number += 1
        if line and document.get_string_width(f"{line} {word}") > width:
            found.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return found


def column(x: float, y: float, lines: Sequence[str], pitch: float = 12, size: float = 10) -> list[Text]:
    """Lines under each other."""
    return [Text(x, y + i * pitch, line, size) for i, line in enumerate(lines)]


def table(
    x: float,
    y: float,
    rows: Sequence[Sequence[str]],
    widths: Sequence[float],
    pitch: float = 18,
    *,
    bold: bool = True,
) -> list[Text]:
    """Cells under each other, the first row bold if `bold`."""
    lefts = [x + sum(widths[:i]) for i in range(len(widths))]
    return [
        Text(left + 3, y + number * pitch, cell, bold=bold and number == 0)
        for number, row in enumerate(rows)
        for left, cell in zip(lefts, row, strict=True)
        if cell
    ]


def ruled(
    x: float, y: float, rows: int, widths: Sequence[float], pitch: float = 18
) -> list[tuple[float, float, float, float]]:
    """The rules around the cells of `table`."""
    right, top = x + sum(widths), y - 13
    level = [(x, top + i * pitch, right, top + i * pitch) for i in range(rows + 1)]
    lefts = [x + sum(widths[:i]) for i in range(len(widths) + 1)]
    return level + [(left, top, left, top + rows * pitch) for left in lefts]


def without_unicode(content: bytes) -> bytes:
    """The PDF with its fonts' ToUnicode maps taken out, so that glyphs are but numbers."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(content)))
    for number in range(1, len(writer._objects) + 1):
        found = writer.get_object(number)
        if isinstance(found, DictionaryObject) and found.get("/Type") == "/Font":
            found.pop("/ToUnicode", None)
    return _written(writer)


def nameless_glyphs(text: str, shift: int) -> bytes:
    """A page in a font whose glyphs have meaningless names, each letter of `text` drawn by the code `shift` after its own."""
    names = b" ".join(b"/g%d" % code for code in range(32, 127))
    font = (
        b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 10 10] /FontMatrix [.1 0 0 .1 0 0] /FirstChar 32 /LastChar 126"
        b" /Widths [" + b"6 " * 95 + b"] /CharProcs << >> /Encoding << /Differences [32 " + names + b"] >> >>"
    )
    codes = text.translate({code: (code - 97 + shift) % 26 + 97 for code in range(97, 123)}).encode()
    shown = b"BT /T 9 Tf 50 700 Td 12 TL " + b"".join(
        b"(" + codes[i : i + 60] + b") Tj T* " for i in range(0, len(codes), 60)
    )
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>",
        font,
        stream(shown + b"ET"),
        _page(content=4, font=3),
    ]
    return raw_pdf(objects)


def with_information(content: bytes, information: dict[str, str], *, language: str = "") -> bytes:
    """The PDF with these entries in its document information, and /Lang in its catalog."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(content)))
    writer.add_metadata(information)
    if language:
        writer.root_object[NameObject("/Lang")] = TextStringObject(language)
    return _written(writer)


def with_outline(content: bytes, entries: Sequence[tuple[str, int]]) -> bytes:
    """The PDF with an outline of these titles, each with its page, counted from 0."""
    writer = PdfWriter(clone_from=PdfReader(BytesIO(content)))
    for title, page in entries:
        writer.add_outline_item(title=title, page_number=page)
    return _written(writer)


def joined(*contents: bytes) -> bytes:
    """The pages of several PDFs."""
    writer = PdfWriter()
    for content in contents:
        writer.append(PdfReader(BytesIO(content)))
    return _written(writer)


def shown_turned(texts: Sequence[Text], degrees: int) -> bytes:
    """A page whose text is drawn turned, and that is turned back to be shown."""
    document = FPDF(unit="pt", format=(842, 842))
    document.set_auto_page_break(auto=False)
    document.add_page()
    document.set_font("helvetica", size=10)
    with document.rotation(degrees, document.w / 2, document.h / 2):
        for text in texts:
            document.text(text.x, text.y, text.text)
    writer = PdfWriter(clone_from=PdfReader(BytesIO(bytes(document.output()))))
    writer.pages[0].rotate(degrees)
    return _written(writer)


def _written(writer: PdfWriter) -> bytes:
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


# Files that mean harm.


def one_stream(content: bytes, pages: int = 1, *, count: int | None = None) -> bytes:
    """Pages that all draw the same stream; `count` is how many the file claims to have."""
    kids = b" ".join(b"%d 0 R" % (5 + i) for i in range(pages))
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count %d /Kids [%b] >>" % (pages if count is None else count, kids),
            FONT,
            stream(content),
            *[_page(content=4, font=3)] * pages,
        ]
    )


def _page(*, content: int, font: int) -> bytes:
    """A page object, under the node 2."""
    return (
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R"
        b" /Resources << /Font << /T %d 0 R >> >> >>" % (content, font)
    )


def drawn(text: bytes, times: int = 1) -> bytes:
    """Content that shows `text` on line after line."""
    return b"BT /T 9 Tf 50 780 Td 10 TL " + (b"(" + text + b") Tj T* ") * times + b"ET"


def scattered(count: int) -> bytes:
    """Content that shows words all over the page, most of them outside of it."""
    placed_words = (b"1 0 0 1 %d %d Tm (w%d) Tj" % (i * 7 % 6000, i * 13 % 8000, i) for i in range(count))
    return b"BT /T 9 Tf " + b" ".join(placed_words) + b" ET"


def lines(count: int) -> bytes:
    """Content that draws level lines all over the page."""
    return b" ".join(b"%d %d m %d %d l S" % (i % 600, i % 800, i % 600 + 50, i % 800) for i in range(count))


def grid(count: int) -> bytes:
    """Content that shows two words a row that almost stand under each other, as tables that never begin do."""
    cells = (
        b"1 0 0 1 %d %f Tm (ab) Tj" % (50 + 90 * (i % 2) + i * 37 % 8, 790 - i * 0.04) for i in range(count)
    )
    return b"BT /T .03 Tf " + b" ".join(cells) + b" ET"


def zeros(size_bytes: int) -> bytes:
    """A page whose content is so many spaces, some thousand times smaller in the file."""
    packer = zlib.compressobj(9)
    block = b" " * 2**20
    packed = b"".join(packer.compress(block) for _ in range(size_bytes // len(block))) + packer.flush()
    content = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(packed), packed)
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [5 0 R] >>",
            FONT,
            content,
            _page(content=4, font=3),
        ]
    )


def looping_pages() -> bytes:
    """A page tree in which a node is its own grandchild, and a page."""
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Count 3 /Kids [3 0 R 4 0 R] >>",
            b"<< /Type /Pages /Parent 2 0 R /Count 2 /Kids [2 0 R 3 0 R] >>",
            _page(content=5, font=6),
            stream(drawn(b"The page in the loop.")),
            FONT,
        ]
    )


def looping_outline() -> bytes:
    """An outline whose entries are each other's children and successors."""
    entry = b"<< /Title (Round %d) /Parent 6 0 R /Next %d 0 R /First %d 0 R /Dest [4 0 R /Fit] >>"
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [4 0 R] >>",
            FONT,
            _page(content=5, font=3),
            stream(drawn(b"Words under a loop.")),
            b"<< /Type /Outlines /First 7 0 R /Last 8 0 R /Count 2 >>",
            entry % (1, 8, 8),
            entry % (2, 7, 7),
        ]
    )


def self_reference() -> bytes:
    """Objects that are but references to themselves and to each other."""
    return raw_pdf(
        [
            b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>",
            b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox 4 0 R /Contents [5 0 R 4 0 R] /Resources 6 0 R >>",
            b"4 0 R",
            b"5 0 R",
            b"<< /Font 6 0 R /XObject 6 0 R /F 6 0 R >>",
        ]
    )


def junk(pages: bytes) -> bytes:
    """A PDF with nonsense between its objects, a table of offsets that is wrong, and a size that is a lie."""
    body = pages.replace(b"endobj\n", b"endobj\n%\xff\xfe<< [ ( >> ]\n999 0 obj\n<< /Length -5 >>\nendobj\n")
    return body.replace(b"/Size ", b"/Size 99999999 /Old ")


CHINESE: Final = DATA / "deploy.zh.pdf"
