"""Real pages of several generators, from Debian's -doc packages, and what a reader sees of them.

What is seen is found without docradar's reader: w3m renders a page from which the furniture was taken by selectors that were
written by hand for its package. Both are fetched with apt into a temporary folder; nothing is installed.
"""

import os
import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from selectolax.lexbor import LexborHTMLParser

RENDERER: Final = ("w3m", "libgc1", "libgpm2")
_CHARSET: Final = re.compile(rb"charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
_REFRESH: Final = re.compile(rb"<meta[^>]*http-equiv\s*=\s*[\"']?refresh", re.IGNORECASE)
_COLUMNS: Final = 4000
# Neither seen nor text, and what w3m draws with letters of its own.
_NO_TEXT: Final = "head, script, style, noscript, template, svg, iframe, object, img, form, input, select, button, textarea, rt, rp, [hidden]"
_LETTERED: Final = ("del", "ins", "s", "strike", "sub", "sup")
_OWN_NUMBERS: Final = re.compile(r"(</?)ol\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Package:
    """A Debian package, what made its pages, and the selectors of all that is not content in them."""

    name: str
    generator: str
    furniture: str


PACKAGES: Final = (
    Package(
        "apache2-doc",
        "XSLT, 10 languages",
        "#page-header, .up, .top, #path, .toplang, .bottomlang, #quickview, #footer, .permalink, .letters",
    ),
    Package("git-doc", "AsciiDoc", "#footer, #toc"),
    Package("postgresql-doc-15", "DocBook", ".navheader, .navfooter, .toc:not(:has(.refpurpose))"),
    Package("cmake-doc", "Sphinx", "[role=navigation], .contents, .footer, .headerlink"),
    Package(
        "libboost1.81-doc",
        "BoostBook, hand-written",
        ".spirit-nav, .toc, .copyright-footer, body > table:first-child, .nav, #footer",
    ),
    Package(
        "libeigen3-doc",
        "Doxygen",
        "#top, #side-nav, #nav-path, .summary, .ingroups, .ttc, body > div[style*='FFDDDD']",
    ),
    Package("octave-doc", "Texinfo", ".header, .menu, .section-toc, .contents"),
    Package("libglib2.0-doc", "GTK-Doc", "table.navigation, .footer, .toc:not(:has(.refpurpose))"),
    Package(
        "sqlite3-doc",
        "hand-written",
        ".nosearch:has(.mainmenu), .fancy_toc, ol:has(> li > a[href^='#q']), [style*='display:none']",
    ),
    Package("nodejs-doc", "its own", "#column2, header, #toc, .mark"),
    Package("qtbase5-doc-html", "QDoc", ".navigationbar, .footer, .sidebar, .naviNextPrevious"),
    Package(
        "debian-reference-zh-cn", "DocBook, Chinese", ".navheader, .navfooter, .toc:not(:has(.refpurpose))"
    ),
)
HELD_OUT: Final = (
    Package("ant-doc", "Javadoc, hand-written", "header[role=banner], footer, nav"),
    Package("exim4-doc-html", "its own", "#header, #nav_flow, #footer, #toc, .previous_page, .next_page"),
)


class Renderer(NamedTuple):
    """The program that shows pages, and where the libraries it needs lie."""

    program: Path
    libraries: str


def fetch(names: Iterable[str], folder: Path) -> None:
    """Unpacks Debian packages below `folder`, each in a folder of its name.

    Raises:
        OSError: This is no Debian with apt.
        subprocess.CalledProcessError: apt does not know one of them, or cannot reach its mirror.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise OSError("apt-get and dpkg-deb are not here: the pages come from Debian 12's packages")
    for name in names:
        unpacked = folder / name
        unpacked.mkdir()
        subprocess.run(
            ["apt-get", "download", "-qq", name], cwd=unpacked, check=True, stderr=subprocess.DEVNULL
        )
        (archive,) = unpacked.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, unpacked], check=True)
        archive.unlink()


def sample(folder: Path, count: int, seed: int) -> list[Path]:
    """Pages below `folder`, always the same for a seed, without those that only send the browser on."""
    pages = sorted(path for path in folder.rglob("*.htm*") if path.is_file() and not path.is_symlink())
    random.Random(seed).shuffle(pages)
    return list(islice((page for page in pages if not _REFRESH.search(page.read_bytes()[:4096])), count))


def renderer(folder: Path) -> Renderer:
    """w3m, unpacked below `folder` by `fetch(RENDERER, folder)`."""
    libraries = {str(found.parent) for found in folder.rglob("lib*.so.*")}
    return Renderer(folder / "w3m/usr/bin/w3m", ":".join(sorted(libraries)))


def seen_text(markup: str, furniture: str, shown_by: Renderer) -> str:
    """The text of a page as it is rendered, without furniture, pictures, and the numbers of ordered lists."""
    tree = LexborHTMLParser(markup)
    for selector in filter(None, (_NO_TEXT, furniture)):
        while (node := tree.css_first(selector)) is not None:
            node.decompose()
    tree.unwrap_tags(list(_LETTERED))
    command = [
        shown_by.program,
        "-dump",
        "-T",
        "text/html",
        "-I",
        "UTF-8",
        "-O",
        "UTF-8",
        "-cols",
        str(_COLUMNS),
    ]
    shown = subprocess.run(
        command,
        input=_OWN_NUMBERS.sub(r"\1ul", tree.html or "").encode(),
        stdout=subprocess.PIPE,
        env={**os.environ, "LD_LIBRARY_PATH": shown_by.libraries},
        check=True,
    )
    return shown.stdout.decode(errors="replace")


def markup_of(page: Path) -> str:
    """The page, decoded as it declares."""
    content = page.read_bytes()
    declared = _CHARSET.search(content[:4096])
    return content.decode(declared[1].decode() if declared else "utf-8", errors="replace")


def without_repeats(markup: str) -> str:
    """The page without what makes docradar say a text twice, or say one that is not seen.

    Its rows repeat their columns' names and the cells that span rows, and a picture is its description: so header cells
    become plain ones, no cell spans rows, and no picture is described. What is seen stays the same, but for the pictures.
    """
    tree = LexborHTMLParser(markup)
    for cell in tree.css("[rowspan]"):
        del cell.attrs["rowspan"]
    for picture in tree.css("img[alt]"):
        del picture.attrs["alt"]
    return re.sub(r"(</?)th(?=[\s>])", r"\1td", re.sub(r"(</?)thead(?=[\s>])", r"\1tbody", tree.html or ""))
