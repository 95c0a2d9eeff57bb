"""The HTML export of a space, one page of it, and a page's Word export, which is HTML as well."""

import base64
import quopri
from datetime import date
from email.utils import format_datetime
from io import BytesIO
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from confluence_model import Attachment, Comment, Metadata, Page, Space, Status
from confluence_rendered import Rendering, attachment_path, escaped, page_file

_CHINESE_MONTHS: Final = ("一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二")
_BOUNDARY: Final = "----=_Part_17_1204517733.1764000000000"
_RESAVED_BOUNDARY: Final = "----=_NextPart_01DC5D2B.7A3F1C40"


def html_zip(space: Space, *, nested: bool = False) -> bytes:
    """A space as `Export space → HTML` packs it; `nested` within a folder in a folder, as people pack it again."""
    folder = f"export/{space.key}/" if nested else ""
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder}index.html", _index(space))
        archive.writestr(f"{folder}styles/site.css", "body { margin: 0; }\n")
        archive.writestr(f"{folder}images/icons/bullet_blue.gif", b"GIF89a")
        for page in space.current(blog=False):
            archive.writestr(folder + page_file(page), page_html(space, page))
            for attachment in _shown(page):
                archive.writestr(folder + attachment_path(page, attachment), attachment.content)
    return packed.getvalue()


def single_html(space: Space, page: Page) -> bytes:
    """One page taken out of the HTML export."""
    return page_html(space, page).encode()


def word_doc(space: Space, page: Page, *, resaved: bool = False) -> bytes:
    """A page as `Export to Word` gives it: MHTML under the name of a `.doc`; `resaved` as Word itself saves that again."""
    pictures = {a.filename: f"{a.id:032x}" for a in _shown(page) if not a.readable}
    body = Rendering(space, page, pictures).body(page.body)
    if resaved:
        return _resaved(page, body, pictures)
    html = (
        "<html xmlns:o='urn:schemas-microsoft-com:office:office' xmlns:w='urn:schemas-microsoft-com:office:word' "
        "xmlns='http://www.w3.org/TR/REC-html40'>\n<head>\n"
        f'<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\n<title>{escaped(page.title)}</title>\n'
        "<!--[if gte mso 9]>\n<xml><o:OfficeDocumentSettings><o:TargetScreenSize>1024x640</o:TargetScreenSize>"
        "</o:OfficeDocumentSettings></xml>\n<![endif]-->\n<style>\n<!--\n@page Section1 { size: 8.5in 11.0in; }\n-->\n"
        f'</style>\n</head>\n<body>\n<h1>{escaped(page.title)}</h1>\n<div class="Section1">\n{body}\n</div>\n</body>\n</html>'
    )
    parts = [
        (
            f"Date: {format_datetime(page.updated)}\r\nMessage-ID: <1204517733.18.1764000000000@confluence>\r\n"
            "Subject: Exported From Confluence\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; \r\n"
            f'\tboundary="{_BOUNDARY}"\r\n\r\n'
        ),
        (
            f"--{_BOUNDARY}\r\nContent-Type: text/html; charset=UTF-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
            f"Content-Location: file:///C:/exported.html\r\n\r\n{_quoted_printable(html)}\r\n"
        ),
        *(_picture(_BOUNDARY, page, filename, f"file:///C:/{name}") for filename, name in pictures.items()),
        f"--{_BOUNDARY}--\r\n",
    ]
    return "".join(parts).encode("ascii")


def page_html(space: Space, page: Page) -> str:
    """A page's file in the HTML export: breadcrumbs, title, metadata, body, attachments, comments."""
    trail = [("index.html", space.name), *((page_file(a), a.title) for a in space.ancestors(page))]
    crumbs = "\n".join(
        f'<li class="{"" if number else "first"}"><span><a href="{href}">{escaped(title)}</a></span></li>'
        for number, (href, title) in enumerate(trail)
    )
    title = escaped(f"{space.name} : {page.title}")
    return f"""<!DOCTYPE html>
<html>
    <head>
        <title>{title}</title>
        <link rel="stylesheet" href="styles/site.css" type="text/css" />
        <META http-equiv="Content-Type" content="text/html; charset=UTF-8">
    </head>

    <body class="theme-default aui-theme-default">
        <div id="page">
            <div id="main" class="aui-page-panel">
                <div id="main-header">
                    <div id="breadcrumb-section">
                        <ol id="breadcrumbs">
                            {crumbs}
                        </ol>
                    </div>
                    <h1 id="title-heading" class="pagetitle">
                                                <span id="title-text">
                            {title}
                        </span>
                    </h1>
                </div>

                <div id="content" class="view">
                    <div class="page-metadata">
                        {_metadata(page)}
                        </div>
                    <div id="main-content" class="wiki-content group">
                    {Rendering(space, page).body(page.body)}
                    </div>

                    {_attachments(page)}
                    {_comments(page)}
                </div>             </div>
            <div id="footer" role="contentinfo">
                <section class="footer-body">
                    <p>Document generated by Confluence on Nov 24, 2026 10:15</p>
                    <div id="footer-logo"><a href="http://www.atlassian.com/">Atlassian</a></div>
                </section>
            </div>
        </div>     </body>
</html>
"""


def _metadata(page: Page) -> str:
    author = f"<span class='author'> {escaped(page.author.name)}</span>" if page.author else ""
    editor = f"<span class='editor'> {escaped(page.editor.name)}</span>" if page.editor else ""
    day = page.updated.date()
    match page.metadata:
        case Metadata.ENGLISH:
            return f"Created by {author}, last modified by {editor} on {_english(day)}"
        case Metadata.NO_MODIFIER:
            return f"Created by {author}, last modified on {_english(day)}"
        case Metadata.NEVER_MODIFIED:
            return f"Created by {author} on {_english(day)}"
        case Metadata.CHINESE:
            return f"由 {author}创建, 最后修改于{_CHINESE_MONTHS[day.month - 1]}月 {day.day:02}, {day.year}"
        case Metadata.CHINESE_NUMBERS:
            return f"由 {author}创建, 最后修改于{day.year}年{day.month}月{day.day}日"
        case Metadata.NO_AUTHOR:
            return f"last modified on {_english(day)}"
        case Metadata.MISSING:
            return ""


def _english(day: date) -> str:
    return f"{day:%b %d, %Y}"


def _attachments(page: Page) -> str:
    if not (shown := _shown(page)):
        return ""
    files = "".join(
        '<img src="images/icons/bullet_blue.gif" height="8" width="8" alt=""/>\n                            '
        f'<a href="{attachment_path(page, a)}">{escaped(a.filename)}</a> ({a.media_type})\n                            <br/>\n'
        for a in shown
    )
    return (
        '<div class="pageSection group">\n<div class="pageSectionHeader">\n'
        '<h2 id="attachments" class="pageSectionTitle">Attachments:</h2>\n</div>\n\n'
        f'<div class="greybox" align="left">\n{files}</div>\n</div>'
    )


def _comments(page: Page) -> str:
    def row(comment: Comment) -> str:
        posted = f"Posted by {escaped(comment.author.name)} at {comment.created:%b %d, %Y %H:%M}"
        return (
            f'<tr><td><a name="comment-{comment.id}"></a><font class="smallfont"><p>{escaped(comment.text)}</p></font>\n'
            '<div align="left" class="smallfont" style="color: #666666;">'
            f'<img src="images/icons/contenttypes/comment_16.png" height="16" width="16"/>\n{posted}\n</div></td></tr>'
        )

    if not page.comments:
        return ""
    rows = "".join(row(comment) for comment in page.comments)
    return (
        '<div class="pageSection group">\n<div class="pageSectionHeader">\n'
        '<h2 id="comments" class="pageSectionTitle">Comments:</h2>\n</div>\n\n'
        f'<table border="0" width="100%">{rows}</table>\n</div>'
    )


def _index(space: Space) -> str:
    def entry(page: Page) -> str:
        home = ' <img src="images/icons/contenttypes/home_page_16.png" height="16" width="16"/>'
        # Every child stands in a list of its own.
        children = "".join(f"<ul>\n{entry(child)}</ul>\n" for child in space.children(page.id))
        return (
            f'<li>\n<a href="{page_file(page)}">{escaped(page.title)}</a>\n'
            f"{home if page.id == space.home else ''}\n{children}</li>\n"
        )

    def row(name: str, value: str) -> str:
        return f'<tr>\n<th class="confluenceTh">{name}</th>\n<td class="confluenceTd">{escaped(value)}</td>\n</tr>\n'

    details = row("Key", space.key) + row("Name", space.name) + row("Description", "")
    details += row("Created by", "林梅 (Dec 20, 2016)")
    return (
        f"<!DOCTYPE html>\n<html>\n<head>\n<title>{space.key} ({escaped(space.name)})</title>\n"
        '<META http-equiv="Content-Type" content="text/html; charset=UTF-8">\n</head>\n'
        '<body class="theme-default aui-theme-default">\n<div id="page">\n<div id="main" class="aui-page-panel">\n'
        '<div id="main-header">\n<h1 id="title-heading" class="pagetitle">\n<span id="title-text">Space Details:</span>\n'
        '</h1>\n</div>\n<div id="content">\n<div id="main-content" class="pageSection">\n'
        f'<table class="confluenceTable">\n{details}</table>\n</div>\n<br/>\n<br/>\n<div class="pageSection">\n'
        '<div class="pageSectionHeader">\n<h2 class="pageSectionTitle">Available Pages:</h2>\n</div>\n'
        f"<ul>\n{''.join(entry(page) for page in space.children(None))}</ul>\n</div>\n</div>\n</div>\n"
        '<div id="footer" role="contentinfo">\n<section class="footer-body">\n'
        "<p>Document generated by Confluence on Nov 24, 2026 10:15</p>\n</section>\n</div>\n</div>\n</body>\n</html>\n"
    )


def _shown(page: Page) -> tuple[Attachment, ...]:
    return tuple(a for a in page.attachments if a.status is Status.CURRENT)


def _quoted_printable(text: str) -> str:
    # With binary off, line ends are kept as line ends; lines are broken at 76 columns, in tags and in words.
    return quopri.encodestring(text.encode()).decode("ascii").replace("\n", "\r\n")


def _picture(boundary: str, page: Page, filename: str, location: str) -> str:
    attachment = next(a for a in page.attachments if a.filename == filename)
    content = base64.encodebytes(attachment.content).decode("ascii").replace("\n", "\r\n")
    return (
        f"--{boundary}\r\nContent-Type: {attachment.media_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Location: {location}\r\n\r\n{content}\r\n"
    )


def _resaved(page: Page, body: str, pictures: dict[str, str]) -> bytes:
    """A single file web page of Word: UTF-16 in base64, no subject, a preamble, and a list of the other files."""
    html = (
        '\ufeff<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
        'xmlns="http://www.w3.org/TR/REC-html40">\r\n<head>\r\n'
        '<meta http-equiv=Content-Type content="text/html; charset=unicode">\r\n<meta name=Generator content="Microsoft Word 15">\r\n'
        f"<title>{escaped(page.title)}</title>\r\n<!--[if gte mso 9]><xml><w:WordDocument></w:WordDocument></xml><![endif]-->\r\n"
        "<style><!-- p.MsoNormal {margin:0cm;} --></style>\r\n</head>\r\n<body lang=EN-GB>\r\n<div class=WordSection1>\r\n"
        f"<h1>{escaped(page.title)}<o:p></o:p></h1>\r\n{body}\r\n</div>\r\n</body>\r\n</html>"
    )
    encoded = base64.encodebytes(html.encode("utf-16-le")).decode("ascii").replace("\n", "\r\n")
    files = '<xml xmlns:o="urn:schemas-microsoft-com:office:office"><o:MainFile HRef="../page.htm"/></xml>'
    parts = [
        (
            f'MIME-Version: 1.0\r\nContent-Type: multipart/related; boundary="{_RESAVED_BOUNDARY}"\r\n\r\n'
            "This document is a Single File Web Page, also known as a Web Archive file.\r\n\r\n"
        ),
        (
            f"--{_RESAVED_BOUNDARY}\r\nContent-Location: file:///C:/D0A1/page.htm\r\nContent-Transfer-Encoding: base64\r\n"
            f'Content-Type: text/html; charset="unicode"\r\n\r\n{encoded}\r\n'
        ),
        *(
            _picture(_RESAVED_BOUNDARY, page, filename, f"file:///C:/D0A1/page_files/{name}")
            for filename, name in pictures.items()
        ),
        (
            f"--{_RESAVED_BOUNDARY}\r\nContent-Location: file:///C:/D0A1/page_files/filelist.xml\r\n"
            f'Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/xml; charset="utf-8"\r\n\r\n'
            f"{_quoted_printable(files)}\r\n"
        ),
        f"--{_RESAVED_BOUNDARY}--\r\n",
    ]
    return "".join(parts).encode("ascii")
