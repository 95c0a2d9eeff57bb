"""What a caller says of a document → domain types, with every limit checked in one place.

Form fields are text: `tags` may repeat or be separated by commas, `meta` is a JSON object.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from docradar.catalog import DocumentChanges
from docradar.documents import FIELD_CHARS, DocumentFields, DocumentKey, Meta
from docradar.errors import InvalidRequestError
from docradar.filters import META_PREFIX, Fields, FieldType, is_of_type
from service.schemas import CollectionDeclaration, DocumentPatch, MetaValue, TextUpload

FORM_FIELDS: Final = (
    "collection",
    "source",
    "external_id",
    "title",
    "author",
    "url",
    "language",
    "tags",
    "meta",
    "split",
    "prune",
)
MAX_TAGS: Final = 100
MAX_META: Final = 50
MAX_META_LIST: Final = 100
MAX_META_BYTES: Final = 16_384
_FIELD_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
MAX_META_INTEGER: Final = 2**53
"""Beyond this a JSON reader that computes in doubles, as browsers do, sees another number."""


def text_upload_of_form(form: Mapping[str, list[str]]) -> TextUpload:
    """The fields of a multipart upload, in the shape of a JSON one whose text is empty.

    Raises:
        InvalidRequestError: An unknown field, one given twice, or one that does not parse.
    """
    if unknown := sorted(set(form) - set(FORM_FIELDS)):
        raise InvalidRequestError(
            f"unknown field {unknown[0][:100]!r}; the fields are file, {', '.join(FORM_FIELDS)}"
        )
    if repeated := [name for name, values in form.items() if len(values) > 1 and name != "tags"]:
        raise InvalidRequestError(
            f"field {repeated[0]!r} is given {len(form[repeated[0]])} times; give it once"
        )
    values: dict[str, object] = {
        name: given[0] for name, given in form.items() if given[0] != "" and name != "prune"
    }
    if "tags" in values:
        values["tags"] = [tag.strip() for given in form["tags"] for tag in given.split(",") if tag.strip()]
    if "meta" in values:
        values["meta"] = _json_object(form["meta"][0])
    try:
        return msgspec.convert({"text": ""} | values, TextUpload)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(str(error)) from error


def prune_of_form(form: Mapping[str, list[str]]) -> bool:
    """Whether documents that a container no longer holds are to be deleted.

    Raises:
        InvalidRequestError: The field is neither true nor false.
    """
    value = form.get("prune", ["false"])[0].strip().lower()
    if value not in ("true", "false", ""):
        raise InvalidRequestError(f"field prune is {value[:50]!r}; it must be true or false")
    return value == "true"


def key_of(upload: TextUpload, default_external_id: str) -> DocumentKey:
    """The identity of an upload."""
    return DocumentKey(
        collection=_checked("collection", upload.collection, required=True),
        source=_checked("source", upload.source, required=True),
        external_id=_checked("external_id", upload.external_id or default_external_id, required=True),
    )


def fields_of(upload: TextUpload) -> DocumentFields:
    """The descriptive fields of an upload, trimmed and checked."""
    return DocumentFields(
        title=_checked("title", upload.title),
        author=_optional("author", upload.author),
        url=_optional("url", upload.url),
        language=_language(upload.language),
        tags=_tags(upload.tags),
        meta=_meta(upload.meta),
    )


def _tags(tags: list[str]) -> tuple[str, ...]:
    """Tags without duplicates, in the order given."""
    if len(tags) > MAX_TAGS:
        raise InvalidRequestError(f"{len(tags)} tags are given; a document takes up to {MAX_TAGS}")
    return tuple(dict.fromkeys(_checked("tag", tag, required=True) for tag in tags))


def _meta(meta: Mapping[str, MetaValue]) -> Meta:
    """Metadata of a document, values as they are."""
    if len(meta) > MAX_META:
        raise InvalidRequestError(f"meta holds {len(meta)} keys; a document takes up to {MAX_META}")
    for key, value in meta.items():
        _checked("meta key", key, required=True)
        _check_meta_value(key, value)
    if (size_bytes := len(msgspec.json.encode(meta))) > MAX_META_BYTES:
        raise InvalidRequestError(
            f"meta has {size_bytes:,} bytes as JSON; a document takes up to {MAX_META_BYTES:,}"
        )
    return dict(meta)


def _check_meta_value(key: str, value: MetaValue) -> None:
    if isinstance(value, list) and len(value) > MAX_META_LIST:
        raise InvalidRequestError(
            f"meta key {key!r} holds a list of {len(value):,} values; it may have up to {MAX_META_LIST}"
        )
    if isinstance(value, int) and abs(value) > MAX_META_INTEGER:
        raise InvalidRequestError(
            f"meta key {key!r} holds an integer beyond ±2^53, which not every reader of JSON keeps; send it as a string"
        )
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str):
            _checked("meta value", text)


def refuse_other_types(meta: Mapping[str, MetaValue], collection: str, declared: Fields) -> None:
    """Refuses metadata that no filter would find.

    Raises:
        InvalidRequestError: A value is not of the type that `declared`, the collection's fields, say.
    """
    for key, value in meta.items():
        kind = declared.get(META_PREFIX + key)
        if kind is not None and not is_of_type(value, kind):
            raise InvalidRequestError(
                f"meta key {key!r} holds {_shown(value)}, but collection {collection!r} declares it with type {kind}: send "
                f"{_TYPE_WORDS[kind]}, or declare another type with PUT /v1/collections/{collection}"
            )


def _shown(value: MetaValue) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:77]}..."


_TYPE_WORDS: Final = {
    FieldType.KEYWORD: "a string or a list of strings",
    FieldType.INTEGER: "an integer between ±(2^53 - 1)",
    FieldType.NUMBER: "a number",
    FieldType.BOOLEAN: "true or false",
    FieldType.DATETIME: "a date such as 2026-01-31, or an RFC 3339 moment with its offset",
}


def declared_fields_of(declaration: CollectionDeclaration) -> dict[str, FieldType]:
    """The types of a collection's keys of metadata.

    Raises:
        InvalidRequestError: Too many, a key that filters cannot name, or a type there is not.
    """
    if len(declaration.fields) > MAX_META:
        raise InvalidRequestError(
            f"fields declares {len(declaration.fields)} keys; a collection takes up to {MAX_META}"
        )
    fields: dict[str, FieldType] = {}
    for key, kind in declaration.fields.items():
        if not _FIELD_KEY.fullmatch(key):
            raise InvalidRequestError(
                f"fields declares {key[:100]!r}; a key that filters can name has 1 to 64 letters a to z, digits, _ and -"
            )
        if kind not in list(FieldType):
            raise InvalidRequestError(
                f"fields declares {key} with type {kind[:100]!r}; the types are {', '.join(FieldType)}"
            )
        fields[key] = FieldType(kind)
    return fields


def checked_instruction(instruction: str | None) -> str | None:
    """A collection's instruction, trimmed; None where it says nothing."""
    return (instruction or "").strip() or None


def changes_of(patch: DocumentPatch) -> DocumentChanges:
    """The fields that a PATCH names, checked as an upload's are.

    Raises:
        InvalidRequestError: It names none, or one that cannot be used.
    """
    changes: dict[str, object] = {}
    if patch.title is not UNSET:
        changes["title"] = _checked("title", patch.title)
    if patch.author is not UNSET:
        changes["author"] = _optional("author", patch.author)
    if patch.url is not UNSET:
        changes["url"] = _optional("url", patch.url)
    if patch.language is not UNSET:
        changes["language"] = _language(patch.language)
    if patch.tags is not UNSET:
        changes["tags"] = _tags(patch.tags)
    if patch.meta is not UNSET:
        changes["meta"] = _meta(patch.meta)
    if not changes:
        raise InvalidRequestError("the body changes nothing; give title, author, url, language, tags or meta")
    return DocumentChanges(changes)


def checked_collection(name: str) -> str:
    """A collection's name, as uploads take it."""
    return _checked("collection", name, required=True)


def _optional(name: str, value: str | None) -> str | None:
    return _checked(name, value or "") or None


def _language(value: str | None) -> str | None:
    return _checked("language", value or "").lower() or None


def _checked(name: str, value: str, *, required: bool = False) -> str:
    value = value.strip()
    if required and not value:
        raise InvalidRequestError(f"{name} is empty; leave it out or give it a value")
    if len(value) > FIELD_CHARS[name]:
        raise InvalidRequestError(
            f"{name} has {len(value):,} characters; it may have up to {FIELD_CHARS[name]:,}"
        )
    # Lone surrogates have no UTF-8 form, so no database or index could hold them.
    if any(ord(c) < 32 or 0xD800 <= ord(c) <= 0xDFFF or ord(c) == 127 for c in value):
        raise InvalidRequestError(f"{name} holds control characters or broken Unicode; remove them")
    return value


def _json_object(text: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequestError(
            f'field meta must be a JSON object such as {{"team": "search"}}: {error}'
        ) from error
