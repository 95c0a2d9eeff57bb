"""A page as an engine hands it over, and what a PDF says of itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final, NamedTuple, Protocol

OUTLINE_ENTRIES: Final = 10_000
DAMAGED: Final = "it is damaged or cut off, and no PDF reader can open it; export or download it again"
ENCRYPTED: Final = "it is encrypted with a password; remove the password and upload it again"

_DATE: Final = re.compile(
    r"(?:D:)?(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:Z|([+-])(\d\d)'?(?:(\d\d)'?)?)?"
)
_PLACEHOLDER_TITLE: Final = re.compile(
    r"\(?untitled.{0,12}|\(?anonymous\)?|(?:title|document|layout|slide|presentation|microsoft word)\s?\d{0,4}|无标题.{0,4}"
    r"|[^\s]+\.(?:docx?|pptx?|xlsx?|pdf|indd|tex|dvi|rtf|odt|ps|eps|qxd|fm|html?)",
    re.IGNORECASE,
)
_PLACEHOLDER_AUTHOR: Final = re.compile(r"\(?(?:anonymous|unspecified|unknown)\)?", re.IGNORECASE)
_PROGRAM: Final = re.compile(r"microsoft (?:office )?(?:word|powerpoint|excel)\s+[-–]\s+", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"([A-Za-z]{2})(?:[-_][A-Za-z0-9_-]*)?")


class Word(NamedTuple):
    """Characters without white space between them, and the box of their font in points from the page's lower left.

    A word that ends with U+FFFE was hyphenated by the end of its line.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    bold: bool = False


class Rule(NamedTuple):
    """A straight line drawn on the page, upright or level, in points from the page's lower left."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Page:
    """`number` counts from 1. `rows` holds the words by line as the file draws them; None: the engine gives no places.

    `image_share` is how much of the page its largest picture covers, known only of pages with little text.
    `unmapped_share` is how many of its words are in fonts that do not say which characters their glyphs are.
    """

    number: int
    text: str
    rows: list[list[Word]] | None = None
    rules: list[Rule] | None = None
    height: float = 0
    image_share: float = 0
    unmapped_share: float = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """`level` and `page` count from 1."""

    title: str
    level: int
    page: int


@dataclass(frozen=True, slots=True)
class PdfFields:
    """What the file says of itself, without what is a program's habit rather than the author's word."""

    title: str | None = None
    author: str | None = None
    language: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class PdfFile(Protocol):
    """An open PDF. `pages` holds one page in memory at a time."""

    engine: str
    page_count: int
    fields: PdfFields
    outline: tuple[OutlineEntry, ...]

    def pages(self) -> Iterator[Page]: ...


def fields_of(information: dict[str, object], language: object) -> PdfFields:
    """The fields from the document information's entries, by their names without the slash, and the catalog's /Lang."""
    tag = _LANGUAGE.fullmatch(filled(language) or "")
    return PdfFields(
        title=_title(filled(information.get("Title"))),
        author=_author(filled(information.get("Author"))),
        language=tag[1].lower() if tag else None,
        created_at=date_of(information.get("CreationDate")),
        updated_at=date_of(information.get("ModDate")),
    )


def filled(value: object) -> str | None:
    """Trimmed, on one line, or None for what is empty or not text."""
    return " ".join(value.replace("\x00", "").split()) or None if isinstance(value, str) else None


def _title(title: str | None) -> str | None:
    """None for what the writing program puts there by itself: "untitled", or a file's name."""
    title = _PROGRAM.sub("", title, count=1) if title else ""
    return None if not title or _PLACEHOLDER_TITLE.fullmatch(title) else title


def _author(author: str | None) -> str | None:
    return None if not author or _PLACEHOLDER_AUTHOR.fullmatch(author) else author


def date_of(value: object) -> datetime | None:
    """A PDF date (ISO 32000-1, 7.9.4), UTC where it names no zone; None for what is none, or cannot be true."""
    match = _DATE.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (
        int(part) if part else least
        for part, least in zip(match.groups()[:6], (0, 1, 1, 0, 0, 0), strict=True)
    )
    offset = timedelta(hours=int(match[8] or 0), minutes=int(match[9] or 0))
    try:
        zone = timezone(-offset if match[7] == "-" else offset) if match[7] else UTC
        found = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        return None
    # The format is from 1993, and a clock that was never set says 1970 or 1904.
    return found if year >= 1990 and found < datetime.now(UTC) + timedelta(days=2) else None
