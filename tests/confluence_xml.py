"""The XML export of a space: `entities.xml`, a flat list of what Hibernate holds, and the attachments beside it.

Two writers: what a server writes since Confluence 8 (text bare where it can be, pages hold no list of their bodies), and
what Confluence Cloud, and servers before that, write (text always in CDATA, collections both ways).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import BytesIO
from typing import Final, Literal
from zipfile import ZIP_DEFLATED, ZipFile

from confluence_model import Attachment, Page, Space, User
from confluence_storage import storage

Flavour = Literal["server", "cloud"]

_PACKAGES: Final = {
    "Attachment": "com.atlassian.confluence.pages",
    "BlogPost": "com.atlassian.confluence.pages",
    "BodyContent": "com.atlassian.confluence.core",
    "Comment": "com.atlassian.confluence.pages",
    "ConfluenceBandanaRecord": "com.atlassian.confluence.setup.bandana",
    "ConfluenceUserImpl": "com.atlassian.confluence.user",
    "ContentProperty": "com.atlassian.confluence.content",
    "CustomContentEntityObject": "com.atlassian.confluence.content",
    "Label": "com.atlassian.confluence.labels",
    "Labelling": "com.atlassian.confluence.labels",
    "Page": "com.atlassian.confluence.pages",
    "Space": "com.atlassian.confluence.spaces",
    "SpaceDescription": "com.atlassian.confluence.spaces",
}
_BARE: Final = re.compile(r"[^<>'\"&\x80-\U0010ffff]{0,100}")


@dataclass(frozen=True, slots=True)
class Reference:
    """An object by its class and id."""

    kind: str
    id: int | str


@dataclass(frozen=True, slots=True)
class Entity:
    """An object of `entities.xml`. A property is text, a number or date, another object, or None where it is empty."""

    kind: str
    id: int | str
    properties: tuple[tuple[str, "str | int | datetime | Reference | None"], ...]
    collections: tuple[tuple[str, tuple[Reference, ...]], ...] = ()

    @property
    def reference(self) -> Reference:
        return Reference(self.kind, self.id)


def xml_zip(space: Space, flavour: Flavour = "server") -> bytes:
    """A space as `Export space → XML` packs it."""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr("entities.xml", entities_xml(space, flavour))
        archive.writestr("exportDescriptor.properties", _descriptor(space, flavour))
        for path, content in attachment_files(space):
            archive.writestr(path, content)
    return packed.getvalue()


def entities_xml(space: Space, flavour: Flavour) -> str:
    """The text of `entities.xml`. A reader must not count on the order: what refers often stands before what is referred to."""
    entities = list(_Entities(space, flavour).all())
    if flavour == "server":
        write = _server_entity
        start = '<hibernate-generic datetime="2026-11-24 10:15:02">\n'
    else:
        write = _cloud_entity
        start = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<hibernate-generic datetime="2026-11-24 10:15:02.519">\n'
        )
    return f"{start}{''.join(map(write, entities))}</hibernate-generic>\n"


def attachment_files(space: Space) -> Iterator[tuple[str, bytes]]:
    """Each version of each attachment, the trashed included: `attachments/<page>/<newest version's id>/<version>`."""
    for page in space.pages:
        for attachment in page.attachments:
            for number, content in enumerate(reversed(attachment.versions), start=1):
                yield f"attachments/{page.id}/{attachment.id}/{number}", content


def _descriptor(space: Space, flavour: Flavour) -> str:
    version = "8.5.6" if flavour == "server" else "1000.0.0-fa970f983392"
    return (
        "#Tue Nov 24 10:15:02 UTC 2026\n"
        f"createdByVersionNumber={version}\nsource={flavour}\nbuildNumber=9012\nspaceKey={space.key}\n"
        "defaultUsersGroup=confluence-users\nexportType=space\ntimezoneId=UTC\nbackupAttachments=true\n"
    )


class _Entities:
    def __init__(self, space: Space, flavour: Flavour) -> None:
        self._space = space
        self._cloud = flavour == "cloud"
        self._next_id = 9_000_000

    def all(self) -> Iterator[Entity]:
        space = self._space
        yield from self._labels()
        yield Entity("ConfluenceBandanaRecord", self._new_id(), (
            ("context", space.key), ("key", "trash.date.migration.time"), ("value", "<instant>2024-04-22T13:35:21Z</instant>"),
        ))  # fmt: skip
        for page in space.pages:
            yield from self._page(page)
        yield from self._plugin_record()
        yield from self._space_itself()
        yield from (self._user(user) for user in space.users)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _user(self, user: User) -> Entity:
        if self._cloud:
            name = user.cloud_login or user.account_id
            other = ("atlassianAccountId", user.account_id)
        else:
            name = user.login
            other = ("email", f"{user.login}@lumen.example")
        return Entity("ConfluenceUserImpl", user.key, (("name", name), ("lowerName", name.lower()), other))

    def _space_itself(self) -> Iterator[Entity]:
        space = self._space
        description = Reference("SpaceDescription", self._new_id())
        yield Entity("Space", space.id, (
            ("name", space.name), ("key", space.key), ("lowerKey", space.key.lower()), ("description", description),
            ("homePage", Reference("Page", space.home)), ("spaceType", "global"), ("spaceStatus", "CURRENT"),
        ))  # fmt: skip
        yield Entity("SpaceDescription", description.id, (
            ("version", 1), ("contentStatus", "current"), ("space", Reference("Space", space.id)),
        ))  # fmt: skip
        yield self._body(description, space.description, body_type=0)

    def _plugin_record(self) -> Iterator[Entity]:
        """What an app keeps as content: with a body of type 1, which is no page."""
        record = Reference("CustomContentEntityObject", self._new_id())
        yield self._body(record, '{"trackVersion":3,"isIndexed":"indexed"}', body_type=1)
        yield Entity(record.kind, record.id, (
            ("title", "ac:lumen-app:index"), ("version", 1), ("contentStatus", "current"),
            ("containerContent", Reference("Page", self._space.home)),
        ))  # fmt: skip

    def _body(self, content: Reference, text: str, body_type: int = 2) -> Entity:
        return Entity(
            "BodyContent", self._new_id(), (("body", text), ("content", content), ("bodyType", body_type))
        )

    def _page(self, page: Page) -> Iterator[Entity]:
        kind = "BlogPost" if page.blog else "Page"
        reference = Reference(kind, page.id)
        version = len(page.old_versions) + 1
        parent = ("parent", Reference("Page", page.parent) if page.parent is not None else None)
        original = ("originalVersion", Reference(kind, page.draft_of) if page.draft_of else None)
        status = ("contentStatus", page.status.value)
        body = self._body(reference, storage(page.body, cloud=self._cloud))
        yield body
        for number, old in enumerate(page.old_versions, start=1):
            older = Reference(kind, old.id)
            old_body = self._body(older, storage(old.body, cloud=self._cloud))
            # An old version names the current one, has no parent, and its status is `current`.
            properties = self._described(
                page, number, page.created + timedelta(hours=number), ("originalVersion", reference), status
            )
            yield self._with_collections(Entity(kind, old.id, properties), (old_body.reference,), ())
            yield old_body
        space = ("space", Reference("Space", self._space.id))
        properties = self._described(page, version, page.updated, parent, original, status, space)
        history = tuple(Reference(kind, old.id) for old in page.old_versions)
        yield self._with_collections(Entity(kind, page.id, properties), (body.reference,), history)
        yield from self._around(page, reference)

    def _described(
        self, page: Page, version: int, updated: datetime, *others: tuple[str, "str | Reference | None"]
    ) -> tuple[tuple[str, "str | int | datetime | Reference | None"], ...]:
        def user(user: User | None) -> Reference | None:
            return Reference("ConfluenceUserImpl", user.key) if user else None

        return (
            ("hibernateVersion", 13), ("title", page.title), ("lowerTitle", page.title.lower()), ("version", version),
            ("creator", user(page.author)), ("creationDate", page.created), ("lastModifier", user(page.editor)),
            ("lastModificationDate", updated), ("versionComment", ""), *others,
        )  # fmt: skip

    def _with_collections(
        self, entity: Entity, bodies: tuple[Reference, ...], history: tuple[Reference, ...]
    ) -> Entity:
        """Cloud lists an object's bodies and old versions in it."""
        if not self._cloud:
            return entity
        return replace(
            entity,
            collections=(("bodyContents", bodies), ("adfContentBodies", ()), ("historicalVersions", history)),
        )

    def _around(self, page: Page, reference: Reference) -> Iterator[Entity]:
        for comment in page.comments:
            author = Reference("ConfluenceUserImpl", comment.author.key)
            yield Entity("Comment", comment.id, (
                ("version", 1), ("creator", author), ("creationDate", comment.created), ("contentStatus", "current"),
                ("containerContent", reference),
            ))  # fmt: skip
            yield self._body(Reference("Comment", comment.id), f"<p>{comment.text}</p>")
        for attachment in page.attachments:
            yield from self._attachment(attachment, reference)
        yield Entity("ContentProperty", self._new_id(), (
            ("name", "macroNames"), ("stringValue", "toc,panel"), ("content", reference),
        ))  # fmt: skip

    def _attachment(self, attachment: Attachment, container: Reference) -> Iterator[Entity]:
        author = Reference("ConfluenceUserImpl", attachment.author.key)
        newest = Reference("Attachment", attachment.id)
        for older, content in enumerate(attachment.versions):
            version = len(attachment.versions) - older
            number = attachment.id + 1_000 * older
            yield Entity("Attachment", number, (
                ("title", attachment.filename), ("lowerTitle", attachment.filename.lower()), ("version", version),
                ("creator", author), ("creationDate", attachment.created), ("lastModificationDate", attachment.created),
                ("originalVersion", newest if older else None), ("contentStatus", attachment.status.value),
                ("containerContent", container), ("space", Reference("Space", self._space.id)),
            ))  # fmt: skip
            for name, text, size in (
                ("MEDIA_TYPE", attachment.media_type, None),
                ("FILESIZE", None, len(content)),
            ):
                yield Entity("ContentProperty", self._new_id(), (
                    ("name", name), ("stringValue", text), ("longValue", size),
                    ("content", Reference("Attachment", number)),
                ))  # fmt: skip

    def _labels(self) -> Iterator[Entity]:
        """A favourite is a label of the namespace `my`, which belongs to a person and says nothing of the page."""
        names = dict.fromkeys(label for page in self._space.pages for label in page.labels)
        labels = {name: Reference("Label", self._new_id()) for name in names}
        favourite = Reference("Label", self._new_id())
        for page in self._space.pages:
            content = Reference("BlogPost" if page.blog else "Page", page.id)
            for name in page.labels:
                yield self._labelling(labels[name], content)
            if page.favourite_of:
                yield self._labelling(favourite, content)
        for name, label in (*labels.items(), ("favourite", favourite)):
            namespace = "my" if label == favourite else "global"
            yield Entity("Label", label.id, (("name", name), ("namespace", namespace)))

    def _labelling(self, label: Reference, content: Reference) -> Entity:
        return Entity("Labelling", self._new_id(), (
            ("label", label), ("labelableId", int(content.id)), ("labelableType", "CONTENT"), ("content", content),
        ))  # fmt: skip


def timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03}"


def _cdata(text: str) -> str:
    # Confluence breaks the end mark of CDATA inside text with a space, here as in what it reads back.
    return f"<![CDATA[{text.replace(']]>', ']] >')}]]>"


def _class(kind: str) -> str:
    return f'class="{kind}" package="{_PACKAGES[kind]}"'


def _id_name(kind: str) -> str:
    return "key" if kind == "ConfluenceUserImpl" else "id"


def _property(
    name: str, value: str | int | datetime | Reference, text: Callable[[str], str], end: str
) -> str:
    match value:
        case Reference():
            inner = text(value.id) if isinstance(value.id, str) else value.id
            number = f'<id name="{_id_name(value.kind)}">{inner}</id>{end}'
            return f'<property name="{name}" {_class(value.kind)}>{number}</property>'
        case datetime():
            return f'<property name="{name}">{timestamp(value)}</property>'
        case str() if name == "spaceStatus":
            return (
                f'<property name="{name}" enum-class="SpaceStatus" package="com.atlassian.confluence.spaces">'
                f"{value}</property>"
            )
        case str():
            return f'<property name="{name}">{text(value)}</property>'
        case _:
            return f'<property name="{name}">{value}</property>'


def _server_entity(entity: Entity) -> str:
    """Empty properties are left out; references come last."""

    def text(value: str) -> str:
        return value if _BARE.fullmatch(value) else _cdata(value)

    lines = [f"<object {_class(entity.kind)}>", f'    <id name="{_id_name(entity.kind)}">{entity.id}</id>']
    given = [(name, value) for name, value in entity.properties if value is not None]
    for name, value in sorted(given, key=lambda pair: isinstance(pair[1], Reference)):
        lines.append(f"    {_property(name, value, text, '')}")
    return "\n".join([*lines, "</object>\n\n"])


def _cloud_entity(entity: Entity) -> str:
    number = _cdata(entity.id) if isinstance(entity.id, str) else entity.id
    lines = [f"<object {_class(entity.kind)}>", f'<id name="{_id_name(entity.kind)}">{number}</id>']
    for name, references in entity.collections:
        elements = "".join(
            f'<element {_class(reference.kind)}><id name="id">{reference.id}</id>\n</element>\n'
            for reference in references
        )
        lines.append(f'<collection name="{name}" class="java.util.Collection">{elements}</collection>')
    for name, value in entity.properties:
        if value is not None:
            lines.append(_property(name, value, _cdata, "\n"))
            if name == "originalVersion" and isinstance(value, Reference):
                lines.append(f'<property name="originalVersionId">{value.id}</property>')
        elif name == "originalVersion":
            lines.append('<property name="originalVersionId"/>')
    return "\n".join([*lines, "</object>\n"])
