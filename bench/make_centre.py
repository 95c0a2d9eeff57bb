"""Makes docradar/embedding/centres/multilingual-e5-small.npy from bench/centre_texts: `.venv/bin/python -m bench.make_centre`.

A step for whoever edits those texts; the result is committed. The texts are parallel, of many subjects, and have nothing
to do with the samples that search is judged by.
"""

import tempfile
from pathlib import Path

import numpy as np

from docradar.documents import Passage
from docradar.embedding.centring import FOLDER
from docradar.embedding.choice import load_embedder
from docradar.embedding.protocol import Embedder, Vectors
from docradar.settings import Settings

TEXTS = Path(__file__).parent / "centre_texts"
MODEL = "multilingual-e5-small"


def pairs(kind: str) -> tuple[list[str], list[str]]:
    """English and Chinese texts, line by line the same."""
    lines = [
        line for path in sorted(TEXTS.glob(f"{kind}_*.tsv")) for line in path.read_text("utf-8").splitlines()
    ]
    english, chinese = zip(*(line.split("\t") for line in lines), strict=True)
    return list(english), list(chinese)


def centre_of(embedder: Embedder) -> Vectors:
    """float32 (2, 2, dim): means of passages and queries, each in Chinese and in English."""
    english, chinese = pairs("passages")
    asked_english, asked_chinese = pairs("questions")

    def passages(texts: list[str]) -> Vectors:
        return np.concatenate(embedder.embed_passages([Passage.whole(text) for text in texts]))

    means = [
        [passages(chinese).mean(axis=0), passages(english).mean(axis=0)],
        [
            embedder.embed_queries(asked_chinese).mean(axis=0),
            embedder.embed_queries(asked_english).mean(axis=0),
        ],
    ]
    return np.array(means, np.float32)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), model="packaged", centring=False)
        means = centre_of(load_embedder(settings, lambda _stage: None))
    FOLDER.mkdir(exist_ok=True)
    np.save(FOLDER / f"{MODEL}.npy", means.astype(np.float16))
    gaps = [float(np.linalg.norm(chinese - english)) for chinese, english in means]
    print(f"{means.shape}: the languages lie {gaps[0]:.3f} (passages) and {gaps[1]:.3f} (queries) apart")


if __name__ == "__main__":
    main()
