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
    FieldType,
    Not,
    Or,
    Within,
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
        ({"meta.team": "x"}, "'meta.team' is not declared"),
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
        ({"updated_at": "9999-12-31"}, "is not a date"),
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


def test_another_table_of_fields_can_be_given() -> None:
    assert parse_filter({"meta.year": 2026}, {"meta.year": FieldType.INTEGER}) == And(
        (AnyOf("meta.year", (2026,)),)
    )


def test_a_collection_narrows_a_filter() -> None:
    assert with_collection(None, "team") == AnyOf("collection", ("team",))
    assert with_collection(AnyOf("source", ("faq",)), "team") == And(
        (AnyOf("collection", ("team",)), AnyOf("source", ("faq",)))
    )


def test_an_or_of_nothing_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="match every point"):
        Or(())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from([*DECLARED_FIELDS, "type", "nothing"])
operators = st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "and", "or"])


@given(
    json_values
    | st.dictionaries(keys, json_values)
    | st.builds(compare, operators, keys, json_values)
    | st.builds(lambda parts: {"type": "or", "filters": parts}, st.lists(st.builds(compare, operators, keys, json_values)))
)  # fmt: skip
def test_whatever_is_sent_parses_or_is_refused(raw: Any) -> None:
    try:
        expression = parse_filter(raw)
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
