"""The samples, through the real packaged model and the real service: what a newcomer sees must be right."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bench.demo import QUESTIONS, SAMPLES, SOURCES
from docradar.embedding.choice import load_embedder
from service.ingest_command import files_of
from tests.api import Api, running

# (query, filter, how the right first hit begins)
GOLDEN = [
    ("支付超时怎么办", {}, "支付超时多半是网关响应变慢"),
    ("钱扣了两次怎么办", {}, "我被重复扣款了怎么办？"),
    ("会员不用了想先停一阵子", {}, "出差几个月用不上，可以先停一停吗？"),
    ("退款每天最多能退多少", {"source": "prd"}, "每个商户每天的退款总额上限为 20,000 元"),
    ("新人什么时候开始值班", {"source": "notes"}, "入职满三个月后加入值班"),
    ("老用户涨价吗", {"source": "prd"}, "老用户恢复后沿用暂停前的价格"),
    ("PO-6002 打款失败怎么处理", {}, "整批失败就联系银行值班电话"),
    ("How long does it take until I get my money back?", {}, "When will I get my money back?"),
    ("how do I freeze my membership while travelling", {}, "Can I put my membership on hold?"),
    ("can a merchant's account be emptied by a thief at night", {}, "Tomás insisted on a daily limit"),
    (
        "how quickly are merchants told about a data breach",
        {"source": "runbook"},
        "We inform affected merchants",
    ),
    ("payment timeout, what should I do", {"language": "zh"}, "支付超时多半是网关响应变慢"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Api]:
    """All samples, searchable."""
    folder = tmp_path_factory.mktemp("samples")
    async with running(folder, loader=load_embedder, wait=False) as api:
        jobs = [await put(api, path, source) for source in SOURCES for path, _ in files_of(SAMPLES / source)]
        await api.eventually(lambda _: True, "/health/ready", seconds=120)
        for job in jobs:
            assert (await api.ended(job["id"]))["state"] == "succeeded"
        yield api


async def put(api: Api, path: Path, source: str) -> dict[str, str]:
    fields = {"source": source, "split": "lines" if source == "faq" else "auto"}
    response = await api.upload(path.name, path.read_bytes(), **fields)
    return response.json()["jobs"][0]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("query", "narrowed", "begins"), GOLDEN)
async def test_the_first_hit_is_the_right_one(
    api: Api, query: str, narrowed: dict[str, str], begins: str
) -> None:
    hits = await api.search(query, filter=narrowed)
    assert hits[0]["text"].startswith(begins), [hit["text"] for hit in hits]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_demos_questions_are_among_the_golden_ones() -> None:
    golden = {(query, str(narrowed)) for query, narrowed, _ in GOLDEN}
    for question in QUESTIONS:
        sources = question.get("filter", {}).get("source")
        assert (question["query"], str({"source": sources[0]} if sources else {})) in golden


@pytest.mark.asyncio(loop_scope="module")
async def test_every_unit_of_every_sample_has_its_exact_place(api: Api) -> None:
    documents = (await api.client.get("/v1/documents", params={"limit": 100})).json()["documents"]
    assert len(documents) == 15
    for document in documents:
        text = (await api.client.get(f"/v1/documents/{document['id']}/text")).text
        units = (await api.client.get(f"/v1/documents/{document['id']}/units", params={"limit": 500})).json()[
            "units"
        ]
        assert len(units) == document["units"] > 0
        for unit in units:
            assert text[unit["char_start"] : unit["char_end"]] == unit["text"]
        if document["filename"].endswith(".pdf"):
            assert {unit["page"] for unit in units} == set(range(1, document["report"]["pages"] + 1))
