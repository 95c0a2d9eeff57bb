"""What a search may cost, and what must not be lost on the way: many hits of one document, copies, minima, batches."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from docradar.index.unit_index import UnitIndex
from tests.api import Api, assert_problem, running
from tests.fakes import FakeEmbedder, fake_profile
from tests.rerankers import WordReranker

pytestmark = pytest.mark.asyncio(loop_scope="module")

COPIES = 1_100


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """A manual of very many near units, copies of one line, and six short documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("docradar.reranking.choice.load_reranker", lambda _settings: WordReranker())
        async with running(tmp_path_factory.mktemp("bounds"), reranker="words") as api:
            manual = "\n".join(f"Alpha beta entry {n} of the manual" for n in range(COPIES))
            await api.ingest(manual, source="manual", external_id="manual", split="lines")
            footer = "\n".join(
                ["All rights reserved here."] * 60 + [f"Rights reserved {n}." for n in range(8)]
            )
            await api.ingest(footer, source="footer", external_id="footer", split="lines")
            for n in range(6):
                await api.ingest(
                    f"Alpha beta and something else {n} much further away",
                    source="short",
                    external_id=f"s{n}",
                )
            yield api


async def ask(api: Api, query: str, **fields: Any) -> dict[str, Any]:
    response = await api.client.post("/v1/search", json={"query": query} | fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_one_large_document_hides_no_other_group(api: Api) -> None:
    answer = await ask(
        api, "alpha beta entry manual", group_by="document", limit=5, filter={"source": ["manual", "short"]}
    )
    assert len({group["document"]["id"] for group in answer["groups"]}) == 5


async def test_copies_are_folded_before_they_are_reranked(api: Api) -> None:
    wanted = {"limit": 5, "filter": {"source": "footer"}, "rerank": True}
    answer = await ask(api, "all rights reserved", **wanted)
    assert len(answer["results"]) == 5
    assert answer["results"][0]["duplicate_count"] == 59
    assert len(answer["results"][0]["duplicates"]) == 20
    scores = [result["score"] for result in answer["results"]]
    assert scores == sorted((result["scores"]["rerank"] for result in answer["results"]), reverse=True)


async def test_so_many_are_reranked_as_were_asked_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    rerank = WordReranker.rerank

    def counted(self: WordReranker, query: str, texts: Any, instruction: str | None = None) -> Any:
        read.append(len(texts))
        return rerank(self, query, texts, instruction)

    monkeypatch.setattr(WordReranker, "rerank", counted)
    answer = await ask(api, "alpha beta", limit=20, rerank={"candidates": 7})
    assert (sum(read), len(answer["results"])) == (7, 7)


async def test_a_minimum_that_nothing_reaches_is_found_out_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    ask_index = UnitIndex._ask

    async def counted(self: UnitIndex, *requests: Any) -> Any:
        asked.append(max(request.limit for request in requests))
        return await ask_index(self, *requests)

    monkeypatch.setattr(UnitIndex, "_ask", counted)
    for mode, least in (
        ("keyword", {"keyword": 1000}),
        ("hybrid", {"fusion": 50}),
        ("hybrid", {"keyword": 1000}),
    ):
        asked.clear()
        assert (await ask(api, "alpha beta", mode=mode, min_score=least))["results"] == []
        assert len(asked) == 1
        assert max(asked) <= 400


async def test_a_merged_passage_is_strong_if_one_of_its_sentences_is(api: Api) -> None:
    text = "Gamma delta is far from it all. Gamma delta epsilon zeta. Another thing about gamma."
    await api.ingest(text, source="merged", external_id="merged")
    asked = {"filter": {"source": "merged"}, "fold": False}
    apart = await ask(api, "gamma delta epsilon zeta", **asked)
    together = await ask(api, "gamma delta epsilon zeta", **asked, merge=True)
    assert apart["answered"] is together["answered"] is True
    assert [result["strong"] for result in together["results"]] == [True]


async def test_what_is_asked_for_in_all_is_bounded(api: Api) -> None:
    for body in (
        {"query": "x", "limit": 200, "group_by": "document", "group_size": 20},
        {"searches": [{"query": "x", "limit": 200}] * 6},
        {"searches": [{"query": "x", "facets": ["source", "kind"]}] * 11},
    ):
        path = "/v1/search/batch" if "searches" in body else "/v1/search"
        assert_problem(await api.client.post(path, json=body), 400, "invalid_request", "up to")


async def test_a_bad_facet_of_a_batch_is_named_before_anything_is_asked(api: Api) -> None:
    api.embedder.queries_seen.clear()
    body = {"searches": [{"query": "x"}, {"query": "y", "facets": ["colour"]}]}
    response = await api.client.post("/v1/search/batch", json=body)
    assert_problem(response, 400, "invalid_filter", "searches[1]", "colour")
    assert api.embedder.queries_seen == []


async def test_hybrid_scores_do_not_depend_on_the_limit(api: Api) -> None:
    few, many = [
        (await ask(api, "reserved 7 footer away", mode="hybrid", limit=limit, fold=False))["results"]
        for limit in (5, 200)
    ]
    # Rare words, since of common ones the keyword score is known of the best hits alone.
    assert [(r["unit_id"], r["score"]) for r in few] == [(r["unit_id"], r["score"]) for r in many[:5]]


async def test_context_of_very_many_results_is_there(api: Api) -> None:
    answer = await ask(
        api,
        "alpha beta entry manual",
        limit=200,
        context={"before": 1, "after": 1},
        filter={"source": "manual"},
    )
    assert len(answer["results"]) == 200
    assert all(result["context"]["before"] or result["context"]["after"] for result in answer["results"])


async def test_a_second_calibration_at_once_is_a_conflict(api: Api) -> None:
    responses = await asyncio.gather(*(api.client.post("/v1/calibration") for _ in range(3)))
    assert sorted(response.status_code for response in responses) == [200, 409, 409]


async def test_models_that_take_no_instruction_share_a_batch_whatever_is_asked(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    sizes: list[int] = []

    class Counting(FakeEmbedder):
        def embed_queries(self, queries: Any, instruction: str | None = None) -> Any:
            sizes.append(len(queries))
            return super().embed_queries(queries, instruction)

    async with running(tmp_path_factory.mktemp("one"), embedder=Counting(profile=fake_profile())) as api:
        searches = [{"query": f"q {n}", "instruction": f"i {n}"} for n in range(8)]
        assert (await api.client.post("/v1/search/batch", json={"searches": searches})).status_code == 200
    assert sizes == [8]
