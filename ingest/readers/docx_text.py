"""The text of a Word paragraph as it is shown: changes accepted, fields by their result, nothing that is hidden."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from lxml import etree

from docradar.documents import Kind
from ingest.readers.docx_package import attribute, child, is_on, name_of
from ingest.readers.docx_styles import Role, Styles

_NOT_TEXT: Final = frozenset({
    "w:pPr", "w:rPr", "w:sdtPr", "w:sdtEndPr", "w:fldData", "w:ffData", "w:del", "w:moveFrom", "w:delText", "w:delInstrText", "w:rt",
    "w:rubyPr", "m:rPr", "m:ctrlPr", "w:control",
})  # fmt: skip
_CHARACTERS: Final = {
    "w:tab": " ",
    "w:ptab": " ",
    "w:br": "\n",
    "w:cr": "\n",
    "w:noBreakHyphen": "-",
}
# Contents and indexes repeat what stands elsewhere; page numbers are true of one printout.
_DROPPED_FIELDS: Final = frozenset(
    {"TOC", "TOA", "INDEX", "PAGE", "PAGEREF", "NUMPAGES", "SECTIONPAGES", "ADVANCE"}
)
_INSTRUCTION_CHARS: Final = 100
_FORMULA_MARKS: Final = {"m:den": "/", "m:sup": "^", "m:sub": "_"}
_NOTES: Final = {"w:footnoteReference": "footnotes", "w:endnoteReference": "endnotes"}
_BLANKS: Final = re.compile("[ \t\xa0]{2,}|[\t\xa0]")
_AROUND_BREAK: Final = re.compile(r"[ \t]*\n\s*")

# The characters of two fonts that have no Unicode positions of their own, where a document uses them as symbols.
_SYMBOL_FONT: Final = dict(
    zip(
        range(0x41, 0x5B),
        "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ",
        strict=True,
    )
) | dict(zip(range(0x61, 0x7B), "αβχδεφγηιϕκλμνοπθρστυϖωξψζ", strict=True)) | {
    0xA3: "≤", 0xA5: "∞", 0xAB: "↔", 0xAC: "←", 0xAD: "↑", 0xAE: "→", 0xAF: "↓", 0xB0: "°", 0xB1: "±", 0xB3: "≥", 0xB4: "×",
    0xB7: "•", 0xB8: "÷", 0xB9: "≠", 0xBA: "≡", 0xBB: "≈", 0xBC: "…", 0xC7: "∩", 0xC8: "∪", 0xCE: "∈", 0xCF: "∉", 0xD6: "√",
    0xD7: "⋅", 0xDB: "⇔", 0xDE: "⇒", 0xE5: "∑", 0xF2: "∫", 0x22: "∀", 0x24: "∃", 0x2D: "−",
}  # fmt: skip
_WINGDINGS: Final = {
    0x6C: "●", 0x6E: "■", 0x6F: "□", 0x71: "❑", 0x75: "◆", 0xA7: "▪", 0xA8: "☐", 0xD8: "➢", 0xDF: "←", 0xE0: "→", 0xE1: "↑", 0xE2: "↓",
    0xE8: "➔", 0xFB: "✗", 0xFC: "✓", 0xFD: "☒", 0xFE: "☑",
}  # fmt: skip


class Piece(NamedTuple):
    """A block before it is placed. `level` is that of a heading, `TITLE_LEVEL` for a title."""

    kind: Kind
    text: str
    level: int | None = None


@dataclass(slots=True)
class Inline:
    """What stands in a paragraph.

    `notes` are (part, id) of the notes it refers to; `boxes` are the text boxes anchored in it (`w:txbxContent`).
    `bold` is whether all of its text is.
    """

    pieces: list[str] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[etree._Element] = field(default_factory=list)
    bold: bool = True

    @property
    def text(self) -> str:
        """White space folded, but for line breaks."""
        text = _BLANKS.sub(" ", "".join(self.pieces))
        return (_AROUND_BREAK.sub("\n", text) if "\n" in text else text).strip()

    @property
    def source(self) -> str:
        """White space as it stands, for code."""
        return "".join(self.pieces).replace("\xa0", " ").rstrip()


@dataclass(slots=True)
class _Field:
    instruction: str = ""
    in_result: bool = False
    shown: bool = False


class TextReader:
    """Reads paragraphs in order: a field may run over several of them, and a deleted paragraph mark joins two."""

    def __init__(self, styles: Styles) -> None:
        self.dropped: dict[str, int] = {}
        self._styles = styles
        self._fields: list[_Field] = []
        self._unshown = 0
        self._inline = Inline()
        self._bold = self._hidden = False
        self._actions: dict[str, Callable[[etree._Element], None]] = {
            "w:t": self._text,
            "m:t": self._text,
            "w:r": self._run,
            "w:sym": self._symbol,
            "w:instrText": self._instruction,
            "w:fldChar": self._field_mark,
            "w:fldSimple": self._simple_field,
            "w:sdt": self._content_control,
            "mc:AlternateContent": self._alternate,
            "a:graphicData": self._graphic,
            "w:object": self._object,
            "w:txbxContent": self._box,
            **dict.fromkeys(_NOTES, self._note),
            **dict.fromkeys(_FORMULA_MARKS, self._formula),
        }

    def read(self, paragraph: etree._Element, properties: etree._Element | None, role: Role) -> Inline | None:
        """The paragraph with what was carried over into it; None where it is itself carried over into the next."""
        if self._fields and role.level is not None:
            self._close_fields()  # no heading stands in a field: its end is missing
        self._bold, self._hidden = role.bold, role.hidden
        self._walk(paragraph)
        if self._fields and not self._fields[-1].in_result:
            self._pop_field()  # no instruction is longer than its paragraph: it never was a field
        if properties is not None and _joins_next(properties):
            return None
        return self.rest()

    def rest(self) -> Inline:
        """What was carried over and has not been given out."""
        found, self._inline = self._inline, Inline()
        return found

    @property
    def is_in_dropped_field(self) -> bool:
        """Whether the contents or an index have begun and not ended."""
        return self._unshown > 0

    def count_dropped(self, name: str) -> None:
        """Counts something that the text does not show."""
        self.dropped[name] = self.dropped.get(name, 0) + 1

    def _walk(self, parent: etree._Element) -> None:
        for element in parent:
            name = name_of(element)
            action = self._actions.get(name)
            if action is not None:
                action(element)
            elif name in _CHARACTERS:
                self._say(_CHARACTERS[name])
            elif name not in _NOT_TEXT:
                self._walk(element)

    def _say(self, text: str) -> None:
        if self._unshown:
            return
        self._inline.pieces.append(text)
        if not self._bold and not text.isspace():
            self._inline.bold = False

    def _text(self, element: etree._Element) -> None:
        if element.text:
            self._say(element.text)

    def _run(self, element: etree._Element) -> None:
        properties = child(element, "w:rPr")
        around, hidden = self._bold, self._hidden
        for mark in properties if properties is not None else ():
            name = name_of(mark)
            if name == "w:rStyle":
                role = self._styles.role(attribute(mark, "val") or "")
                hidden, self._bold = hidden or role.hidden, self._bold or role.bold
            elif name == "w:vanish":
                hidden = is_on(mark)
            elif name == "w:b":
                self._bold = is_on(mark)
        if hidden:
            self._hidden_run(element)
        else:
            self._walk(element)
        self._bold = around

    def _hidden_run(self, element: etree._Element) -> None:
        """Of a hidden run only what opens and closes fields counts."""
        for below in element:
            if name_of(below) in ("w:fldChar", "w:instrText"):
                self._actions[name_of(below)](below)

    def _symbol(self, element: etree._Element) -> None:
        font = (attribute(element, "font") or "").lower()
        code = attribute(element, "char") or ""
        try:
            place = int(code, 16)
        except ValueError:
            return
        if not 0xF000 <= place <= 0xF0FF:
            self._say(chr(place) if 0x20 <= place <= 0x10FFFF else "")
        elif font == "symbol":
            self._say(_SYMBOL_FONT.get(place - 0xF000, chr(place - 0xF000) if place < 0xF040 else ""))
        elif font.startswith("wingdings"):
            self._say(_WINGDINGS.get(place - 0xF000, ""))
        else:
            self._say(chr(place - 0xF000) if 0xF020 <= place < 0xF07F else "")

    def _instruction(self, element: etree._Element) -> None:
        if self._fields and not self._fields[-1].in_result:
            top = self._fields[-1]
            top.instruction = (top.instruction + (element.text or ""))[:_INSTRUCTION_CHARS]

    def _field_mark(self, element: etree._Element) -> None:
        mark = attribute(element, "fldCharType")
        if mark == "begin":
            self._fields.append(_Field())
            self._unshown += 1
        elif mark == "separate" and self._fields and not self._fields[-1].in_result:
            top = self._fields[-1]
            top.in_result, top.shown = True, not _is_dropped(top.instruction)
            self._unshown -= top.shown
        elif mark == "end" and self._fields:
            self._pop_field()

    def _pop_field(self) -> None:
        self._unshown -= not self._fields.pop().shown

    def _close_fields(self) -> None:
        self._fields.clear()
        self._unshown = 0

    def _simple_field(self, element: etree._Element) -> None:
        if not _is_dropped(attribute(element, "instr") or ""):
            self._walk(element)

    def _content_control(self, element: etree._Element) -> None:
        if child(element, "w:sdtPr", "w:showingPlcHdr") is None:
            self._walk(element)

    def _alternate(self, element: etree._Element) -> None:
        chosen = alternative(element)
        if chosen is not None:
            self._walk(chosen)

    def _graphic(self, element: etree._Element) -> None:
        """Counts what is drawn from parts that are not read; a shape may hold text boxes."""
        kind = (element.get("uri") or "").rpartition("/")[2]
        if kind in ("chart", "chartex", "diagram"):
            self.count_dropped(kind.removesuffix("ex"))
        elif kind != "picture":
            self._walk(element)

    def _object(self, element: etree._Element) -> None:
        self.count_dropped("embedded object")
        self._walk(element)

    def _box(self, element: etree._Element) -> None:
        if not self._unshown:
            self._inline.boxes.append(element)

    def _note(self, element: etree._Element) -> None:
        if not self._unshown:
            self._inline.notes.append((_NOTES[name_of(element)], attribute(element, "id") or ""))

    def _formula(self, element: etree._Element) -> None:
        """`1/2` and `x^2` instead of `12` and `x2`."""
        before = len(self._inline.pieces)
        self._walk(element)
        if len(self._inline.pieces) > before:
            self._inline.pieces.insert(before, _FORMULA_MARKS[name_of(element)])


def alternative(element: etree._Element) -> etree._Element | None:
    """The one branch of `mc:AlternateContent` to be read: all of them say the same."""
    return next((branch for branch in element if name_of(branch) in ("mc:Choice", "mc:Fallback")), None)


def _is_dropped(instruction: str) -> bool:
    words = instruction.split(None, 1)
    return bool(words) and words[0].upper() in _DROPPED_FIELDS


def _joins_next(properties: etree._Element) -> bool:
    """Whether the paragraph's mark is deleted, or it is a single large letter before the rest of its word."""
    for path in (("w:rPr", "w:del"), ("w:rPr", "w:moveFrom")):
        if child(properties, *path) is not None:
            return True
    frame = child(properties, "w:framePr")
    return frame is not None and attribute(frame, "dropCap") in ("drop", "margin")
