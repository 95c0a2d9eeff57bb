"""What must be found in each export of a space, computed from the space itself and not from any reader."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from confluence_model import (
    AdfPanel,
    Attachment,
    Block,
    Blocks,
    Bold,
    Cell,
    Code,
    CodeSpan,
    Columns,
    Commented,
    Day,
    Decisions,
    Emoticon,
    Excerpt,
    ExcerptInclude,
    Expand,
    Export,
    FileLink,
    Foreign,
    Furniture,
    Heading,
    Image,
    Inline,
    Instruction,
    Jira,
    Line,
    LineBreak,
    Listing,
    Lozenge,
    Mention,
    Metadata,
    Page,
    PageLink,
    Panel,
    Paragraph,
    Quote,
    Space,
    Status,
    Table,
    TaskList,
    WebLink,
)

from docradar.documents import Kind
from ingest.readers.document import ReadLimits, TextBuilder
from ingest.readers.headings import HeadingPath
from ingest.units import SplitCounts, statements

Unit = tuple[Kind, str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ExpectedAttachment:
    """`external_id` is `<page id>/<file name>`; `content` the bytes of its newest version."""

    external_id: str
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ExpectedDocument:
    """A page or blog post. `heading_path` is the space and the ancestors, without the title itself.

    The dates are as exact as the export: HTML has days only, and the day of creation only where a page was never changed.
    """

    external_id: str
    title: str
    author: str | None
    created: datetime | None
    updated: datetime | None
    labels: tuple[str, ...]
    heading_path: tuple[str, ...]
    attachments: tuple[ExpectedAttachment, ...]
    macros_dropped: dict[str, int]
    source: str = "confluence"


def expected_documents(space: Space, export: Export) -> list[ExpectedDocument]:
    """The documents in an export, in the model's order. HTML has no blog posts and no labels."""
    return [_document(space, page, export) for page in exported(space, export)]


def exported(space: Space, export: Export) -> tuple[Page, ...]:
    """The pages that are documents in an export."""
    return space.current(blog=export is not Export.HTML)


def expected_skipped(space: Space, export: Export) -> dict[str, int]:
    """What is in an export and is no document, by why; an old version of an attachment is an old version too."""
    current = exported(space, export)
    counts = {"attachments that cannot be read": sum(not a.readable for p in current for a in _shown(p))}
    if not export.rendered:
        counts["old versions"] = sum(
            len(page.old_versions) + sum(len(a.versions) - 1 for a in _shown(page)) for page in current
        )
        counts["drafts"] = sum(page.status is Status.DRAFT for page in space.pages)
        trashed_files = (a for page in current for a in page.attachments if a.status is Status.TRASHED)
        counts["trash"] = sum(page.status is Status.TRASHED for page in space.pages) + len(
            list(trashed_files)
        )
    return counts


def expected_units(space: Space, page: Page, export: Export) -> list[Unit]:
    """A page's units: kind, text and heading path. A Word export knows the page's title and nothing above it.

    A page that shows nothing is found by its title.
    """
    builder = TextBuilder(ReadLimits())
    path = page_path(space, page, export)
    _Writer(builder, path, export).write(page.body)
    if not builder.build()[1]:
        builder.add(page.title, Kind.HEADING, path[:-1])
    text, blocks = builder.build()
    return [
        (statement.kind, text[slice(*statement.span)], statement.heading_path)
        for statement in statements(text, blocks, SplitCounts())
    ]


def page_path(space: Space, page: Page, export: Export) -> tuple[str, ...]:
    """The heading path of what stands in a page before its first heading."""
    return (page.title,) if export is Export.WORD else (*_above(space, page), page.title)


def macros_dropped(blocks: Blocks, export: Export) -> Counter[str]:
    """The macros that are not drawn, by name. One whose body is there is not counted; HTML does not tell whose a body is."""
    counts: Counter[str] = Counter()
    for block in blocks:
        match block:
            case Jira():
                counts["jira"] += 1
            case Foreign() if not block.body or export.rendered:
                counts[block.name] += 1
            case ExcerptInclude() if not export.rendered:
                counts["excerpt-include"] += 1
        for inner in _bodies(block):
            counts += macros_dropped(inner, export)
    return counts


def line_text(line: Line, export: Export) -> str:
    """A line as its reader sees it, white space folded; a line break in it is `\\n`."""
    text = "".join(_inline_text(element, export) for element in line)
    return "\n".join(" ".join(part.split()) for part in text.split("\n"))


def _inline_text(element: Inline, export: Export) -> str:
    match element:
        case str():
            return element
        case Bold() | CodeSpan() | Commented() | WebLink() | Lozenge():
            return element.text
        case PageLink():
            return element.text or element.title
        case FileLink():
            return element.filename
        case Mention():
            return element.user.name_in(export) or ""
        case Day():
            return element.value.isoformat()
        case LineBreak():
            return "\n"
        case Emoticon() | Instruction():
            return ""
        case _:
            assert_never(element)


class _Writer:
    """Adds a body's blocks below `above`."""

    def __init__(self, builder: TextBuilder, above: tuple[str, ...], export: Export) -> None:
        self._builder = builder
        self._above = above
        self._export = export
        self._headings = HeadingPath()

    def write(self, blocks: Blocks) -> None:
        for block in blocks:
            self._write(block)

    def _add(self, text: str, kind: Kind = Kind.PARAGRAPH) -> None:
        self._builder.add(text, kind, (*self._above, *self._headings.path))

    def _line(self, line: Line, kind: Kind = Kind.PARAGRAPH) -> None:
        self._add(line_text(line, self._export), kind)

    def _write(self, block: Block) -> None:
        match block:
            case Heading():
                self._heading(block)
            case Paragraph():
                self._line(block.line)
            case Quote():
                self._line(block.line, Kind.QUOTE)
            case Listing():
                self._listing(block)
            case TaskList():
                for task in block.tasks:
                    self._line(task.line, Kind.LIST_ITEM)
            case Decisions():
                for text in block.lines:
                    self._add(text, Kind.LIST_ITEM)
            case Table():
                for row in _rows(block, self._export):
                    self._add(row, Kind.TABLE_ROW)
            case Code():
                self._add(block.title)
                self._add(block.text, Kind.CODE)
            case Image():
                self._add(block.caption or ("" if block.alt == block.filename else block.alt))
            case Panel() | Expand():
                self._add(block.title)
                self.write(block.body)
            case Jira() | Furniture():
                pass
            case Columns() | Excerpt() | ExcerptInclude() | AdfPanel() | Foreign():
                if not isinstance(block, ExcerptInclude) or self._export.rendered:
                    for body in _bodies(block):
                        self.write(body)
            case _:
                assert_never(block)

    def _heading(self, block: Heading) -> None:
        if block.text:
            above = self._headings.enter(block.level, block.text)
            self._builder.add(block.text, Kind.HEADING, (*self._above, *above))

    def _listing(self, block: Listing) -> None:
        for entry in block.entries:
            self._line(entry.line, Kind.LIST_ITEM)
            for child in entry.children:
                self._listing(child)


def _rows(table: Table, export: Export) -> Iterator[str]:
    """Each row as `header: value; header: value`; without a header row, a header cell names the rest of its row."""
    grid = _grid(table, export)
    if all(cell.header for cell in table.rows[0]):
        names = [text for text, _ in grid[0]]
        for row in grid[1:]:
            pairs = zip(names, row, strict=True)
            yield "; ".join(f"{name}: {text}" if name else text for name, (text, _) in pairs if text)
        return
    for row in grid:
        texts = [text for text, _ in row if text]
        named = row[0][1] and len(texts) > 1
        yield f"{texts[0]}: {'; '.join(texts[1:])}" if named else "; ".join(texts)


def _grid(table: Table, export: Export) -> list[list[tuple[str, bool]]]:
    """Texts by row and column: a cell that spans rows stands in each of them, one that spans columns in the first."""
    width = sum(cell.colspan for cell in table.rows[0])
    grid: list[list[tuple[str, bool] | None]] = [[None] * width for _ in table.rows]
    for number, row in enumerate(table.rows):
        for cell in row:
            column = grid[number].index(None)
            _place(grid, number, column, cell, line_text(cell.line, export))
    return [[place for place in row if place is not None] for row in grid]


def _place(
    grid: list[list[tuple[str, bool] | None]], number: int, column: int, cell: Cell, text: str
) -> None:
    for down in range(cell.rowspan):
        for right in range(cell.colspan):
            grid[number + down][column + right] = ("" if right else text, cell.header)


def _bodies(block: Block) -> tuple[Blocks, ...]:
    match block:
        case Columns():
            return block.columns
        case Panel() | Expand() | Excerpt() | AdfPanel() | Foreign():
            return (block.body,)
        case ExcerptInclude():
            return (block.shown,)
        case _:
            return ()


def _document(space: Space, page: Page, export: Export) -> ExpectedDocument:
    created, updated = _dates(page, export)
    return ExpectedDocument(
        external_id=str(page.id),
        title=page.title,
        author=_author(page, export),
        created=created,
        updated=updated,
        labels=() if export.rendered else page.labels,
        heading_path=_above(space, page),
        attachments=tuple(
            ExpectedAttachment(f"{page.id}/{attachment.filename}", attachment.filename, attachment.content)
            for attachment in _shown(page)
            if attachment.readable
        ),
        macros_dropped=dict(macros_dropped(page.body, export)),
    )


def _author(page: Page, export: Export) -> str | None:
    if page.author is None or (export.rendered and page.metadata in (Metadata.MISSING, Metadata.NO_AUTHOR)):
        return None
    return page.author.name_in(export)


def _dates(page: Page, export: Export) -> tuple[datetime | None, datetime | None]:
    if not export.rendered:
        return page.created, page.updated
    if page.metadata is Metadata.MISSING:
        return None, None
    day = datetime(page.updated.year, page.updated.month, page.updated.day, tzinfo=UTC)
    return (day if page.metadata is Metadata.NEVER_MODIFIED else None), day


def _above(space: Space, page: Page) -> tuple[str, ...]:
    return (space.name, *(ancestor.title for ancestor in space.ancestors(page)))


def _shown(page: Page) -> tuple[Attachment, ...]:
    return tuple(attachment for attachment in page.attachments if attachment.status is Status.CURRENT)
