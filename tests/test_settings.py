"""docradar.settings: where values come from, and what is refused."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from docradar.errors import ConfigurationError
from docradar.settings import Settings, load_settings, settings_table

# For each setting a text such as an environment variable holds, and the value it stands for.
EXAMPLES: dict[str, tuple[str, object]] = {
    "data_dir": ("/srv/docradar", Path("/srv/docradar")),
    "cpu_engine": ("torch", "torch"),
    "log_level": ("debug", "debug"),
    "log_format": ("json", "json"),
    "lease_seconds": ("60", 60.0),
    "heartbeat_seconds": ("1.5", 1.5),
}
BY_TYPE: dict[type, tuple[str, object]] = {
    str: ("some text", "some text"),
    int: ("17", 17),
    float: ("0.25", 0.25),
}
SETTINGS = fields(Settings)


def example(name: str, default: object) -> tuple[str, object]:
    if isinstance(default, bool):
        return ("no", False) if default else ("yes", True)
    return EXAMPLES.get(name) or BY_TYPE[type(default)]


def load(
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """`load_settings`, with an empty environment instead of the real one."""
    return load_settings(overrides, environment=environment or {}, file=file)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no docradar.toml of the developer's is read."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "other.toml"
    path.write_text('model = "from-file"\nport = 9000\nembedded_worker = false\n', encoding="utf-8")
    return path


def test_defaults() -> None:
    settings = load()
    assert settings == Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_every_setting_has_a_variable(setting: Any) -> None:
    text, value = example(setting.name, setting.default)
    settings = load({f"DOCRADAR_{setting.name.upper()}": text})
    assert getattr(settings, setting.name) == value
    assert getattr(settings, setting.name) != getattr(Settings(), setting.name)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("TRUE", True), (" yes ", True), ("0", False), ("False", False), ("no", False)],
)
def test_words_for_yes_and_no(text: str, value: bool) -> None:
    assert load({"DOCRADAR_EMBEDDED_WORKER": text}).embedded_worker is value


def test_a_file_is_read(toml: Path) -> None:
    settings = load(file=toml)
    assert (settings.model, settings.port, settings.embedded_worker) == ("from-file", 9000, False)


def test_docradar_toml_in_the_working_folder_is_read() -> None:
    Path("docradar.toml").write_text('model = "from here"', encoding="utf-8")
    assert load().model == "from here"


def test_the_environment_goes_before_the_file_and_the_command_line_before_both(toml: Path) -> None:
    environment = {"DOCRADAR_MODEL": "from-environment", "DOCRADAR_PORT": "9001"}
    settings = load(environment, toml, {"port": 9002, "host": None})
    assert (settings.model, settings.port, settings.host) == ("from-environment", 9002, "127.0.0.1")
    assert settings.embedded_worker is False


def test_the_real_environment_is_read_unless_another_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCRADAR_PORT", "9003")
    assert load_settings().port == 9003


def test_variables_of_the_test_suite_and_of_others_are_passed_over() -> None:
    assert load({"DOCRADAR_TEST_QDRANT_URL": "http://127.0.0.1:6333", "HOME": "/root"}) == Settings()


def assert_refused(
    *parts: str,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> None:
    """Loading fails, and the message has all the parts."""
    with pytest.raises(ConfigurationError) as refusal:
        load(environment, overrides=overrides)
    for part in parts:
        assert part in str(refusal.value)


def test_an_unknown_variable_is_refused_with_the_list() -> None:
    assert_refused(
        "DOCRADAR_MODLE",
        ", ".join(sorted(setting.name for setting in SETTINGS)),
        environment={"DOCRADAR_MODLE": "x"},
    )


def test_an_unknown_name_in_the_file_is_refused() -> None:
    Path("docradar.toml").write_text("modle = 1", encoding="utf-8")
    assert_refused("modle in docradar.toml", "model_revision")


@pytest.mark.parametrize("content", ["port = ", "port: 9000", "\x00"])
def test_a_broken_file_is_named(content: str) -> None:
    Path("docradar.toml").write_text(content, encoding="utf-8")
    assert_refused("settings file docradar.toml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.toml"):
        load(file=tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("variable", "text", "kind"),
    [
        ("DOCRADAR_PORT", "eight", "int"),
        ("DOCRADAR_PORT", "80.5", "int"),
        ("DOCRADAR_LEASE_SECONDS", "", "float"),
        ("DOCRADAR_EMBEDDED_WORKER", "maybe", "bool"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(variable: str, text: str, kind: str) -> None:
    assert_refused(variable, repr(text), f"not a valid {kind}", environment={variable: text})


@pytest.mark.parametrize(
    "line", ["embedded_worker = 1", "port = true", "worker_concurrency = 2.5", "model = false"]
)
def test_nothing_is_converted_in_silence(line: str) -> None:
    Path("docradar.toml").write_text(line, encoding="utf-8")
    assert_refused(f"{line.split(maxsplit=1)[0]} in docradar.toml is", "not a valid")


@pytest.mark.parametrize(
    ("name", "value", "choice"),
    [("cpu_engine", "onnx", "openvino"), ("log_level", "loud", "warning"), ("log_format", "xml", "json")],
)
def test_a_choice_is_held_to_its_choices(name: str, value: str, choice: str) -> None:
    assert_refused(name, value, choice, overrides={name: value})


@pytest.mark.parametrize("name", ["max_upload_bytes", "worker_concurrency", "poll_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_limits_are_above_zero(name: str, value: int) -> None:
    assert_refused(name, str(value), "above 0", overrides={name: value})


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("port", "from 1 to 65535"),
        ("qdrant_grpc_port", "from 1 to 65535"),
        ("truncate_dim", "at least 0"),
        ("embedding_batch_tokens", "at least 0"),
        ("strong_score", "from 0 to 1"),
        ("qdrant_timeout_seconds", "above 0"),
        ("retry_backoff_seconds", "above 0"),
    ],
)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_numbers_are_held_to_their_bounds(name: str, bounds: str, value: float) -> None:
    assert_refused(f"setting {name} is {value}", bounds, overrides={name: value})


def test_a_heartbeat_fits_twice_into_a_lease() -> None:
    assert load(overrides={"lease_seconds": 8.0, "heartbeat_seconds": 4.0}).heartbeat_seconds == 4.0
    assert_refused(
        "heartbeat_seconds (4.1)",
        "lease_seconds (8.0)",
        overrides={"lease_seconds": 8.0, "heartbeat_seconds": 4.1},
    )


def test_the_data_folder_is_absolute_and_holds_the_catalog() -> None:
    settings = load({"DOCRADAR_DATA_DIR": "somewhere"})
    assert settings.data_dir == Path.cwd() / "somewhere"
    assert settings.database_url == f"sqlite:///{Path.cwd()}/somewhere/catalog.sqlite3"
    assert (
        load(overrides={"database": "postgresql+psycopg://host/name"}).database_url
        == "postgresql+psycopg://host/name"
    )


def test_the_table_has_a_row_for_every_setting_and_no_path_of_this_machine() -> None:
    rows = settings_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [setting.name for setting in SETTINGS]
    assert all(row.count("|") == 5 for row in rows)
    assert str(Path.cwd()) not in settings_table()
