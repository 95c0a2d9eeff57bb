"""Makes the PDFs of samples/ from the texts in bench/sample_texts: `.venv/bin/python -m bench.make_samples`.

A step for whoever edits those texts; the PDFs themselves are committed. It needs a font with Latin and Chinese
glyphs whose licence permits embedding, by default that of Debian's fonts-wqy-microhei (Apache-2.0). The same
texts and the same font give the same bytes.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click
from fpdf import FPDF

ROOT: Final = Path(__file__).parents[1]
TEXTS: Final = ROOT / "bench" / "sample_texts"
PDFS: Final = {
    "refund-self-service.zh.md": ROOT / "samples" / "prd" / "refund-self-service.zh.pdf",
    "data-security.en.md": ROOT / "samples" / "runbook" / "data-security.en.pdf",
}
FONT: Final = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
CREATED: Final = datetime(2026, 9, 1, tzinfo=UTC)

HEADING_POINTS: Final = (18, 14, 12)
BODY_POINTS: Final = 10.5
LINE_FACTOR: Final = 0.6  # line height in millimetres for a point of font size
# A Latin word or number stays whole; every other character may end a line.
_WORD: Final = re.compile(r"[A-Za-z0-9][\w.,:/%'$-]*|.", re.ASCII)
_MAY_NOT_START_A_LINE: Final = frozenset("，。、；：？！）”》,.;:?!)")


class SamplePdf(FPDF):
    """A4 with a running header and page numbers, such as an office exports."""

    def __init__(self, title: str, font: Path) -> None:
        super().__init__(format="A4")
        self.add_font("sample", fname=font)
        self.set_font("sample", size=BODY_POINTS)
        self.set_margins(22, 20, 22)
        self.set_auto_page_break(True, margin=22)
        self.set_title(title)
        self.set_author("Lumen Pay")
        self.set_creation_date(CREATED)
        self.add_page()

    def header(self) -> None:
        self.set_font("sample", size=8)
        self.cell(0, 6, f"Lumen Pay · {self.title}", new_x="LMARGIN", new_y="NEXT")
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("sample", size=8)
        self.cell(0, 6, f"{self.page_no()}", align="C")

    def write_heading(self, text: str, level: int) -> None:
        """Level 0 is the outermost. The heading enters the outline too."""
        if self.will_page_break(30):
            self.add_page()
        self.ln(3)
        self.set_font("sample", size=HEADING_POINTS[level])
        self.start_section(text, level)
        self._write_lines(text, HEADING_POINTS[level])
        self.ln(1)

    def write_paragraph(self, text: str) -> None:
        self.set_font("sample", size=BODY_POINTS)
        self._write_lines(text, BODY_POINTS)
        self.ln(1.5)

    def write_row(self, cells: list[str]) -> None:
        self.set_font("sample", size=BODY_POINTS)
        for cell in cells:
            self.cell(self.epw / len(cells), BODY_POINTS * LINE_FACTOR, cell, border=1)
        self.ln(BODY_POINTS * LINE_FACTOR)

    def _write_lines(self, text: str, points: float) -> None:
        for line in self._wrapped(text):
            self.cell(0, points * LINE_FACTOR, line, new_x="LMARGIN", new_y="NEXT")

    def _wrapped(self, text: str) -> Iterator[str]:
        line = ""
        for word in _WORD.findall(text):
            if self.get_string_width(line + word) > self.epw - 2 and word not in _MAY_NOT_START_A_LINE:
                yield line.rstrip()
                line = ""
            line += word if line else word.lstrip()
        yield line


def render(markdown: str, font: Path) -> bytes:
    """A PDF of the headings, paragraphs, lists and tables of `markdown`; its first line is the title."""
    lines = markdown.splitlines()
    pdf = SamplePdf(lines[0].removeprefix("# "), font)
    for line in lines:
        if heading := re.match(r"(#+) (.*)", line):
            pdf.write_heading(heading[2], len(heading[1]) - 1)
        elif line.startswith("|"):
            if not line.startswith("|---"):
                pdf.write_row([cell.strip() for cell in line.strip("|").split("|")])
        elif line:
            pdf.write_paragraph(re.sub(r"^- ", "· ", line))
    return bytes(pdf.output())


@click.command()
@click.option("--font", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=FONT)
def main(font: Path) -> None:
    """Write the PDFs of samples/."""
    for name, target in PDFS.items():
        target.write_bytes(render((TEXTS / name).read_text(encoding="utf-8"), font))
        click.echo(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
