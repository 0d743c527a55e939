from __future__ import annotations

import numpy as np
import pytest

from embed_plugin.export.layers.alibi import alibi, slopes


@pytest.mark.parametrize(
    ("heads", "exponents"),
    [
        (1, [8]),
        (4, [2, 4, 6, 8]),
        (6, [2, 4, 6, 8, 1, 3]),
        (12, [1, 2, 3, 4, 5, 6, 7, 8, 0.5, 1.5, 2.5, 3.5]),
    ],
)
def test_slopes_of_the_power_below_and_every_other_one_of_the_power_above(heads: int, exponents: list[float]) -> None:
    np.testing.assert_allclose(slopes(heads), np.exp2(-np.array(exponents)), rtol=1e-15)


def test_the_bias_falls_in_both_directions() -> None:
    np.testing.assert_array_equal(alibi(4, 3)[0], [-0.5, -0.25, 0, -0.25, -0.5])
