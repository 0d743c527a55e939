"""Reports of a model folder: its facts, and how this machine runs it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from embed_plugin import kernels
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.model.canaries import Platform
from embed_plugin.model.folder import EMBEDDING, KERNEL_GRAPH
from embed_plugin.model.late_interaction import LateInteractionFacts
from embed_plugin.model.pair_prompt import read_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.model.canaries import CheckedOn
    from embed_plugin.model.spec import ModelSpec


def machine_of(spec: ModelSpec) -> dict[str, str]:
    """Return how this machine runs a folder: class of CPU, kernels, and the reason for these kernels."""
    cpu = detect_class()
    own = kernels.choose(cpu)
    if KERNEL_GRAPH not in spec.files:
        own = kernels.Kernels("onnxruntime", None, _reason_for_no_graph(spec))
    asked = f"{INSTRUCTION_SET_VARIABLE} asks for {cpu}; " if os.environ.get(INSTRUCTION_SET_VARIABLE) else ""
    return {"class": cpu.name, "kernels": own.name, "reason": asked + own.reason}


def _reason_for_no_graph(spec: ModelSpec) -> str:
    if any(name.startswith("model.kernels") for name in spec.files):
        return "its own kernels' graph is of an older version: export it again, as another vector space, to be faster"
    return "this folder has no graph for own kernels"


def _checked_on(checked: CheckedOn, machine: Mapping[str, str]) -> str:
    there, here = checked.platform, Platform(machine["class"], machine["kernels"], ONNXRUNTIME_VERSION)
    if there == here:
        return f"{there}, as this machine is"
    exactly = "must have the same bits" if checked.exact and here.has_own_kernels else "are compared"
    return f"{there}; this machine is {here}, and the canary texts {exactly} when the model is loaded"


def facts_of(spec: ModelSpec) -> dict[str, object]:
    """Return the facts about a model, by the names they are printed under."""
    machine = machine_of(spec)
    facts: dict[str, object] = {
        "source": spec.source,
        "revision": spec.revision,
        **({} if spec.kinds == EMBEDDING else {"kinds": ", ".join(spec.kinds)}),
        "architecture": spec.architecture,
        **_adapter_of(spec),
        **_facts_of_kind(spec),
        "max tokens": spec.max_tokens,
        **({"prompts": ", ".join(spec.prompts)} if spec.prompts else {}),
        "precision": spec.precision,
        "fingerprint": spec.fingerprint,
        "checked on": _checked_on(spec.checked_on, machine),
        "runs here": f"{machine['class']}, kernels {machine['kernels']}: {machine['reason']}",
    }
    return facts | _figures_of(spec)


def _facts_of_kind(spec: ModelSpec) -> dict[str, object]:
    """Return the facts that only a kind of model has."""
    if spec.kinds[0] == "reranker":
        prompt = read_prompt(spec.facts)
        instruction = {} if prompt is None else {"instruction": repr(prompt.instruction)}
        return {"pooling": spec.pooling, "scores": spec.facts.get("activation"), **instruction}
    return {
        "pooling": spec.pooling,
        **_sparse_facts(spec),
        **_late_interaction_of(spec),
        "dimension": spec.dimension,
        "query prefix": repr(spec.query_prefix),
        "document prefix": repr(spec.document_prefix),
    }


def _sparse_facts(spec: ModelSpec) -> dict[str, object]:
    """Return what a sparse encoder has besides."""
    if "sparse" not in spec.kinds:
        return {}
    most, limit = spec.facts.get("max_active"), spec.facts.get("query_max_tokens")
    queries = f"by a table, at most {limit} tokens" if spec.facts.get("query_table") else "by the model"
    return {"activation": spec.facts.get("activation"), "most words": most or "any number", "queries": queries}


def _adapter_of(spec: ModelSpec) -> dict[str, object]:
    """Return the adapter that was merged into the weights, if one was."""
    adapter = spec.provenance.get("adapter")
    return {"adapter": "{name}, {kind} of rank {rank}".format(**adapter)} if isinstance(adapter, dict) else {}


def _late_interaction_of(spec: ModelSpec) -> dict[str, object]:
    """Return what a late-interaction model does to texts; nothing of another kind."""
    if "late-interaction" not in spec.kinds:
        return {}
    late = LateInteractionFacts.read(spec.facts)
    seen = "seen by all tokens" if late.sees_expansion else "seen by no token"
    filled = "none" if late.expansion is None else f"filled up with token {late.expansion}, {seen}"
    return {
        "markers": f"token {late.query_marker} of queries, token {late.document_marker} of documents",
        "query tokens": late.query_length,
        "query expansion": filled,
        "skip list": f"{len(late.skipped)} tokens of documents have no vector",
    }


def _figures_of_kind(each: Mapping[str, Any]) -> str:
    """Return the figures of one kind of text, as wide as those of the others, so that they read as a table."""
    return "mean {mean_cosine:.4f}, 1 % quantile {quantile_1:.4f}, least {least_cosine:.4f}, {texts:>4} texts".format(
        **each
    )


def _figures_of_scores(comparison: Mapping[str, Any]) -> dict[str, object]:
    """Return how near a reranker's scores are to fp32's."""
    whole = "rank correlation {rank_correlation:.4f}, error {error:.4f} of the spread, on {pairs} pairs".format(
        **comparison
    )
    kind = "error {error:.4f}, largest {largest_error:.4f} of the spread, {pairs:>4} pairs"
    kinds = {f"  {each['kind']}": kind.format(**each) for each in comparison["kinds"]}
    return {"scores beside fp32": whole, **kinds}


def _figures_of(spec: ModelSpec) -> dict[str, object]:
    """Return the calibration, comparison and gate of an INT8 model, as far as it has them."""
    calibration, comparison, gate = (spec.provenance.get(name) for name in ("calibration", "comparison", "gate"))
    figures: dict[str, object] = {}
    if isinstance(calibration, dict):
        unknown = calibration.get("unknown_texts")
        left_out = f"; {unknown} texts left out, which the tokenizer does not know" if unknown else ""
        figures["calibration"] = "{texts} texts, {origin}, {method}".format(**calibration) + left_out
    if isinstance(comparison, dict) and "rank_correlation" in comparison:
        figures |= _figures_of_scores(comparison)
    elif isinstance(comparison, dict):
        figures["cosine to fp32"] = (
            "mean {mean_cosine:.4f}, least {least_cosine:.4f}, on {texts} texts not calibrated on".format(**comparison)
        )
        if "first_words_kept" in comparison:
            figures["words of fp32 kept"] = (
                "{first_words_kept:.4f} of a text's first 20, {mean_words:.0f} words".format(**comparison)
            )
        figures |= {f"  {each['kind']}": _figures_of_kind(each) for each in comparison.get("kinds", [])}
    if isinstance(gate, dict):
        ndcg = gate["metrics"]["ndcg@10"]
        change = f"{100 * ndcg['fp32']:.2f} in fp32, {100 * ndcg['quantised']:.2f} here"
        figures["gate"] = f"nDCG@10 on {gate['dataset']} ({gate['queries']} queries): {change}"
    return figures
