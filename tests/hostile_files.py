"""Every kind of file that means harm, or merely looks odd, by name: what it is called, how it is made, how its job must end."""

import codecs
from collections.abc import Callable
from typing import Final, NamedTuple

import mail_files
import office_files
import pdf_files
from test_confluence_hostile import deep, external, giant_text, laughs

from tests import hostile_zips
from tests.archives import zipped

MIB: Final = 1024**2
CHINESE: Final = "支付超时怎么办？请先查看网关的日志，然后重试。"


class Hostile(NamedTuple):
    """`reason` is a pattern of the failure's text; empty where the file must come in."""

    filename: str
    make: Callable[[], bytes]
    reason: str = ""


def media_bomb() -> bytes:
    """A document whose picture unpacks to 200 MiB, which nobody needs to read it."""
    body = office_files.paragraph("The picture below is large.")
    return office_files.docx(body, parts={"word/media/image1.png": bytes(200 * MIB)})


HOSTILE: Final[dict[str, Hostile]] = {
    **{f"zip: {name}": Hostile(f"{name}.zip", make, reason) for name, (make, reason) in hostile_zips.HOSTILE.items()},
    "zip: wrong checksum": Hostile("crc.zip", hostile_zips.wrong_crc),
    "xml: entity bomb": Hostile("laughs.zip", laughs, "declares entities"),
    "xml: external entity": Hostile("external.zip", external, "declares entities"),
    "xml: 100,000 deep": Hostile("deep.zip", deep, "broken or hostile XML"),
    "xml: 200 MB of text": Hostile("giant.zip", giant_text, "broken or hostile XML"),
    "pdf: 1 GB stream": Hostile("giant.pdf", lambda: pdf_files.zeros(1024 * MIB), "."),
    "pdf: shared giant streams": Hostile(
        "shared.pdf", lambda: pdf_files.one_stream(pdf_files.drawn(b"Some words.", 200_000), pages=300), "."
    ),
    "pdf: loop of pages": Hostile("pages.pdf", pdf_files.looping_pages, "damaged or cut off|could be read"),
    "pdf: loop of the outline": Hostile("outline.pdf", pdf_files.looping_outline),
    "pdf: self-reference": Hostile("self.pdf", pdf_files.self_reference, "."),
    "pdf: 300,000 operators": Hostile("operators.pdf", lambda: pdf_files.one_stream(pdf_files.lines(300_000)), "."),
    "pdf: lying count": Hostile("count.pdf", lambda: pdf_files.one_stream(pdf_files.drawn(b"Some words."), count=2_000_000_000)),
    "pdf: junk": Hostile("junk.pdf", lambda: pdf_files.junk(pdf_files.one_stream(pdf_files.drawn(b"Some words.")))),
    "html: 100,000 deep": Hostile("deep.html", lambda: b"<div>" * 100_000 + b"x", "nested more than"),
    "html: 300,000 siblings": Hostile("wide.html", lambda: b"<html><body>" + b"<i>a </i>" * 300_000),
    "html: unclosed everything": Hostile("open.html", lambda: b"<html><table><tr><td><p><b><i>Some words<a href='x" * 50 + b"'>"),
    "docx: media bomb": Hostile("bomb.docx", media_bomb),
    "mhtml: 1,000 nested parts": Hostile("nested.mht", lambda: mail_files.message(mail_files.nested(1000)), "."),
    "text: 5 MB without a break": Hostile("long.txt", lambda: CHINESE[:7].encode() * 240_000),
    "text: binary": Hostile("program.txt", lambda: bytes(range(256)) * 400, "binary"),
    "text: mixed encodings": Hostile("mixed.txt", lambda: (CHINESE.encode() + b"\n" + CHINESE.encode("gb18030") + b"\n") * 20, ""),
    "text: UTF-16 without a mark": Hostile("wide.txt", lambda: (CHINESE * 20).encode("utf-16-le")),
    "text: one bad byte": Hostile("bad.txt", lambda: (CHINESE * 50).encode() + b"\xff" + CHINESE.encode()),
    "text: a mark and nothing": Hostile("mark.txt", lambda: codecs.BOM_UTF8, "holds no text"),
    "zip: of hostile files": Hostile(
        "all.zip",
        lambda: zipped({"deep.html": b"<div>" * 100_000, "self.pdf": pdf_files.self_reference(), "good.txt": CHINESE}),
    ),
}  # fmt: skip
