"""Blocks → Confluence's storage format: the XHTML in which XML and CSV exports hold the bodies of pages."""

import uuid
from html import escape
from typing import Final, assert_never

from confluence_model import (
    AdfPanel,
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
    PageLink,
    Panel,
    Paragraph,
    Quote,
    Table,
    TaskList,
    WebLink,
)

# Confluence writes these as named entities, which no XML parser knows without a DTD.
_NAMED: Final = {
    "\u00a0": "&nbsp;",
    "“": "&ldquo;",
    "”": "&rdquo;",
    "’": "&rsquo;",
    "—": "&mdash;",
    "é": "&eacute;",
}
_NAMESPACE: Final = uuid.UUID("3c1f0d52-7a0e-4b5e-9f6e-2f2a4f0a9d11")

Parameters = tuple[tuple[str, str], ...]


def storage(blocks: Blocks, *, cloud: bool) -> str:
    """The body of a page as the editor of Confluence Cloud, or of a server, stores it."""
    return "".join(_block(block, cloud) for block in blocks)


def _text(text: str) -> str:
    return "".join(_NAMED.get(character, character) for character in escape(text, quote=False))


def _attribute(text: str) -> str:
    return escape(text)


def _cdata(text: str) -> str:
    return f"<![CDATA[{text.replace(']]>', ']]]]><![CDATA[>')}]]>"


def _macro(name: str, parameters: Parameters = (), *, body: str = "", plain: str | None = None) -> str:
    """A structured macro; parameters without a value are left out."""
    macro_id = uuid.uuid5(_NAMESPACE, f"{name}{parameters}{body}{plain}")
    values = "".join(
        f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters if value
    )
    rich = f"<ac:rich-text-body>{body}</ac:rich-text-body>" if body else ""
    text = f"<ac:plain-text-body>{_cdata(plain)}</ac:plain-text-body>" if plain is not None else ""
    return (
        f'<ac:structured-macro ac:name="{name}" ac:schema-version="1" ac:macro-id="{macro_id}">'
        f"{values}{rich}{text}</ac:structured-macro>"
    )


def _inline(line: Line, cloud: bool) -> str:
    return "".join(_element(element, cloud) for element in line)


def _element(element: Inline, cloud: bool) -> str:
    match element:
        case str():
            return _text(element)
        case Bold():
            return f"<strong>{_text(element.text)}</strong>"
        case CodeSpan():
            return f"<code>{_text(element.text)}</code>"
        case Commented():
            reference = uuid.uuid5(_NAMESPACE, element.text)
            return f'<ac:inline-comment-marker ac:ref="{reference}">{_text(element.text)}</ac:inline-comment-marker>'
        case LineBreak():
            return "<br />"
        case Day():
            return f'<time datetime="{element.value.isoformat()}" />'
        case Instruction():
            return f"<ac:placeholder>{_text(element.text)}</ac:placeholder>"
        case Lozenge():
            return _macro("status", (("title", _text(element.text)), ("colour", element.colour)))
        case WebLink():
            return f'<a href="{_attribute(element.url)}">{_text(element.text)}</a>'
        case PageLink() | FileLink() | Mention() | Emoticon():
            return _reference(element, cloud)
        case _:
            assert_never(element)


def _reference(element: PageLink | FileLink | Mention | Emoticon, cloud: bool) -> str:
    match element:
        case PageLink():
            target = f'<ri:page ri:content-title="{_attribute(element.title)}" ri:version-at-save="3" />'
            if not element.text:
                body = ""
            elif cloud:
                body = f"<ac:link-body>{_text(element.text)}</ac:link-body>"
            else:
                body = f"<ac:plain-text-link-body>{_cdata(element.text)}</ac:plain-text-link-body>"
            return f"<ac:link>{target}{body}</ac:link>"
        case FileLink():
            return f'<ac:link><ri:attachment ri:filename="{_attribute(element.filename)}" /></ac:link>'
        case Mention():
            who = f'account-id="{element.user.account_id}"' if cloud else f'userkey="{element.user.key}"'
            return f"<ac:link><ri:user ri:{who} /></ac:link>"
        case Emoticon():
            emoji = f' ac:emoji-shortname="{element.shortname}" ac:emoji-fallback="{element.shortname}"'
            return f'<ac:emoticon ac:name="{element.name}"{emoji if cloud else ""} />'


def _block(block: Block, cloud: bool) -> str:
    match block:
        case Heading():
            toc = _macro("toc") if block.toc else ""
            return f"<h{block.level}>{_text(block.text)}{toc}</h{block.level}>"
        case Paragraph():
            return f"<p>{_inline(block.line, cloud)}</p>"
        case Quote():
            return f"<blockquote><p>{_inline(block.line, cloud)}</p></blockquote>"
        case Listing():
            return _listing(block, cloud)
        case TaskList():
            return _tasks(block, cloud)
        case Table():
            return _table(block, cloud)
        case Image():
            return _image(block)
        case AdfPanel() | Decisions():
            return _adf(block, cloud)
        case Columns():
            return _columns(block, cloud)
        case _:
            return _macro_block(block, cloud)


def _macro_block(
    block: Code | Panel | Expand | Excerpt | ExcerptInclude | Jira | Foreign | Furniture, cloud: bool
) -> str:
    match block:
        case Code():
            name = "noformat" if block.noformat else "code"
            return _macro(
                name, (("title", _text(block.title)), ("language", block.language)), plain=block.text
            )
        case Panel():
            return _panel(block, cloud)
        case Expand():
            return _macro("expand", (("title", _text(block.title)),), body=storage(block.body, cloud=cloud))
        case Excerpt():
            return _macro(
                "excerpt", (("atlassian-macro-output-type", "BLOCK"),), body=storage(block.body, cloud=cloud)
            )
        case ExcerptInclude():
            page = f'<ac:link><ri:page ri:content-title="{_attribute(block.title)}" /></ac:link>'
            return _macro("excerpt-include", (("nopanel", "true"), ("", page)))
        case Jira():
            return f"<p>{_macro('jira', (('server', 'System Jira'), ('key', block.key)))}</p>"
        case Foreign():
            return _macro(block.name, block.parameters, body=storage(block.body, cloud=cloud))
        case Furniture():
            return f"<p>{_macro(block.name, block.parameters)}</p>"
        case _:
            assert_never(block)


def _panel(block: Panel, cloud: bool) -> str:
    body = storage(block.body, cloud=cloud)
    if not block.old:
        return _macro(block.kind, (("title", _text(block.title)),), body=body)
    title = f'<ac:parameter ac:name="title">{_text(block.title)}</ac:parameter>' if block.title else ""
    return f'<ac:macro ac:name="{block.kind}">{title}<ac:rich-text-body>{body}</ac:rich-text-body></ac:macro>'


def _listing(block: Listing, cloud: bool) -> str:
    tag = "ol" if block.numbered else "ul"
    entries = []
    for entry in block.entries:
        line = _inline(entry.line, cloud)
        # Cloud wraps an entry's text in a paragraph, a server does not.
        nested = "".join(_listing(child, cloud) for child in entry.children)
        entries.append(f"<li>{f'<p>{line}</p>' if cloud else line}{nested}</li>")
    return f"<{tag}>{''.join(entries)}</{tag}>"


def _tasks(block: TaskList, cloud: bool) -> str:
    tasks = "".join(
        f"<ac:task>\n<ac:task-id>{number}</ac:task-id>\n"
        f"<ac:task-status>{'complete' if task.done else 'incomplete'}</ac:task-status>\n"
        f'<ac:task-body><span class="placeholder-inline-tasks">{_inline(task.line, cloud)}</span></ac:task-body>\n'
        "</ac:task>\n"
        for number, task in enumerate(block.tasks, start=1)
    )
    return f"<ac:task-list>\n{tasks}</ac:task-list>"


def _table(block: Table, cloud: bool) -> str:
    def cell(cell: Cell) -> str:
        tag = "th" if cell.header else "td"
        spans = f' colspan="{cell.colspan}"' if cell.colspan > 1 else ""
        spans += f' rowspan="{cell.rowspan}"' if cell.rowspan > 1 else ""
        content = _inline(cell.line, cloud) or "<br />"
        return f"<{tag}{spans}>{f'<p>{content}</p>' if cloud else content}</{tag}>"

    columns = "<col />" * sum(cell.colspan for cell in block.rows[0])
    rows = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in block.rows)
    table = (
        f'<table class="wrapped"><colgroup>{columns}</colgroup><tbody>{rows}</tbody></table>'
        if not cloud
        else f'<table data-layout="default" ac:local-id="{uuid.uuid5(_NAMESPACE, rows)}"><tbody>{rows}</tbody></table>'
    )
    return _macro("details", (("id", "properties"),), body=table) if block.details else table


def _image(block: Image) -> str:
    alt = f' ac:alt="{_attribute(block.alt)}"' if block.alt else ""
    caption = f"<ac:caption><p>{_text(block.caption)}</p></ac:caption>" if block.caption else ""
    return (
        f'<ac:image ac:height="250"{alt}><ri:attachment ri:filename="{_attribute(block.filename)}" />'
        f"{caption}</ac:image>"
    )


def _columns(block: Columns, cloud: bool) -> str:
    columns = [storage(column, cloud=cloud) for column in block.columns]
    if block.macro:
        inner = "".join(_macro("column", (("width", "50%"),), body=column) for column in columns)
        return _macro("section", body=inner)
    cells = "".join(f"<ac:layout-cell>{column}</ac:layout-cell>" for column in columns)
    return (
        f'<ac:layout><ac:layout-section ac:type="two_equal">{cells}</ac:layout-section>'
        '<ac:layout-section ac:type="single"><ac:layout-cell><p /></ac:layout-cell></ac:layout-section></ac:layout>'
    )


def _adf(block: AdfPanel | Decisions, cloud: bool) -> str:
    """Cloud stores what its editor knows and the storage format does not as ADF, and beside it a fallback with the same text."""
    if isinstance(block, AdfPanel):
        body = storage(block.body, cloud=cloud)
        if not cloud:
            return _macro("note", body=body)
        node = (
            '<ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
            f"<ac:adf-content>{body}</ac:adf-content></ac:adf-node>"
        )
        fallback = (
            '<div class="panel conf-macro output-block" style="background-color: rgb(234,230,255);">'
            f'<div class="panelContent" style="background-color: rgb(234,230,255);">\n{body}\n</div></div>'
        )
    else:
        if not cloud:
            return f"<ul>{''.join(f'<li>{_text(line)}</li>' for line in block.lines)}</ul>"
        nodes = "".join(
            f'<ac:adf-node type="decision-item"><ac:adf-attribute key="local-id">{uuid.uuid5(_NAMESPACE, line)}'
            '</ac:adf-attribute><ac:adf-attribute key="state">DECIDED</ac:adf-attribute>'
            f"<ac:adf-content>{_text(line)}</ac:adf-content></ac:adf-node>"
            for line in block.lines
        )
        node = (
            '<ac:adf-node type="decision-list"><ac:adf-attribute key="local-id">'
            f"{uuid.uuid5(_NAMESPACE, nodes)}</ac:adf-attribute>{nodes}</ac:adf-node>"
        )
        lines = "".join(f"<li>{_text(line)}</li>" for line in block.lines)
        fallback = f'<ul class="decision-list">{lines}</ul>'
    return f"<ac:adf-extension>{node}<ac:adf-fallback>{fallback}</ac:adf-fallback></ac:adf-extension>"
