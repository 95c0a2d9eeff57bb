"""What a search should find: judgement files, one JSON object a line, which people write by hand.

    {"query": "how long do refunds take", "expected": ["three working days"], "tags": ["plain", "en"]}
    {"query": "PAY-1042", "document": "payments.md", "text": "raise gateway.timeout_ms"}
    {"query": "who won the cup final", "expected": []}

An empty line, or one that starts with #, says nothing. docs/evaluation.md describes the keys.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NoReturn

from docradar.errors import InvalidRequestError
from docradar.evaluation.matching import Expectation, normalised

KEYS: Final = ("query", "expected", "text", "document", "tags", "filter", "collection", "id")
EXPECTED_KEYS: Final = ("document", "text", "grade")
GRADES: Final = (1, 2, 3)
MAX_ID_CHARS: Final = 64
_ID_HEX_DIGITS: Final = 12
_UNANSWERABLE_HINT: Final = 'where nothing answers it, say "expected": []'


@dataclass(frozen=True, slots=True)
class Judgement:
    """A question and all that answers it; nothing expected means that no document does.

    `place` is the file and line that say so.
    """

    id: str
    query: str
    expected: tuple[Expectation, ...] = ()
    tags: tuple[str, ...] = ()
    filter: Mapping[str, Any] | None = None
    collection: str | None = None
    place: str = field(default="", compare=False)

    @property
    def answerable(self) -> bool:
        return bool(self.expected)

    @property
    def question_digest(self) -> str:
        """12 hex digits of what is asked: query, filter and collection. It is the id where the file gives none."""
        asked = json.dumps([self.query, self.filter, self.collection], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:_ID_HEX_DIGITS]


def read_judgements(paths: Iterable[Path]) -> list[Judgement]:
    """The judgements of all files, in their order; their ids are distinct.

    Raises:
        InvalidRequestError: Naming the file, the line, the key, and what to write there.
    """
    judgements: list[Judgement] = []
    for path in paths:
        try:
            source = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InvalidRequestError(
                f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it so"
            ) from error
        except OSError as error:
            raise InvalidRequestError(f"{path} cannot be read: {error.strerror}") from error
        judgements += parse_judgements(source, str(path))
    _refuse_repeated(judgements)
    if not judgements:
        raise InvalidRequestError(
            "there is no query in these files; write one JSON object a line, such as "
            '{"query": "how long do refunds take", "expected": ["three working days"]}'
        )
    return judgements


def parse_judgements(source: str, name: str) -> list[Judgement]:
    """The judgements of a file's text; `name` is what errors call the file.

    Raises:
        InvalidRequestError: Naming the file, the line, the key, and what to write there.
    """
    judgements = []
    # Not splitlines: a string may hold U+2028, which JSON does not escape.
    for number, line in enumerate(source.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            place = f"{name}, line {number}"
            try:
                judgements.append(_judgement(_decoded(line), place))
            except InvalidRequestError as error:
                raise InvalidRequestError(f"{place}: {error}") from error
    _refuse_repeated(judgements)
    return judgements


def _refuse_repeated(judgements: Iterable[Judgement]) -> None:
    by_id: dict[str, Judgement] = {}
    for judgement in judgements:
        other = by_id.setdefault(judgement.id, judgement)
        if other is not judgement:
            raise InvalidRequestError(
                f"{judgement.place}: {judgement.query!r} has the id {judgement.id!r}, which {other.place} has too; "
                "remove one of them, or give each its own id"
            )


def _decoded(line: str) -> dict[str, Any]:
    """The line's object, which can be sent on as JSON."""
    try:
        value = json.loads(line, object_pairs_hook=_distinct_keys, parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        raise InvalidRequestError(
            f"it is not JSON: {error.msg} at column {error.colno}; write one object a line"
        ) from error
    except UnicodeEncodeError as error:
        raise InvalidRequestError("it holds half of a surrogate pair (\\ud800 to \\udfff)") from error
    except ValueError as error:
        raise InvalidRequestError("it holds a number that is too large") from error
    except RecursionError as error:
        raise InvalidRequestError("it is nested too deeply") from error
    if not isinstance(value, dict):
        raise InvalidRequestError('it must be an object such as {"query": "…", "expected": ["…"]}')
    return value


def _distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise InvalidRequestError(f"key {repeated!r} is given twice; give it once")
    return found


def _no_number(constant: str) -> NoReturn:
    raise InvalidRequestError(f"{constant} is no JSON number")


def _judgement(raw: dict[str, Any], place: str) -> Judgement:
    _refuse_unknown(raw, KEYS)
    if "query" not in raw:
        raise InvalidRequestError('key "query" is missing; it holds the question as it is asked')
    if not isinstance(raw.get("filter"), dict | None):
        raise InvalidRequestError('filter must be an object such as {"source": "faq"}')
    judgement = Judgement(
        id="",
        query=_text(raw["query"], "query"),
        expected=_expected(raw),
        tags=_tags(raw.get("tags", [])),
        filter=raw.get("filter"),
        collection=_optional_text(raw, "collection"),
        place=place,
    )
    return _with_id(judgement, _optional_text(raw, "id"))


def _with_id(judgement: Judgement, given: str | None) -> Judgement:
    identity = given or judgement.question_digest
    if len(identity) > MAX_ID_CHARS or any(char.isspace() for char in identity):
        raise InvalidRequestError(
            f"id {identity[:MAX_ID_CHARS]!r} must be up to {MAX_ID_CHARS} characters without white space"
        )
    return replace(judgement, id=identity)


def _expected(raw: dict[str, Any]) -> tuple[Expectation, ...]:
    short = {key: raw[key] for key in ("document", "text") if key in raw}
    if "expected" not in raw:
        if not short:
            raise InvalidRequestError(f'key "expected" is missing; {_UNANSWERABLE_HINT}')
        return (_expectation(short, ""),)
    if short:
        raise InvalidRequestError(
            f"{next(iter(short))} stands beside expected; write it into an entry of expected"
        )
    if not isinstance(raw["expected"], list):
        raise InvalidRequestError(f"expected must be a list; {_UNANSWERABLE_HINT}")
    expected = tuple(_expectation(entry, f"expected[{index}]") for index, entry in enumerate(raw["expected"]))
    wanted = [(entry.document, entry.text and normalised(entry.text)) for entry in expected]
    for index, entry in enumerate(wanted):
        if entry in wanted[:index]:
            raise InvalidRequestError(f"expected[{index}] repeats an entry before it; remove it")
    return expected


def _expectation(raw: object, path: str) -> Expectation:
    if isinstance(raw, str):
        return Expectation(text=_text(raw, path))
    if not isinstance(raw, dict):
        raise InvalidRequestError(
            f'{path} must be a text, or an object such as {{"document": "faq.md", "text": "…"}}'
        )
    _refuse_unknown(raw, EXPECTED_KEYS, path)
    if not {"document", "text"} & raw.keys():
        raise InvalidRequestError(f"{path} needs a document, a text, or both")
    grade = raw.get("grade", 1)
    if type(grade) is not int or grade not in GRADES:
        raise InvalidRequestError(f"{path}.grade is {grade!r}; it must be 1, 2 or 3 (3 is the best answer)")
    dot = f"{path}." if path else ""
    return Expectation(
        document=_text(raw["document"], f"{dot}document") if "document" in raw else None,
        text=_text(raw["text"], f"{dot}text") if "text" in raw else None,
        grade=grade,
    )


def _refuse_unknown(raw: dict[str, Any], known: tuple[str, ...], path: str = "") -> None:
    if unknown := [key for key in raw if key not in known]:
        where = f" in {path}" if path else ""
        raise InvalidRequestError(f"unknown key {unknown[0]!r}{where}; the keys are {', '.join(known)}")


def _text(value: object, key: str) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"{key} must be a text in quotation marks")
    if not normalised(value):
        raise InvalidRequestError(f"{key} is empty; write something there, or leave it out")
    return value


def _optional_text(raw: dict[str, Any], key: str) -> str | None:
    return None if raw.get(key) is None else _text(raw[key], key)


def _tags(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list):
        raise InvalidRequestError('tags must be a list such as ["synonym", "en"]')
    tags = tuple(_text(tag, f"tags[{index}]") for index, tag in enumerate(raw))
    return tuple(dict.fromkeys(tags))
