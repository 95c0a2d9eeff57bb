"""What Litestar cannot read off a handler that streams its body."""

from dataclasses import dataclass
from typing import Any, ClassVar

from litestar import Request
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIFormat, OpenAPIType

from service.schemas import UploadAccepted

_TEXT = Schema(type=OpenAPIType.STRING)


def _described(description: str, **schema: object) -> Schema:
    return Schema(**({"type": OpenAPIType.STRING, "description": description} | schema))  # type: ignore[arg-type]


_FIELDS: dict[str, Schema] = {
    "collection": _described("Collection; `default` when left out.", max_length=64),
    "source": _described(
        "Where the document comes from; `upload` when left out. Of a container's documents, and of pages that Confluence "
        "exports, `upload` means as the file says, such as `confluence`.",
        max_length=128,
    ),
    "external_id": _described(
        "The document's id where it comes from. Left out, it is the file's name, of a page exported by Confluence the page's id, and of "
        "a text one made from its content, so that a changed text is another document: give an id to replace it.",
        max_length=1000,
    ),
    "title": _described("Title; read from the file when left out.", max_length=1000),
    "author": _described("Author.", max_length=1000),
    "url": _described("Where a reader finds the document.", max_length=2000),
    "language": _described("Language tag such as `zh` or `en`; recognised when left out.", max_length=35),
}
_SPLIT = _described("`auto`, or `lines`: one line, one entry.", enum=["auto", "lines"])


class AnyOfJsonPlugin(JsonRenderPlugin):
    """Publishes unions as what they are. Litestar says `oneOf`, by which an integer, being a number too, would be neither."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        published: dict[str, Any] = any_of(openapi_schema)
        return super().render(request, published)


def any_of(schema: Any) -> Any:
    """The schema with every `oneOf` called `anyOf`."""
    if isinstance(schema, dict):
        return {"anyOf" if key == "oneOf" else key: any_of(value) for key, value in schema.items()}
    return [any_of(part) for part in schema] if isinstance(schema, list) else schema


@dataclass
class UploadOperation(Operation):
    """Publishes both bodies of `POST /v1/documents`."""

    unchanged: ClassVar[ResponseSpec] = ResponseSpec(
        data_container=UploadAccepted,
        description="The same content is at this place already; the job is the one that brought it.",
        generate_examples=False,
    )

    def __post_init__(self) -> None:
        files = Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY),
            min_items=1,
        )
        multipart = Schema(
            type=OpenAPIType.OBJECT,
            required=["file"],
            properties={
                "file": files,
                **_FIELDS,
                "tags": _described("Tags, separated by commas; the field may repeat."),
                "meta": _described("A JSON object of further fields."),
                "split": _SPLIT,
                "prune": _described(
                    "`true`: of a container, delete the documents that an earlier upload of it held and this one does not.",
                    enum=["true", "false"],
                ),
            },
        )
        text = Schema(
            type=OpenAPIType.OBJECT,
            required=["text"],
            additional_properties=False,
            properties={
                "text": _described("The document's text.", min_length=1),
                **_FIELDS,
                "tags": Schema(type=OpenAPIType.ARRAY, items=_TEXT, max_items=100),
                "meta": Schema(type=OpenAPIType.OBJECT),
                "split": _SPLIT,
            },
        )
        self.request_body = RequestBody(
            required=True,
            content={
                "multipart/form-data": OpenAPIMediaType(schema=multipart),
                "application/json": OpenAPIMediaType(schema=text),
            },
        )
