"""Zip archives as containers: what comes out, what is counted, and what means harm."""

import io
import stat
import uuid
import zipfile
from pathlib import Path

import files
import hostile_zips
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docradar.errors import ReadError
from ingest.prepare import Prepared, PrepareRequest, ReadLimits
from ingest.readers import sniff
from ingest.sandbox import Sandbox
from tests.archives import zipped

LIMITS = ReadLimits(cpu_seconds=20, wall_seconds=60)


async def unpack(folder: Path, content: bytes, limits: ReadLimits = LIMITS) -> Prepared:
    scratch = folder / uuid.uuid4().hex
    scratch.mkdir()
    request = PrepareRequest(
        path=files.write(folder, "upload.zip", content),
        filename="upload.zip",
        document_id=str(uuid.UUID(int=1)),
        scratch_dir=scratch,
        limits=limits,
    )
    async with Sandbox() as sandbox:
        return await sandbox.prepare(request)


async def test_files_that_can_be_read_come_out_as_they_went_in(tmp_path: Path) -> None:
    found = await unpack(
        tmp_path,
        zipped(
            {
                "notes/a.md": "# A\n\nWords.",
                "空 间/说明.txt": "支付超时。",
                "README": "Read me.",
                "img/a.png": b"\x89PNG",
                "old.zip": b"PK",
                "tool.exe": b"MZ",
                ".git/config": "hidden",
                "__MACOSX/notes/._a.md": "hidden",
            }
        ),
    )
    members = list(found.members())
    assert [(m.external_id, m.filename) for m in members] == [
        ("notes/a.md", "a.md"),
        ("空 间/说明.txt", "说明.txt"),
        ("README", "README"),
    ]
    assert found.member_path(members[1]).read_text() == "支付超时。"
    assert (found.report.documents, found.units) == (3, 0)
    assert found.report.documents_skipped == {
        "images": 1,
        "archives within it": 1,
        "files of other kinds": 1,
        "hidden files": 2,
    }


async def test_an_archive_that_begins_with_a_pdf_is_an_archive(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.pdf", files.pdf([["The first words."]]))
    [member] = (await unpack(tmp_path, out.getvalue())).members()
    assert member.filename == "a.pdf"


async def test_one_damaged_file_fails_alone(tmp_path: Path) -> None:
    found = await unpack(tmp_path, hostile_zips.wrong_crc())
    assert [member.filename for member in found.members()] == ["good.txt"]
    assert list(found.report.documents_failed) == ["bad.txt"]
    assert "damaged in the archive" in found.report.documents_failed["bad.txt"]


@pytest.mark.parametrize("name", hostile_zips.HOSTILE)
async def test_what_means_harm_ends_in_a_clear_failure(name: str, tmp_path: Path) -> None:
    make, reason = hostile_zips.HOSTILE[name]
    with pytest.raises(ReadError, match=reason):
        await unpack(tmp_path, make())
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.name != "upload.zip")
    assert written < 70_000_000


async def test_a_name_given_twice_fails_the_second_time(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "first")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.txt", "second")
    found = await unpack(tmp_path, out.getvalue())
    [member] = found.members()
    assert found.member_path(member).read_text() == "first"
    assert "the same name" in found.report.documents_failed["a.txt"]


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "shift_jis", "utf-8"])
async def test_names_that_old_packers_wrote_in_their_own_encoding(encoding: str, tmp_path: Path) -> None:
    names = {
        "gb18030": "文档/退款诚信说明.md",
        "big5": "文件/退款說明與規則.md",
        "shift_jis": "資料/返金のてびき.md",
        "utf-8": "文档/退款说明.md",
    }
    name = names[encoding]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}#{'x' * len(name.encode(encoding))}", "Words.")
    content = out.getvalue()
    for number in range(3):
        plain = f"{number}#{'x' * len(name.encode(encoding))}".encode()
        content = content.replace(plain, f"{number}-".encode() + name.encode(encoding))
    found = await unpack(tmp_path, content)
    assert [member.external_id for member in found.members()] == [f"{number}-{name}" for number in range(3)]
    assert found.report.documents_failed == {}


async def test_backslashes_part_folders_and_links_are_left_out(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("docs\\b.md", "Words of b.")
        archive.writestr("1: intro.md", "Words of the intro.")
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    found = await unpack(tmp_path, out.getvalue())
    assert [member.external_id for member in found.members()] == ["docs/b.md", "1: intro.md"]
    assert found.report.documents_skipped == {"links": 1}


@pytest.mark.parametrize(
    "names",
    [
        ["site/index.html", "site/404.html", "site/guide/index.html", "site/styles/site.css"],
        ["docs/a.md", "conf/entities.xml"],
        ["data/content.csv", "data/bodycontent.csv", "a.md"],
        ["content.xml", "a.md"],
        ["word/document.xml", "a.md"],
    ],
)
async def test_a_file_of_a_telling_name_does_not_make_an_export(names: list[str], tmp_path: Path) -> None:
    found = await unpack(tmp_path, zipped({name: f"<p>The words of {name}.</p>" for name in names}))
    assert found.container is not None
    assert found.container.reader == "zip"
    readable = [name for name in names if name.endswith((".html", ".md", ".csv"))]
    assert [member.external_id for member in found.members()] == readable


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (ReadLimits(entries=9), "more than 9 files; split it, or raise the setting max_archive_entries"),
        (ReadLimits(unpacked_bytes=5000), "unpacks to more than 5,000 bytes.*max_unpacked_bytes"),
    ],
)
async def test_limits_are_named_with_their_setting(limits: ReadLimits, reason: str, tmp_path: Path) -> None:
    content = zipped({f"{n}.txt": "word " * 200 for n in range(10)})
    with pytest.raises(ReadError, match=reason):
        await unpack(tmp_path, content, limits)


@pytest.mark.parametrize(
    ("marker", "kind"),
    [
        ("xl/workbook.xml", "an Excel workbook"),
        ("ppt/presentation.xml", "a PowerPoint presentation"),
        ("content.xml", "an OpenDocument file"),
        ("META-INF/container.xml", "an EPUB book"),
    ],
)
def test_office_files_of_other_kinds_are_named(marker: str, kind: str, tmp_path: Path) -> None:
    content = {"[Content_Types].xml": "<Types/>", "mimetype": "application/x", marker: "<x/>"}
    path = files.write(tmp_path, "a", zipped(content))
    with pytest.raises(ReadError, match=kind):
        sniff.reader_for(path, "a")


def _zip(names: list[str]) -> bytes:
    return zipped({f"{n}{name}": f"The text of {n}." for n, name in enumerate(names)})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from([".txt", ".md", "/x.html", ".png", "/../a.txt"]), min_size=1, max_size=6).map(
        _zip
    ),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=12),
    st.integers(0, 60),
)
def test_no_damage_makes_more_than_a_failure(
    tmp_path: Path, content: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    if cut:
        del damaged[-cut:]
    _unpack_here(tmp_path, bytes(damaged))


def _unpack_here(folder: Path, content: bytes) -> None:
    """In this process, so that hypothesis can try much."""
    from ingest.prepare import prepare

    scratch = folder / uuid.uuid4().hex
    scratch.mkdir()
    path = files.write(folder, "damaged.zip", content)
    request = PrepareRequest(
        path=path, filename="damaged.zip", document_id=str(uuid.UUID(int=1)), scratch_dir=scratch
    )
    try:
        prepared = prepare(request)
    except ReadError:
        return
    for member in prepared.members() if prepared.container else ():
        assert prepared.member_path(member).parent == scratch / "documents"
