"""The filter expression of the API: parsed from JSON, checked against declared fields, turned into Qdrant's.

Two JSON forms. A plain object is AND over fields of any-of over values:

    {"source": ["confluence", "prd"], "language": "zh"}

Anything more is the attribute-filter grammar of OpenAI's vector stores:

    {"type": "and" | "or", "filters": [...]}
    {"type": "eq" | "ne" | "gt" | "gte" | "lt" | "lte" | "in" | "nin", "key": "updated_at", "value": "2026-01-01"}

A field with several values (`tags`) equals a value when one of them does. `ne` and `nin` are the negation of `eq`
and `in`, so a point that lacks the field counts as not equal. Moments are RFC 3339; a plain date is that whole
day in UTC, so `gt` means after its end and `eq` within it. Fields of a document's metadata are called `meta.<key>`, and
are known where a collection declares them.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from docradar.errors import InvalidFilterError

if TYPE_CHECKING:
    from qdrant_client import models

MAX_DEPTH: Final = 8
MAX_CONDITIONS: Final = 200
MAX_VALUES: Final = 1_000
MAX_LISTED: Final = 60  # fields named in an error
MAX_INTEGER: Final = 2**53 - 1  # what JSON readers and Qdrant's float ranges both hold exactly


class FieldType(StrEnum):
    """How a payload field is indexed, and so what it can be compared with."""

    KEYWORD = "keyword"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"


Fields: TypeAlias = Mapping[str, FieldType]

META_PREFIX: Final = "meta."
ORDERED_TYPES: Final = (FieldType.INTEGER, FieldType.NUMBER, FieldType.DATETIME)
COUNTABLE_TYPES: Final = (FieldType.KEYWORD, FieldType.INTEGER, FieldType.BOOLEAN)
"""Those whose values facets count: numbers and moments seldom repeat."""

DECLARED_FIELDS: Final[Fields] = {
    "collection": FieldType.KEYWORD,
    "source": FieldType.KEYWORD,
    "document_id": FieldType.KEYWORD,
    "external_id": FieldType.KEYWORD,
    "title": FieldType.KEYWORD,
    "url": FieldType.KEYWORD,
    "media_type": FieldType.KEYWORD,
    "language": FieldType.KEYWORD,
    "author": FieldType.KEYWORD,
    "tags": FieldType.KEYWORD,
    "kind": FieldType.KEYWORD,
    "heading_path": FieldType.KEYWORD,
    "created_at": FieldType.DATETIME,
    "updated_at": FieldType.DATETIME,
    "stored_at": FieldType.DATETIME,
    "page": FieldType.INTEGER,
}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The field has at least one of `values`, which are of one type; of booleans, only one is given."""

    field: str
    values: tuple[str, ...] | tuple[int, ...] | tuple[bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """The field lies between the bounds that are set. Datetimes are aware."""

    field: str
    gt: int | float | datetime | None = None
    gte: int | float | datetime | None = None
    lt: int | float | datetime | None = None
    lte: int | float | datetime | None = None


@dataclass(frozen=True, slots=True)
class Not:
    expression: "FilterExpression"


@dataclass(frozen=True, slots=True)
class And:
    """Every expression matches; no expression at all matches every point."""

    expressions: tuple["FilterExpression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one expression matches."""

    expressions: tuple["FilterExpression", ...]

    def __post_init__(self) -> None:
        if not self.expressions:
            raise ValueError("an Or of nothing would match every point in Qdrant, and no point by logic")


FilterExpression: TypeAlias = AnyOf | Within | Not | And | Or


def with_collection(expression: FilterExpression | None, collection: str) -> FilterExpression:
    """What `expression` matches within one collection."""
    within = AnyOf("collection", (collection,))
    return within if expression is None else And((within, expression))


def without_documents(
    expression: FilterExpression | None, document_ids: Sequence[str]
) -> FilterExpression | None:
    """What `expression` matches outside these documents."""
    if not document_ids:
        return expression
    outside = Not(AnyOf("document_id", tuple(document_ids)))
    return outside if expression is None else And((outside, expression))


def parse_filter(raw: object, fields: Fields = DECLARED_FIELDS) -> FilterExpression:
    """The expression that `raw`, decoded JSON in either form, stands for.

    Raises:
        InvalidFilterError: Names the key, what is wrong with it, and what is allowed.
    """
    if not isinstance(raw, dict):
        raise InvalidFilterError(
            f'a filter must be an object such as {{"source": "faq"}}, not {_json_type(raw)}'
        )
    if "type" in raw:
        return _parse_node(raw, fields, _Budget(), depth=1)
    budget = _Budget()
    return And(tuple(_parse_plain(key, value, fields, budget) for key, value in raw.items()))


@dataclass(slots=True)
class _Budget:
    """What a filter may still hold: a condition takes the event loop up to 65 µs before anything is searched."""

    conditions: int = MAX_CONDITIONS
    values: int = MAX_VALUES

    def spend(self, *, conditions: int, values: int = 0) -> None:
        self.conditions -= conditions
        self.values -= values
        if self.conditions < 0 or self.values < 0:
            raise InvalidFilterError(
                f"the filter holds more than {MAX_CONDITIONS} conditions or {MAX_VALUES:,} values in all; narrow it, or "
                "ask several times"
            )


def _parse_plain(key: object, value: object, fields: Fields, budget: _Budget) -> FilterExpression:
    operator = "in" if isinstance(value, list) else "eq"
    return _parse_comparison(operator, key, value, fields, budget)


def _parse_node(raw: object, fields: Fields, budget: _Budget, depth: int) -> FilterExpression:
    if depth > MAX_DEPTH:
        raise InvalidFilterError(f"the filter is nested more than {MAX_DEPTH} deep; flatten it")
    if not isinstance(raw, dict):
        raise InvalidFilterError(f'each of "filters" must be an object with a "type", not {_json_type(raw)}')
    node_type = raw.get("type")
    if node_type in ("and", "or"):
        return _parse_combination(raw, fields, budget, depth)
    if isinstance(node_type, str) and node_type in _COMPARISONS:
        _expect_keys(raw, {"type", "key", "value"})
        return _parse_comparison(node_type, raw["key"], raw["value"], fields, budget)
    raise InvalidFilterError(
        f'filter "type" is {_shown(node_type)}; it must be one of and, or, {", ".join(_COMPARISONS)}'
    )


def _parse_combination(
    raw: dict[str, object], fields: Fields, budget: _Budget, depth: int
) -> FilterExpression:
    _expect_keys(raw, {"type", "filters"})
    parts = raw["filters"]
    if not isinstance(parts, list) or not parts:
        raise InvalidFilterError(f'"filters" of an "{raw["type"]}" must be a list of at least one filter')
    budget.spend(conditions=1)
    expressions = tuple(_parse_node(part, fields, budget, depth + 1) for part in parts)
    return And(expressions) if raw["type"] == "and" else Or(expressions)


def _parse_comparison(
    operator: str, key: object, value: object, fields: Fields, budget: _Budget
) -> FilterExpression:
    if not isinstance(key, str) or key not in fields:
        raise InvalidFilterError(f"filter field {_shown(key)} is not declared; {_declared(key, fields)}")
    kind = fields[key]
    if operator in _ORDERINGS and kind not in ORDERED_TYPES:
        ordered = _listed([name for name, kind in fields.items() if kind in ORDERED_TYPES])
        raise InvalidFilterError(
            f"filter field {key} is a {kind}, which {operator} cannot order; fields with an order: {ordered}"
        )
    values = len(value) if isinstance(value, list) else 1
    # Qdrant matches any of many keywords or integers at once, but compares each of the others by itself.
    at_once = kind in (FieldType.KEYWORD, FieldType.INTEGER)
    budget.spend(conditions=1 if at_once else values, values=values)
    return _COMPARISONS[operator](key, value, kind)


def _declared(key: object, fields: Fields) -> str:
    """What may be said instead of `key`."""
    listed = [f"{name} ({kind})" for name, kind in fields.items()]
    if not isinstance(key, str) or not key.startswith(META_PREFIX):
        return f"the fields are: {_listed(listed)}"
    of_meta = _listed([name for name in listed if name.startswith(META_PREFIX)]) or "none"
    return (
        f"the fields of meta that are: {of_meta}. Declare it in its collection with PUT /v1/collections/{{name}} and "
        'a body such as {"fields": {"priority": "integer"}}'
    )


def _listed(names: Sequence[str]) -> str:
    rest = len(names) - MAX_LISTED
    return ", ".join(names[:MAX_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _equal(key: str, value: object, kind: FieldType) -> FilterExpression:
    return _any_of(key, [value], kind)


def _not_equal(key: str, value: object, kind: FieldType) -> FilterExpression:
    return Not(_equal(key, value, kind))


def _in(key: str, value: object, kind: FieldType) -> FilterExpression:
    if not isinstance(value, list) or not value:
        had = "an empty one" if isinstance(value, list) else _json_type(value)
        raise InvalidFilterError(f"filter field {key} needs a list of at least one value, not {had}")
    return _any_of(key, value, kind)


def _not_in(key: str, value: object, kind: FieldType) -> FilterExpression:
    return Not(_in(key, value, kind))


def _any_of(key: str, values: list[object], kind: FieldType) -> FilterExpression:
    match kind:
        case FieldType.KEYWORD:
            return AnyOf(key, tuple(_keyword(key, value) for value in values))
        case FieldType.INTEGER:
            return AnyOf(key, tuple(_integer(key, value) for value in values))
        case FieldType.NUMBER:
            return _either([_exactly(key, _number(key, value)) for value in values])
        case FieldType.BOOLEAN:
            return _either([AnyOf(key, (_boolean(key, value),)) for value in values])
        case FieldType.DATETIME:
            return _either([_period(key, value).as_range(key) for value in values])


def _either(expressions: Sequence[FilterExpression]) -> FilterExpression:
    return expressions[0] if len(expressions) == 1 else Or(tuple(expressions))


def _exactly(key: str, value: float) -> Within:
    return Within(field=key, gte=value, lte=value)


def _ordering(operator: str) -> Callable[[str, object, FieldType], FilterExpression]:
    def parse(key: str, value: object, kind: FieldType) -> FilterExpression:
        if kind is FieldType.DATETIME:
            return _period(key, value).ordered(key, operator)
        bound = _integer(key, value) if kind is FieldType.INTEGER else _number(key, value)
        return Within(field=key, **{operator: bound})

    return parse


_ORDERINGS: Final = ("gt", "gte", "lt", "lte")

_COMPARISONS: Final[Mapping[str, Callable[[str, object, FieldType], FilterExpression]]] = {
    "eq": _equal,
    "ne": _not_equal,
    **{operator: _ordering(operator) for operator in _ORDERINGS},
    "in": _in,
    "nin": _not_in,
}


@dataclass(frozen=True, slots=True)
class _Period:
    """A moment, or, with an `end`, the half-open day from `start` to `end`."""

    start: datetime
    end: datetime | None = None

    def as_range(self, key: str) -> Within:
        if self.end is None:
            return Within(field=key, gte=self.start, lte=self.start)
        return Within(field=key, gte=self.start, lt=self.end)

    def ordered(self, key: str, operator: str) -> Within:
        match operator, self.end:
            case ("gt", datetime()):
                return Within(field=key, gte=self.end)
            case ("lte", datetime()):
                return Within(field=key, lt=self.end)
            case _:
                return Within(field=key, **{operator: self.start})


_LAST_MOMENT: Final = datetime.max.replace(tzinfo=UTC)
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)


def _period(key: str, value: object) -> _Period:
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            start = datetime.combine(date.fromisoformat(value), time.min, UTC)
            # The last day there is has no next one; people write it for "no end".
            end = _LAST_MOMENT if start.date() == date.max else start + timedelta(days=1)
            return _Period(start, end)
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            return _Period(datetime.fromisoformat(value.upper()).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise InvalidFilterError(f"filter field {key}: {_shown(value)} is not a date: {error}") from error
    raise InvalidFilterError(
        f"filter field {key} needs a date such as 2026-01-31, or an RFC 3339 moment with its offset such as "
        f"2026-01-31T09:00:00Z, not {_shown(value)}"
    )


def _keyword(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidFilterError(f"filter field {key} is compared with strings, not {_json_type(value)}")
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise InvalidFilterError(
            f"filter field {key}: {_shown(value)} holds a NUL or half a surrogate pair; remove it"
        )
    return value


def _integer(key: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidFilterError(f"filter field {key} is compared with integers, not {_json_type(value)}")
    if abs(value) > MAX_INTEGER:
        raise InvalidFilterError(f"filter field {key} is compared with an integer beyond ±{MAX_INTEGER:,}")
    return value


def _number(key: str, value: object) -> int | float:
    if isinstance(value, int) and not isinstance(value, bool):
        return _integer(key, value)
    if not isinstance(value, float) or not math.isfinite(value):
        had = _shown(value) if isinstance(value, float) else _json_type(value)
        raise InvalidFilterError(f"filter field {key} is compared with finite numbers, not {had}")
    return value


def _boolean(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidFilterError(
            f"filter field {key} is compared with true or false, not {_json_type(value)}"
        )
    return value


def check_countable(key: str, fields: Fields) -> None:
    """Raises InvalidFilterError where a facet cannot count the values of the field `key`."""
    if key not in fields:
        raise InvalidFilterError(f"facet field {_shown(key)} is not declared; {_declared(key, fields)}")
    if fields[key] not in COUNTABLE_TYPES:
        countable = _listed([name for name, kind in fields.items() if kind in COUNTABLE_TYPES])
        raise InvalidFilterError(
            f"facet field {key} is a {fields[key]}, whose values are not counted; fields with values to count: "
            f"{countable}"
        )


def is_of_type(value: object, kind: FieldType) -> bool:
    """Whether a document's value of a field of this type is one that filters find it by."""
    try:
        for one in value if isinstance(value, list) and kind is FieldType.KEYWORD else [value]:
            _any_of("", [one], kind)
    except InvalidFilterError:
        return False
    return True


def _expect_keys(raw: dict[str, object], expected: set[str]) -> None:
    if raw.keys() != expected:
        wanted, had = ", ".join(sorted(expected)), ", ".join(_shown(key) for key in raw)
        raise InvalidFilterError(
            f'a filter of type "{raw["type"]}" has exactly the keys {wanted}; this has {had}'
        )


def _shown(value: object) -> str:
    """`value` in a message: escaped, and no longer than a line."""
    text = ascii(value) if isinstance(value, (str, int, float, type(None))) else _json_type(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _json_type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "an integer"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def to_qdrant(expression: FilterExpression) -> "models.Filter":
    """The same filter for `qdrant_client`."""
    from qdrant_client import models

    match expression:
        case And(expressions):
            return models.Filter(must=[to_qdrant(part) for part in expressions])
        case Or(expressions):
            return models.Filter(should=[to_qdrant(part) for part in expressions])
        case Not(negated):
            return models.Filter(must_not=[to_qdrant(negated)])
        case AnyOf() | Within():
            return models.Filter(must=[_to_condition(expression)])


def _to_condition(expression: AnyOf | Within) -> "models.FieldCondition":
    from qdrant_client import models

    if isinstance(expression, AnyOf):
        values = expression.values
        match: models.Match = (
            models.MatchValue(value=values[0]) if len(values) == 1 else models.MatchAny(any=[*values])
        )
        return models.FieldCondition(key=expression.field, match=match)
    bounds = {name: getattr(expression, name) for name in _ORDERINGS}
    moments = any(isinstance(bound, datetime) for bound in bounds.values())
    return models.FieldCondition(
        key=expression.field, range=models.DatetimeRange(**bounds) if moments else models.Range(**bounds)
    )
