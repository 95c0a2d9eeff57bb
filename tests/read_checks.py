"""What every reader is held to."""

from docradar.documents import Kind
from ingest.readers.document import ReadDocument, clean


def blocks(document: ReadDocument) -> list[tuple[Kind, str]]:
    """Kind and text of each block."""
    return [(block.kind, document.text[slice(*block.span)]) for block in document.blocks]


def check(document: ReadDocument) -> None:
    """Blocks are in order, disjoint, without white space at their ends, and the text is normalised."""
    end = 0
    for block in document.blocks:
        assert end <= block.span.start < block.span.end <= len(document.text)
        assert not document.text[end : block.span.start].strip()
        end = block.span.end
    assert end == len(document.text)
    assert document.text == clean(document.text)
    document.text.encode()
