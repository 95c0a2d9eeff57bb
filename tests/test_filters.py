"""The filter expression: what parses, into what, and what is refused with which words."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from qdrant_client import models
from qdrant_client.conversions.conversion import GrpcToRest, RestToGrpc

from docradar.errors import InvalidFilterError
from docradar.filters import (
    DECLARED_FIELDS,
    And,
    AnyOf,
    Fields,
    FieldType,
    Not,
    Or,
    Within,
    is_of_type,
    parse_filter,
    to_qdrant,
    with_collection,
)


def compare(operator: str, key: str, value: object) -> dict[str, object]:
    return {"type": operator, "key": key, "value": value}


def nested(depth: int) -> dict[str, object]:
    node = compare("eq", "source", "faq")
    for _ in range(depth - 1):
        node = {"type": "and", "filters": [node]}
    return node


MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
NEXT_MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
NINE = datetime(2026, 1, 31, 9, tzinfo=UTC)


def test_a_plain_object_is_and_of_any_of() -> None:
    assert parse_filter({"source": ["faq", "prd"], "language": "zh", "page": 3}) == And(
        (AnyOf("source", ("faq", "prd")), AnyOf("language", ("zh",)), AnyOf("page", (3,)))
    )


def test_an_empty_object_matches_everything() -> None:
    assert parse_filter({}) == And(())


def test_the_attribute_grammar_nests() -> None:
    raw = {
        "type": "and",
        "filters": [
            compare("ne", "source", "faq"),
            {"type": "or", "filters": [compare("nin", "tags", ["a", "b"]), compare("gt", "page", 3)]},
        ],
    }
    assert parse_filter(raw) == And(
        (Not(AnyOf("source", ("faq",))), Or((Not(AnyOf("tags", ("a", "b"))), Within(field="page", gt=3))))
    )


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    [
        ("gt", "2026-01-31", Within(field="updated_at", gte=NEXT_MIDNIGHT)),
        ("gte", "2026-01-31", Within(field="updated_at", gte=MIDNIGHT)),
        ("lt", "2026-01-31", Within(field="updated_at", lt=MIDNIGHT)),
        ("lte", "2026-01-31", Within(field="updated_at", lt=NEXT_MIDNIGHT)),
        ("eq", "2026-01-31", Within(field="updated_at", gte=MIDNIGHT, lt=NEXT_MIDNIGHT)),
        ("ne", "2026-01-31", Not(Within(field="updated_at", gte=MIDNIGHT, lt=NEXT_MIDNIGHT))),
        ("in", ["2026-01-31T09:00:00Z"], Within(field="updated_at", gte=NINE, lte=NINE)),
        ("gt", "2026-01-31t17:00:00.000+08:00", Within(field="updated_at", gt=NINE)),
    ],
)
def test_a_date_is_its_whole_day_and_a_moment_is_itself(
    operator: str, value: object, expected: object
) -> None:
    assert parse_filter(compare(operator, "updated_at", value)) == expected


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (["faq"], "must be an object"),
        ({"sauce": "faq"}, "'sauce' is not declared; the fields are: collection (keyword)"),
        ({"meta.team": "x"}, "'meta.team' is not declared; the fields of meta that are: none. Declare it in its collection"),
        ({"source": 3}, "source is compared with strings, not an integer"),
        ({"source": None}, "source is compared with strings, not null"),
        ({"source": []}, "source needs a list of at least one value, not an empty one"),
        ({"source": ["a"] * 1001}, "more than 200 conditions or 1,000 values in all"),
        ({"source": ["a", ["b"]]}, "not a list"),
        ({"source": "a\0b"}, "NUL"),
        ({"source": "\ud800"}, "surrogate"),
        ({"page": "3"}, "page is compared with integers, not a string"),
        ({"page": True}, "not a boolean"),
        ({"page": 2**53}, "page is compared with an integer beyond"),
        ({"updated_at": "yesterday"}, "RFC 3339 moment with its offset"),
        ({"updated_at": "2026-01-31T09:00:00"}, "RFC 3339 moment with its offset"),
        ({"updated_at": "2026-02-30"}, "'2026-02-30' is not a date"),
        ({"updated_at": "0001-01-01T00:00:00+14:00"}, "is not a date"),
        (compare("gt", "source", "a"), "source is a keyword, which gt cannot order"),
        (compare("in", "source", "a"), "source needs a list"),
        (compare("in", "updated_at", ["2026-01-31"] * 201), "more than 200 conditions"),
        (compare("eq", "source", ["a"]), "source is compared with strings, not a list"),
        (compare("like", "source", "a"), "\"type\" is 'like'; it must be one of and, or, eq, ne"),
        ({"type": ["and"], "filters": []}, "must be one of"),
        ({"type": "eq", "key": "source"}, "exactly the keys key, type, value"),
        ({"type": "and", "filters": []}, 'a list of at least one filter'),
        ({"type": "or", "filters": ["x"]}, "must be an object"),
        (nested(9), "nested more than 8 deep"),
        ({"x" * 500: "y"}, "xxx..."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(raw: object, message: str) -> None:
    with pytest.raises(InvalidFilterError) as caught:
        parse_filter(raw)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 600


def bushy(leaves: int, values: int) -> dict[str, object]:
    leaf = compare("in", "source", ["faq"] * values)
    return {"type": "and", "filters": [{"type": "or", "filters": [leaf] * leaves}]}


@pytest.mark.parametrize(("leaves", "values"), [(198, 1), (5, 200)])
def test_a_filter_may_be_large(leaves: int, values: int) -> None:
    assert parse_filter(bushy(leaves, values))


@pytest.mark.parametrize(("leaves", "values"), [(199, 1), (5, 201), (1_000, 1_000)])
def test_a_filter_is_bounded_as_a_whole(leaves: int, values: int) -> None:
    with pytest.raises(InvalidFilterError, match="more than 200 conditions or 1,000 values in all"):
        parse_filter(bushy(leaves, values))


def test_eight_levels_are_accepted() -> None:
    assert isinstance(parse_filter(nested(8)), And)


META: Fields = {
    "meta.year": FieldType.INTEGER,
    "meta.ratio": FieldType.NUMBER,
    "meta.urgent": FieldType.BOOLEAN,
    "meta.team": FieldType.KEYWORD,
    "meta.due": FieldType.DATETIME,
}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (compare("eq", "meta.year", 2026), AnyOf("meta.year", (2026,))),
        (compare("eq", "meta.ratio", 0.5), Within(field="meta.ratio", gte=0.5, lte=0.5)),
        (compare("ne", "meta.ratio", 1), Not(Within(field="meta.ratio", gte=1, lte=1))),
        (compare("gt", "meta.ratio", 1), Within(field="meta.ratio", gt=1)),
        (compare("lte", "meta.year", 3), Within(field="meta.year", lte=3)),
        (
            compare("in", "meta.ratio", [1, 0.5]),
            Or((Within(field="meta.ratio", gte=1, lte=1), Within(field="meta.ratio", gte=0.5, lte=0.5))),
        ),
        (compare("eq", "meta.urgent", True), AnyOf("meta.urgent", (True,))),
        (
            compare("nin", "meta.urgent", [True, False]),
            Not(Or((AnyOf("meta.urgent", (True,)), AnyOf("meta.urgent", (False,))))),
        ),
        (compare("eq", "meta.due", "2026-01-31T09:00:00Z"), Within(field="meta.due", gte=NINE, lte=NINE)),
        ({"meta.team": "x", "meta.urgent": [False]}, And((AnyOf("meta.team", ("x",)), AnyOf("meta.urgent", (False,))))),
    ],
)  # fmt: skip
def test_declared_metadata_is_compared_by_its_type(raw: object, expected: object) -> None:
    assert parse_filter(raw, META) == expected
    assert_servers_understand(to_qdrant(parse_filter(raw, META)))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"meta.ratio": True}, "meta.ratio is compared with finite numbers, not a boolean"),
        ({"meta.ratio": float("nan")}, "finite numbers, not nan"),
        ({"meta.ratio": float("-inf")}, "finite numbers, not -inf"),
        ({"meta.ratio": "1"}, "finite numbers, not a string"),
        ({"meta.ratio": 2**53}, "an integer beyond"),
        ({"meta.urgent": 1}, "meta.urgent is compared with true or false, not an integer"),
        ({"meta.urgent": "true"}, "true or false, not a string"),
        ({"meta.year": 1.0}, "meta.year is compared with integers, not a float"),
        ({"meta.year": False}, "not a boolean"),
        (compare("gt", "meta.urgent", True), "meta.urgent is a boolean, which gt cannot order"),
        (compare("lt", "meta.team", "x"), "fields with an order: meta.year, meta.ratio, meta.due"),
        (compare("in", "meta.ratio", [0.5] * 201), "more than 200 conditions"),
        ({"meta.tean": "x"}, "'meta.tean' is not declared; the fields of meta that are: meta.year (integer), meta.ratio"),
        ({"team": "x"}, "'team' is not declared; the fields are: meta.year"),
    ],
)  # fmt: skip
def test_metadata_compared_with_another_type_is_refused(raw: object, message: str) -> None:
    with pytest.raises(InvalidFilterError) as caught:
        parse_filter(raw, META)
    assert message in str(caught.value)


def test_an_error_lists_so_many_fields_and_counts_the_rest() -> None:
    many = {f"meta.field{n}": FieldType.KEYWORD for n in range(500)}
    with pytest.raises(InvalidFilterError, match=r"meta\.field59 \(keyword\) and 440 more\. Declare it"):
        parse_filter({"meta.x": 1}, many)


json_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(json_scalars | st.lists(json_scalars, max_size=3), st.sampled_from(FieldType))
def test_what_fits_a_type_is_what_a_filter_of_it_takes(value: Any, kind: FieldType) -> None:
    several = isinstance(value, list) and kind is FieldType.KEYWORD and value
    try:
        parse_filter(compare("in" if several else "eq", "meta.x", value), {"meta.x": kind})
    except InvalidFilterError:
        assert not is_of_type(value, kind) or value == []
    else:
        assert is_of_type(value, kind)


def test_a_collection_narrows_a_filter() -> None:
    assert with_collection(None, "team") == AnyOf("collection", ("team",))
    assert with_collection(AnyOf("source", ("faq",)), "team") == And(
        (AnyOf("collection", ("team",)), AnyOf("source", ("faq",)))
    )


def test_an_or_of_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="match every point"):
        Or(())


json_values = st.recursive(
    json_scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*DECLARED_FIELDS, *META, "type", "nothing"])
operators = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"])


@given(
    json_values
    | st.dictionaries(keys, json_values)
    | st.builds(compare, operators, keys, json_values)
    | st.builds(lambda parts: {"type": "or", "filters": parts}, st.lists(st.builds(compare, operators, keys, json_values)))
)  # fmt: skip
def test_whatever_is_sent_parses_or_is_refused(raw: Any) -> None:
    try:
        expression = parse_filter(raw, {**DECLARED_FIELDS, **META})
    except InvalidFilterError:
        return
    assert_servers_understand(to_qdrant(expression))


@pytest.mark.parametrize(
    "raw",
    [
        {"source": ["faq", "prd"], "page": [1, 2], "updated_at": "2026-01-31"},
        {"type": "or", "filters": [compare("nin", "tags", ["a"]), compare("lte", "page", 3)]},
        {},
    ],
)
def test_both_of_qdrants_protocols_carry_the_filter(raw: object) -> None:
    assert_servers_understand(to_qdrant(parse_filter(raw)))


def assert_servers_understand(condition: models.Filter) -> None:
    """REST: the JSON reads back as the same model. gRPC: the message does, but for lists of one."""
    document = condition.model_dump_json(exclude_none=True)
    assert models.Filter.model_validate_json(document) == condition
    message = RestToGrpc.convert_filter(condition)
    assert RestToGrpc.convert_filter(GrpcToRest.convert_filter(message)) == message
    assert json.loads(document) is not None


def test_the_last_day_there_is_can_be_named() -> None:
    up_to = parse_filter({"type": "lte", "key": "updated_at", "value": "9999-12-31"})
    assert isinstance(up_to, Within)
    assert up_to.lt == datetime.max.replace(tzinfo=UTC)
