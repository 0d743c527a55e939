"""Attention of queries that see the first keys of their text alone: those of a late-interaction query's expansion."""

from __future__ import annotations

import numpy as np
import pytest

from support.one_operator import INPUTS, on_each_set, run, session

pytestmark = on_each_set
RULE = {"num_heads": 2, "kv_heads": 2, "causal": 0, "window": -1, "scale": 32**-0.5}
OPERATORS = {"AttentionQuantise": {"num_heads": 2}, "RuleAttentionQuantise": RULE}
SEEN = [4, 9, 1, 40, 33]


@pytest.fixture(params=OPERATORS)
def operator(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An operator, of which graphs state the keys that are seen."""
    name = str(request.param)
    monkeypatch.setitem(INPUTS, name, {**INPUTS[name], "seen": "i"})
    return name


def inputs(operator: str, keys: int = 40) -> list[np.ndarray]:
    random = np.random.default_rng(7)
    values = [random.standard_normal((len(SEEN), keys, 64)).astype(np.float32) for _ in range(3)]
    bias = [np.zeros((0, 0), np.float32)] if operator == "RuleAttentionQuantise" else []
    return [*values, *bias, np.array([3])]


def test_a_text_is_as_if_the_other_keys_were_not_there(operator: str) -> None:
    call = session(operator, attributes=OPERATORS[operator])
    q, k, v, *others = inputs(operator)
    found = run(call, operator, q, k, v, *others, SEEN)
    for index, seen in enumerate(SEEN):
        one = slice(index, index + 1)
        rows = seen if operator == "RuleAttentionQuantise" else 40  # which takes no more queries than keys
        alone = run(call, operator, q[one, :rows], k[one, :seen], v[one, :seen], *others, [seen])
        for both, expected in zip(found, alone, strict=True):
            np.testing.assert_array_equal(both[one, :rows], expected)


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        ([0, 1, 1, 1, 1], "must see 1 key or more"),
        ([1, 1, 41, 1, 1], "no more than it has"),
        ([1, 1], "a number for each text"),
        ([], "a number for each text"),
    ],
)
def test_other_numbers_are_refused(operator: str, seen: list[int], message: str) -> None:
    with pytest.raises(Exception, match=message):  # onnxruntime's errors have no common base
        run(session(operator, attributes=OPERATORS[operator]), operator, *inputs(operator), seen)
