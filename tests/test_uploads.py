"""Multipart bodies, in whatever pieces they arrive."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docradar.errors import InvalidRequestError, TooLargeError
from service.uploads import MAX_FIELDS_BYTES, Form, base_name, media_type_of, receive_form

BOUNDARY = "b0undary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def body(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body of parts given as (the rest of their content-disposition, content)."""
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; "
    encoded = b"".join(f"{head}{rest}\r\n\r\n".encode() + content + b"\r\n" for rest, content in parts)
    return encoded + f"--{BOUNDARY}--\r\n".encode()


async def received(content: bytes, folder: Path, *, chunk: int = 1 << 16, limit: int = 1000) -> Form:
    async def stream() -> AsyncIterator[bytes]:
        for start in range(0, len(content), chunk):
            yield content[start : start + chunk]

    return await receive_form(stream(), CONTENT_TYPE, folder, max_file_bytes=limit)


@given(content=st.binary(max_size=300), value=st.text(max_size=30), chunk=st.integers(1, 400))
async def test_the_form_does_not_depend_on_how_the_body_is_cut(
    content: bytes, value: str, chunk: int
) -> None:
    if f"--{BOUNDARY}".encode() in content + value.encode():
        return
    parts = body(
        ('name="source"', value.encode()),
        ('name="file"; filename="文件.txt"', content),
        ('name="tags"', b"a"),
    )
    with TemporaryDirectory() as folder:
        form = await received(parts, Path(folder), chunk=chunk)
        assert form.fields == {"source": [value], "tags": ["a"]}
        [file] = form.files
        assert (file.filename, file.size_bytes) == ("文件.txt", len(content))
        assert file.path.read_bytes() == content
        form.discard()
        assert list(Path(folder).iterdir()) == []


@given(cut=st.integers(0, 150))
async def test_a_body_cut_anywhere_before_its_end_is_an_error_and_leaves_no_file(cut: int) -> None:
    whole = body(('name="file"; filename="a.txt"', b"x" * 60))
    with TemporaryDirectory() as folder:
        with pytest.raises(InvalidRequestError):
            await received(whole[: min(cut, len(whole) - 4)], Path(folder), chunk=7)
        assert list(Path(folder).iterdir()) == []


async def test_the_limit_is_exact(tmp_path: Path) -> None:
    fits = await received(body(('name="file"; filename="a"', b"x" * 1000)), tmp_path)
    assert fits.files[0].size_bytes == 1000
    fits.discard()
    with pytest.raises(TooLargeError, match=r"a\.txt.*1,000"):
        await received(body(('name="file"; filename="a.txt"', b"x" * 1001)), tmp_path)
    with pytest.raises(TooLargeError, match="fields"):
        await received(body(('name="title"', b"x" * (MAX_FIELDS_BYTES + 1))), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("names", [("tags",), tuple(f"{n}-{'x' * 200}" for n in range(5000))])
async def test_fields_without_a_value_count_too(tmp_path: Path, names: tuple[str, ...]) -> None:
    empty = [(f'name="{names[n % len(names)]}"', b"") for n in range(5000)]
    with pytest.raises(TooLargeError, match="fields"):
        await received(body(*empty), tmp_path)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (('name="doc"; filename="a.txt"', b"x"), "name it 'file'"),
        (('filename="a.txt"', b"x"), "name"),
        (('name="title"', b"\xff"), "'title' is not UTF-8"),
        ((f'name="{"x" * 20_000}"', b"x"), "header size"),
    ],
)
async def test_parts_that_cannot_be_used_are_refused_in_words(tmp_path: Path, part, words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        await received(body(part), tmp_path)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/form-data", "multipart/mixed; boundary=x"]
)
async def test_other_bodies_are_refused(tmp_path: Path, content_type: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(InvalidRequestError, match="multipart/form-data"):
        await receive_form(nothing(), content_type, tmp_path, max_file_bytes=1)


@given(st.text(max_size=400))
def test_a_name_is_one_printable_component(name: str) -> None:
    cleaned = base_name(name)
    assert 1 <= len(cleaned) <= 255
    assert "/" not in cleaned
    assert "\\" not in cleaned
    assert cleaned.isprintable()
    assert cleaned not in (".", "..")


def test_a_media_type_comes_from_the_client_else_from_the_name() -> None:
    assert media_type_of("a.md", "text/x-own") == "text/x-own"
    assert media_type_of("a.md", "application/octet-stream") == "text/markdown"
    assert media_type_of("a.pdf", "") == "application/pdf"
    assert media_type_of("a.unknown", "") == "application/octet-stream"
