"""The synthetic space that every kind of export is written from: a payment team's handbook, Chinese and English.

Each page is there for its traps; its text is ours.
"""

from datetime import UTC, date, datetime
from typing import Final

from confluence_model import (
    AdfPanel,
    Attachment,
    Blocks,
    Bold,
    Cell,
    Code,
    CodeSpan,
    Columns,
    Comment,
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
    ListEntry,
    Listing,
    Lozenge,
    Mention,
    Metadata,
    OldVersion,
    Page,
    PageLink,
    Panel,
    Paragraph,
    Quote,
    Space,
    Status,
    Table,
    Task,
    TaskList,
    User,
    WebLink,
)

MEI: Final = User("ff8081817f3a01", "5d3e0c7a4b1f2a0d9c8e7f60", "mlin", "林梅", "mlin")
JAN: Final = User(
    "ff8081817f3a02", "557058:1f0c2b9e-77aa-4c0d-9a51-0b6a6d3e2f11", "jkowalski", "Jan Kowalski"
)
ADA: Final = User("ff8081817f3a03", "712020:9b7d4a52-3c11-4f6e-8d20-5e1a7c9b0d42", "ada.okafor", "Ada Okafor")

# A picture of one point, and a text; what is in an attachment must never be in its page.
PNG: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
LIMITS_TEXT: Final = (
    b"Refund limits, valid from 1 October\n\n"
    b"A clerk may refund up to 200 euros. A team lead may refund up to 2,000 euros.\n"
)
OLD_LIMITS_TEXT: Final = b"Refund limits of last year\n\nA clerk may refund up to 50 euros.\n"
GLOSSARY_TEXT: Final = "术语表\n\n清算：银行之间结清款项的过程。\n冲正：撤销一笔已经记账的交易。\n".encode()


def _at(year: int, month: int, day: int, hour: int = 9, minute: int = 30) -> datetime:
    return datetime(year, month, day, hour, minute, 18, 780_000, tzinfo=UTC)


def _p(*line: Inline) -> Paragraph:
    return Paragraph(line)


def _entries(*lines: str | Line) -> tuple[ListEntry, ...]:
    return tuple(ListEntry((line,) if isinstance(line, str) else line) for line in lines)


def _table(header: tuple[str, ...], *rows: tuple[str, ...]) -> Table:
    head = tuple(Cell((name,), header=True) for name in header)
    return Table((head, *(tuple(Cell((text,) if text else ()) for text in row) for row in rows)))


HOME_BODY: Final[Blocks] = (
    _p("This space is the handbook of the payment team. Everybody who is on call reads it first."),
    Heading(2, "", toc=True),
    Heading(2, "How we work"),
    Excerpt((_p("We answer every incident within fifteen minutes, day and night."),)),
    Listing(
        (
            ListEntry(
                ("Read the ", PageLink("Refund guide"), " before your first shift."),
                (
                    Listing(
                        (
                            ListEntry(
                                ("Ask for the role ", CodeSpan("refund-clerk"), "."),
                                (Listing(_entries("Your lead grants it on the same day.")),),
                            ),
                            ListEntry(("Sign the data protection form.",)),
                        ),
                        numbered=True,
                    ),
                ),
            ),
            ListEntry(
                (
                    "Keep the ",
                    WebLink("https://status.lumen.example/board?a=1&b=2", "status board"),
                    " open.",
                ),
            ),
        )
    ),
    Furniture("children", (("all", "true"),)),
    Heading(2, "Who to ask"),
    _p("Questions about refunds go to ", Mention(MEI), " first."),
    _p("Questions about settlement go to ", Mention(JAN), " during office hours."),
)

REFUND_BODY: Final[Blocks] = (
    Furniture("toc", (("maxLevel", "3"),)),
    _p(
        "A refund returns money to the card that paid. It takes ",
        Bold("three to five"),
        " working days, ",
        Commented("weekends excluded"),
        ".",
    ),
    _p("Status: ", Lozenge("IN REVIEW", "Yellow"), " until ", Day(date(2026, 11, 24)), "."),
    _p(
        "The check is done ",
        Emoticon("tick", ":check_mark:"),
        " by the clerk “on duty”, who’s named in the caf\u00e9\u00a0list.",
    ),
    _p(Instruction("Describe the purpose of this page here")),
    Heading(2, "Limits & exceptions"),
    _table(
        ("Role", "Limit", "Needs approval"),
        ("Clerk", "200 EUR", "no"),
        ("Team lead", "2,000 EUR", ""),
        ("Director", "any amount", "yes, in writing"),
    ),
    _p("The limits are also in ", FileLink("refund-limits.txt"), "."),
    Panel(
        "warning",
        (_p("Never refund to another card. Fraudsters ask for exactly that."),),
        title="Same card only",
    ),
    Panel("info", (_p("The bank’s cut-off is at 16:00."),)),
    Panel("tip", (_p("A partial refund keeps the receipt valid."),), title="Good to know", old=True),
    Panel(
        "panel",
        (Listing(_entries("Have the order number at hand.", "Have the reason at hand.")),),
        title="Before you call",
    ),
    Heading(2, "Steps"),
    Listing(
        _entries(
            "Open the order.", "Choose the reason, then the amount.", "Confirm with your second factor."
        ),
        numbered=True,
    ),
    Expand((_p("The order is locked for ten minutes after the third attempt."),), title="What if it fails?"),
    Expand((_p("Locked orders are released by the night job."),)),
    Image("refund-flow.png", alt="A refund goes from the clerk to the bank and back to the card."),
    Image("refund-flow.png", alt="refund-flow.png"),
    Furniture("attachments"),
    Furniture("gallery", (("title", "Pictures of the screens"),)),
    Foreign("chart-studio", (("type", "pie"), ("series", "refunds by month"))),
    Jira("PAY-1042"),
)

API_BODY: Final[Blocks] = (
    Heading(1, "Create a refund"),
    _p("The service is called with the order’s number.", LineBreak(), "It answers within two seconds."),
    Code(
        'POST /v2/refunds\n{"order": "A-17", "amount": 12.5}\n\nif (left < right && rows[0] > 1) { text = "<![CDATA[" + body + "]]>"; }',
        language="json",
        title="Request with an escaped body",
    ),
    Code("    indented = True\nreturn '</pre>' and \"&amp;\"", language="py"),
    Code("$ curl -s localhost:8080/health\nOK", noformat=True),
    Heading(2, "Errors: codes / meanings"),
    Table(
        (
            (
                Cell(("Code",), header=True),
                Cell(("Meaning",), header=True),
                Cell(("What to do",), header=True),
            ),
            (
                Cell(("E409",), header=True, rowspan=2),
                Cell(("The refund exists already.",)),
                Cell(("Nothing.",)),
            ),
            (Cell(("The order is locked.",)), Cell(("Wait ten minutes.",))),
            (Cell(("E500",), header=True), Cell(("Call ", Mention(ADA), " at once."), colspan=2)),
        )
    ),
    Heading(2, "Open work"),
    TaskList(
        (
            Task(("Document the timeout of the ", CodeSpan("/v2/refunds"), " call"), done=False),
            Task(("Remove the first version of the service",), done=True),
        )
    ),
    Quote(("Whoever retries without an idempotency key refunds twice.",)),
    Furniture("anchor", (("", "timeouts"),)),
    Heading(2, "Timeouts"),
    _p("See ", PageLink("支付超时手册", "the runbook for timeouts"), " for what happens then."),
)

TIMEOUT_BODY: Final[Blocks] = (
    _p("支付超时是指银行在三十秒内没有应答。系统会自动重试三次，然后通知商户。"),
    Heading(1, "处理步骤"),
    Columns(
        (
            (
                Heading(2, "值班工程师"),
                Listing(
                    _entries("先查看监控大盘的超时曲线。", "确认是单个银行还是全部通道。"), numbered=True
                ),
            ),
            (
                Heading(2, "客服"),
                _p("告诉商户不要重复下单。款项会在二十四小时内自动冲正。"),
            ),
        )
    ),
    Panel("note", (_p("重试超过三次的订单必须人工核对，不能直接退款。"),), title="注意"),
    Heading(1, "联系人"),
    Table(
        (
            (Cell(("负责人",), header=True), Cell(("林梅",))),
            (Cell(("系统",), header=True), Cell(("支付网关",))),
            (Cell(("备用电话",), header=True), Cell(())),
        ),
        details=True,
    ),
    _p("紧急情况请直接找 ", Mention(MEI), "。"),
    AdfPanel((_p("银行维护窗口为每周日凌晨两点到四点。"),)),
    Decisions(("超时阈值统一为三十秒。", "夜间由自动任务重试，不再人工干预。")),
)

BANK_BODY: Final[Blocks] = (
    _p("Bank A closes its line every Sunday（周日维护）。重试由 night job 负责，engineers need not act."),
    Columns(
        (
            (_p("Left column: the primary line of bank A."),),
            (_p("右栏：备用线路，仅在主线路中断时启用。"),),
        ),
        macro=True,
    ),
    Heading(3, "Rules of thumb"),
    Foreign("multiexcerpt-macro", (("name", "rules"),), (_p("Switch lines only after two failed probes."),)),
    ExcerptInclude(
        "Payments Handbook", (_p("We answer every incident within fifteen minutes, day and night."),)
    ),
    Heading(3, "To be written"),
    Furniture("view-file", (("name", "术语表.txt"), ("height", "250"))),
    Image("line-map.png", caption="The two lines of bank A, drawn by hand"),
    Heading(3, "To be decided: a third line"),
)

RELEASE_BODY: Final[Blocks] = (
    _p("Release 2.0.1 shortens the timeout from sixty to thirty seconds."),
    _table(("区域", "上线日期"), ("华东", "2026-11-02"), ("华南", "2026-11-09")),
    Panel("panel", (_p("Rollback is possible until the next settlement run."),)),
)

MEETING_BODY: Final[Blocks] = (
    _p("Attendees agreed on the new limits. Jan takes the change to the bank."),
    TaskList((Task(("Tell the clerks about the new limits by ", Day(date(2026, 10, 1))), done=False),)),
)

EMPTY_BODY: Final[Blocks] = (Furniture("children"),)

BLOG_BODY: Final[Blocks] = (
    _p("Thirty seconds are enough. Since the release, not one merchant was charged twice."),
)

LIMITS_FILE: Final = Attachment(
    655_401, "refund-limits.txt", "text/plain", (LIMITS_TEXT, OLD_LIMITS_TEXT), MEI, _at(2026, 9, 30)
)
FLOW_PICTURE: Final = Attachment(655_402, "refund-flow.png", "image/png", (PNG,), MEI, _at(2026, 9, 30))
TRASHED_FILE: Final = Attachment(
    655_403, "limits-draft.txt", "text/plain", (b"Nobody may refund anything.\n",), MEI, _at(2026, 8, 1),
    status=Status.TRASHED,
)  # fmt: skip
GLOSSARY_FILE: Final = Attachment(
    655_411, "术语表.txt", "text/plain", (GLOSSARY_TEXT,), JAN, _at(2018, 1, 11)
)
MAP_PICTURE: Final = Attachment(655_412, "line-map.png", "image/png", (PNG,), JAN, _at(2018, 1, 11))

HOME: Final = Page(
    65_591, "Payments Handbook", None, MEI, JAN, _at(2016, 12, 20), _at(2017, 1, 4), HOME_BODY,
    labels=("handbook", "onboarding"), favourite_of=ADA,
    old_versions=(OldVersion(65_700, (_p("This space is empty for now."),)), OldVersion(65_701, ())),
)  # fmt: skip
REFUND: Final = Page(
    65_601, "Refund guide", HOME.id, MEI, MEI, _at(2026, 9, 1), _at(2026, 9, 30, 23, 59), REFUND_BODY,
    labels=("refund",), metadata=Metadata.NO_MODIFIER,
    attachments=(LIMITS_FILE, FLOW_PICTURE, TRASHED_FILE),
    comments=(
        Comment(66_001, JAN, _at(2026, 10, 2), "Does the director really need no limit?"),
        Comment(66_002, MEI, _at(2026, 10, 2, 10), "She signs in writing, that is enough."),
    ),
    old_versions=(OldVersion(65_702, (_p("A refund takes ten working days."),)),),
)  # fmt: skip
API: Final = Page(
    65_602, 'Refund API: v2 / "create" & <retry>', REFUND.id, JAN, ADA, _at(2026, 10, 5), _at(2026, 10, 6), API_BODY,
    labels=("api", "refund"),
)  # fmt: skip
TIMEOUT: Final = Page(
    65_603, "支付超时手册", HOME.id, MEI, MEI, _at(2017, 12, 1), _at(2018, 1, 11), TIMEOUT_BODY,
    labels=("runbook", "支付"), metadata=Metadata.CHINESE,
)  # fmt: skip
BANK: Final = Page(
    65_604, "银行 Bank A : lines & 线路", TIMEOUT.id, JAN, JAN, _at(2016, 11, 3), _at(2017, 1, 4), BANK_BODY,
    metadata=Metadata.CHINESE_NUMBERS, attachments=(GLOSSARY_FILE, MAP_PICTURE),
    comments=(Comment(66_003, ADA, _at(2018, 2, 1), "备用线路上周断过一次。"),),
)  # fmt: skip
RELEASE: Final = Page(
    65_605, "Release 2.0.1 - timeout", BANK.id, ADA, ADA, _at(2025, 2, 18), _at(2025, 2, 18), RELEASE_BODY,
    metadata=Metadata.NEVER_MODIFIED,
)  # fmt: skip
MEETING: Final = Page(
    65_606, "2026-09-28 Meeting notes", None, JAN, JAN, _at(2026, 9, 28), _at(2026, 9, 28, 17), MEETING_BODY,
    labels=("meeting-notes",), metadata=Metadata.MISSING,
)  # fmt: skip
EMPTY: Final = Page(
    65_607, "Archive", None, None, None, _at(2015, 5, 5), _at(2015, 5, 6), EMPTY_BODY, metadata=Metadata.NO_AUTHOR
)  # fmt: skip
BLOG: Final = Page(
    65_608, "Thirty seconds are enough", None, ADA, ADA, _at(2026, 11, 20), _at(2026, 11, 21), BLOG_BODY,
    labels=("news",), blog=True, old_versions=(OldVersion(65_703, (_p("Sixty seconds are enough."),)),),
)  # fmt: skip
NEW_DRAFT: Final = Page(
    65_801, "Chargebacks", HOME.id, ADA, ADA, _at(2026, 11, 22), _at(2026, 11, 22),
    (_p("This draft must never be found."),), status=Status.DRAFT,
)  # fmt: skip
EDIT_DRAFT: Final = Page(
    65_802, "Refund guide", HOME.id, ADA, ADA, _at(2026, 11, 23), _at(2026, 11, 23),
    (_p("This unpublished change must never be found."),), status=Status.DRAFT, draft_of=REFUND.id,
)  # fmt: skip
TRASHED: Final = Page(
    65_803, "Old fees", HOME.id, JAN, JAN, _at(2014, 1, 2), _at(2014, 1, 3),
    (_p("This trashed page must never be found."),), status=Status.TRASHED, labels=("fees",),
)  # fmt: skip

SPACE: Final = Space(
    id=98_305,
    key="PAY",
    name="支付 & Refunds: Handbook",
    description="h1. All about *payments*",
    home=HOME.id,
    pages=(
        HOME, REFUND, API, TIMEOUT, BANK, RELEASE, MEETING, EMPTY, BLOG, NEW_DRAFT, EDIT_DRAFT, TRASHED,
    ),
    users=(MEI, JAN, ADA),
)  # fmt: skip
