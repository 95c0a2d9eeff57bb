"""A Confluence space as its authors see it: what `confluence_space` fills and each export kind writes down in its way.

Inline elements and blocks are named after what Confluence's editor calls them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum


class Export(StrEnum):
    """The kinds of export in which a space comes."""

    HTML = "html"
    WORD = "word"
    XML_SERVER = "xml-server"
    XML_CLOUD = "xml-cloud"
    CSV = "csv"

    @property
    def rendered(self) -> bool:
        """Whether pages are in it as a browser shows them, and not as they are stored."""
        return self in (Export.HTML, Export.WORD)

    @property
    def cloud(self) -> bool:
        """Whether it can only come from Confluence Cloud, whose pages know things that the server's do not."""
        return self in (Export.XML_CLOUD, Export.CSV)


class Status(StrEnum):
    """`contentStatus`, as exports spell it."""

    CURRENT = "current"
    DRAFT = "draft"
    TRASHED = "deleted"


class Metadata(StrEnum):
    """The shapes of the line under a page's title in the HTML export."""

    ENGLISH = "Created by A, last modified by B on Jan 04, 2017"
    NO_MODIFIER = "Created by A, last modified on Jan 04, 2017"
    NEVER_MODIFIED = "Created by A on Jan 04, 2017"
    CHINESE = "由 A创建, 最后修改于一月 11, 2018"
    CHINESE_NUMBERS = "由 A创建, 最后修改于2017年1月4日"
    NO_AUTHOR = "last modified on Jan 04, 2017"
    MISSING = ""


@dataclass(frozen=True, slots=True)
class User:
    """A person. What an export calls them differs: see `name_in`."""

    key: str
    account_id: str
    login: str
    name: str
    cloud_login: str = ""

    def name_in(self, export: Export) -> str | None:
        """The name by which a person can be known in an export, or None where only an id is in it.

        HTML shows full names. The server's XML has the login. Cloud exports have an account id instead of a login, but for
        those who came over from a server.
        """
        if export.rendered:
            return self.name
        return (self.cloud_login or None) if export.cloud else self.login


# Inline elements; a plain string is text.


@dataclass(frozen=True, slots=True)
class Bold:
    text: str


@dataclass(frozen=True, slots=True)
class CodeSpan:
    text: str


@dataclass(frozen=True, slots=True)
class Commented:
    """Text to which an inline comment is attached."""

    text: str


@dataclass(frozen=True, slots=True)
class PageLink:
    """Without a text, the link shows the title."""

    title: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class FileLink:
    """A link to an attachment of the same page, which shows its file name."""

    filename: str


@dataclass(frozen=True, slots=True)
class WebLink:
    url: str
    text: str


@dataclass(frozen=True, slots=True)
class Mention:
    user: User


@dataclass(frozen=True, slots=True)
class Emoticon:
    name: str
    shortname: str


@dataclass(frozen=True, slots=True)
class Lozenge:
    """The status macro."""

    text: str
    colour: str = "Green"


@dataclass(frozen=True, slots=True)
class Day:
    value: date


@dataclass(frozen=True, slots=True)
class LineBreak:
    pass


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a template says to its author; readers never see it."""

    text: str


Inline = (
    str
    | Bold
    | CodeSpan
    | Commented
    | PageLink
    | FileLink
    | WebLink
    | Mention
    | Emoticon
    | Lozenge
    | Day
    | LineBreak
    | Instruction
)
Line = tuple[Inline, ...]


# Blocks.


@dataclass(frozen=True, slots=True)
class Heading:
    """`toc` puts a table of contents inside the heading's element, as authors do by mistake."""

    level: int
    text: str
    toc: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    line: Line


@dataclass(frozen=True, slots=True)
class ListEntry:
    line: Line
    children: "tuple[Listing, ...]" = ()


@dataclass(frozen=True, slots=True)
class Listing:
    entries: tuple[ListEntry, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    line: Line
    done: bool


@dataclass(frozen=True, slots=True)
class TaskList:
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    line: Line
    header: bool = False
    colspan: int = 1
    rowspan: int = 1


@dataclass(frozen=True, slots=True)
class Table:
    """`details` wraps it in the page properties macro."""

    rows: tuple[tuple[Cell, ...], ...]
    details: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    text: str
    language: str = ""
    title: str = ""
    noformat: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """`kind` is `info`, `note`, `tip`, `warning` or plain `panel`. `old` writes it as Confluence did before version 5.8."""

    kind: str
    body: "tuple[Block, ...]"
    title: str = ""
    old: bool = False


@dataclass(frozen=True, slots=True)
class Expand:
    """Without a title, the page shows Confluence's own words instead."""

    body: "tuple[Block, ...]"
    title: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """Side by side; `macro` with the section and column macros instead of a page layout."""

    columns: "tuple[tuple[Block, ...], ...]"
    macro: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """`alt` that is only a file's name is what Cloud's editor writes by itself."""

    filename: str
    alt: str = ""
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    line: Line


@dataclass(frozen=True, slots=True)
class Excerpt:
    body: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class ExcerptInclude:
    """Shows another page's excerpt: its text is in rendered exports only."""

    title: str
    shown: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class AdfPanel:
    """A panel of Cloud's editor that is stored as an ADF extension with a fallback; a server has a note in its place."""

    body: "tuple[Block, ...]"


@dataclass(frozen=True, slots=True)
class Decisions:
    """Cloud's list of decisions, an ADF extension as well; a server has a plain list in its place."""

    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Jira:
    """One issue, shown as a link."""

    key: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """A macro of an app that Confluence itself does not know."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()
    body: "tuple[Block, ...]" = ()


@dataclass(frozen=True, slots=True)
class Furniture:
    """A macro without any text of the page's own: `toc`, `children`, `attachments`, `gallery`, `anchor` or `view-file`."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()


Block = (
    Heading
    | Paragraph
    | Listing
    | TaskList
    | Table
    | Code
    | Panel
    | Expand
    | Columns
    | Image
    | Quote
    | Excerpt
    | ExcerptInclude
    | AdfPanel
    | Decisions
    | Jira
    | Foreign
    | Furniture
)
Blocks = tuple[Block, ...]


# What stands around the body.


@dataclass(frozen=True, slots=True)
class Attachment:
    """The newest version first. Its versions have ids of their own, their bytes all lie under the newest's."""

    id: int
    filename: str
    media_type: str
    versions: tuple[bytes, ...]
    author: User
    created: datetime
    status: Status = Status.CURRENT

    @property
    def content(self) -> bytes:
        return self.versions[0]

    @property
    def readable(self) -> bool:
        """Whether there is text in it."""
        return not self.media_type.startswith("image/")


@dataclass(frozen=True, slots=True)
class Comment:
    id: int
    author: User
    created: datetime
    text: str


@dataclass(frozen=True, slots=True)
class OldVersion:
    """What a page was before; `id` is its own."""

    id: int
    body: Blocks


@dataclass(frozen=True, slots=True)
class Page:
    """A page, or a blog post. A draft of a page that exists names it in `draft_of`."""

    id: int
    title: str
    parent: int | None
    author: User | None
    editor: User | None
    created: datetime
    updated: datetime
    body: Blocks
    labels: tuple[str, ...] = ()
    favourite_of: User | None = None
    metadata: Metadata = Metadata.ENGLISH
    attachments: tuple[Attachment, ...] = ()
    comments: tuple[Comment, ...] = ()
    old_versions: tuple[OldVersion, ...] = ()
    status: Status = Status.CURRENT
    blog: bool = False
    draft_of: int | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """`home` is the id of the page that is shown first."""

    id: int
    key: str
    name: str
    description: str
    home: int
    pages: tuple[Page, ...]
    users: tuple[User, ...] = field(default=())

    def page(self, page_id: int) -> Page:
        return next(page for page in self.pages if page.id == page_id)

    def titled(self, title: str) -> Page:
        return next(page for page in self.current() if page.title == title)

    def current(self, *, blog: bool = True) -> tuple[Page, ...]:
        """What a reader of the space can see, with or without blog posts."""
        return tuple(page for page in self.pages if page.status is Status.CURRENT and (blog or not page.blog))

    def ancestors(self, page: Page) -> tuple[Page, ...]:
        """The pages above, outermost first."""
        return tuple(self._above(page))[::-1]

    def children(self, page_id: int | None) -> tuple[Page, ...]:
        return tuple(page for page in self.current(blog=False) if page.parent == page_id)

    def _above(self, page: Page) -> Iterator[Page]:
        while page.parent is not None:
            page = self.page(page.parent)
            yield page
