"""Opaque cursors: where a page of a list ended, in a form that nobody is tempted to compute with."""

import base64
import binascii
from typing import Literal

from docradar.errors import InvalidRequestError

ListName = Literal["documents", "jobs", "units"]


def encode(name: ListName, position: int) -> str:
    return base64.urlsafe_b64encode(f"{name}:{position}".encode()).decode().rstrip("=")


def decode(name: ListName, cursor: str) -> int:
    """The position that `encode` was given.

    Raises:
        InvalidRequestError: The cursor is not one of this list's.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, _, position = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii").partition(":")
        )
        if found == name and position.isdecimal() and len(position) < 19:
            return int(position)
    except (ValueError, binascii.Error):
        pass
    raise InvalidRequestError(
        f"cursor {cursor[:60]!r} is not one that the list of {name} gave; start again without a cursor"
    )
