"""Joining pairs; the token ids are compared with transformers' in tests/export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from embed_plugin import InvalidInputError, ModelFolderError
from embed_plugin.encode.kinds.pair_tokenizer import PairTokenizer, longest_first
from embed_plugin.encode.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCES = Path(__file__).parents[2] / "export/references/rerankers"
PROMPT = {"before": "<|im_start|>", "pair": "{instruction} {query}: {text}", "after": "<|im_end|>", "instruction": "Go"}


def pairs_of(facts: Mapping[str, Any], *, family: str = "bert", max_tokens: int = 20) -> PairTokenizer:
    return PairTokenizer(TextTokenizer(REFERENCES / family / "tokenizer.json", max_tokens=max_tokens), facts)


def test_the_second_segment_has_ids_of_its_own() -> None:
    plain = pairs_of({}).tokenise([("a", "red")]).ids[0]
    moved = pairs_of({"second_segment": 1000}).tokenise([("a", "red")]).ids[0]
    first = plain.index(plain[-1]) + 1  # up to the first [SEP]
    assert list(moved) == [*plain[:first], *(token + 1000 for token in plain[first:])]
    assert len(moved) > first


def test_unknown_tokens_are_counted_in_both_segments() -> None:
    tokenised = pairs_of({"second_segment": 1000}).tokenise([("a ☃", "☃ ☃"), ("a", "a")])
    assert tokenised.unknown == [3, 0]


@pytest.mark.parametrize("length", [(5, 5), (9, 30), (30, 9), (30, 30), (8, 8), (8, 9), (9, 8), (0, 50)])
def test_the_longer_side_is_cut_first_as_tokenizers_does(length: tuple[int, int]) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    for room in (16, 17):
        tokenizer.enable_truncation(room, strategy="longest_first")
        sides = tokenizer.encode("a " * length[0], "b " * length[1]).ids
        assert longest_first(*length, room) == (sides.count(0), sides.count(1))


def test_a_query_longer_than_the_limit_leaves_half_to_the_text() -> None:
    tokenised = pairs_of({}).tokenise([("red " * 50, "blue " * 50), ("red " * 40, "blue " * 900)])
    ids = tokenised.ids
    assert [len(each) for each in ids] == [20, 20]
    assert tokenised.cut == [0, 1]
    assert ids[1].count(ids[1][-2]) == 9  # of 17, the longer side has the odd one


def test_a_prompt_is_filled_in_one_pass_and_cut_in_front_of_its_end() -> None:
    pairs = pairs_of({"prompt": PROMPT}, family="qwen3-reranker-tied", max_tokens=24)
    tokenizer = Tokenizer.from_file(str(REFERENCES / "qwen3-reranker-tied/tokenizer.json"))
    said = pairs.tokenise([("{text}", "red")]).ids[0]
    assert list(said) == tokenizer.encode("<|im_start|>Go {text}: red<|im_end|>").ids
    other = pairs.tokenise([("a", "red")], instruction="Find").ids[0]
    assert list(other) == tokenizer.encode("<|im_start|>Find a: red<|im_end|>").ids
    long = pairs.tokenise([("a", "red cat " * 90)])
    assert (len(long.ids[0]), long.cut, long.ids[0][-1]) == (24, [0], tokenizer.token_to_id("<|im_end|>"))


APART = {
    **PROMPT,
    "pair": "{instruction}query: {query}\ndocument: {text}",
    "after": "\nend<|im_end|>",
    "instruction": "",
    "given": "instruction: {instruction}\n",
    "apart": True,
    "longest": 32,
}


def test_parts_of_a_prompt_may_be_tokenised_on_their_own() -> None:
    whole = pairs_of({"prompt": {**APART, "longest": 0}}, family="mxbai-rerank-base-v2", max_tokens=90)
    tokenizer = Tokenizer.from_file(str(REFERENCES / "mxbai-rerank-base-v2/tokenizer.json"))
    parts = ("<|im_start|>", "instruction: Find\nquery: {text}?", "\ndocument: a.", "\nend<|im_end|>")
    expected = [token for part in parts for token in tokenizer.encode(part).ids]
    assert list(whole.tokenise([("{text}?", "a.")], instruction="Find").ids[0]) == expected
    pairs = pairs_of({"prompt": APART}, family="mxbai-rerank-base-v2", max_tokens=90)
    long = pairs.tokenise([("red " * 90, "blue cat " * 90), ("a", "b")])
    around = len(tokenizer.encode("<|im_start|>\nend<|im_end|>").ids)
    assert (len(long.ids[0]), long.cut) == (32 + around, [0])
    assert list(long.ids[0][1:25]) == tokenizer.encode("query: " + "red " * 90).ids[:24]


def test_a_caller_may_put_the_prompt_into_query_and_text() -> None:
    pairs = pairs_of({"prompt_by_caller": True}, family="qwen2-seq-cls", max_tokens=30)
    tokenizer = Tokenizer.from_file(str(REFERENCES / "qwen2-seq-cls/tokenizer.json"))
    assert list(pairs.tokenise([("say it:", " no")]).ids[0]) == tokenizer.encode("say it:", " no").ids
    with pytest.raises(InvalidInputError, match="takes no instruction"):
        pairs.tokenise([("a", "b")], instruction="Find")


@pytest.mark.parametrize("instruction", ["", " ", "two\nlines"])
def test_an_instruction_is_one_line(instruction: str) -> None:
    pairs = pairs_of({"prompt": PROMPT}, family="qwen3-reranker-tied")
    with pytest.raises(InvalidInputError, match="expected one line"):
        pairs.tokenise([("a", "b")], instruction=instruction)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"second_segment": -1}, "second_segment is -1"),
        ({"second_segment": "2"}, "second_segment is '2'"),
        ({"prompt": {"pair": ""}}, "expected the texts after, before, instruction, pair"),
        ({"prompt": {**PROMPT, "longest": "9"}}, "expected the texts"),
        ({"prompt": {**PROMPT, "other": ""}}, "expected the texts"),
    ],
)
def test_facts_that_cannot_be_used_are_named(facts: Mapping[str, Any], said: str) -> None:
    with pytest.raises(ModelFolderError, match=said):
        pairs_of(facts)


def test_a_limit_without_room_for_a_pair_is_refused() -> None:
    with pytest.raises(ModelFolderError, match="3 special tokens around a pair, and the model takes 4"):
        pairs_of({}, max_tokens=4)


@pytest.mark.parametrize(("pair", "said"), [("$A $B", "nothing between"), ("$B [SEP] $A", "as query and text")])
def test_a_tokenizer_without_a_template_for_pairs_is_refused(tmp_path: Path, pair: str, said: str) -> None:
    tokenizer = Tokenizer.from_file(str(REFERENCES / "bert/tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing("$A [SEP]", pair, [("[SEP]", 3)])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ModelFolderError, match=said):
        PairTokenizer(TextTokenizer(tmp_path / "tokenizer.json", max_tokens=20), {})
