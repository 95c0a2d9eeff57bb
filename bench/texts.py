"""Documents for measuring, made from the samples' own sentences and numbered so that no two are alike."""

import random
from pathlib import Path
from typing import Final

from ingest.sentences import sentence_spans
from tests.files import raw_pdf

SAMPLES: Final = Path(__file__).parent.parent / "samples"


def sentences(count: int, seed: int = 1) -> list[str]:
    """Real sentences, Chinese and English as they come, each made unique by a number it might well carry."""
    pool = [
        text[start:end]
        for path in sorted(SAMPLES.rglob("*"))
        if path.suffix in {".md", ".txt"} and path.name != "README.md"
        for text in [path.read_text(encoding="utf-8")]
        for start, end in sentence_spans(text)
        if 15 <= end - start <= 200 and "|" not in text[start:end] and "\n" not in text[start:end]
    ]
    chosen = random.Random(seed).choices(pool, k=count)
    return [_numbered(sentence, number) for number, sentence in enumerate(chosen)]


def _numbered(sentence: str, number: int) -> str:
    mark = sentence[-1] if sentence[-1] in "。！？.!?" else ""
    return f"{sentence[: len(sentence) - len(mark)]} ({number}){mark or '.'}"


def plain_text(lines: list[str], per_paragraph: int = 6) -> str:
    """Paragraphs of a few sentences."""
    return "\n\n".join(" ".join(lines[i : i + per_paragraph]) for i in range(0, len(lines), per_paragraph))


def markdown(lines: list[str], per_section: int = 12) -> str:
    """Sections of two paragraphs under headings."""
    sections = (lines[i : i + per_section] for i in range(0, len(lines), per_section))
    return "\n\n".join(f"## Section {n}\n\n{plain_text(section)}" for n, section in enumerate(sections))


def pdf(pages: list[str]) -> bytes:
    """A PDF with one text column a page, in a built-in Latin font; written here since 4,000 pages take fpdf2 minutes."""
    objects: list[bytes] = [b"<< /Type /Catalog /Pages 2 0 R >>", b""]
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    kids = []
    for page in pages:
        drawn = b" T* ".join(b"(" + _escaped(line) + b") Tj" for line in _wrapped(page))
        stream = b"BT /F1 10 Tf 14 TL 60 780 Td " + drawn + b" ET"
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return raw_pdf(objects)


def _wrapped(text: str, width: int = 95) -> list[str]:
    lines, line = [], ""
    for word in text.split():
        if len(line) + len(word) > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return [*lines, line]


def _escaped(line: str) -> bytes:
    return (
        line.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    )
