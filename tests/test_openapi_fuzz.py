"""The whole published API, asked with what its schemas allow and with what they do not."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
import schemathesis
import uvicorn
from hypothesis import Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    negative_data_rejection,
    positive_data_acceptance,
)

from docradar.settings import Settings
from service.app import create_app
from tests.api import openapi
from tests.fakes import FakeEmbedder
from tests.rerankers import WordReranker

EXAMPLES = 100

NOT_PROMISED = [
    # A NUL in a query, or a filter on a field that nobody declared, is a 400 which no JSON schema can foretell.
    positive_data_acceptance,
    # The framework answers OPTIONS for one handler of a path, and not for all of them.
    allow_header_conformance,
]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Served:
    """A service on a port of its own, and what is there, by the names of the path parameters."""

    url: str
    known: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    chosen = Settings(data_dir=tmp_path_factory.mktemp("fuzz"), poll_seconds=0.05, reranker="words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("docradar.reranking.choice.load_reranker", lambda _settings: WordReranker())
        app = create_app(chosen, loader=lambda _settings, _say: FakeEmbedder())
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.01)
            url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            with httpx.Client(base_url=url) as client:
                yield Served(url, _filled(client))
        finally:
            server.should_exit = True
            thread.join()


def _filled(client: httpx.Client) -> dict[str, str]:
    """Waits for the models, and uploads a document."""
    _eventually(lambda: client.get("/health/ready").is_success)
    rerank = {"query": "a", "documents": ["a"]}
    _eventually(lambda: client.post("/v1/rerank", json=rerank).is_success)
    upload = {"text": "# Refunds\n\nRefunds take five days. Cards take two.", "tags": ["money"]}
    [job] = client.post("/v1/documents", json=upload).raise_for_status().json()["jobs"]
    _eventually(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded")
    units = client.get(f"/v1/documents/{job['document_id']}/units").json()["units"]
    return {
        "document_id": job["document_id"],
        "job_id": job["id"],
        "unit_id": units[0]["id"],
        "name": "default",
    }


def _eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


SCHEMA = schemathesis.openapi.from_dict(openapi(), config=SchemathesisConfig.from_dict({"seed": 1}))


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
def test_every_answer_is_one_that_is_published(served: Served, case: schemathesis.Case) -> None:
    excluded = [*NOT_PROMISED]
    if case.media_type == "multipart/form-data":
        excluded.append(negative_data_rejection)  # whatever a part holds, on the wire it is bytes
    case.call_and_validate(base_url=served.url, excluded_checks=excluded)
    if case.path_parameters and case.method != "DELETE":
        # Ids that are made up are seldom found: ask the same of what is there.
        case.path_parameters = {name: served.known[name] for name in case.path_parameters}
        case.call_and_validate(base_url=served.url, excluded_checks=[*NOT_PROMISED, negative_data_rejection])
