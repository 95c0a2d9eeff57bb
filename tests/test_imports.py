"""Which way imports point, and what importing may not do; see "Rooms" in ARCHITECTURE.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("docradar", "ingest", "service")
# What puts a process together; `docradar inspect` reads a file without a service or an index.
COMPOSITION_ROOT = ("service/app.py", "service/cli.py", "service/inspect_command.py", "service/runtime.py")
HEAVY = ("openvino", "pypdf", "qdrant_client", "sentence_transformers", "torch", "transformers")


@dataclass(frozen=True)
class Rule:
    """Files under `where` must not import `never`, unless they lie under `allowed`."""

    where: str
    never: tuple[str, ...]
    allowed: tuple[str, ...] = ()

    def forbids(self, file: str, imported: str) -> bool:
        return (
            file.startswith(self.where)
            and not file.startswith(self.allowed)
            and any(imported == name or imported.startswith(f"{name}.") for name in self.never)
        )


RULES = (
    Rule("docradar/", never=("ingest", "service")),
    Rule("ingest/", never=("service",)),
    Rule("service/", never=("ingest",), allowed=COMPOSITION_ROOT),
    Rule("", never=("litestar",), allowed=("service/",)),
    Rule("", never=("msgspec",), allowed=("service/", "ingest/", "docradar/client/")),
    Rule("", never=("qdrant_client",), allowed=("docradar/index/", "docradar/filters.py")),
    Rule(
        "",
        never=("openvino", "sentence_transformers", "torch", "transformers"),
        allowed=("docradar/embedding/", "docradar/reranking/"),
    ),
)


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and dotted name of what a module imports, anywhere in it; a relative import stays in its room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def forbidden_imports(source: str, file: str) -> list[str]:
    """`file:line imports name`, once a breach."""
    return [
        f"{file}:{line} imports {name}"
        for line, name in imported_names(ast.parse(source))
        if any(rule.forbids(file, name) for rule in RULES)
    ]


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are evaluated when the module is imported: all but the bodies of functions."""
    yield node
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from run_at_import(child)


def environment_reads(source: str, file: str) -> list[str]:
    """`file:line` of each look at the environment while the module is imported."""
    tree = ast.parse(source)
    readers = {"environ", "environb", "getenv"}
    own_names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "os"
        for alias in node.names
        if alias.name in readers
    }
    return [
        f"{file}:{node.lineno}"
        for node in run_at_import(tree)
        if (isinstance(node, ast.Attribute) and node.attr in readers and ast.unparse(node.value) == "os")
        or (isinstance(node, ast.Name) and node.id in own_names)
    ]


def sources() -> Iterator[tuple[str, str]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_imports_point_the_right_way() -> None:
    assert [breach for file, source in sources() for breach in forbidden_imports(source, file)] == []


def test_no_module_reads_the_environment_when_imported() -> None:
    # Alembic runs env.py as a script.
    scripts = ("docradar/catalog/migrations/env.py",)
    found = [
        read for file, source in sources() if file not in scripts for read in environment_reads(source, file)
    ]
    assert found == []


@pytest.mark.parametrize("module", ["service.app", "service.cli"])
def test_the_service_starts_without_heavy_libraries(module: str) -> None:
    """They take seconds to import, and the service must answer within two."""
    program = f"import sys, {module}; print(*(name for name in {HEAVY!r} if name in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("docradar/documents.py", "import service"),
        ("docradar/documents.py", "def late():\n    from ingest.readers import pdf"),
        ("docradar/problems.py", "from litestar.exceptions import HTTPException"),
        ("docradar/documents.py", "from msgspec import Struct"),
        ("docradar/filters_of_old.py", "from qdrant_client import models"),
        ("ingest/pipeline.py", "from service.schemas import Job"),
        ("ingest/pipeline.py", "import torch.nn as nn"),
        ("service/search.py", "import ingest.worker"),
        ("service/search.py", "from qdrant_client.models import Filter"),
    ],
)
def test_the_checker_finds_a_planted_import(file: str, source: str) -> None:
    assert len(forbidden_imports(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("service/runtime.py", "from ingest.worker import Worker"),
        ("service/search.py", "from litestar import get\nimport ingestion"),
        ("docradar/filters.py", "from qdrant_client import models"),
        ("docradar/embedding/openvino_engine.py", "import openvino"),
        ("ingest/pipeline.py", "import msgspec\nfrom docradar.documents import Unit"),
    ],
)
def test_the_checker_permits_what_the_rules_permit(file: str, source: str) -> None:
    assert forbidden_imports(source, file) == []


@pytest.mark.parametrize(
    "source",
    [
        "import os\nHOME = os.environ['HOME']",
        "import os\nclass Options:\n    home = os.getenv('HOME')",
        "from os import environ as env\nif True:\n    HOME = env.get('HOME')",
        "import os\ndef f(home=os.getenv('HOME')): ...",
    ],
)
def test_the_checker_finds_a_planted_look_at_the_environment(source: str) -> None:
    assert len(environment_reads(source, "x.py")) == 1


def test_a_function_may_read_the_environment() -> None:
    assert environment_reads("import os\ndef f():\n    return os.environ", "x.py") == []
