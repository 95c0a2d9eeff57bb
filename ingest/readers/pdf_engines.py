"""The two libraries that can open a PDF, behind one face."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from docradar.errors import ReadError

# 12 KB files exist that spin for minutes; see DESIGN.
_PYPDF_LIMITS: Final[dict[str, Any]] = {
    "stream_parsing_work_maximum_count": 300_000,
    "zlib_maximum_output_length": 20_000_000,
    "disable_legacy_handling": True,
}
_OUTLINE_ENTRIES: Final = 10_000
_PAGES_PER_SWEEP: Final = 50
_DAMAGED: Final = "it is damaged or cut off, and no PDF reader can open it; export or download it again"
_ENCRYPTED: Final = "it is encrypted with a password; remove the password and upload it again"


@dataclass(frozen=True, slots=True)
class Page:
    """`number` counts from 1; `has_image` is known only of pages without text."""

    number: int
    text: str
    has_image: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """`level` and `page` count from 1."""

    title: str
    level: int
    page: int


class PdfFile(Protocol):
    """An open PDF. `pages` holds one page in memory at a time."""

    engine: str
    page_count: int
    title: str | None
    author: str | None
    outline: tuple[OutlineEntry, ...]

    def pages(self) -> Iterator[Page]: ...


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
        raise ReadError(_ENCRYPTED if "password" in str(error).lower() else _DAMAGED) from error
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
            raise ReadError(_DAMAGED)
        self.title = _filled(document.get_metadata_value("Title"))
        self.author = _filled(document.get_metadata_value("Author"))
        self.outline = tuple(self._outline())

    def _outline(self) -> Iterator[OutlineEntry]:
        for count, bookmark in enumerate(self._document.get_toc(max_depth=8)):
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            title = _filled(bookmark.get_title())
            if count >= _OUTLINE_ENTRIES:
                return
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
        from pypdfium2 import raw

        page = self._document[number - 1]
        try:
            textpage = page.get_textpage()
            try:
                # U+FFFE stands for a hyphen that only the line's end asked for.
                text = textpage.get_text_range().replace("\ufffe\r\n", "").replace("\ufffe", "")
            finally:
                textpage.close()
            has_image = not text.strip() and any(
                page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3)
            )
            return Page(number, text, has_image)
        finally:
            page.close()


@contextmanager
def open_pypdf(path: Path) -> Iterator[PdfFile]:
    """Opens with pypdf, trying the empty password. Its limits hold inside the `with` block.

    Raises:
        ReadError: It needs a password, or is no PDF.
    """
    import pypdf
    from pypdf.errors import PyPdfError

    with pypdf.apply_configuration(**_PYPDF_LIMITS), path.open("rb") as file:
        try:
            reader = pypdf.PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise ReadError(_ENCRYPTED)
            pdf = _Pypdf(reader)
        except pypdf.errors.DependencyError as error:
            raise ReadError(f"{_ENCRYPTED}, or install docradar[pdf]") from error
        except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ReadError(_DAMAGED) from error
        yield pdf


class _Pypdf:
    engine = "pypdf"

    def __init__(self, reader: Any) -> None:
        self._reader = reader
        self.page_count: int = len(reader.pages)
        if self.page_count == 0:
            raise ReadError(_DAMAGED)
        self.title = _filled(reader.metadata.title if reader.metadata else None)
        self.author = _filled(reader.metadata.author if reader.metadata else None)
        self.outline = tuple(self._outline())

    def _outline(self) -> Iterator[OutlineEntry]:
        try:
            entries = list(self._walk(self._reader.outline, 1))
        except Exception:  # noqa: BLE001  an outline is a convenience; a broken one must not cost the text
            return
        yield from entries[:_OUTLINE_ENTRIES]

    def _walk(self, outline: list[Any], level: int) -> Iterator[OutlineEntry]:
        for entry in outline:
            if isinstance(entry, list):
                yield from self._walk(entry, level + 1)
                continue
            page = self._reader.get_destination_page_number(entry)
            title = _filled(entry.title)
            if title and page is not None and page >= 0:
                yield OutlineEntry(title, level, page + 1)

    def pages(self) -> Iterator[Page]:
        for number in range(1, self.page_count + 1):
            try:
                page = self._reader.pages[number - 1]
                text = page.extract_text()
                yield Page(number, text, not text.strip() and _has_image(page))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  pypdf raises whatever a broken page provokes
                yield Page(number, "", error=f"{type(error).__name__}: {error}"[:200])
            if number % _PAGES_PER_SWEEP == 0:
                self._reader.resolved_objects.clear()  # pypdf keeps every object that it has resolved


def _has_image(page: Any) -> bool:
    resources = page.get("/Resources", {}).get_object()
    objects = resources.get("/XObject", {}).get_object()
    return any(objects[name].get_object().get("/Subtype") in ("/Image", "/Form") for name in objects)


def _filled(value: object) -> str | None:
    """Trimmed, or None for what is empty or not text."""
    return value.replace("\x00", "").strip() or None if isinstance(value, str) else None
