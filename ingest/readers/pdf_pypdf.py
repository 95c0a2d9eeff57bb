"""PDF through pypdf: Python only, slow, and never crashes. It gives text without places, in the order it is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
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
    fields_of,
    filled,
)

# 12 KB files exist that spin for minutes; see DESIGN.
_LIMITS: Final[dict[str, Any]] = {
    "stream_parsing_work_maximum_count": 300_000,
    "zlib_maximum_output_length": 20_000_000,
    "disable_legacy_handling": True,
}
_PAGES_PER_SWEEP: Final = 50
_LITTLE_TEXT_CHARS: Final = 200
_SCAN_PIXELS: Final = 300_000  # of the least scan of a page: 50 dots an inch


@contextmanager
def open_pypdf(path: Path) -> Iterator[PdfFile]:
    """Opens with pypdf, trying the empty password. Its limits hold inside the `with` block.

    Raises:
        ReadError: It needs a password, or is no PDF.
    """
    import pypdf
    from pypdf.errors import PyPdfError

    with pypdf.apply_configuration(**_LIMITS), path.open("rb") as file:
        try:
            reader = pypdf.PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise ReadError(ENCRYPTED)
            pdf = _Pypdf(reader)
        except pypdf.errors.DependencyError as error:
            raise ReadError(f"{ENCRYPTED}, or install docradar[pdf]") from error
        except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReadError(DAMAGED) from error
        yield pdf


class _Pypdf:
    engine = "pypdf"

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.page_count: int = len(reader.pages)
        if self.page_count == 0:
            raise ReadError(DAMAGED)
        self.fields = self._fields()
        self.outline = tuple(self._outline())

    def _fields(self) -> PdfFields:
        try:
            information = {name.lstrip("/"): value for name, value in (self._reader.metadata or {}).items()}
            return fields_of(information, self._reader.root_object.get("/Lang"))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  what a file says of itself must not cost its text
            return PdfFields()

    def _outline(self) -> Iterator[OutlineEntry]:
        try:
            entries = list(self._walk(self._reader.outline, 1))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  an outline is a convenience; a broken one must not cost the text
            return
        yield from entries[:OUTLINE_ENTRIES]

    def _walk(self, outline: list[Any], level: int) -> Iterator[OutlineEntry]:
        for entry in outline:
            if isinstance(entry, list):
                yield from self._walk(entry, level + 1)
                continue
            page = self._reader.get_destination_page_number(entry)
            title = filled(entry.title)
            if title and page is not None and page >= 0:
                yield OutlineEntry(title, level, page + 1)

    def pages(self) -> Iterator[Page]:
        for number in range(1, self.page_count + 1):
            try:
                page = self._reader.pages[number - 1]
                text = page.extract_text()
                little = sum(map(len, text.split())) < _LITTLE_TEXT_CHARS
                yield Page(number, text, image_share=_image_share(page, text) if little else 0)
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  pypdf raises whatever a broken page provokes
                yield Page(number, "", error=f"{type(error).__name__}: {error}"[:200])
            if number % _PAGES_PER_SWEEP == 0:
                self._reader.resolved_objects.clear()  # pypdf keeps every object that it has resolved


def _image_share(page: Any, text: str) -> float:
    """1 where a picture may well fill the page: any on a page without text, else one with a scan's many pixels."""
    objects = _resolved(_resolved(page.get("/Resources")).get("/XObject"))
    for name in objects:
        drawn = _resolved(objects[name])
        if not text.strip() and drawn.get("/Subtype") in ("/Image", "/Form"):
            return 1.0
        if int(drawn.get("/Width", 0)) * int(drawn.get("/Height", 0)) >= _SCAN_PIXELS:
            return 1.0
    return 0.0


def _resolved(value: Any) -> Any:
    """The dictionary, or an empty one for what is none."""
    value = value.get_object() if hasattr(value, "get_object") else value
    return value if isinstance(value, dict) else {}
