"""What is shipped: the wheel, the image, the composition of services."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import click
import pytest
import yaml
from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]
from click.testing import CliRunner
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.version import Version
from sqlalchemy import make_url

from docradar.settings import Settings, load_settings
from service.app import create_app
from service.cli import main

ROOT = Path(__file__).parents[1]
ROOMS = ("docradar", "ingest", "service")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMPOSE_FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = ("api", "worker", "worker-gpu")


def dockerfile() -> Iterator[tuple[str, str]]:
    """Instruction and argument, comments dropped and continued lines joined."""
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    for line in filter(None, text.splitlines()):
        instruction, _, argument = line.partition(" ")
        yield instruction, argument.strip()


def arguments(instruction: str) -> list[str]:
    return [argument for name, argument in dockerfile() if name == instruction]


def interpolated(value: str) -> str:
    """As `docker compose` would, where nothing but the required variables is set."""
    value = re.sub(r"\$\{\w+:\?[^}]*\}", "secret", value)
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def assert_is_a_command(words: list[str]) -> None:
    """The words name a command of the CLI, and every option of theirs is one of its options."""
    command = main.commands[words[0]]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words[1:] if word.startswith("--")} <= known


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    return ZipFile(next(WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])))


def test_the_wheel_holds_the_three_rooms_whole_and_nothing_else(wheel: ZipFile) -> None:
    metadata = {name for name in wheel.namelist() if name.split("/")[0].endswith(".dist-info")}
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set(wheel.namelist()) - metadata == on_disk
    assert on_disk.issuperset(f"{room}/py.typed" for room in ROOMS)
    assert any(re.fullmatch(r"docradar/catalog/migrations/versions/\w+\.py", name) for name in on_disk)
    assert any(name.endswith("/licenses/LICENSE") for name in metadata)


def test_the_wheel_starts_the_command(wheel: ZipFile) -> None:
    entry_points = next(name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "docradar = service.cli:main" in wheel.read(entry_points).decode()
    assert isinstance(main, click.Group)


def test_the_image_copies_what_exists_and_is_not_ignored() -> None:
    kept = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for argument in arguments("COPY")
        if not argument.startswith("--from")
        for source in shlex.split(argument)[:-1]
    }
    assert copied == kept
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert copied >= {*ROOMS, "pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]}


def test_the_image_does_not_run_as_root() -> None:
    instructions = [name for name, _ in dockerfile()]
    (user,) = arguments("USER")
    assert user not in {"root", "0"}
    assert instructions.index("USER") > len(instructions) - instructions[::-1].index("FROM") - 1


def test_the_image_starts_a_command_that_exists() -> None:
    (entrypoint,) = arguments("ENTRYPOINT")
    (command,) = arguments("CMD")
    assert json.loads(entrypoint)[0] in PROJECT["scripts"]
    assert_is_a_command(json.loads(command))


def test_the_image_asks_a_route_that_exists_for_its_health() -> None:
    (check,) = arguments("HEALTHCHECK")
    route = re.search(r"http://127\.0\.0\.1:8000(/[\w/]+)", check)
    assert route is not None
    assert route[1] in {route.path for route in create_app(Settings()).routes}


def test_the_image_installs_the_torch_and_the_extras_of_the_project() -> None:
    torch = next(name for name in PROJECT["dependencies"] if Requirement(name).name == "torch")
    assert any(f'"{torch}"' in argument for argument in arguments("RUN"))
    defaults = dict(argument.split("=", 1) for argument in arguments("ARG"))
    gpu = SERVICES["worker-gpu"]["build"]["args"]
    assert set(gpu) <= set(defaults)
    for extras in (defaults["EXTRAS"], gpu["EXTRAS"]):
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_composition_follows_the_specification() -> None:
    result = CliRunner().invoke(
        check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(COMPOSE_FILE)]
    )
    assert result.exit_code == 0, result.output


def test_the_schema_check_finds_a_planted_mistake(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(
        COMPOSE_FILE.read_text(encoding="utf-8").replace("restart:", "restrat:"), encoding="utf-8"
    )
    result = CliRunner().invoke(check_jsonschema, ["--builtin-schema", "vendor.compose-spec", str(broken)])
    assert result.exit_code == 1


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_a_service_are_accepted(name: str) -> None:
    environment = {key: interpolated(value) for key, value in SERVICES[name]["environment"].items()}
    settings = load_settings(environment=environment)
    assert make_url(settings.database_url).get_dialect().name == "postgresql"
    assert settings.qdrant_url == "http://qdrant:6333"
    assert settings.qdrant_api_key == "secret"
    # All must agree on the model, or their vectors cannot be compared.
    assert settings.model == "packaged"
    if name == "api":
        assert not settings.embedded_worker
    else:
        assert seconds(SERVICES[name]["stop_grace_period"]) > settings.drain_seconds


def test_every_service_starts_a_command_that_exists() -> None:
    for name in OURS:
        assert_is_a_command(SERVICES[name]["command"])


def test_services_wait_for_what_they_need() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] == "service_healthy", name
            # Ours take the image's health check.
            assert "test" in SERVICES[needed].get("healthcheck", {}) or needed == "api"


def test_services_restart_and_keep_their_data() -> None:
    assert all(service["restart"] == "unless-stopped" for service in SERVICES.values())
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert mounted == set(COMPOSE["volumes"])
    assert len({tuple(SERVICES[name]["volumes"]) for name in OURS}) == 1


def test_nothing_is_published_beyond_this_machine() -> None:
    ports = [interpolated(port) for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8000:8000"]


def test_no_secret_has_a_default() -> None:
    text = COMPOSE_FILE.read_text(encoding="utf-8")
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY)\w*)(:\?|:-|\})", text)
    assert {name for name, _ in secrets} == {"POSTGRES_PASSWORD", "QDRANT_API_KEY"}
    assert {operator for _, operator in secrets} == {":?"}


def test_the_qdrant_server_suits_the_client() -> None:
    """The client warns when the minor versions are more than one apart."""
    server = Version(SERVICES["qdrant"]["image"].partition(":v")[2])
    client = Version(version("qdrant-client"))
    assert server.major == client.major
    assert abs(server.minor - client.minor) <= 1


@pytest.mark.parametrize(
    "path",
    [COMPOSE_FILE, ROOT / "Dockerfile", *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))],
    ids=lambda path: path.name,
)
def test_every_variable_that_is_named_is_a_setting(path: Path) -> None:
    known = {f"DOCRADAR_{name.upper()}" for name in Settings.__dataclass_fields__}
    named = set(re.findall(r"DOCRADAR_[A-Z][A-Z_]*", path.read_text(encoding="utf-8")))
    assert {name for name in named - known if not name.startswith("DOCRADAR_TEST_")} == set()
