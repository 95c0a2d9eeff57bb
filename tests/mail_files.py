"""Messages, and pages saved as messages, written part by part."""

import base64
import quopri
from collections.abc import Mapping, Sequence


def part(
    content: str | bytes,
    kind: str = "text/plain",
    *,
    charset: str = "utf-8",
    really: str = "",
    coding: str = "quoted-printable",
    fields: Mapping[str, str] | None = None,
    parameters: str = "",
) -> bytes:
    """A part in the transfer coding `coding`; `really` is the encoding that its text is in, where `charset` is wrong."""
    body = content if isinstance(content, bytes) else content.encode(really or charset)
    declared = f"; charset={charset}" if charset else ""
    head = {
        "Content-Type": f"{kind}{declared}{parameters}",
        "Content-Transfer-Encoding": coding,
        **(fields or {}),
    }
    coded = {"quoted-printable": quopri.encodestring, "base64": base64.encodebytes}.get(coding, bytes)(body)
    return _fields(head) + b"\n" + coded


def multipart(kind: str, parts: Sequence[bytes], *, boundary: str = "=_next", parameters: str = "") -> bytes:
    """Parts within a `multipart/kind`."""
    head = _fields({"Content-Type": f'multipart/{kind}; boundary="{boundary}"{parameters}'})
    return (
        head
        + b"\n"
        + b"".join(b"--%b\n%b\n" % (boundary.encode(), p) for p in parts)
        + f"--{boundary}--\n".encode()
    )


def message(content: bytes, fields: Mapping[str, str] | None = None) -> bytes:
    """A message of this part."""
    usual = {
        "From": "Ann Li <ann@example.org>",
        "Subject": "Refunds",
        "Date": "Mon, 5 Jan 2026 09:00:00 +0800",
    }
    return _fields({**usual, "MIME-Version": "1.0", **(fields or {})}) + content


def nested(depth: int) -> bytes:
    """A text within `depth` multiparts."""
    content = part("Deep down.")
    for level in range(depth):
        content = multipart("mixed", [content], boundary=f"b{level}")
    return content


def _fields(fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode()
