"""Collections: what they hold, and what is declared of them.

All collections share one index, in which a field has one type.
"""

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, CursorResult, Select, bindparam, func, or_, select, text

from docradar.catalog.rows import AnyRow, refuse_unstorable
from docradar.catalog.schema import collections, documents
from docradar.catalog.sql import NOW, insert_or_replace
from docradar.catalog.store import Store
from docradar.catalog.types import Collection
from docradar.errors import ConflictError, NotFoundError
from docradar.filters import DECLARED_FIELDS, META_PREFIX, Fields, FieldType

# What was a document, and is not yet the container that was uploaded in its place, counts while search sees it.
_CONTENTS: Final = (
    select(
        documents.c.collection,
        documents.c.source,
        func.count().label("documents"),
        func.sum(documents.c.units).label("units"),
    )
    .where(documents.c.deleted.is_(False), or_(documents.c.container.is_(False), documents.c.units > 0))
    .group_by(documents.c.collection, documents.c.source)
)
_CONTENTS_OF_ONE: Final = _CONTENTS.where(documents.c.collection == bindparam("name"))
_DECLARED: Final = select(collections.c.name, collections.c.fields, collections.c.instruction)
_DECLARED_OF_ONE: Final = _DECLARED.where(collections.c.name == bindparam("name"))
_DECLARE: Final = insert_or_replace(collections, keep=("created_at",), created_at=NOW, updated_at=NOW)
# Readers go on; SQLite's writing transaction is alone anyway.
_LOCK: Final = text("LOCK TABLE collections IN SHARE ROW EXCLUSIVE MODE")


class _Declaration(NamedTuple):
    fields: Mapping[str, FieldType]
    instruction: str | None


_NOTHING: Final = _Declaration({}, None)


class CollectionStore(Store):
    """A collection is there once it is declared, or holds a document."""

    def collections(self) -> list[Collection]:
        """All collections, by name. Containers do not count as documents; what was taken out of them does."""
        with self._database.read() as connection:
            return _collections(connection)

    def get_collection(self, name: str) -> Collection:
        """The collection of this name.

        Raises:
            NotFoundError: It is neither declared nor holds a document.
        """
        with self._database.read() as connection:
            found = _collections(connection, name)
        if not found:
            raise NotFoundError(
                f"collection {name[:100]!r} holds no document and is not declared; upload a document to it, or declare it "
                "with PUT"
            )
        return found[0]

    def put_collection(
        self, name: str, fields: Mapping[str, FieldType], instruction: str | None = None
    ) -> Collection:
        """Replaces what is declared of a collection: its fields by key of the metadata, and its instruction.

        Raises:
            ConflictError: Another collection declares one of the keys with another type.
            InvalidRequestError: A text holds a NUL or half of a surrogate pair.
        """
        values = {
            "name": name,
            "fields": json.dumps({key: kind.value for key, kind in fields.items()}),
            "instruction": instruction,
        }
        refuse_unstorable(values)
        with self._database.write() as tx:
            if self._database.is_postgresql:
                tx.execute(_LOCK)
            _refuse_other_types(tx, name, fields)
            tx.execute(_DECLARE[tx.dialect.name], values)
            [collection] = _collections(tx, name)
        return collection

    def filter_fields(self, collection: str | None = None) -> Fields:
        """What filters may name within a collection, or where there is none given, in all of them together."""
        return {**DECLARED_FIELDS, **self._meta_fields(collection)}

    def declared_meta_fields(self) -> Fields:
        """The fields of metadata that any collection declares, as filters name them: `meta.<key>`."""
        return self._meta_fields(None)

    def instruction_of(self, collection: str | None) -> str | None:
        """What a collection says of the questions asked of it, where it says anything."""
        if collection is None:
            return None
        with self._database.read() as connection:
            return _declarations(connection, collection).get(collection, _NOTHING).instruction

    def _meta_fields(self, collection: str | None) -> Fields:
        with self._database.read() as connection:
            declared = _declarations(connection, collection)
        return {META_PREFIX + key: kind for one in declared.values() for key, kind in one.fields.items()}


def _collections(connection: Connection, name: str | None = None) -> list[Collection]:
    declared = _declarations(connection, name)
    by_name: dict[str, list[AnyRow]] = {one: [] for one in declared}
    for row in _narrowed(connection, _CONTENTS, _CONTENTS_OF_ONE, name):
        by_name.setdefault(row.collection, []).append(row)
    return [
        Collection(
            one,
            sum(row.documents for row in sources),
            sum(row.units for row in sources),
            tuple(sorted(row.source for row in sources)),
            *declared.get(one, _NOTHING),
        )
        for one, sources in sorted(by_name.items())
    ]


def _declarations(connection: Connection, name: str | None = None) -> dict[str, _Declaration]:
    """What is declared of the collections, or of the one of this name."""
    return {
        row.name: _Declaration(
            {key: FieldType(kind) for key, kind in json.loads(row.fields).items()}, row.instruction
        )
        for row in _narrowed(connection, _DECLARED, _DECLARED_OF_ONE, name)
    }


def _narrowed(
    connection: Connection, query: Select[Any], query_of_one: Select[Any], name: str | None
) -> CursorResult[Any]:
    return connection.execute(query) if name is None else connection.execute(query_of_one, {"name": name})


def _refuse_other_types(tx: Connection, name: str, fields: Mapping[str, FieldType]) -> None:
    for other, declared in sorted(_declarations(tx).items()):
        for key, kind in fields.items():
            theirs = declared.fields.get(key, kind)
            if other != name and theirs is not kind:
                raise ConflictError(
                    f"field {key!r} cannot be of type {kind} in collection {name!r}: collection {other!r} declares it with "
                    f"type {theirs}, and all collections share one index; use that type, or another key"
                )
