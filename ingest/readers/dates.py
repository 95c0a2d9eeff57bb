"""Dates as documents write them: ISO 8601, mail headers, and what English and Chinese pages show."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january"), ("feb", "february"), ("mar", "march"), ("apr", "april"), ("may",), ("jun", "june"),
            ("jul", "july"), ("aug", "august"), ("sep", "september", "sept"), ("oct", "october"), ("nov", "november"),
            ("dec", "december"),
        ),
        start=1,
    )
    for name in names
}  # fmt: skip
_CHINESE_MONTHS: Final = {
    f"{name}月": number
    for number, name in enumerate(
        ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"), start=1
    )
}
_ISO: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?)?(?!\d)"
)
_NUMBERS: Final = re.compile(r"(\d{4})\s*[年/.]\s*(\d{1,2})\s*[月/.]\s*(\d{1,2})(?!\d)")
_MONTH_FIRST: Final = re.compile(r"([A-Za-z]{3,9})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?[\s-]+([A-Za-z]{3,9})\.?,?[\s-]+(\d{4})")
_CHINESE_MONTH_FIRST: Final = re.compile(
    r"((?:十[一二]?|[一二三四五六七八九])月|\d{1,2}月)\s*(\d{1,2})日?[,，]?\s*(\d{4})"
)
_SLASHES: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_MAIL: Final = re.compile(
    r"(?:[A-Za-z]{3}, )?\d{1,2} [A-Za-z]{3} \d{4} \d\d:\d\d(?::\d\d)?(?: [+-]\d{4}| [A-Z]{1,4})?"
)
MOST_CHARS: Final = 2000
_EARLIEST: Final = 1900
_LATEST: Final = 2200


def parse_date(text: str) -> datetime | None:
    """The first date in `text`, aware, UTC where it does not say; midnight where there is no time; None where there is none.

    `04/05/2017` is no date, since nobody can tell which of the two the month is; `25/12/2017` is.
    """
    if match := _ISO.fullmatch(text):  # nearly all that programs write
        return _iso(match)
    return next((date for _, date in find_dates(text)), None)


def find_dates(text: str) -> list[tuple[int, datetime]]:
    """All dates in the first `MOST_CHARS` of `text`, as `parse_date` understands them, with where they begin."""
    found: dict[int, datetime] = {}
    ends: list[tuple[int, int]] = []
    for pattern, date_of in _FORMS:
        for match in pattern.finditer(text[:MOST_CHARS]):
            within_another = any(start < match.end() and match.start() < end for start, end in ends)
            if not within_another and (date := date_of(match)):
                found[match.start()] = date
                ends.append(match.span())
    return sorted(found.items())


def _iso(match: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if hour is None:
        return _day(year, month, day)
    offset = "+00:00" if zone in (None, "Z") else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    written = f"{year}-{int(month):02}-{int(day):02}T{int(hour):02}:{minute}:{second or '00'}.{(fraction or '0')[:6]:0<6}{offset}"
    try:
        return _plausible(datetime.fromisoformat(written).astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _mail(match: re.Match[str]) -> datetime | None:
    try:
        found = parsedate_to_datetime(match[0])
        return _plausible(found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return None


def _chinese(match: re.Match[str]) -> datetime | None:
    month = _CHINESE_MONTHS.get(match[1]) or int(match[1].removesuffix("月"))
    return _day(match[3], month, match[2])


def _slashes(match: re.Match[str]) -> datetime | None:
    first, second = int(match[1]), int(match[2])
    if first > 12 >= second:
        return _day(match[3], second, first)
    return _day(match[3], first, second) if second > 12 or first == second else None


def _day(year: str | int, month: str | int, day: str | int) -> datetime | None:
    month = _MONTHS.get(month.lower(), 0) if isinstance(month, str) and month.isalpha() else month
    try:
        return _plausible(datetime(int(year), int(month), int(day), tzinfo=UTC))
    except ValueError:
        return None


def _plausible(found: datetime) -> datetime | None:
    return found if _EARLIEST <= found.year < _LATEST else None


# The surer a form is, the earlier it is looked for.
_FORMS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], datetime | None]], ...]] = (
    (_ISO, _iso),
    (_MAIL, _mail),
    (_NUMBERS, lambda match: _day(match[1], match[2], match[3])),
    (_CHINESE_MONTH_FIRST, _chinese),
    (_MONTH_FIRST, lambda match: _day(match[3], match[1], match[2])),
    (_DAY_FIRST, lambda match: _day(match[3], match[2], match[1])),
    (_SLASHES, _slashes),
)
