from __future__ import annotations

import pytest

from embed_plugin.export.layers.packed import names_in_transformers


@pytest.mark.parametrize(
    ("stored", "names"),
    [
        ("mixer.Wqkv", ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")),
        ("mixer.out_proj", ("self_attn.o_proj",)),
        ("mlp.fc1", ("mlp.fc1",)),
    ],
)
def test_weights_have_the_names_of_transformers_class(stored: str, names: tuple[str, ...]) -> None:
    found = names_in_transformers(f"encoder.layers.7.{stored}.weight", "mixer")
    assert found == tuple(f"layers.7.{name}.weight" for name in names)
