"""Every setting in one table: the fields of `Settings`.

Read once, by `load_settings`, from `docradar.toml`, then `DOCRADAR_*` variables, then the command line (the
last one wins), and handed down. The README's table is generated from here, and a test compares the two.
"""

import math
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from docradar.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "DOCRADAR_"
MIB: Final = 1024 * 1024


def _setting(default: Any, help_text: str, unit: str = "") -> Any:
    return field(default=default, metadata={"help": help_text, "unit": unit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """docradar's settings, validated."""

    # Where things are
    data_dir: Path = _setting(
        Path("docradar-data"), "Folder of the catalog, blobs, index and unpacked model."
    )
    host: str = _setting("127.0.0.1", "Address the service listens on.")
    port: int = _setting(8000, "Port the service listens on.")
    database: str = _setting("", "Catalog and queue: a SQLAlchemy URL; empty means SQLite in `data_dir`.")
    blobs: str = _setting(
        "",
        "Originals and extracted text: an object store URL such as `s3://bucket/prefix`; empty means a folder in `data_dir`.",
    )
    qdrant_url: str = _setting("", "URL of a Qdrant server; empty means Qdrant Edge inside the service.")
    qdrant_api_key: str = _setting("", "API key of the Qdrant server.")
    qdrant_prefer_grpc: bool = _setting(True, "Talk gRPC to the Qdrant server.")
    qdrant_grpc_port: int = _setting(6334, "gRPC port of the Qdrant server.")
    qdrant_timeout_seconds: int = _setting(30, "How long a request to the Qdrant server may take.", "s")

    # The model
    model: str = _setting(
        "",
        "sentence-transformers model, an id or a folder. Empty: the one the index was made with; at first `Qwen/Qwen3-Embedding-4B` where a GPU has room for it, else the packaged model. `packaged` names that one.",
    )
    model_revision: str = _setting("", "Revision of the model to load from a hub; empty means its main one.")
    device: str = _setting("auto", "`auto`, `cpu`, `cuda` or `cuda:1`.")
    cpu_engine: str = _setting(
        "auto", "Forward pass on a CPU: `auto` (OpenVINO where installed), `openvino` or `torch`."
    )
    truncate_dim: int = _setting(0, "Dimensions kept of a Matryoshka model's vector; 0 keeps all.")
    centring: bool = _setting(
        True,
        "Subtract a language's mean from vectors, where the model's means are known (the packaged model's are).",
    )
    strong_score: float = _setting(
        0.0, "Cosine from which a hit counts as strong; 0 takes the model profile's."
    )
    embedding_url: str = _setting(
        "",
        "Base URL of an OpenAI-compatible embeddings API (`http://host:port/v1`); set, it replaces the local model.",
    )
    embedding_api_key: str = _setting("", "API key for `embedding_url`.")
    embedding_batch_tokens: int = _setting(
        0, "Tokens a bulk batch may hold, padding included; 0 chooses by device.", "tokens"
    )
    embedding_queue_length: int = _setting(
        256, "Queries that may wait for the model before the service answers 503.", "queries"
    )

    # Reranking
    reranker: str = _setting(
        "Qwen/Qwen3-Reranker-0.6B",
        "sentence-transformers cross-encoder, an id or a folder, or the model to name to `rerank_url`; loaded when first used.",
    )
    reranker_revision: str = _setting(
        "", "Revision of the reranker to load from a hub; empty means its main one."
    )
    rerank_url: str = _setting(
        "",
        "Base URL of a Jina- or Cohere-style API with `/rerank` (`http://host:port/v1`); set, it replaces the local reranker.",
    )
    rerank_api_key: str = _setting("", "API key for `rerank_url`.")
    rerank_candidates: int = _setting(
        50, "How many of the best hits a search reranks, where it does not say.", "results"
    )
    rerank_queue_length: int = _setting(
        64, "Requests that may wait for the reranker before the service answers 503.", "requests"
    )

    # Limits
    max_upload_bytes: int = _setting(100_000_000, "Largest file accepted.", "bytes")
    max_query_chars: int = _setting(8_000, "Longest query accepted.", "characters")
    max_search_limit: int = _setting(200, "Largest `limit` of a search.", "results")
    max_text_chars: int = _setting(50_000_000, "Most text taken from one document.", "characters")
    max_pages: int = _setting(20_000, "Most pages of one PDF.", "pages")
    max_archive_entries: int = _setting(100_000, "Most files in one archive or export.", "files")
    max_unpacked_bytes: int = _setting(
        4_000_000_000, "Most bytes taken out of one archive or export.", "bytes"
    )
    reader_memory_bytes: int = _setting(1024 * MIB, "Memory a reading child process may use.", "bytes")
    reader_cpu_seconds: int = _setting(120, "Processor time a reading child process may use.", "s")
    reader_wall_seconds: int = _setting(300, "Time a reading child process may take.", "s")

    # Jobs
    embedded_worker: bool = _setting(
        True, "Run a worker inside the service. Turn off where `docradar worker` runs."
    )
    worker_concurrency: int = _setting(2, "Jobs one worker runs at a time.", "jobs")
    job_attempts: int = _setting(3, "Attempts before a job has failed.", "attempts")
    lease_seconds: float = _setting(
        15.0, "How long a worker may be silent before another takes its job.", "s"
    )
    heartbeat_seconds: float = _setting(4.0, "How often a worker renews its leases.", "s")
    poll_seconds: float = _setting(0.5, "How often an idle worker looks for a job.", "s")
    retry_backoff_seconds: float = _setting(2.0, "Wait before a second attempt; doubles with each.", "s")
    reconcile_seconds: float = _setting(60.0, "How often documents without a live job are looked for.", "s")
    drain_seconds: float = _setting(
        20.0, "How long a stopping worker waits for its interrupted jobs to be handed back.", "s"
    )

    # Logs
    log_level: str = _setting("info", "`debug`, `info`, `warning` or `error`.")
    log_format: str = _setting("human", "`human` or `json`.")

    def __post_init__(self) -> None:
        object.__setattr__(self, "data_dir", Path(self.data_dir).expanduser().absolute())
        _check_choice("cpu_engine", self.cpu_engine, ("auto", "openvino", "torch"))
        _check_choice("log_level", self.log_level, ("debug", "info", "warning", "error"))
        _check_choice("log_format", self.log_format, ("human", "json"))
        for name in _POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigurationError(
                    f"setting {name} is {getattr(self, name)}; it must be a number above 0"
                )
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                bounds = f"at least {low}" if high == sys.maxsize else f"from {low} to {high}"
                raise ConfigurationError(f"setting {name} is {getattr(self, name)}; it must be {bounds}")
        if self.heartbeat_seconds * 2 > self.lease_seconds:
            raise ConfigurationError(
                f"heartbeat_seconds ({self.heartbeat_seconds}) must be at most half of lease_seconds "
                f"({self.lease_seconds}), or a live worker would lose its jobs"
            )

    @property
    def database_url(self) -> str:
        """The catalog's URL, SQLite in the data folder when none is set."""
        return self.database or f"sqlite:///{self.data_dir / 'catalog.sqlite3'}"


_POSITIVE: Final = (
    "max_upload_bytes", "max_query_chars", "max_search_limit", "max_text_chars", "max_pages", "max_archive_entries",
    "max_unpacked_bytes", "reader_memory_bytes",
    "reader_cpu_seconds", "reader_wall_seconds", "worker_concurrency", "job_attempts", "lease_seconds",
    "heartbeat_seconds", "poll_seconds", "embedding_queue_length", "reconcile_seconds", "drain_seconds",
    "rerank_candidates", "rerank_queue_length", "qdrant_timeout_seconds", "retry_backoff_seconds",
)  # fmt: skip

_RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "port": (1, 65535),
    "qdrant_grpc_port": (1, 65535),
    "truncate_dim": (0, sys.maxsize),
    "embedding_batch_tokens": (0, sys.maxsize),
    "strong_score": (0, 1),
}


def load_settings(
    overrides: Mapping[str, object] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Settings from `file` (default `docradar.toml`, if there is one), the environment, then `overrides`.

    Overrides that are None count as not given.

    Raises:
        ConfigurationError: An unknown name, or a value that does not parse.
    """
    environment = os.environ if environment is None else environment
    known = {f.name: f for f in fields(Settings)}
    values: dict[str, object] = {}
    for name, value, origin in _given(environment, file):
        if name not in known:
            raise ConfigurationError(
                f"{origin} names no setting; the settings are: {', '.join(sorted(known))}"
            )
        values[name] = _parse(known[name], value, origin)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    return Settings(**values)  # type: ignore[arg-type]


def _given(environment: Mapping[str, str], file: Path | None) -> Iterator[tuple[str, object, str]]:
    path = file or Path("docradar.toml")
    if file or path.exists():
        try:
            table = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"settings file {path}: {error}") from error
        for name, value in table.items():
            yield name, value, f"{name} in {path}"
    for variable, text in environment.items():
        # DOCRADAR_TEST_* belong to the test suite.
        if variable.startswith(ENVIRONMENT_PREFIX) and not variable.startswith(ENVIRONMENT_PREFIX + "TEST_"):
            yield variable.removeprefix(ENVIRONMENT_PREFIX).lower(), text, f"environment variable {variable}"


def _parse(setting: "Field[Any]", value: object, origin: str) -> object:
    kind: Any = type(setting.default)
    try:
        if kind is bool and isinstance(value, str):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[
                value.strip().lower()
            ]
        # Python would take True for 1, and cut 2.5 to 2.
        if isinstance(value, bool) != (kind is bool) or (kind is int and isinstance(value, float)):
            raise ValueError(value)
        return Path(str(value)) if isinstance(setting.default, Path) else kind(value)
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{origin} is {value!r}, which is not a valid {kind.__name__}") from error


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigurationError(f"setting {name} is {value!r}; it must be one of {', '.join(choices)}")


def settings_table() -> str:
    """The settings as a Markdown table, for the README."""
    rows = ["| setting | default | unit | meaning |", "|---|---|---|---|"]
    for setting in fields(Settings):
        default = f"`{setting.default}`" if str(setting.default) else "(empty)"
        rows.append(
            f"| `{setting.name}` | {default} | {setting.metadata['unit']} | {setting.metadata['help']} |"
        )
    return "\n".join(rows)
