"""The threshold: measured on the documents that are there, kept, and used; the setting goes before it."""

from pathlib import Path

from docradar.catalog import Catalog
from tests.api import Api, assert_problem, running
from tests.catalogs import ingest, unit

WORDS = [
    f"{a} {b} matters here"
    for a in ("apple", "bridge", "cloud", "desert", "engine")
    for b in ("red", "green", "blue", "old", "new", "slow")
]


async def fill(api: Api) -> None:
    for n in range(3):
        lines = "\n".join(f"{line} in part {n}" for line in WORDS)
        await api.ingest(lines, external_id=str(n), split="lines")


async def test_a_calibration_is_measured_kept_and_used(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await fill(api)
        before = (await api.client.get("/v1/calibration")).json()
        assert (before["strong_score"], before["strong_score_from"]) == (0.6, "model")
        assert before["measured"] is None
        after = (await api.client.post("/v1/calibration")).json()
        measured = after["measured"]
        assert after["strong_score_from"] == "calibration"
        assert (measured["queries"], measured["units"], measured["documents"]) == (90, 90, 3)
        # Each line stands in the other documents nearly word for word, so that unrelated pairs lie far below.
        assert measured["unrelated_50"] < after["strong_score"] == after["calibrated_score"] <= 1
        answer = (await api.client.post("/v1/search", json={"query": WORDS[0]})).json()
        assert answer["strong_score"] == after["strong_score"]
        strong = [result["score"] >= after["strong_score"] for result in answer["results"]]
        assert [result["strong"] for result in answer["results"]] == strong
    async with running(tmp_path) as api:
        assert (await api.client.get("/v1/calibration")).json()["strong_score"] == after["strong_score"]


async def test_the_setting_goes_before_what_was_measured(tmp_path: Path) -> None:
    async with running(tmp_path, strong_score=0.123) as api:
        await fill(api)
        after = (await api.client.post("/v1/calibration")).json()
        assert (after["strong_score"], after["strong_score_from"]) == (0.123, "setting")
        assert after["calibrated_score"] != 0.123


async def test_too_few_documents_give_no_threshold(tmp_path: Path) -> None:
    async with running(tmp_path) as api:
        await api.ingest("One line.")
        assert_problem(
            await api.client.post("/v1/calibration"), 400, "invalid_request", "too few", "strong_score"
        )


def test_the_sample_is_of_units_that_search_may_return(catalog: Catalog) -> None:
    ids = [f"00000000-0000-0000-0000-0000000000{n:02}" for n in range(4)]
    document_id = ingest(catalog, units=[unit(n, unit_id=ids[3 - n]) for n in range(4)])
    sample = catalog.sample_units(3)
    assert [(found.id, found.ordinal, document) for found, document in sample] == [
        (ids[0], 3, document_id), (ids[1], 2, document_id), (ids[2], 1, document_id)
    ]  # fmt: skip
    catalog.delete_document(document_id)
    assert catalog.sample_units(3) == []
