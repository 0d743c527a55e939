"""The prompts of decoders that score, which their checkpoints do not state in a form that is not code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import CHAT_TEMPLATE, TOKENIZER
from embed_plugin.model.known_models import plain_name
from embed_plugin.model.pair_prompt import PairPrompt

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.model.scores import ScoreActivation

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

MXBAI_RERANK = PairPrompt(
    before=(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n"
    ),
    pair="{instruction}query: {query}\ndocument: {text}",
    after=(
        "\nYou are a search relevance expert who evaluates how well documents match search queries. For each "
        "query-document pair, carefully analyze the semantic relationship between them, then provide your binary "
        "relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:<|im_end|>\n<|im_start|>assistant\n"
    ),
    instruction="",
    given="instruction: {instruction}\n",
    apart=True,
    longest=8192,
)
"""From the package mxbai-rerank 0.1.6, which tokenises the parts on their own and cuts a pair at 8192 tokens."""


@dataclass(frozen=True)
class KnownPrompt:
    """What a family of decoders scores by.

    Attributes:
        names: Pattern of the last part of a model's name, as plain_name of known_models writes it.
        prompt: As the family's own code has it.
        answers: The words whose logits make the score: the second's is taken from the first's.
        activation: Of the family's own code.
    """

    names: str
    prompt: PairPrompt
    answers: tuple[str, str]
    activation: ScoreActivation

    @property
    def in_template(self) -> PairPrompt:
        """The prompt as a chat template has it, whose text is tokenised as a whole and cut at the model's limit."""
        return replace(self.prompt, apart=False, longest=0)


KNOWN = (
    KnownPrompt(r"qwen3-reranker-.*", QWEN3_RERANKER, ("yes", "no"), "sigmoid"),
    KnownPrompt(r"mxbai-rerank-(base|large)-v2(-.*)?", MXBAI_RERANK, ("1", "0"), "identity"),
)


def known_prompt(checkpoint: CheckpointDescription) -> KnownPrompt | None:
    """Find the prompt of a checkpoint by its name; None: it is not known."""
    name = plain_name(checkpoint.name)
    return next((known for known in KNOWN if re.fullmatch(known.names, name)), None)


def require_prompt(checkpoint: CheckpointDescription) -> tuple[KnownPrompt, PairPrompt]:
    """Find the prompt of a checkpoint, and the form that it is read in.

    Raises:
        ExportError: it is not known.
    """
    found = find_prompt(checkpoint)
    if found is None:
        raise ExportError(f"{checkpoint.folder}: nothing says in which prompt this decoder reads a pair ({_FAMILIES})")
    return found


def find_prompt(checkpoint: CheckpointDescription) -> tuple[KnownPrompt, PairPrompt] | None:
    """Find the prompt of a checkpoint, by its name or by a chat template that has all its parts; None: none says it.

    Raises:
        ExportError: a chat template says it, and it is not known.
    """
    template, by_name = _chat_template(checkpoint), known_prompt(checkpoint)
    if template is None or not _has_roles(template):  # or it is that of the model it was trained from, and not used
        return None if by_name is None else (by_name, by_name.prompt)
    for known in KNOWN:
        if _has_parts(template, known.prompt):
            return known, known.in_template
    found = f"{checkpoint.folder}: a chat template says in which prompt this decoder reads a query and a text"
    raise ExportError(f"{found}, which is code and never run ({_FAMILIES})")


_FAMILIES = "known are the prompts of Qwen3-Reranker and mxbai-rerank-v2"


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


def answer_tokens(checkpoint: CheckpointDescription, words: tuple[str, str]) -> tuple[int, int]:
    """Find the tokens of both answers in the vocabulary.

    Raises:
        ExportError: one of them is no token.
    """
    path = checkpoint.encoder / TOKENIZER
    model = read_json_file(path).object().get("model") or {}
    vocabulary = model.get("vocab")
    if not isinstance(vocabulary, dict) or not set(words) <= vocabulary.keys():
        found = f"{path} has no token {words[0]!r} or {words[1]!r}"
        raise ExportError(f"{found}, by which this decoder scores: give another reranker")
    return int(vocabulary[words[0]]), int(vocabulary[words[1]])
