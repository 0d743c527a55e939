"""The prompts of decoders that answer yes or no, which their checkpoints do not state in a form that is not code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import CHAT_TEMPLATE, TOKENIZER
from embed_plugin.model.known_models import plain_name
from embed_plugin.model.pair_prompt import PairPrompt

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription

QWEN3_RERANKER = PairPrompt(
    before=(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
    ),
    pair="<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {text}",
    after="<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    instruction="Given a web search query, retrieve relevant passages that answer the query",
)
"""From the card of Qwen3-Reranker, whose three sizes share it."""

_KNOWN = {r"qwen3-reranker-.*": QWEN3_RERANKER}
"""By the last part of a model's name, as :func:`~embed_plugin.model.known_models.plain_name` writes it."""

_YES, _NO = "yes", "no"


def known_prompt(checkpoint: CheckpointDescription) -> PairPrompt | None:
    """Find the prompt of a checkpoint by its name; None: it is not known."""
    name = plain_name(checkpoint.name)
    return next((prompt for pattern, prompt in _KNOWN.items() if re.fullmatch(pattern, name)), None)


def require_prompt(checkpoint: CheckpointDescription) -> PairPrompt:
    """Find the prompt of a checkpoint, by its name or by a chat template that has all its parts.

    Raises:
        ExportError: it is not known.
    """
    template = _chat_template(checkpoint)
    by_name = known_prompt(checkpoint)
    if by_name is not None and (template is None or not _has_roles(template)):
        return by_name  # the template is that of the model it was trained from, and not used
    for prompt in dict.fromkeys(_KNOWN.values()):
        if template is not None and _has_roles(template) and _has_parts(template, prompt):
            return prompt
    known = "known are the prompts of Qwen3-Reranker"
    found = f"{checkpoint.folder}: nothing says in which prompt this decoder reads a query and a text"
    raise ExportError(f"{found}, or a chat template says it, which is code and never run ({known})")


def _chat_template(checkpoint: CheckpointDescription) -> str | None:
    file = checkpoint.encoder / CHAT_TEMPLATE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    stated = checkpoint.tokenizer_settings().get("chat_template")
    return stated if isinstance(stated, str) else None


def _has_roles(template: str) -> bool:
    """Tell if a chat template is about pairs."""
    return "query" in template and "document" in template


def _has_parts(template: str, prompt: PairPrompt) -> bool:
    """Tell if a template, in which a line break may be written as an escape, has every fixed part of a prompt."""
    plain = template.replace("\\n", "\n").replace('\\"', '"')
    parts = re.split(r"\{[a-z]+\}|\n", f"{prompt.before}\n{prompt.pair}\n{prompt.after}\n{prompt.instruction}")
    return all(part.strip() in plain for part in parts)


def answer_tokens(checkpoint: CheckpointDescription) -> tuple[int, int]:
    """Find the tokens of "yes" and "no" in the vocabulary.

    Raises:
        ExportError: one of them is no token.
    """
    path = checkpoint.encoder / TOKENIZER
    model = read_json_file(path).object().get("model") or {}
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not {_YES, _NO} <= vocabulary.keys():
        raise ExportError(f"{path} has no token {_YES!r} or {_NO!r}, by which a decoder scores: give another reranker")
    return int(vocabulary[_YES]), int(vocabulary[_NO])
