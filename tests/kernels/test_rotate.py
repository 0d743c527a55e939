from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from support.one_operator import on_each_set, rms_norm, run, session

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
HEADS, POSITIONS, EPSILON = 3, 40, 1e-6
SIZES = [2, 6, 16, 32, 48, 64, 96, 128, 256]


def inputs(length: int, size: int, *, norm: bool) -> list[Array]:
    random = np.random.default_rng(size)
    angles = random.uniform(0, 9, (POSITIONS, size // 2))
    gamma = random.normal(size=size if norm else 0)
    values = [random.normal(size=(2, length, HEADS * size)), np.cos(angles), np.sin(angles), gamma]
    return [x.astype(np.float32) for x in values]


def rotated(values: list[Array]) -> Array:
    made = session("RotateHeads", attributes={"num_heads": HEADS, "epsilon": EPSILON})
    return run(made, "RotateHeads", *values)[0]


def expected(values: list[Array]) -> Array:
    x, cosines, sines, gamma = (each.astype(np.float64) for each in values)
    by_head = x.reshape(*x.shape[:2], HEADS, -1)
    if gamma.size:
        by_head = rms_norm(by_head, gamma, EPSILON)
    first, second = np.split(by_head, 2, axis=-1)
    cosine, sine = (table[: x.shape[1], None] for table in (cosines, sines))
    turned = np.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
    found: Array = turned.reshape(x.shape)
    return found


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("norm", [False, True])
def test_heads_turn_by_position(size: int, norm: bool) -> None:  # noqa: FBT001 - a value that varies
    values = inputs(7, size, norm=norm)
    np.testing.assert_allclose(rotated(values), expected(values), atol=3e-6)


@pytest.mark.parametrize("norm", [False, True])
def test_a_text_and_a_token_do_not_depend_on_the_others(norm: bool) -> None:  # noqa: FBT001 - a value that varies
    x, *rest = inputs(POSITIONS, 32, norm=norm)
    whole = rotated([x, *rest])
    assert rotated([x[1:], *rest]).tobytes() == whole[1:].tobytes()
    assert rotated([x[:, :5], *rest]).tobytes() == whole[:, :5].tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: np.zeros((2, 48))}, "queries or keys must be"),
        ({0: np.zeros((2, 3, 49))}, "an even number of channels"),
        ({0: np.zeros((2, 3, 9))}, "an even number of channels"),
        ({0: np.zeros((2, POSITIONS + 1, 48))}, "more tokens than there are positions"),
        ({1: np.zeros((POSITIONS, 9))}, "cosines and sines must be"),
        ({2: np.zeros((POSITIONS - 1, 8))}, "cosines and sines must be"),
        ({3: np.zeros(15)}, "gamma must be empty or"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[int, Array], message: str) -> None:
    given = inputs(3, 16, norm=False)
    for place, value in change.items():
        given[place] = value
    with pytest.raises(Exception, match=message):
        rotated(given)
