from __future__ import annotations

import math

import numpy as np
import pytest

from embed_plugin.model.scores import activated, read_activation


def test_a_sigmoid_is_exact_and_does_not_overflow() -> None:
    for logit in (-3.5, -1e-8, 0.0, 2.25, 20.0):
        assert np.float32(activated(logit, "sigmoid")) == np.float32(1 / (1 + math.exp(-logit)))
    assert [activated(logit, "sigmoid") for logit in (-1e5, 1e5)] == [0, 1]
    assert activated(-7.5, "identity") == -7.5


@pytest.mark.parametrize("stated", [None, "tanh", 1])
def test_another_activation_is_refused(stated: object) -> None:
    with pytest.raises(ValueError, match="expected sigmoid or identity"):
        read_activation(stated)
