"""The bench's measure of reading: what counts as seen, missed and furniture."""

import pytest

from bench.recall import missed, recall, words


@pytest.mark.parametrize(
    ("seen", "units", "expected"),
    [
        ("the cat sat down", "The cat sat down", (1.0, 0.0)),
        ("the cat sat down", "the cat sat", (0.75, 0.0)),
        ("the cat sat", "the cat sat Home", (1.0, 0.25)),
        ("one one two", "one two", (2 / 3, 0.0)),  # words count as often as they stand there
        ("one two", "one two two", (1.0, 1 / 3)),
        ("the docu ment is", "the document is", (1.0, 0.0)),  # a hyphen undone
        ("a well known one", "a wellknown one", (1.0, 0.0)),
        ("state of theart", "state of the art", (1.0, 0.0)),
        ("退款多久", "退款", (0.5, 0.0)),
        ("", "", (1.0, 0.0)),
    ],
)
def test_recall_and_furniture(seen: str, units: str, expected: tuple[float, float]) -> None:
    assert recall(words(seen), words(units)) == pytest.approx(expected)


def test_ligatures_signs_and_case_do_not_matter() -> None:
    assert words("Eﬃcient, soft\u00adware; ABC_def!") == ["efficient", "software", "abc", "def"]


def test_what_was_missed_is_named() -> None:
    missing, extra = missed(words("a b b c"), words("a b d"))
    assert (+missing, +extra) == ({"b": 1, "c": 1}, {"d": 1})
