"""Sentence splitting: the cases, what always holds, and hostile runs."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sentences import sentence_spans

CASES = json.loads((Path(__file__).parent / "sentence_cases.json").read_text(encoding="utf-8"))
LEAST_RIGHT = 116

pieces = st.sampled_from(
    [
        "。", ".", "!", "？", "…", "“", "”", '"', "「", "」", "(", ")", " ", "\n", "\n\n", "\r\n", "\u3000", "\u200b", "😀",
        "Dr", "e.g", "U.S", "He", "then", "支付", "と", "1", "2", "- ", "`", "https://a.b/c", "สวัสดี", "مرحبا", "नमस्ते", "।",
    ]
)  # fmt: skip
texts = st.one_of(st.text(max_size=200), st.lists(pieces, max_size=60).map("".join))


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


def squeezed(sentences: list[str]) -> list[str]:
    return ["".join(sentence.split()) for sentence in sentences]


def test_at_least_116_of_the_118_cases_are_split_as_people_would() -> None:
    wrong = [
        f"{case['kind']}: {split(case['text'])} instead of {case['accepted'][0]}"
        for case in CASES
        if squeezed(split(case["text"])) not in [squeezed(accepted) for accepted in case["accepted"]]
    ]
    assert len(CASES) - len(wrong) >= LEAST_RIGHT, "\n".join(wrong)


@given(texts)
def test_spans_are_ordered_disjoint_trimmed_and_cover_every_visible_character(text: str) -> None:
    spans = sentence_spans(text)
    position = 0
    for start, end in spans:
        assert position <= start < end <= len(text)
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@given(texts)
def test_a_sentence_never_spans_a_blank_line(text: str) -> None:
    assert not any("\n\n" in sentence for sentence in split(text.replace("\r", "")))


RUNS = (
    "a", "1", ".", "。", "!", "…", '"', "'", "“", "”", "（", ")", "[", "`", "-", " ", "\n", "\u200b", "😀", "ก",
    ". ", "A.", "「。", "http://",
)  # fmt: skip


@pytest.mark.parametrize("run", RUNS, ids=ascii)
def test_a_megabyte_of_one_character_takes_linear_time(run: str) -> None:
    # Quadratic work on a million characters would run into the test's time limit by far.
    text = run * (1_000_000 // len(run))
    assert sum(end - start for start, end in sentence_spans(text)) >= len(text.strip()) - text.count(
        " "
    ) - text.count("\n")


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("他说“等等。再说。”就走了。好。", ["他说“等等。再说。”就走了。", "好。"]),
        (
            "System.Console.WriteLine is a call. It prints.",
            ["System.Console.WriteLine is a call.", "It prints."],
        ),
        ("版本4.4.0已发布。iOS用户请更新。", ["版本4.4.0已发布。", "iOS用户请更新。"]),
        ("It was 1999. Then it broke.", ["It was 1999.", "Then it broke."]),
        ("Was ist das? Ein Test. Gut!", ["Was ist das?", "Ein Test.", "Gut!"]),
        ("Это тест. Второе предложение.", ["Это тест.", "Второе предложение."]),
    ],
)
def test_further_examples(text: str, sentences: list[str]) -> None:
    assert split(text) == sentences


def test_other_scripts_are_split_by_their_own_rules() -> None:
    assert split("यह पहला वाक्य है। यह दूसरा वाक्य है।") == ["यह पहला वाक्य है।", "यह दूसरा वाक्य है।"]
