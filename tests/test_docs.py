"""The documentation against the code: settings, commands, routes, links."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from docradar.settings import Settings, settings_table
from service.app import create_app
from service.cli import main

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
# Texts that samples and fixtures are made of are not documentation.
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "samples" / "README.md"]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)[^)]*\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def reference() -> str:
    """README and docs/: where a user looks a thing up."""
    return "\n".join(
        page.read_text(encoding="utf-8") for page in [README, *sorted((ROOT / "docs").rglob("*.md"))]
    )


def anchors(markdown: str) -> set[str]:
    """The fragments GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ +(.*)$", FENCE.sub("", markdown), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    text = page.read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (
            fragment and file.suffix == ".md" and fragment not in anchors(file.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    return broken


def commands(group: click.Group, prefix: str = "docradar") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        elif not command.hidden:
            yield f"{prefix} {name}"


def without_names(text: str) -> str:
    """Path parameters lose their names and types: `/v1/jobs/{job_id:str}` → `/v1/jobs/{}`."""
    return re.sub(r"\{[^}\s]*\}", "{}", text)


def test_the_readme_has_the_table_of_settings() -> None:
    table = re.search(
        r"<!-- settings -->\n(.*?)\n<!-- /settings -->", README.read_text(encoding="utf-8"), re.DOTALL
    )
    assert table is not None, "README.md needs <!-- settings --> and <!-- /settings --> around its table"
    assert table[1].strip() == settings_table(), (
        "paste docradar.settings.settings_table() between the markers"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page: Path) -> None:
    assert broken_links(page) == []


def test_the_link_checker_finds_planted_mistakes(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title, with `code`\n[here](page.md) [there](absent.md) [top](#a-title-with-code) [gone](#gone)\n"
        "![picture](absent.png) [web](https://example.org/x)\n```\n[not](a-link.md)\n```\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["absent.md", "#gone", "absent.png"]


def test_every_command_is_documented() -> None:
    named = reference()
    assert [command for command in commands(main) if command not in named] == []


def test_every_route_is_documented() -> None:
    named = without_names(reference())
    routes = {without_names(route.path) for route in create_app(Settings()).routes}
    # The schema's own pages are under one address.
    wanted = {"/docs" if route.startswith("/docs") else route for route in routes}
    assert sorted(route for route in wanted if f"{route}`" not in named and f"{route} " not in named) == []
