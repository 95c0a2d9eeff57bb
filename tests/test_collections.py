"""What the catalog keeps of collections: declarations and what they hold; and calibrations of models."""

import threading
from contextlib import closing

import pytest

from docradar.catalog import Catalog, Collection
from docradar.errors import ConflictError, InvalidRequestError, NotFoundError
from docradar.filters import DECLARED_FIELDS, FieldType
from tests.catalogs import ingest

FIELDS = {"priority": FieldType.INTEGER, "due": FieldType.DATETIME}


def test_a_declaration_is_kept_and_replaced(catalog: Catalog, database_url: str) -> None:
    declared = catalog.put_collection("team", FIELDS, "Find the passage that answers.")
    assert declared == Collection("team", fields=FIELDS, instruction="Find the passage that answers.")
    assert catalog.get_collection("team") == declared
    assert catalog.put_collection("team", FIELDS, "Find the passage that answers.") == declared
    with closing(Catalog.open(database_url)) as again:
        assert again.collections() == [declared]
    assert catalog.put_collection("team", {"urgent": FieldType.BOOLEAN}) == Collection(
        "team", fields={"urgent": FieldType.BOOLEAN}
    )
    assert catalog.instruction_of("team") is None


def test_a_collection_is_there_when_declared_or_holding_documents(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"collection 'team' holds no document and is not declared"):
        catalog.get_collection("team")
    assert catalog.collections() == []
    ingest(catalog)
    assert catalog.get_collection("team") == Collection("team", 1, 3, ("prd",))
    catalog.put_collection("team", FIELDS)
    catalog.put_collection("empty", {}, "Look.")
    assert catalog.collections() == [
        Collection("empty", instruction="Look."),
        Collection("team", 1, 3, ("prd",), FIELDS),
    ]


def test_fields_of_one_collection_and_of_all(catalog: Catalog) -> None:
    assert catalog.filter_fields() == catalog.filter_fields("team") == DECLARED_FIELDS
    assert catalog.declared_meta_fields() == {}
    catalog.put_collection("one", FIELDS, "Of one.")
    catalog.put_collection("two", {"due": FieldType.DATETIME, "ratio": FieldType.NUMBER})
    of_one = {"meta.priority": FieldType.INTEGER, "meta.due": FieldType.DATETIME}
    assert catalog.filter_fields("one") == {**DECLARED_FIELDS, **of_one}
    assert catalog.filter_fields("three") == DECLARED_FIELDS
    assert catalog.declared_meta_fields() == {**of_one, "meta.ratio": FieldType.NUMBER}
    assert catalog.filter_fields() == {**DECLARED_FIELDS, **catalog.declared_meta_fields()}
    assert [catalog.instruction_of(name) for name in ("one", "two", "three", None)] == [
        "Of one.",
        None,
        None,
        None,
    ]


def test_two_collections_cannot_disagree_on_a_type(catalog: Catalog) -> None:
    catalog.put_collection("one", FIELDS)
    with pytest.raises(
        ConflictError,
        match=r"field 'priority' cannot be of type keyword in collection 'two': .*'one' .* type integer",
    ):
        catalog.put_collection("two", {"priority": FieldType.KEYWORD})
    with pytest.raises(NotFoundError):
        catalog.get_collection("two")
    catalog.put_collection("one", {"priority": FieldType.KEYWORD})  # its own declaration may change
    catalog.put_collection("two", {"priority": FieldType.KEYWORD})


def test_of_two_that_disagree_at_once_one_is_refused(catalog: Catalog) -> None:
    for round_number in range(5):
        refused: list[str] = []
        together = threading.Barrier(2)

        def declare(
            name: str, kind: FieldType, key: str, together: threading.Barrier, refused: list[str]
        ) -> None:
            together.wait()
            try:
                catalog.put_collection(name, {key: kind})
            except ConflictError:
                refused.append(name)

        threads = [
            threading.Thread(
                target=declare, args=(f"{name}{round_number}", kind, f"x{round_number}", together, refused)
            )
            for name, kind in (("one", FieldType.INTEGER), ("two", FieldType.KEYWORD))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(refused) == 1


def test_what_no_database_stores_is_refused(catalog: Catalog) -> None:
    for name, instruction in (("a\0b", None), ("a", "\ud800")):
        with pytest.raises(InvalidRequestError, match="NUL or half of a surrogate pair"):
            catalog.put_collection(name, {}, instruction)


def test_a_calibration_is_kept_by_fingerprint(catalog: Catalog) -> None:
    assert catalog.calibration("f" * 64) is None
    catalog.save_calibration("f" * 64, 0.123456789012, '{"questions": 30}')
    first = catalog.calibration("f" * 64)
    assert first is not None
    assert (first.fingerprint, first.strong_score, first.report) == (
        "f" * 64,
        0.123456789012,
        '{"questions": 30}',
    )
    catalog.save_calibration("f" * 64, 0.5, "{}")
    catalog.save_calibration("e" * 64, 0.9, "{}")
    second = catalog.calibration("f" * 64)
    assert second is not None
    assert (second.strong_score, second.report) == (0.5, "{}")
    assert second.created_at >= first.created_at
