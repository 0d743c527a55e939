"""The architectures that the exporter through optimum covers, for messages; imports none of its packages."""

from __future__ import annotations

OPTIMUM_KNOWS = frozenset({
    "albert", "bert", "big_bird", "bloom", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "ibert", "llama",
    "longformer", "mistral", "mobilebert", "modernbert", "mpnet", "nystromformer", "opt", "phi", "phi3", "qwen2",
    "qwen3", "rembert", "roberta", "roformer", "squeezebert", "stablelm", "xlm", "xlm-roberta",
})  # fmt: skip
"""The text encoders that optimum traces, in the versions that the extra pins; messages name it for no other."""
