"""Modes, named scores, context, passages, groups, batches and likeness, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from docradar.index.unit_index import UnitIndex
from tests.api import Api, assert_problem, running

NOTES = """# Refunds

Refunds reach the card within five working days. Error ERR_4012 means the card has expired. Ask the bank to lift the block.

# 发票

发票在付款后三天内开出。订单号 2026-0417-A 的发票需要重开。
"""


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """Two documents; whoever puts more gives it a source of its own, and filters."""
    async with running(tmp_path_factory.mktemp("modes")) as api:
        uploaded = await api.upload("notes.md", NOTES.encode(), source="notes")
        await api.ended(uploaded.json()["jobs"][0]["id"])
        await api.ingest("Holidays are planned in spring.\nLunch is at noon.", split="lines", source="faq")
        yield api


async def ask(api: Api, query: str, **fields: Any) -> dict[str, Any]:
    response = await api.client.post("/v1/search", json={"query": query} | fields)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
@pytest.mark.parametrize("query", ["ERR_4012", "what is err_4012", "错误 ERR_4012 是什么", "ERR-4012"])
async def test_an_identifier_is_found_exactly(api: Api, mode: str, query: str) -> None:
    answer = await ask(api, query, mode=mode)
    assert answer["mode"] == mode
    assert answer["results"][0]["text"] == "Error ERR_4012 means the card has expired."


@pytest.mark.parametrize("mode", ["keyword", "hybrid"])
async def test_a_number_in_chinese_text_is_found_exactly(api: Api, mode: str) -> None:
    [best, *_] = (await ask(api, "订单 2026-0417-A", mode=mode))["results"]
    assert best["text"] == "订单号 2026-0417-A 的发票需要重开。"


async def test_every_score_has_its_name(api: Api) -> None:
    semantic = (await ask(api, "expired card"))["results"][0]
    assert semantic["scores"] == {"cosine": semantic["score"]}
    hybrid = (await ask(api, "expired card", mode="hybrid"))["results"][0]
    assert hybrid["scores"].keys() == {"fusion", "cosine", "keyword"}
    assert hybrid["score"] == hybrid["scores"]["fusion"]
    assert hybrid["scores"]["cosine"] == pytest.approx(semantic["score"], abs=1e-6)
    keyword = (await ask(api, "expired card", mode="keyword"))["results"][0]
    assert keyword["scores"] == {"keyword": keyword["score"]}


async def test_words_alone_need_no_model_and_claim_no_strength(api: Api) -> None:
    api.embedder.queries_seen.clear()
    answer = await ask(api, "expired card", mode="keyword")
    assert api.embedder.queries_seen == []
    assert answer["answered"] is None
    assert answer["results"][0]["strong"] is None
    assert (await ask(api, "unheard", mode="keyword"))["results"] == []


async def test_a_response_says_whether_anything_strong_was_found(api: Api) -> None:
    strong = await ask(api, "Lunch is at noon.")
    assert (strong["answered"], strong["strong_score"]) == (True, 0.6)
    weak = await ask(api, "zebra", min_score=-1)
    assert weak["answered"] is False
    assert not any(result["strong"] for result in weak["results"])
    assert (await ask(api, "lunch", filter={"source": "nowhere"}))["answered"] is False


async def test_each_named_score_can_be_cut_by(api: Api) -> None:
    for mode, name in (("semantic", "cosine"), ("keyword", "keyword"), ("hybrid", "fusion")):
        scores = [r["scores"][name] for r in (await ask(api, "expired card lunch", mode=mode))["results"]]
        least = scores[1]
        cut = await ask(api, "expired card lunch", mode=mode, min_score={name: least})
        assert [r["scores"][name] for r in cut["results"]] == [s for s in scores if s >= least], mode
    both = await ask(api, "expired card", mode="hybrid", min_score={"cosine": -1, "keyword": 0.1})
    assert all("keyword" in result["scores"] for result in both["results"])


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "keyword", "min_score": 0.5}, ("min_score", "keyword")),
        ({"mode": "semantic", "min_score": {"fusion": 0.5}}, ("min_score", "fusion", "cosine")),
        ({"min_score": {"rerank": 0.5}}, ("rerank", "cosine")),
        ({"min_score": {"colour": 0.5}}, ("colour",)),
        ({"mode": "psychic"}, ("psychic",)),
        ({"mode": "hybrid", "fusion": {"weights": {"cosine": 0, "keyword": 0}}}, ("weights", "0")),
        ({"mode": "hybrid", "fusion": {"weights": {"cosine": -1}}}, ("weights",)),
        ({"mode": "hybrid", "fusion": {"method": "magic"}}, ("magic",)),
        ({"context": {"before": 11}}, ("before",)),
        ({"group_by": "colour"}, ("colour",)),
        ({"group_by": "document", "group_size": 0}, ("group_size",)),
        ({"rerank": {"candidates": 10_000}}, ("rerank.candidates", "200")),
        ({"facets": ["source"] * 11}, ("facets",)),
    ],
)
async def test_what_cannot_be_is_refused_by_name(api: Api, fields: dict[str, Any], words: Any) -> None:
    response = await api.client.post("/v1/search", json={"query": "x"} | fields)
    assert_problem(response, 400, "invalid_request", *words)


async def test_the_weights_of_the_request_decide(api: Api) -> None:
    words_only = {"method": "scores", "weights": {"cosine": 0, "keyword": 1}}
    for method in ("scores", "rrf"):
        words_only["method"] = method
        hybrid = await ask(api, "spring ERR_4012", mode="hybrid", fusion=words_only)
        keyword = await ask(api, "spring ERR_4012", mode="keyword")
        found = [result["score"] for result in keyword["results"]]
        assert len(found) > 1
        assert [r["scores"].get("keyword") for r in hybrid["results"]][: len(found)] == found


async def test_context_is_what_stands_beside(api: Api) -> None:
    [best, *_] = (await ask(api, "Error ERR_4012 means", context={"before": 2, "after": 1}))["results"]
    assert [unit["text"] for unit in best["context"]["before"]] == [
        "Refunds reach the card within five working days."
    ]
    assert [unit["text"] for unit in best["context"]["after"]] == ["Ask the bank to lift the block."]
    [without, *_] = (await ask(api, "Error ERR_4012 means"))["results"]
    assert without["context"] == {"before": [], "after": []}


async def test_adjacent_hits_are_merged_on_request(api: Api) -> None:
    answer = await ask(api, "refunds card bank error block", merge=True, filter={"source": "notes"})
    passage = next(r for r in answer["results"] if r["matches"])
    assert passage["text"].startswith("Refunds reach the card")
    document_text = (await api.client.get(f"/v1/documents/{passage['document']['id']}/text")).text
    place = passage["provenance"]
    assert document_text[place["char_start"] : place["char_end"]] == passage["text"]
    assert [passage["text"][m["start"] : m["end"]] for m in passage["matches"]] == [
        "Refunds reach the card within five working days.",
        "Error ERR_4012 means the card has expired.",
        "Ask the bank to lift the block.",
    ]
    assert passage["score"] == max(match["score"] for match in passage["matches"])
    assert passage["unit_id"] in {match["unit_id"] for match in passage["matches"]}


@pytest.mark.parametrize(("by", "heading"), [("document", None), ("section", ["Refunds"])])
async def test_groups_hold_the_best_units_of_each(api: Api, by: str, heading: list[str] | None) -> None:
    answer = await ask(api, "card error bank", group_by=by, group_size=2, limit=2)
    first = answer["groups"][0]
    assert (first["document"]["external_id"], first["heading_path"]) == ("notes.md", heading)
    assert len(first["results"]) == 2
    assert first["score"] == first["results"][0]["score"]
    assert answer["results"] == [group["results"][0] for group in answer["groups"]]
    assert len(answer["groups"]) == 2


async def test_what_says_the_same_is_folded_with_a_count(api: Api) -> None:
    await api.ingest("Lunch is at noon!", external_id="other", title="Other", source="other", split="lines")
    [best, *others] = (await ask(api, "lunch noon"))["results"]
    assert best["duplicate_count"] == len(best["duplicates"]) == 1
    assert not any("Lunch" in other["text"] for other in others)
    apart = (await ask(api, "lunch noon", fold=False))["results"]
    assert sum("Lunch" in result["text"] for result in apart) == 2
    assert {r["unit_id"] for r in apart[:2]} == {best["unit_id"], best["duplicates"][0]["unit_id"]}


async def test_folding_leaves_no_gap(api: Api) -> None:
    copies = "\n".join(["The very same entry stands here."] * 40 + [f"Another entry {n}." for n in range(9)])
    await api.ingest(copies, split="lines", source="copies")
    answer = await ask(api, "the very same entry stands here", limit=5, filter={"source": "copies"})
    assert len(answer["results"]) == 5
    assert answer["results"][0]["duplicate_count"] == 39


async def test_the_words_of_the_query_are_highlighted(api: Api) -> None:
    [best, *_] = (await ask(api, "发票 ERR_4012", mode="keyword", limit=1))["results"]
    assert [best["text"][h["start"] : h["end"]] for h in best["highlights"]] == ["ERR_4012"]
    [plain] = (await ask(api, "ERR_4012", mode="keyword", limit=1, highlight=False))["results"]
    assert plain["highlights"] == []


async def test_facets_count_what_the_filter_lets_through(api: Api) -> None:
    known = {"source": ["notes", "faq"]}
    answer = await ask(api, "anything", facets=["source", "kind"], filter=known)
    [source, kind] = answer["facets"]
    assert (source["field"], kind["field"]) == ("source", "kind")
    assert {value["value"]: value["units"] for value in source["values"]} == {"notes": 5, "faq": 2}
    narrowed = await ask(api, "anything", facets=["source"], filter={"kind": "line", "source": "faq"})
    assert narrowed["facets"][0]["values"] == [{"value": "faq", "units": 2}]
    refused = await api.client.post("/v1/search", json={"query": "x", "facets": ["colour"]})
    assert_problem(refused, 400, "invalid_filter", "colour", "source")


async def test_a_unit_finds_its_like_and_not_itself(api: Api) -> None:
    document = await api.ingest("Holidays are planned in summer.", external_id="one", source="other")
    [holidays, *_] = (await ask(api, "Holidays are planned in spring."))["results"]
    path = f"/v1/units/{holidays['unit_id']}/similar"
    answer = (await api.client.post(path, json={"limit": 3})).json()
    assert answer["results"][0]["text"] == "Holidays are planned in summer."
    assert holidays["unit_id"] not in {result["unit_id"] for result in answer["results"]}
    assert len(answer["results"]) == 3
    narrowed = await api.client.post(path, json={"filter": {"source": "notes"}, "context": {"after": 1}})
    assert {result["document"]["source"] for result in narrowed.json()["results"]} == {"notes"}
    await api.client.delete(f"/v1/documents/{document['id']}")
    again = (await api.client.post(path, json={})).json()["results"]
    assert "Holidays are planned in summer." not in {result["text"] for result in again}


async def test_there_is_nothing_like_a_unit_that_is_not_there(api: Api) -> None:
    response = await api.client.post("/v1/units/nope/similar", json={})
    assert_problem(response, 404, "not_found", "nope")


async def test_a_batch_is_embedded_and_asked_of_the_index_at_once(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    asked: list[int] = []
    embed, ask_index = api.embedder.embed_queries, UnitIndex._ask

    def counted(queries: Any, instruction: str | None = None) -> Any:
        sizes.append(len(queries))
        return embed(queries, instruction)

    async def counted_index(self: UnitIndex, *requests: Any) -> Any:
        asked.append(len(requests))
        return await ask_index(self, *requests)

    monkeypatch.setattr(api.embedder, "embed_queries", counted)
    monkeypatch.setattr(UnitIndex, "_ask", counted_index)
    queries = ["expired card", "lunch", "holidays"]
    searches = [{"query": query, "limit": 1} for query in queries] + [
        {"query": "ERR_4012", "mode": "keyword"}
    ]
    response = await api.client.post("/v1/search/batch", json={"searches": searches})
    assert response.status_code == 200, response.text
    answers = response.json()["responses"]
    assert sizes == [3]
    assert len(asked) == 4
    for query, answer in zip(queries, answers[:3], strict=True):
        assert answer["results"][0]["unit_id"] == (await ask(api, query, limit=1))["results"][0]["unit_id"]
    assert answers[3]["mode"] == "keyword"


async def test_a_batch_has_bounds_and_names_what_is_wrong(api: Api) -> None:
    for searches, words in (
        ([], ("searches",)),
        ([{"query": "x"}] * 33, ("searches",)),
        ([{"query": "x"}, {"query": " "}], ("searches[1]", "query is empty")),
    ):
        response = await api.client.post("/v1/search/batch", json={"searches": searches})
        assert_problem(response, 400, "invalid_request", *words)
