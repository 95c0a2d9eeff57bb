"""Reranking of texts that the caller has, in the shape of Jina's and Cohere's `/rerank`."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from docradar.errors import InvalidRequestError
from service.problems import problem_spec, problem_specs
from service.runtime import Runtime
from service.schemas import RerankRequest, RerankResponse, RerankResult
from service.search import query_text


class RerankController(Controller):
    """The reranker, without the index."""

    path = "/v1/rerank"
    tags = ("search",)

    @post(
        status_code=200,
        responses=problem_specs(413)
        | {
            400: problem_spec(
                "The query is empty or too long, there are too many documents, or the model is another one."
            ),
            503: problem_spec(
                "The reranker is loading, or too many requests wait; `Retry-After` says when to come back."
            ),
        },
    )
    async def rerank(
        self, runtime: NamedDependency[Runtime], data: JSONBody[RerankRequest]
    ) -> RerankResponse:
        """Scores each document by how relevant it is to the query, 0 to 1; the best come first."""
        query = query_text(data.query, runtime.settings)
        _check_model(data.model, runtime.reranking.model)
        scores = await runtime.reranking.rerank(query, data.documents, data.instruction)
        best = sorted(range(len(scores)), key=lambda index: -scores[index])[: data.top_n]
        return RerankResponse(
            model=runtime.reranking.model,
            results=[
                RerankResult(
                    index=index,
                    relevance_score=scores[index],
                    document=data.documents[index] if data.return_documents else None,
                )
                for index in best
            ],
        )


def _check_model(named: str | None, model: str) -> None:
    if named is not None and named != model:
        raise InvalidRequestError(
            f"model is {named[:100]!r}; this service reranks with {model!r}: name that one, or none"
        )
