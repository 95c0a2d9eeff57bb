"""Listings that come in pages."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from docradar.client.exchange import Flow
from docradar.client.types import Page

T = TypeVar("T")

PAGE_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """`page` asks for the page at a cursor, the first at None."""

    page: Callable[[str | None], Flow[Page[T]]]
