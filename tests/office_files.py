"""Office documents made part by part, so that a test says exactly what stands in each; good and hostile."""

import struct
import zipfile
from collections.abc import Mapping
from io import BytesIO
from xml.sax.saxutils import escape

TRANSITIONAL = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
_TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STRICT_TYPES = "http://purl.oclc.org/ooxml/officeDocument/relationships"
_CORE_TYPE = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
_NAMESPACES = (
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:v="urn:schemas-microsoft-com:vml"'
)
_DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'

# As Word and WPS write them: ids say nothing, names and outline levels do.
STYLES = """
<w:style w:type="paragraph" w:default="1" w:styleId="a"><w:name w:val="Normal"/></w:style>
<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/><w:basedOn w:val="a"/>
  <w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="2"><w:name w:val="heading 2"/><w:basedOn w:val="a"/></w:style>
<w:style w:type="paragraph" w:styleId="Chapter"><w:name w:val="Our chapter"/><w:basedOn w:val="2"/></w:style>
<w:style w:type="paragraph" w:styleId="b3"><w:name w:val="标题 3"/><w:basedOn w:val="a"/></w:style>
<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/><w:basedOn w:val="a"/></w:style>
<w:style w:type="paragraph" w:styleId="T1"><w:name w:val="toc 1"/><w:basedOn w:val="a"/></w:style>
<w:style w:type="paragraph" w:styleId="TH"><w:name w:val="TOC Heading"/><w:basedOn w:val="1"/></w:style>
<w:style w:type="paragraph" w:styleId="L"><w:name w:val="List Bullet"/>
  <w:pPr><w:numPr><w:numId w:val="4"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="C"><w:name w:val="HTML Preformatted"/></w:style>
<w:style w:type="paragraph" w:styleId="Q"><w:name w:val="Intense Quote"/></w:style>
<w:style w:type="character" w:styleId="H"><w:name w:val="Hidden"/><w:rPr><w:vanish/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="X"><w:name w:val="x"/><w:basedOn w:val="Y"/></w:style>
<w:style w:type="paragraph" w:styleId="Y"><w:name w:val="y"/><w:basedOn w:val="X"/></w:style>
"""


def paragraph(text: str = "", style: str = "", properties: str = "", inner: str = "") -> str:
    """`inner` is XML that follows the text's run."""
    if style:
        properties = f'<w:pStyle w:val="{style}"/>{properties}'
    return (
        f"<w:p>{f'<w:pPr>{properties}</w:pPr>' if properties else ''}{run(text) if text else ''}{inner}</w:p>"
    )


def run(text: str, properties: str = "") -> str:
    marks = f"<w:rPr>{properties}</w:rPr>" if properties else ""
    return f'<w:r>{marks}<w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def complex_field(instruction: str, result: str) -> str:
    """`result` is XML."""
    return f"{field_begin(instruction)}{result}{FIELD_END}"


def field_begin(instruction: str) -> str:
    return (
        f'<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText> {instruction} </w:instrText></w:r>'
        '<w:r><w:fldChar w:fldCharType="separate"/></w:r>'
    )


FIELD_END = '<w:r><w:fldChar w:fldCharType="end"/></w:r>'


def table(*rows: str) -> str:
    return f"<w:tbl><w:tblPr/><w:tblGrid/>{''.join(rows)}</w:tbl>"


def row(*cells: str, properties: str = "") -> str:
    """Cells are texts, or the XML of `cell`."""
    marks = f"<w:trPr>{properties}</w:trPr>" if properties else ""
    return f"<w:tr>{marks}{''.join(c if c.startswith('<') else cell(c) for c in cells)}</w:tr>"


def cell(content: str = "", properties: str = "") -> str:
    """`content` is a text, or XML."""
    blocks = content if content.startswith("<") else paragraph(content)
    return f"<w:tc>{f'<w:tcPr>{properties}</w:tcPr>' if properties else ''}{blocks}</w:tc>"


def text_box(content: str, fallback: str = "") -> str:
    """A run with a text box, written twice as Word does: for programs of today and of 2007."""
    return (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><w:drawing><a:graphic><a:graphicData uri="urn:shape"><wps:txbx>'
        f"<w:txbxContent>{content}</w:txbxContent></wps:txbx></a:graphicData></a:graphic></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox><w:txbxContent>{fallback or content}</w:txbxContent></v:textbox></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )


def docx(
    body: str,
    *,
    styles: str | None = STYLES,
    footnotes: Mapping[str, str] | None = None,
    endnotes: Mapping[str, str] | None = None,
    core: str = "",
    strict: bool = False,
    parts: Mapping[str, bytes] | None = None,
    part: str = "word/document.xml",
) -> bytes:
    """A document of this body. Notes are paragraphs' XML by id, `parts` further parts or other ones in place of ours."""
    types = _STRICT_TYPES if strict else _TYPES
    relationships = {"styles": "styles.xml"} if styles is not None else {}
    content = {part: word_part("document", f"<w:body>{body}<w:sectPr/></w:body>", strict)}
    if styles is not None:
        content["word/styles.xml"] = word_part("styles", styles, strict)
    for kind, notes in (("footnote", footnotes), ("endnote", endnotes)):
        if notes is not None:
            relationships[f"{kind}s"] = f"{kind}s.xml"
            entries = "".join(f'<w:{kind} w:id="{i}">{blocks}</w:{kind}>' for i, blocks in notes.items())
            content[f"word/{kind}s.xml"] = word_part(f"{kind}s", entries, strict)
    root = [(f"{types}/officeDocument", part)]
    if core:
        root.append((_CORE_TYPE, "docProps/core.xml"))
        content["docProps/core.xml"] = _core(core)
    folder, _, name = part.rpartition("/")
    content["_rels/.rels"] = _relationships(root)
    content[f"{folder}/_rels/{name}.rels"] = _relationships(
        [(f"{types}/{kind}", target) for kind, target in relationships.items()]
    )
    return archive(content | dict(parts or {}))


def word_part(root: str, content: str, strict: bool = False) -> bytes:
    """A part whose root element is `w:root`."""
    uri = STRICT if strict else TRANSITIONAL
    return f'{_DECLARATION}<w:{root} xmlns:w="{uri}" {_NAMESPACES}>{content}</w:{root}>'.encode()


def archive(content: Mapping[str, bytes]) -> bytes:
    """A zip of these files."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, body in content.items():
            packed.writestr(name, body)
    return out.getvalue()


def with_wrong_checksum(content: bytes, part: str) -> bytes:
    """The same zip, where the directory has another checksum for `part` than its bytes have."""
    directory = content.rindex(part.encode())
    at = directory - 46 + 16
    (checksum,) = struct.unpack_from("<I", content, at)
    return content[:at] + struct.pack("<I", checksum ^ 1) + content[at + 4 :]


def marked_encrypted(content: bytes, part: str) -> bytes:
    """The same zip, whose directory says that `part` is encrypted."""
    at = content.rindex(part.encode()) - 46 + 8
    return content[:at] + b"\x01" + content[at + 1 :]


def _relationships(entries: list[tuple[str, str]]) -> bytes:
    body = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(entries)
    )
    uri = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'{_DECLARATION}<Relationships xmlns="{uri}">{body}</Relationships>'.encode()


def _core(content: str) -> bytes:
    return (
        f'{_DECLARATION}<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
        f"{content}</cp:coreProperties>"
    ).encode()
