"""Vectors without what they owe to their language."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from docradar.documents import Passage
from docradar.embedding.centring import Centre, han_shares
from docradar.embedding.choice import load_embedder
from docradar.embedding.profiles import fingerprint
from docradar.embedding.protocol import Embedder
from docradar.settings import Settings
from tests.fakes import fake_profile

QUESTION = "how long do I have to wait for a refund"
ANSWER = "退款在五个工作日内到账。"
OTHERS = [
    "The office is closed on public holidays.",
    "Bring your badge to the front desk.",
    "Backups are kept for thirty days.",
    "The meeting room on the third floor seats eight people.",
]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("centring")


def load(folder: Path, *, centring: bool) -> Embedder:
    return load_embedder(
        Settings(data_dir=folder, model="packaged", cpu_engine="torch", centring=centring),
        lambda _stage: None,
    )


def cosines(embedder: Embedder) -> list[float]:
    """Of the question with its answer in another language, and with other texts in its own."""
    [question] = embedder.embed_queries([QUESTION])
    texts = np.concatenate(embedder.embed_passages([Passage.whole(text) for text in (ANSWER, *OTHERS)]))
    found: list[float] = (texts @ question).tolist()
    return found


def test_an_answer_in_another_language_comes_before_what_is_no_answer(model_folder: Path) -> None:
    answer, *others = cosines(load(model_folder, centring=True))
    assert answer > max(others)
    # Without it unrelated texts of one language are as near as the answer in the other, or nearly so, and all is near.
    plain_answer, *plain_others = cosines(load(model_folder, centring=False))
    assert min(plain_others) > 0.7
    assert answer - max(others) > plain_answer - max(plain_others) + 0.1


def test_centred_vectors_have_length_one_and_another_fingerprint(model_folder: Path) -> None:
    centred, plain = (load(model_folder, centring=centring) for centring in (True, False))
    late = Passage("Refunds take five days. 退款需要五天。", ((0, 23), (24, 31)))  # type: ignore[arg-type]
    [vectors] = centred.embed_passages([late])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors.dtype == np.float32
    assert fingerprint(centred.profile) != fingerprint(plain.profile)
    assert (centred.profile.strong_score, plain.profile.strong_score) == (0.25, 0.87)
    assert centred.embed_queries([]).shape == (0, 384)


def test_a_shortened_vector_is_left_as_it_is(model_folder: Path) -> None:
    settings = Settings(data_dir=model_folder, model="packaged", truncate_dim=128)
    assert load_embedder(settings, lambda _stage: None).profile.centre == ""


def test_models_without_a_centre_keep_their_fingerprint() -> None:
    profile = fake_profile()
    assert profile.centre == ""
    assert fingerprint(profile) == fingerprint(replace(profile, keyword_bonus=0.5, strong_score=0.1))
    assert fingerprint(profile) != fingerprint(replace(profile, centre="a"))


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("退款需要五天", 1.0),
        ("Refunds take days", 0.0),
        ("1234 …", 0.5),
        ("", 0.5),
        ("配置 timeout", 2 / 3.5),
    ],
)
def test_the_share_of_chinese_is_by_characters_and_words(text: str, share: float) -> None:
    assert han_shares([text])[0] == pytest.approx(share)


def test_what_is_subtracted_lies_between_the_languages() -> None:
    centre = Centre(np.arange(8, dtype=np.float32).reshape(2, 2, 2))
    vectors = np.zeros((2, 2), np.float32)
    assert centre.centred(vectors, "passage", ["退款", "refund"]).tolist() == [[0, -1], [-2, -3]]
    assert centre.centred(vectors, "query", ["退款", "…"]).tolist() == [[-4, -5], [-5, -6]]
    assert len(centre.digest) == 16
