"""`docradar search`: a question in, sentences for people out."""

import json
from collections.abc import Iterator, Sequence
from typing import Final

import click

from docradar.client import Result, SearchOptions, SearchResponse, Unit
from docradar.client.options import GroupBy, Mode, given
from docradar.client.results import Facet, Highlight, HitDocument
from docradar.settings import Settings
from service.connection import connect

BAR_WIDTH: Final = 30
INDENT: Final = " " * 7
"""As wide as a score and the space after it."""


async def search_sentences(
    settings: Settings, url: str | None, query: str, options: SearchOptions, *, as_json: bool
) -> None:
    """Prints what is found; as JSON, what the service answers, as it is."""
    async with connect(settings, url) as client:
        await client.wait_until_ready()
        if as_json:
            asked = {"query": query} | given(options)
            answer = await client.request("POST", "/v1/search", json=asked)
            click.echo(json.dumps(answer, ensure_ascii=False, indent=2))
        else:
            click.echo("\n".join(result_lines(await client.search(query, **options))))


def options_of(
    *,
    limit: int,
    sources: Sequence[str],
    collection: str | None,
    min_score: float | None,
    mode: Mode | None,
    rerank: bool,
    group_by: GroupBy | None,
    before: int | None,
    after: int | None,
    facets: Sequence[str],
) -> SearchOptions:
    """The options of the command line as a search takes them; None leaves one to the service."""
    return {
        "limit": limit,
        "filter": {"source": list(sources)} if sources else None,
        "collection": collection,
        "min_score": min_score,
        "mode": mode,
        "rerank": rerank or None,
        "group_by": group_by,
        "context": {"before": before or 0, "after": after or 0} if before or after else None,
        "facets": list(facets) or None,
    }


def result_lines(response: SearchResponse) -> Iterator[str]:
    """Results for people: a bar of exactly the score's length, green where the match is strong."""
    if not response.results:
        yield "nothing found"
    elif response.answered is False:
        yield click.style("nothing strong was found; what comes nearest:", fg="yellow")
    for group in response.groups:
        yield click.style(place_of(group.document, None, group.heading_path or []), bold=True)
        for result in group.results:
            yield from _lines(result, _place_in_group(result, group.heading_path))
    if not response.groups:
        for result in response.results:
            place = result.provenance
            yield from _lines(result, place_of(result.document, place.page, place.heading_path))
    for facet in response.facets:
        yield _facet_line(facet)


def _lines(result: Result, place: str) -> Iterator[str]:
    filled = round(min(1.0, max(0.0, result.score)) * BAR_WIDTH)
    bar = click.style("█" * filled, fg="green" if result.strong else None) + "·" * (BAR_WIDTH - filled)
    if result.context:
        yield from _context_lines(result.context.before)
    yield f"{result.score:.4f} {bar} {emphasised(result.text, result.highlights)}"
    if result.context:
        yield from _context_lines(result.context.after)
    if result.duplicate_count:
        place += f" (and {result.duplicate_count} like it)"
    if place:
        yield INDENT + click.style(place, dim=True)


def _context_lines(units: Sequence[Unit]) -> Iterator[str]:
    """Indented to where the result's own text begins."""
    for unit in units:
        yield INDENT + " " * (BAR_WIDTH + 1) + click.style(unit.text, dim=True)


def emphasised(text: str, highlights: Sequence[Highlight]) -> str:
    """The text with its highlights in bold; they come in order and do not overlap."""
    pieces, end = [], 0
    for highlight in highlights:
        pieces += [text[end : highlight.start], click.style(text[highlight.start : highlight.end], bold=True)]
        end = highlight.end
    return "".join([*pieces, text[end:]])


def place_of(document: HitDocument, page: int | None, heading_path: Sequence[str]) -> str:
    """Where something stands: source, title, page, headings."""
    title = document.title or document.filename
    parts = [f"{document.source} / {title}"]
    if page:
        parts.append(f"page {page}")
    parts.extend(heading for heading in heading_path if heading != title)
    return " › ".join(parts)


def _place_in_group(result: Result, heading_path: Sequence[str] | None) -> str:
    """What the line of the group has not said yet."""
    place, title = result.provenance, result.document.title or result.document.filename
    parts = [f"page {place.page}"] if place.page else []
    if heading_path is None:
        parts.extend(heading for heading in place.heading_path if heading != title)
    return " › ".join(parts)


def _facet_line(facet: Facet) -> str:
    values = ", ".join(f"{value.value} ({value.units:,})" for value in facet.values) or "none"
    return f"{click.style(facet.field, bold=True)}: {values}"
