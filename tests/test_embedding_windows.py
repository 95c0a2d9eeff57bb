"""Windows over a tokenizer of three letters a token: what each span is made of, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from docradar.documents import Span
from docradar.embedding.windows import Source, Target, Window, Windower, batches

START, END, PIECE = 0, 1, 2


def tokenizer_of_pieces() -> Tokenizer:
    """`<s>`, a token for every run of up to three letters, `</s>`; control characters vanish, spaces divide."""
    tokenizer = Tokenizer(models.WordLevel({"<s>": START, "</s>": END, "?": PIECE}, unk_token="?"))
    tokenizer.normalizer = normalizers.Replace(Regex("[\x01-\x08]"), "")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(Regex(".{1,3}"), "isolated")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", START), ("</s>", END)]
    )
    return tokenizer


def windows(
    text: str, spans: list[tuple[int, int]] | None, max_tokens: int = 100, prompt: str = ""
) -> list[Window]:
    source = Source(text, None if spans is None else [Span(*span) for span in spans])
    return Windower(tokenizer_of_pieces(), max_tokens).windows([source], prompt)


def test_whole_text_is_pooled_with_prompt_and_special_tokens() -> None:
    [window] = windows("abcdef", None, prompt="pas: ")
    assert window.ids == [START, PIECE, PIECE, PIECE, PIECE, END]
    assert window.targets == [Target(row=0, start=0, end=6, weight=2)]


def test_prompt_can_be_left_out_of_pooling() -> None:
    windower = Windower(tokenizer_of_pieces(), 100, pools_prompt=False)
    [window] = windower.windows([Source("abcdef")], "pas: ")
    assert window.targets[0].start == 3


def test_span_gets_its_own_tokens_only() -> None:
    #        0      7     token 3: abc, 4: d, 5: efg
    [window] = windows("abcd efg", [(0, 4), (5, 8)], prompt="pas: ")
    assert window.targets == [Target(0, 3, 5, 2), Target(1, 5, 6, 1)]


def test_token_across_two_spans_counts_for_both() -> None:
    [window] = windows("abcdef", [(0, 4), (4, 6)])
    assert window.targets == [Target(0, 1, 3, 2), Target(1, 2, 3, 1)]


@pytest.mark.parametrize("text", ["", " ", "\x01"])
@pytest.mark.parametrize("prompt", ["", "pas: "])
def test_text_without_tokens_still_has_something_to_pool(text: str, prompt: str) -> None:
    for spans in (None, [(0, len(text))]):
        [window] = windows(text, spans, prompt=prompt)
        [target] = window.targets
        assert 0 <= target.start < target.end <= len(window.ids)


def test_span_without_tokens_gets_the_nearest() -> None:
    [window] = windows("abc \x01 def", [(4, 5), (6, 9)])
    assert window.targets[0].end - window.targets[0].start == 1


def test_sources_are_numbered_through() -> None:
    windower = Windower(tokenizer_of_pieces(), 100)
    both = windower.windows([Source("abc abc", [Span(0, 3), Span(4, 7)]), Source("abc")], "")
    assert [[target.row for target in window.targets] for window in both] == [[0, 1], [2]]


def test_lone_surrogates_are_replaced() -> None:
    [window] = windows("ab\ud800 abc", [(0, 3), (4, 7)])
    assert window.targets == [Target(0, 1, 2, 1), Target(1, 2, 3, 1)]


def test_tokens_are_counted_without_prompt_and_special_tokens() -> None:
    assert Windower(tokenizer_of_pieces(), 100).count(["abcd efg", ""]) == [3, 0]


WORDS = st.lists(st.text("abcdef", min_size=1, max_size=12), min_size=1, max_size=40)


@given(words=WORDS, max_tokens=st.integers(4, 30), prompt=st.sampled_from(["", "p: "]))
def test_every_token_of_every_span_is_counted_once_within_the_models_window(
    words: list[str], max_tokens: int, prompt: str
) -> None:
    spans, start = [], 0
    for word in words:
        spans.append((start, start + len(word)))
        start += len(word) + 1
    counted = dict.fromkeys(range(len(words)), 0)
    for window in windows(" ".join(words), spans, max_tokens, prompt):
        assert len(window.ids) <= max_tokens
        assert (window.ids[0], window.ids[-1]) == (START, END)
        for target in window.targets:
            assert target.weight == target.end - target.start
            assert set(window.ids[target.start : target.end]) == {PIECE}
            counted[target.row] += target.weight
    assert list(counted.values()) == [-(-len(word) // 3) for word in words]


@given(words=WORDS, max_tokens=st.integers(4, 30))
def test_a_long_whole_text_is_cut_without_loss(words: list[str], max_tokens: int) -> None:
    cut = windows(" ".join(words), None, max_tokens)
    assert all(len(window.ids) <= max_tokens for window in cut)
    assert sum(target.weight for window in cut for target in window.targets) == sum(
        -(-len(word) // 3) for word in words
    )


@given(lengths=st.lists(st.integers(1, 50), max_size=60), batch_tokens=st.integers(1, 200))
def test_batches_hold_every_window_within_the_bound(lengths: list[int], batch_tokens: int) -> None:
    made = list(batches([Window([PIECE] * n, []) for n in lengths], batch_tokens, 8))
    for batch in made:
        widest = -(-max(len(window.ids) for window in batch) // 8) * 8
        assert len(batch) == 1 or widest * len(batch) <= batch_tokens
    assert sorted(len(window.ids) for batch in made for window in batch) == sorted(lengths)
