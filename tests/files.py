"""Files for the readers: made here, from our own text, good and hostile; and readers that misbehave on purpose."""

import os
import signal
import sys
import time
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from ingest.readers.document import ReadDocument, ReadLimits

# Chinese text needs a font, which a test cannot rely on: `deploy.zh.pdf`, four pages with a running header and footer
# and an outline, was made once with fpdf2 and carries the few glyphs that it needs.
DATA = Path(__file__).parent / "data"


def pdf(
    pages: Sequence[Sequence[str]],
    *,
    header: str = "",
    footer: str = "",
    outline: Sequence[tuple[int, str, int]] = (),
    password: str | None = None,
    title: str = "",
    author: str = "",
) -> bytes:
    """One line of text a string; `{page}` in header and footer becomes its number; outline is (page, title, level)."""
    from fpdf import FPDF

    document = FPDF()
    document.set_auto_page_break(auto=False)
    document.set_font("helvetica", size=11)
    document.set_title(title)
    document.set_author(author)
    if password is not None:
        document.set_encryption(owner_password="owner", user_password=password)
    for number, lines in enumerate(pages, start=1):
        document.add_page()
        for at, text in ((8, header), (285, footer)):
            if text:
                document.set_xy(10, at)
                document.cell(text=text.format(page=number))
        document.set_y(20)
        for line in lines:
            for page, entry, level in outline:
                if page == number and entry == line:
                    document.start_section(entry, level=level)
            document.cell(text=line, new_x="LMARGIN", new_y="NEXT", h=6)
    return bytes(document.output())


def image_pdf(pages: int = 2) -> bytes:
    """Pages with a picture each, and no text."""
    from fpdf import FPDF
    from PIL import Image

    picture = BytesIO()
    Image.new("RGB", (40, 40), "teal").save(picture, "PNG")
    document = FPDF()
    for _ in range(pages):
        document.add_page()
        document.image(BytesIO(picture.getvalue()), 10, 10, 50)
    return bytes(document.output())


def raw_pdf(objects: Sequence[bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A Flate-compressed stream object."""
    packed = zlib.compress(content, 9)
    return b"<< /Length %d /Filter /FlateDecode %b >>\nstream\n%b\nendstream" % (len(packed), entries, packed)


def spinning_pdf() -> bytes:
    """A few KB that draw the same forms in forms billions of times."""
    calls, depth = 40, 12
    forms = [
        stream(
            b"/F Do " * calls if level < depth - 1 else b"BT /T 9 Tf (spin) Tj ET " * 3000,
            b"/Type /XObject /Subtype /Form /BBox [0 0 600 800] /Resources << /XObject << /F %d 0 R >> "
            b"/Font << /T 4 0 R >> >>" % (6 + level),
        )
        for level in range(depth)
    ]
    head = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R /Resources 19 0 R >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        stream(b"BT /T 12 Tf 50 700 Td (It spins.) Tj ET " + b"/F Do " * calls),
    ]
    # The last form's /F refers to this one, which draws nothing.
    leaf = stream(b"", b"/Type /XObject /Subtype /Form /BBox [0 0 1 1]")
    return raw_pdf([*head, *forms, leaf, b"<< /XObject << /F 6 0 R >> /Font << /T 4 0 R >> >>"])


def write(folder: Path, name: str, content: bytes | str) -> Path:
    """A file in `folder`; text as UTF-8."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Readers for the sandbox's tests, as `PrepareRequest.reader` names them: "files:hang".


def hang(path: Path, limits: ReadLimits) -> ReadDocument:
    time.sleep(3600)
    raise AssertionError


def spin(path: Path, limits: ReadLimits) -> ReadDocument:
    while True:
        pass


def leave(path: Path, limits: ReadLimits) -> ReadDocument:
    os._exit(3)


def crash(path: Path, limits: ReadLimits) -> ReadDocument:
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError


def fail(path: Path, limits: ReadLimits) -> ReadDocument:
    raise ZeroDivisionError(f"in {path}")


def hog(path: Path, limits: ReadLimits) -> ReadDocument:
    pieces = []
    while True:
        pieces.append(bytearray(16 * 1024 * 1024))


def flood(path: Path, limits: ReadLimits) -> ReadDocument:
    with (path.parent / "flood").open("wb") as file:
        while True:
            file.write(bytes(1024 * 1024))


def report_pid(path: Path, limits: ReadLimits) -> ReadDocument:
    """Writes the child's process id beside the file, then hangs."""
    (path.parent / "pid").write_text(str(os.getpid()))
    return hang(path, limits)


def describe(path: Path, limits: ReadLimits) -> ReadDocument:
    """A document that says what the child can see: open files, environment, niceness."""
    from docradar.documents import Kind
    from ingest.readers.document import TextBuilder

    builder = TextBuilder(limits)
    builder.add(f"files {len(list(Path('/proc/self/fd').iterdir()))}", Kind.LINE)
    builder.add("environment " + " ".join(sorted(os.environ)), Kind.LINE)
    builder.add(f"nice {os.nice(0)}", Kind.LINE)
    heavy = {"torch", "numpy", "litestar", "qdrant_client", "sentence_transformers", "pytest"} & set(
        sys.modules
    )
    builder.add(f"heavy modules {len(heavy)}", Kind.LINE)
    text, blocks = builder.build()
    return ReadDocument(text, blocks)
