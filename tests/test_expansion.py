"""What becomes of the names and fields that a container gives to its documents."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.catalog import refuse_unstorable
from docradar.documents import (
    FIELD_CHARS,
    Document,
    DocumentFields,
    DocumentKey,
    DocumentStatus,
    Split,
)
from ingest.expansion import Expansion, bounded_fields, filename_of, media_type_of, storable_id
from ingest.readers.container import Container, Member

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Any code point at all, halves of surrogate pairs and control characters among them.
ANYTHING = st.text(st.characters(codec=None, exclude_categories=()), max_size=1200)


def container(source: str = "upload", external_id: str = "a.zip", **fields: object) -> Document:
    return Document(
        id="id",
        key=DocumentKey("team", source, external_id),
        fields=DocumentFields(**fields),  # type: ignore[arg-type]
        status=DocumentStatus.PROCESSING,
        desired_version=1,
        active_version=None,
        units=0,
        media_type="application/zip",
        filename="a.zip",
        size_bytes=1,
        blob="0" * 64,
        split=Split.AUTO,
        error=None,
        report=None,
        created_at=NOW,
        updated_at=NOW,
    )


def member(external_id: str = "guide/page.md", **values: object) -> Member:
    return Member(external_id, **({"filename": "page.md", "file": "0"} | values))  # type: ignore[arg-type]


def test_documents_of_an_archive_are_known_by_its_name_and_theirs() -> None:
    expansion = Expansion(container(), Container("zip"))
    assert expansion.key(member()) == DocumentKey("team", "upload", "a.zip/guide/page.md")
    assert expansion.bundle == "upload:a.zip"


def test_documents_of_a_bundle_are_known_by_their_own_ids_alone() -> None:
    said = Container("confluence-xml", bundle="confluence:ENG", global_ids=True, source="confluence")
    for name in ("export-1.zip", "export-2.zip"):
        expansion = Expansion(container(external_id=name), said)
        assert expansion.key(member("4711")) == DocumentKey("team", "confluence", "4711")
        assert expansion.bundle == "confluence:ENG"


def test_a_space_that_does_not_say_which_it_is_is_a_state_of_its_own_upload() -> None:
    said = Container("confluence-html-space", global_ids=True, source="confluence")
    expansion = Expansion(container(external_id="export-1.zip"), said)
    assert expansion.key(member("4711")) == DocumentKey("team", "confluence", "4711")
    assert expansion.bundle == "upload:export-1.zip"


@pytest.mark.parametrize(
    ("given_source", "said", "source"),
    [("upload", "confluence", "confluence"), ("wiki", "confluence", "wiki"), ("upload", "", "upload")],
)
def test_the_source_is_the_callers_or_else_the_containers(given_source: str, said: str, source: str) -> None:
    expansion = Expansion(container(given_source), Container("x", source=said))
    assert expansion.key(member()).source == source


def test_a_member_has_its_own_fields_first_then_its_containers_but_for_title_and_url() -> None:
    given = container(title="Export", url="https://wiki", author="Ann", tags=("eng",), meta={"team": "a"})
    expansion = Expansion(given, Container("zip"))
    said = DocumentFields(author="Bo", tags=("howto", "eng"), meta={"team": "b", "space": "ENG"})
    assert expansion.fields(member(fields=said)) == DocumentFields(
        author="Bo", tags=("howto", "eng"), meta={"team": "b", "space": "ENG"}
    )
    assert expansion.fields(member()) == DocumentFields(author="Ann", tags=("eng",), meta={"team": "a"})


@given(ANYTHING)
def test_an_id_is_one_that_an_upload_could_have(external_id: str) -> None:
    stored = storable_id(external_id)
    assert 0 < len(stored) <= FIELD_CHARS["external_id"]
    assert stored == stored.strip()
    assert not any(ord(c) < 32 or ord(c) == 127 for c in stored)
    refuse_unstorable({"external_id": stored})
    assert storable_id(external_id) == stored
    assert storable_id(stored) == stored


@given(st.lists(ANYTHING, unique=True, max_size=20))
def test_different_ids_stay_different(ids: list[str]) -> None:
    assert len({storable_id(external_id) for external_id in ids}) == len(ids)


def test_ids_that_differ_only_in_what_is_cut_away_stay_different() -> None:
    alike = ["x" * 2000 + end for end in "ab"] + ["x" * 1000, "tab\there", "tab here", "tab here ", "", " "]
    assert len({storable_id(external_id) for external_id in alike}) == len(alike)
    assert storable_id("tab here") == "tab here"


@given(
    st.builds(
        DocumentFields,
        title=ANYTHING,
        author=st.none() | ANYTHING,
        url=st.none() | ANYTHING,
        language=st.none() | ANYTHING,
        tags=st.lists(ANYTHING, max_size=5).map(tuple),
        meta=st.dictionaries(
            ANYTHING, ANYTHING | st.lists(ANYTHING, max_size=3) | st.integers() | st.booleans(), max_size=5
        ),
        created_at=st.none() | st.datetimes(timezones=st.timezones()),
    )
)
def test_fields_are_ones_that_an_upload_could_have(fields: DocumentFields) -> None:
    bounded = bounded_fields(fields)
    texts = {
        "title": bounded.title,
        "author": bounded.author,
        "url": bounded.url,
        "language": bounded.language,
    }
    for name, text in texts.items():
        assert len(text or "") <= FIELD_CHARS[name]
    for value in bounded.meta.values():
        assert (
            all(len(part) <= FIELD_CHARS["meta value"] for part in value) if isinstance(value, list) else True
        )
        texts[f"meta {value!r}"] = value if isinstance(value, str) else None
    refuse_unstorable(texts | {f"tag {number}": tag for number, tag in enumerate(bounded.tags)})
    assert "" not in bounded.tags
    assert bounded_fields(bounded) == bounded


def test_dates_are_in_utc_and_those_without_a_form_there_are_left_out() -> None:
    east = timezone(timedelta(hours=8))
    fields = bounded_fields(
        DocumentFields(
            created_at=datetime(1, 1, 1, tzinfo=east), updated_at=datetime(2020, 1, 1, 8, tzinfo=east)
        )
    )
    assert (fields.created_at, fields.updated_at) == (None, datetime(2020, 1, 1, tzinfo=UTC))


def test_a_url_that_is_too_long_is_left_out_and_not_cut() -> None:
    assert bounded_fields(DocumentFields(url="https://wiki/" + "x" * 2000)).url is None


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("guide/page.md", "page.md"),
        ("guide\\page.md", "page.md"),
        ("x" * 400 + ".md", "x" * 252 + ".md"),
        ("a\x00\u202eb.md", "a b.md"),
        ("", "unnamed"),
        ("..", "unnamed"),
    ],
)
def test_a_filename_is_short_and_can_be_shown(name: str, filename: str) -> None:
    assert filename_of(member(filename=name)) == filename


def test_a_media_type_is_what_the_container_says_or_else_what_the_name_says() -> None:
    assert media_type_of(member()) == "text/markdown"
    assert media_type_of(member(media_type="application/x-page")) == "application/x-page"
    assert media_type_of(member(filename="42")) == "application/octet-stream"
    assert media_type_of(replace(member(), filename="a.pdf")) == "application/pdf"
