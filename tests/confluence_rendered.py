"""Blocks → the HTML that Confluence shows and exports."""

from html import escape
from typing import Final, assert_never
from urllib.parse import quote

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
    Page,
    PageLink,
    Panel,
    Paragraph,
    Quote,
    Space,
    Table,
    TaskList,
    WebLink,
)

_SITE: Final = "https://wiki.lumen.example"
_ICONS: Final = {"info": "info-filled", "note": "warning", "tip": "approve", "warning": "error"}
_CLASSES: Final = {"info": "information", "note": "note", "tip": "tip", "warning": "warning"}
_OLD_CLASSES: Final = {"info": "hint", "note": "warning", "tip": "success", "warning": "problem"}
_TOC_STYLE: Final = (
    "<style type='text/css'>/*<![CDATA[*/\ndiv.rbtoc1764000000001 {padding: 0px;}\n"
    "div.rbtoc1764000000001 ul {list-style: disc;margin-left: 0px;}\n\n/*]]>*/</style>"
)


def page_file(page: Page) -> str:
    """The name of a page's file: made from its title, unless there are other than plain characters in it."""
    plain = all(
        character.isascii() and (character.isalnum() or character in " .-_") for character in page.title
    )
    return f"{page.title.replace(' ', '-')}_{page.id}.html" if plain else f"{page.id}.html"


def attachment_path(page: Page, attachment: Attachment) -> str:
    """Where an attachment lies in an HTML export: under its id, with the extension of its name."""
    return f"attachments/{page.id}/{attachment.id}.{attachment.filename.rpartition('.')[2]}"


def escaped(text: str) -> str:
    return escape(text).replace("\u00a0", "&nbsp;")


class Rendering:
    """Renders the body of one page. `images` are the sources of its pictures where they are not the export's files."""

    def __init__(self, space: Space, page: Page, images: dict[str, str] | None = None) -> None:
        self._space = space
        self._page = page
        self._images = images or {}
        self._expanders = 0

    def body(self, blocks: Blocks) -> str:
        return "".join(self._block(block) for block in blocks)

    def _file(self, filename: str) -> Attachment:
        return next(a for a in self._page.attachments if a.filename == filename)

    def _line(self, line: Line) -> str:
        return "".join(self._element(element) for element in line)

    def _element(self, element: Inline) -> str:
        match element:
            case str():
                return escaped(element)
            case Bold():
                return f"<strong>{escaped(element.text)}</strong>"
            case CodeSpan():
                return f"<code>{escaped(element.text)}</code>"
            case Commented():
                return f'<span class="inline-comment-marker" data-ref="0c1d">{escaped(element.text)}</span>'
            case LineBreak():
                return "<br/>"
            case Instruction():
                return ""
            case Day():
                shown = f"{element.value:%d %b %Y}"
                return f'<time datetime="{element.value.isoformat()}" class="date-future">{shown}</time>'
            case Lozenge():
                colour = "aui-lozenge-current" if element.colour == "Yellow" else "aui-lozenge-success"
                return f'<span class="status-macro aui-lozenge {colour}">{escaped(element.text)}</span>'
            case Emoticon():
                return (
                    f'<img class="emoticon emoticon-{element.name}" src="images/icons/emoticons/check.svg" '
                    f'data-emoticon-name="{element.name}" alt="({element.name})"/>'
                )
            case PageLink() | FileLink() | WebLink() | Mention():
                return self._anchor(element)
            case _:
                assert_never(element)

    def _anchor(self, element: PageLink | FileLink | WebLink | Mention) -> str:
        match element:
            case PageLink():
                target = self._space.titled(element.title)
                return f'<a href="{quote(page_file(target))}">{escaped(element.text or element.title)}</a>'
            case FileLink():
                path = attachment_path(self._page, self._file(element.filename))
                return f'<a href="{path}">{escaped(element.filename)}</a>'
            case WebLink():
                url = escaped(element.url)
                return f'<a href="{url}" class="external-link" rel="nofollow">{escaped(element.text)}</a>'
            case Mention():
                user = element.user
                return (
                    f'<a class="confluence-userlink user-mention" data-username="{user.login}" '
                    f'href="{_SITE}/display/~{user.login}" data-linked-resource-type="userinfo" '
                    f'data-base-url="{_SITE}">{escaped(user.name)}</a>'
                )

    def _block(self, block: Block) -> str:
        match block:
            case Heading():
                toc = self._toc() if block.toc else ""
                name = f"{self._page.title}-{block.text}".replace(" ", "")
                return f'<h{block.level} id="{escape(name)}">{escaped(block.text)}{toc}</h{block.level}>'
            case Paragraph():
                return f"<p>{self._line(block.line)}</p>"
            case Quote():
                return f"<blockquote><p>{self._line(block.line)}</p></blockquote>"
            case Listing():
                return self._listing(block)
            case TaskList():
                return self._tasks(block)
            case Table():
                return self._table(block)
            case Image():
                return self._image(block)
            case Columns():
                return self._columns(block)
            case _:
                return self._macro(block)

    def _macro(
        self,
        block: Code
        | Panel
        | Expand
        | Excerpt
        | ExcerptInclude
        | AdfPanel
        | Decisions
        | Jira
        | Foreign
        | Furniture,
    ) -> str:
        match block:
            case Code():
                return _code(block)
            case Panel():
                return self._panel(block)
            case Expand():
                return self._expand(block)
            case Excerpt():
                return self.body(block.body)
            case ExcerptInclude():
                return self.body(block.shown)
            case AdfPanel():
                style = ' style="background-color: rgb(234,230,255);"'
                content = f'<div class="panelContent"{style}>\n{self.body(block.body)}\n</div>'
                return f'<div class="panel"{style}>{content}</div>'
            case Decisions():
                lines = "".join(f"<li>{escaped(line)}</li>" for line in block.lines)
                return f'<ul class="decision-list">{lines}</ul>'
            case Jira():
                return _jira(block)
            case Foreign():
                return _placeholder(block) + self.body(block.body)
            case Furniture():
                return self._furniture(block)
            case _:
                assert_never(block)

    def _listing(self, block: Listing) -> str:
        entries = "".join(
            f"<li><p>{self._line(entry.line)}</p>{''.join(map(self._listing, entry.children))}</li>"
            for entry in block.entries
        )
        return f"<ol>{entries}</ol>" if block.numbered else f"<ul>{entries}</ul>"

    def _tasks(self, block: TaskList) -> str:
        tasks = "".join(
            f'<li class="{"checked" if task.done else "unchecked"}" data-inline-task-id="{number}">'
            f'<span class="placeholder-inline-tasks">{self._line(task.line)}</span></li>'
            for number, task in enumerate(block.tasks, start=1)
        )
        return f'<ul class="inline-task-list" data-inline-tasks-content-id="{self._page.id}">{tasks}</ul>'

    def _table(self, block: Table) -> str:
        def cell(cell: Cell) -> str:
            tag, name = ("th", "confluenceTh") if cell.header else ("td", "confluenceTd")
            spans = f' colspan="{cell.colspan}"' if cell.colspan > 1 else ""
            spans += f' rowspan="{cell.rowspan}"' if cell.rowspan > 1 else ""
            return f'<{tag}{spans} class="{name}">{self._line(cell.line) or "<br/>"}</{tag}>'

        columns = "<col/>" * sum(cell.colspan for cell in block.rows[0])
        rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in block.rows)
        table = (
            f'<div class="table-wrap"><table class="wrapped confluenceTable"><colgroup>{columns}</colgroup>'
            f"<tbody>{rows}</tbody></table></div>"
        )
        return f'<div class="plugin-tabmeta-details">{table}</div>' if block.details else table

    def _image(self, block: Image) -> str:
        source = self._images.get(block.filename) or attachment_path(self._page, self._file(block.filename))
        alt = f' alt="{escaped(block.alt)}"' if block.alt else ""
        image = (
            '<span class="confluence-embedded-file-wrapper confluence-embedded-manual-size">'
            f'<img class="confluence-embedded-image"{alt} height="250" src="{source}" '
            f'data-image-src="{source}"/></span>'
        )
        if not block.caption:
            return f"<p>{image}</p>"
        return f"<figure>{image}<figcaption><p>{escaped(block.caption)}</p></figcaption></figure>"

    def _columns(self, block: Columns) -> str:
        columns = [self.body(column) for column in block.columns]
        if block.macro:
            cells = "".join(
                f'<div class="columnMacro" style="width:50%;min-width:50%;max-width:50%;">{column}</div>'
                for column in columns
            )
            return (
                '<div class="sectionColumnWrapper"><div class="sectionMacro"><div class="sectionMacroRow">'
                f"{cells}</div></div></div>"
            )
        cells = "".join(
            f'<div class="cell normal" data-type="normal"><div class="innerCell">\n{column}</div>\n</div>'
            for column in columns
        )
        return (
            '<div class="contentLayout2">\n<div class="columnLayout two-equal" data-layout="two-equal">\n'
            f"{cells}</div>\n</div>"
        )

    def _panel(self, block: Panel) -> str:
        body = self.body(block.body)
        if block.kind == "panel":
            title = f"<b>{escaped(block.title)}</b>"
            header = f'<div class="panelHeader" style="border-bottom-width: 1px;">{title}</div>'
            content = f'<div class="panelContent">\n{body}\n</div>'
            return f'<div class="panel" style="border-width: 1px;">{header if block.title else ""}{content}</div>'
        title = f'<p class="title">{escaped(block.title)}</p>' if block.title else ""
        if block.old:
            kind = _OLD_CLASSES[block.kind]
            return (
                f'<div class="aui-message {kind} shadowed information-macro">\n{title}\n'
                f'<span class="aui-icon icon-{kind}">Icon</span>\n<div class="message-content">\n{body}\n</div>\n</div>'
            )
        return (
            f'<div class="confluence-information-macro confluence-information-macro-{_CLASSES[block.kind]}">{title}'
            f'<span class="aui-icon aui-icon-small aui-iconfont-{_ICONS[block.kind]} confluence-information-macro-icon">'
            f'</span><div class="confluence-information-macro-body">{body}</div></div>'
        )

    def _expand(self, block: Expand) -> str:
        self._expanders += 1
        number = f"{self._page.id}{self._expanders}"
        title = escaped(block.title or "Click here to expand...")
        return (
            f'<div id="expander-{number}" class="expand-container"><div id="expander-control-{number}" class="expand-control">'
            '<span class="expand-control-icon"><img src="images/icons/grey_arrow_down.png" class="expand-control-image" '
            f'alt="Expand"/></span><span class="expand-control-text">{title}</span></div>'
            f'<div id="expander-content-{number}" class="expand-content">{self.body(block.body)}</div></div>'
        )

    def _toc(self) -> str:
        titles = "".join(
            f"<li><a href='#{number}'>{escaped(block.text)}</a></li>\n"
            for number, block in enumerate(self._page.body)
            if isinstance(block, Heading) and block.text
        )
        return (
            f"{_TOC_STYLE}<div class='toc-macro rbtoc1764000000001'>\n"
            f"<ul class='toc-indentation'>\n{titles}</ul>\n</div>"
        )

    def _furniture(self, block: Furniture) -> str:
        match block.name:
            case "toc":
                return f"<p>{self._toc()}</p>"
            case "children":
                children = "".join(
                    f'<li><a href="{quote(page_file(child))}">{escaped(child.title)}</a></li>'
                    for child in self._space.children(self._page.id)
                )
                return f'<p><ul class="childpages-macro">{children}</ul></p>'
            case "attachments":
                return self._attachments()
            case "gallery":
                caption = escaped(dict(block.parameters)["title"])
                return f'<div class="gallery"><h4>{caption}</h4><table class="gallery"><tr>{self._pictures()}</tr></table></div>'
            case "anchor":
                return f'<p><span class="confluence-anchor-link" id="{block.parameters[0][1]}"></span></p>'
            case "view-file":
                name = dict(block.parameters)["name"]
                path = attachment_path(self._page, self._file(name))
                return (
                    f'<p><span class="confluence-embedded-file-wrapper"><a class="confluence-embedded-file" href="{path}" '
                    f'data-nice-type="Text File"><img src="images/thumbnail.png" height="250"/>'
                    f'<span class="title">{escaped(name)}</span></a></span></p>'
                )
            case _:
                raise AssertionError(block.name)

    def _attachments(self) -> str:
        rows = "".join(
            f'<tr class="attachment-row"><td class="filename-column"><a href="{attachment_path(self._page, a)}">'
            f"{escaped(a.filename)}</a></td><td>{len(a.content)} B</td></tr>"
            for a in self._page.attachments
        )
        return (
            '<div class="plugin_attachments_container"><div class="plugin_attachments_table_container">'
            '<table class="attachments aui tableview"><thead><tr><th class="filename-column">File</th><th>Size</th></tr>'
            f"</thead><tbody>{rows}</tbody></table></div></div>"
        )

    def _pictures(self) -> str:
        return "".join(
            f'<td><a href="{attachment_path(self._page, a)}"><img src="{attachment_path(self._page, a)}" '
            f'alt="{escaped(a.filename)}"/></a><div>{escaped(a.filename)}</div></td>'
            for a in self._page.attachments
            if not a.readable
        )


def _code(block: Code) -> str:
    text = escaped(block.text)
    if block.noformat:
        return (
            '<div class="preformatted panel" style="border-width: 1px;"><div class="preformattedContent panelContent">\n'
            f"<pre>{text}</pre>\n</div></div>"
        )
    title = f"<b>{escaped(block.title)}</b>"
    header = f'<div class="codeHeader panelHeader pdl" style="border-bottom-width: 1px;">{title}</div>'
    brush = f"brush: {block.language or 'java'}; gutter: false; theme: Confluence"
    return (
        f'<div class="code panel pdl" style="border-width: 1px;">{header if block.title else ""}'
        '<div class="codeContent panelContent pdl">\n'
        f'<pre class="syntaxhighlighter-pre" data-syntaxhighlighter-params="{brush}" data-theme="Confluence">{text}</pre>\n'
        "</div></div>"
    )


def _jira(block: Jira) -> str:
    """An export has no issue's details, so Confluence's words for their absence stand in it."""
    url = f"https://jira.lumen.example/browse/{block.key}"
    return (
        f'<p><span class="jira-issue conf-macro output-block" data-jira-key="{block.key}"><a href="{url}" '
        f'class="jira-issue-key"><img class="icon" src="images/icons/jira.svg"/>{block.key}</a> - '
        '<span class="summary">Getting issue details...</span> '
        '<span class="aui-lozenge aui-lozenge-subtle aui-lozenge-default issue-placeholder">STATUS</span></span></p>'
    )


def _placeholder(block: Foreign) -> str:
    source = f"plugins/servlet/confluence/placeholder/unknown-macro?name={block.name}&amp;locale=en_GB&amp;version=2"
    return f'<img class="wysiwyg-unknown-macro" src="{source}" style=""/>'
