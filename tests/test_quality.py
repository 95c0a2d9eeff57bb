"""The committed queries of docs/quality.md against the samples that they ask about."""

from collections import Counter

from bench.quality_corpus import DEVELOPMENT, FRESH, SAMPLES
from docradar.evaluation.judgements import read_judgements
from docradar.evaluation.summary import absent_documents

LEAST_QUERIES = 120
KINDS = {
    "cross",
    "hypernym",
    "identifier",
    "implied",
    "keyword",
    "negation",
    "question",
    "synonym",
    "unanswerable",
}


def test_every_kind_of_query_is_asked_in_development_and_afresh() -> None:
    # Together, so that an id or a question that two files share is refused.
    judgements = read_judgements([*DEVELOPMENT, FRESH])
    fresh = [judgement for judgement in judgements if judgement.place.startswith(str(FRESH))]
    developed = judgements[: -len(fresh)]

    assert len(developed) >= LEAST_QUERIES
    for part in (developed, fresh):
        kinds = Counter(judgement.tags[0] for judgement in part)
        assert set(kinds) == KINDS
        assert min(kinds.values()) >= 5
        assert all(judgement.answerable != (judgement.tags[0] == "unanswerable") for judgement in part)


def test_every_expected_document_is_among_the_samples() -> None:
    names = [path.name for path in SAMPLES.glob("*/*") if path.is_file()]
    assert absent_documents(read_judgements([*DEVELOPMENT, FRESH]), names) == {}
