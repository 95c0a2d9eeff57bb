"""Exports that mean harm, and exports that are merely broken: one bad page fails alone, a bad file says why."""

import json
import random
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import confluence_exports as exports
import files
import pytest
from confluence_exports import SPACE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from read_checks import check

from docradar.errors import ReadError
from ingest.prepare import Prepared, PrepareRequest, prepare
from ingest.readers import confluence_storage
from ingest.readers.confluence_page import StoredPage
from ingest.readers.confluence_storage import Storage
from ingest.readers.document import ReadDocument, ReadLimits
from ingest.sandbox import Sandbox
from tests.archives import zipped

SMALL = ReadLimits(cpu_seconds=20, wall_seconds=60, memory_bytes=512 * 1024**2)
DESCRIPTOR = "exportDescriptor.properties"
START = '<?xml version="1.0"?>\n'


def page(body: str, own_id: int = 1, title: str = "A page") -> str:
    return (
        f'<object class="Page"><id name="id">{own_id}</id><property name="title">{title}</property></object>'
        f'<object class="BodyContent"><id name="id">9{own_id}</id><property name="body"><![CDATA[{body}]]></property>'
        f'<property name="content" class="Page"><id name="id">{own_id}</id></property>'
        '<property name="bodyType">2</property></object>'
    )


def export(*objects: str, start: str = START) -> bytes:
    return zipped({"entities.xml": f"{start}<hibernate-generic>{''.join(objects)}</hibernate-generic>"})


def request(folder: Path, content: bytes, name: str = "space.zip") -> PrepareRequest:
    scratch = folder / uuid.uuid4().hex
    scratch.mkdir()
    path = files.write(folder, f"{uuid.uuid4().hex}-{name}", content)
    document_id = str(uuid.UUID(int=1))
    return PrepareRequest(
        path=path, filename=name, document_id=document_id, scratch_dir=scratch, limits=SMALL
    )


def laughs() -> bytes:
    entities = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    return export(page("x"), "<object class='Page'><id name='id'>2</id><property name='title'>&l11;</property></object>",
                  start=f"{START}<!DOCTYPE hibernate-generic [{entities}]>")  # fmt: skip


def external() -> bytes:
    declared = '<!DOCTYPE hibernate-generic [<!ENTITY secret SYSTEM "file:///etc/passwd">]>'
    bodies = page("The page's own words.") + (
        "<object class='Space'><id name='id'>3</id><property name='key'>X</property><property name='name'>&secret;</property></object>"
    )
    return export(bodies, start=f"{START}{declared}")


def deep() -> bytes:
    return export("<object class='Page'>" + "<a>" * 100_000 + "</a>" * 100_000 + "</object>")


def giant_text() -> bytes:
    # Packed as well as text may be, and no better.
    block = "".join(random.Random(1).choices("abcdefgh ", k=20_000))
    return export(page(block * 10_000))


def broken() -> bytes:
    return export(page("fine")[:-40])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (laughs, "declares entities"),
        (external, "declares entities"),
        (deep, "broken or hostile XML"),
        (giant_text, "broken or hostile XML"),
        (broken, "broken or hostile XML"),
        (lambda: export(), "it holds no document"),
        (lambda: zipped({"entities.xml": b"\x00\xff" * 1000, DESCRIPTOR: ""}), "broken or hostile XML"),
        (lambda: zipped({"entities.xml": "", DESCRIPTOR: ""}), "broken or hostile XML"),
    ],
    ids=[
        "entity bomb",
        "external entity",
        "100,000 deep",
        "200 MB of text",
        "cut",
        "no pages",
        "no XML",
        "empty",
    ],
)
async def test_hostile_xml_ends_in_a_clear_failure(
    make: Callable[[], bytes], reason: str, tmp_path: Path
) -> None:
    async with Sandbox() as sandbox:
        with pytest.raises(ReadError, match=reason):
            await sandbox.prepare(request(tmp_path, make()))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("documents/*"))
    assert b"root:" not in written


async def test_control_characters_that_xml_forbids_are_left_out(tmp_path: Path) -> None:
    content = export(page("<p>one\x0b two&#x1f; three &#8;</p>" + "x" * 3_000_000, title="T&#x0;itle\x01"))
    async with Sandbox() as sandbox:
        found = await sandbox.prepare(request(tmp_path, content))
    [member] = found.members()
    stored = json.loads(found.member_path(member).read_text())
    assert (stored["title"], stored["body"][:20]) == ("Title", "<p>one two three </p")


def test_many_comments_before_the_root_take_no_time(tmp_path: Path) -> None:
    comments = "<!-- x -->\n" * 5000
    entities = f"{START}{comments}<hibernate-generic>{page('<p>Words.</p>')}</hibernate-generic>"
    content = zipped({"entities.xml": entities, DESCRIPTOR: ""})
    assert prepare(request(tmp_path, content)).report.documents == 1


def test_links_without_an_end_take_no_time(tmp_path: Path) -> None:
    page_of = "<div id='main-content' class='wiki-content'><p>Words.</p>"
    content = zipped(
        {"index.html": "<table class='confluenceTable'></table>", "a_123.html": page_of + "<a " * 300_000}
    )
    assert prepare(request(tmp_path, content)).report.documents == 1


def test_a_space_without_a_key_is_a_state_of_itself_only(tmp_path: Path) -> None:
    page_of = "<div id='main-content' class='wiki-content'><p>Words.</p></div>"
    index = "<title>Team</title><table class='confluenceTable'><tr><th>Schlüssel<td>ABC</table>"
    found = prepare(request(tmp_path, zipped({"index.html": index, "a_123.html": page_of, "b.txt": "x"})))
    assert found.container is not None
    assert (found.container.bundle, found.container.global_ids) == ("", True)
    assert found.report.documents_skipped == {"files that are no pages": 1}


def test_a_page_that_makes_up_macros_has_a_short_report(tmp_path: Path) -> None:
    macros = "".join(f"<img class='wysiwyg-unknown-macro' data-macro-name='m{n}'>" for n in range(5000))
    html = f"<div id='main-content' class='wiki-content'><p>Words.</p>{macros}</div>"
    found = prepare(request(tmp_path, html.encode(), "page.html"))
    assert len(found.report.macros_dropped) == 51
    assert found.report.macros_dropped["others"] == 4950


def test_pages_in_a_loop_of_parents_have_a_path(tmp_path: Path) -> None:
    loop = "".join(
        f'<object class="Page"><id name="id">{n}</id><property name="title">P{n}</property>'
        f'<property name="parent" class="Page"><id name="id">{n % 3 + 1}</id></property></object>'
        for n in (1, 2, 3)
    )
    found = prepare(request(tmp_path, export(loop)))
    paths = [json.loads(found.member_path(m).read_text())["ancestors"] for m in found.members()]
    assert paths == [["P1", "P3", "P2"], ["P2", "P1", "P3"], ["P3", "P2", "P1"]]


def read_page(folder: Path, body: str) -> ReadDocument:
    stored = {"id": "1", "title": "A page", "space": "A space", "body": body}
    path = files.write(folder, "page", json.dumps(stored))
    document = confluence_storage.read(path, ReadLimits())
    check(document)
    return document


@pytest.mark.timeout(60)
class TestPages:
    def test_what_a_macro_shows_as_it_is_written_is_read(self, tmp_path: Path) -> None:
        shown = (
            '<p>Before<ac:structured-macro ac:name="status"><ac:parameter ac:name="title">WIP</ac:parameter>'
            "</ac:structured-macro>after</p><ac:structured-macro ac:name='markdown'><ac:plain-text-body>"
            "<![CDATA[# Limits\n\nA clerk may refund 200 euros.]]></ac:plain-text-body></ac:structured-macro>"
        )
        document = read_page(tmp_path, shown)
        assert document.text == "Before WIP after\n\n# Limits\n\nA clerk may refund 200 euros."
        assert document.report.macros_dropped == {}

    def test_one_that_is_not_well_formed_is_read_as_far_as_it_can_be(self, tmp_path: Path) -> None:
        document = read_page(tmp_path, "<p>First words.</p><p>Second <b>words.</p><p>Third words.</p>")
        assert "First words." in document.text
        assert "not well formed" in document.report.warnings[0]

    def test_one_that_is_no_page_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="no page of a Confluence export"):
            confluence_storage.read(files.write(tmp_path, "page", '{"id": 3}'), ReadLimits())

    @pytest.mark.parametrize(
        "body",
        [
            "<ac:structured-macro ac:name='x'>" * 100_000,
            "<div>" * 100_000 + "deep" + "</div>" * 100_000,
            "<p>a</p>" * 200_000,
            "<p>&nbsp;&undefined;&#0;&amp;amp;</p>",
            "<!DOCTYPE x [<!ENTITY a 'b'>]><p>&a;</p>",
            "]]>]] ></storage><p>after</p>",
            "<ac:link/><ac:image/><ac:structured-macro/><ac:task-list/><time/><ac:adf-extension/>",
        ],
        ids=["macros", "deep", "many", "entities", "doctype", "ends", "empty elements"],
    )
    def test_hostile_bodies_are_read_in_time(self, body: str, tmp_path: Path) -> None:
        read_page(tmp_path, body)

    def test_hidden_text_is_not_read(self, tmp_path: Path) -> None:
        hidden = (
            '<ac:structured-macro ac:name="details"><ac:parameter ac:name="hidden">true</ac:parameter>'
            "<ac:rich-text-body><p>Owner of the key</p></ac:rich-text-body></ac:structured-macro>"
        )
        assert read_page(tmp_path, f"{hidden}<p>Seen.</p>").text == "Seen."


fragments = st.recursive(
    st.text("ab支 &<>]'\"", max_size=8) | st.sampled_from(["&nbsp;", "&lt;", "<br/>", "<![CDATA[x<y]]>", "]] >"]),
    lambda inner: st.tuples(
        st.sampled_from([
            "p", "ul", "li", "table", "tr", "td", "th", "h2", "pre", "ac:link", "ac:image", "ac:task", "ac:layout-cell",
            "ac:structured-macro", "ac:rich-text-body", "ac:plain-text-body", "ac:adf-extension", "ac:adf-fallback",
        ]),
        st.lists(inner, max_size=4),
    ).map(lambda pair: f"<{pair[0]} ac:name='info'>{''.join(pair[1])}</{pair[0]}>"),
    max_leaves=15,
)  # fmt: skip


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
)
@given(fragments)
def test_any_body_is_read(tmp_path: Path, body: str) -> None:
    Storage({}).html(body)
    read_page(tmp_path, body)


def _members(folder: Path, content: bytes) -> Iterator[tuple[Prepared, PrepareRequest]]:
    found = prepare(request(folder, content))
    for member in found.members():
        path = found.member_path(member)
        yield found, PrepareRequest(
            path=path, filename=member.filename, media_type=member.media_type, document_id=str(uuid.UUID(int=1)),
            scratch_dir=folder, limits=SMALL,
        )  # fmt: skip


@pytest.mark.parametrize("kind", [exports.Export.XML_SERVER, exports.Export.HTML, exports.Export.CSV])
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=3)), min_size=1, max_size=8))
def test_damaged_exports_fail_or_come_in_and_nothing_else(
    kind: exports.Export, tmp_path: Path, changes: list[tuple[int, bytes]]
) -> None:
    content = bytearray(exports.archive(SPACE, kind))
    for place, new in changes:
        at = place % len(content)
        content[at : at + len(new)] = new
    try:
        for _, member in _members(tmp_path, bytes(content)):
            try:
                prepare(member)
            except ReadError:
                continue
    except ReadError:
        return


def test_stored_pages_keep_what_they_are_given() -> None:
    stored = StoredPage(id="1", title="T", body="b", space="S", ancestors=[str(n) for n in range(80)])
    assert stored.above == ("S", *(str(n) for n in range(30, 80)))


def test_a_member_without_a_name_is_no_page(tmp_path: Path) -> None:
    path, scratch = tmp_path / "space.zip", tmp_path / "scratch"
    scratch.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("index.html", "<html><title>Space</title><body>Pages</body></html>")
        nameless = zipfile.ZipInfo("a")
        nameless.filename = ""
        archive.writestr(nameless, "x")
    asked = PrepareRequest(
        path=path,
        filename="space.zip",
        document_id="00000000-0000-0000-0000-000000000001",
        scratch_dir=scratch,
        reader="confluence-html-space",
    )
    with pytest.raises(ReadError, match="no document"):
        prepare(asked)
