"""`docradar eval` against a running service: what it prints, what it writes, what it refuses."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import ir_measures
import pytest

from service.eval_report import display_width, shortened, table
from tests import files
from tests.processes import Cluster, Launcher, cluster

REFUND = "The refund takes three working days."
GATEWAY = "Restart the gateway when payments time out."
QUERIES = """\
# What people ask
{"query": "refund takes three working days", "expected": [{"document": "refunds.md", "text": "three working days"}], "tags": ["en"], "id": "refund"}
{"query": "网关超时怎么办", "document": "Runbook", "text": "the gateway when", "tags": ["zh", "cross"], "id": "gateway"}
{"query": "restart the gateway", "expected": ["the gateway when", {"document": "lost.md", "grade": 3}], "tags": ["en"]}
{"query": "how tall is the tower", "expected": [], "tags": ["none"], "filter": {"source": ["runbook"]}}
"""


@pytest.fixture(scope="module")
def service(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running service with two documents."""
    with cluster(launcher, tmp_path_factory.mktemp("eval")) as made:
        made.serve()
        for name, text in (("refunds.md", REFUND), ("oncall.md", f"# Runbook\n\n{GATEWAY}")):
            [job] = made.upload(name, text.encode(), source="runbook").json()["jobs"]
            made.succeeded(job["id"])
        yield made


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    return files.write(tmp_path, "queries.jsonl", QUERIES)


def evaluated(running: Cluster, *arguments: str, code: int = 0) -> str:
    """Runs the command to its end against `running`; what it printed on both channels, without colours."""
    process = running.start("service.cli", "eval", *arguments, "--url", running.url)
    assert process.ended() == code, process.output
    assert "Traceback" not in process.output
    return click.unstyle(process.output)


def evaluated_json(running: Cluster, *arguments: str) -> Any:
    output = evaluated(running, *arguments, "--json")
    return json.loads(output[output.index("{\n") :])


def test_figures_by_query_by_tag_and_overall(service: Cluster, queries: Path) -> None:
    [run] = evaluated_json(service, str(queries), "--mode", "keyword")["runs"]
    assert (run["name"], run["mode"], run["limit"]) == ("keyword", "keyword", 10)
    assert (run["overall"]["answerable"], run["overall"]["unanswerable"]) == (3, 1)
    assert list(run["by_tag"]) == ["en", "zh", "cross", "none"]
    refund, gateway, restart, tower = run["queries"]
    assert refund["metrics"] == dict.fromkeys(refund["metrics"], 1.0)
    assert [entry["position"] for entry in restart["expected"]] == [1, None]
    assert restart["metrics"]["recall@10"] == 0.5
    assert restart["metrics"]["nDCG@10"] == pytest.approx(1 / (3 + 1 / 1.5849625), abs=1e-6)
    assert (gateway["metrics"]["hit@1"], tower["metrics"]) == (0, {})
    # Keywords alone know no cosine: only where nothing is found it is plain that nothing answers.
    assert [query["answered"] for query in run["queries"]] == [None, False, None, False]
    assert run["overall"]["verdicts"] == {
        "given": 2,
        "unanswered_precision": None,
        "unanswered_recall": None,
        "answerable_answered": None,
    }


def test_tables_for_people(service: Cluster, queries: Path) -> None:
    told = evaluated(service, str(queries), "--verbose", "--compare", "keyword", "semantic")
    assert "4 queries: 3 answerable, 1 unanswerable" in told
    assert f"the service holds no document 'lost.md', which is expected in {queries}, line 4;" in told
    assert "semantic against keyword, 4 queries" in told
    lines = told.splitlines()
    [start] = [number for number, line in enumerate(lines) if line.startswith("semantic, by query")]
    rows = lines[start : start + 5]
    assert [row.split("  ")[0] for row in rows[1:3]] == ["refund takes three working days", "网关超时怎么办"]
    assert len({display_width(row) for row in rows}) == 1


def test_documents_that_are_there_are_found_by_any_name(service: Cluster, tmp_path: Path) -> None:
    [document] = [d for d in service.get("/v1/documents")["documents"] if d["filename"] == "oncall.md"]
    lines = [
        json.dumps({"query": f"nothing like it {name}", "document": name, "filter": {"source": "other"}})
        for name in ("oncall.md", "Runbook", document["id"], "ONCALL.md")
    ]
    told = evaluated_json(service, str(files.write(tmp_path, "names.jsonl", "\n".join(lines))))
    assert told["warnings"] == []
    assert {query["metrics"]["recall@10"] for query in told["runs"][0]["queries"]} == {0}


def test_a_saved_run_is_judged_again_without_a_service(
    service: Cluster, queries: Path, tmp_path: Path
) -> None:
    evaluated(
        service, str(queries), "--mode", "semantic", "--mode", "keyword", "--output", f"{tmp_path}/run.json"
    )
    before, after = tmp_path / "run.semantic.json", tmp_path / "run.keyword.json"
    mended = files.write(
        tmp_path, "mended.jsonl", QUERIES.replace(', {"document": "lost.md", "grade": 3}', "")
    )
    process = service.start(
        "service.cli", "eval", str(mended), "--compare", str(before), str(after), "--json"
    )
    assert process.ended() == 0, process.output
    told = json.loads(process.output)
    assert told["warnings"] == []
    assert [run["name"] for run in told["runs"]] == [str(before), str(after)]
    assert [query["metrics"].get("recall@10") for query in told["runs"][1]["queries"]][2] == 1
    assert (told["comparison"]["second"], told["comparison"]["queries"]) == (str(after), 4)
    mixed = evaluated_json(service, str(mended), "--compare", str(before), "semantic")["comparison"]
    assert {(compared["wins"], compared["losses"]) for compared in mixed["metrics"]} == {(0, 0)}
    assert {compared["p_value"] for compared in mixed["metrics"]} == {1}


def test_trec_files_give_ir_measures_the_same_figures(
    service: Cluster, queries: Path, tmp_path: Path
) -> None:
    told = evaluated_json(service, str(queries), "--mode", "semantic", "--trec", str(tmp_path / "trec"))
    means = told["runs"][0]["overall"]["metrics"]
    names = {
        "nDCG@10": ir_measures.nDCG @ 10,
        "MRR@10": ir_measures.RR @ 10,
        "recall@1": ir_measures.R @ 1,
        "recall@5": ir_measures.R @ 5,
        "recall@10": ir_measures.R @ 10,
    }
    theirs = ir_measures.calc_aggregate(
        names.values(),
        ir_measures.read_trec_qrels(str(tmp_path / "trec" / "qrels.txt")),
        ir_measures.read_trec_run(str(tmp_path / "trec" / "semantic.run.txt")),
    )
    assert {name: theirs[measure] for name, measure in names.items()} == pytest.approx(
        {name: means[name] for name in names}
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--compare", "hybrid", "absent.json"), "absent.json is neither a mode"),
        (("--compare", "hybrid", "hybrid+rerank", "--rerank"), "compares a run with itself"),
        (("--compare", "hybrid", "{queries}"), "holds no run"),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(
    service: Cluster, queries: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [argument.format(queries=queries) for argument in arguments]
    assert message in evaluated(service, str(queries), *given, code=1).splitlines()[-1]


def test_what_the_service_refuses_names_the_line(service: Cluster, tmp_path: Path) -> None:
    path = files.write(tmp_path, "bad.jsonl", '\n{"query": "a", "expected": [], "filter": {"colour": "red"}}')
    told = evaluated(service, str(path), code=1).splitlines()[-1]
    assert told.startswith(f"Error: {path}, line 2, 'a': ")
    assert "colour" in told


def test_columns_are_as_wide_as_a_terminal_shows_them() -> None:
    rows = list(map(click.unstyle, table(["name", "n"], [["支付超时", "1"], ["e\u0301te", "22"]])))
    assert rows == ["name       n", "支付超时   1", "e\u0301te       22"]
    assert {display_width(row) for row in rows} == {12}
    assert shortened("支付超时怎么办", 9) == "支付超时…"
    assert shortened("支付\n超时", 9) == "支付 超时"
