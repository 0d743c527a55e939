"""``embed-plugin info``: what a model folder holds."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin import kernels
from embed_plugin.cli.reports.output import print_facts, write_json
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.canaries import Backend
from embed_plugin.model.folder import KERNEL_GRAPH, read_model_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.model.spec import ModelSpec


def info(
    folder: Annotated[Path, typer.Argument(help="A model folder.")],
    json_target: Annotated[str | None, typer.Option("--json", help="Write JSON to this file, - for stdout.")] = None,
) -> None:
    """Verify a model folder and show what it holds.

    Example:  embed-plugin info models/minilm-int8
    """
    spec = read_model_folder(find_model_folder(folder))
    if json_target:
        write_json({**asdict(spec), "machine": machine_of(spec)}, json_target)
    else:
        print_facts({**facts_of(spec), **{f"sha256 of {name}": digest for name, digest in spec.files.items()}})


def machine_of(spec: ModelSpec) -> dict[str, str]:
    """How this machine runs a folder: the class of CPU, whose kernels, and why these."""
    cpu = detect_class()
    own = kernels.choose(cpu)
    if KERNEL_GRAPH not in spec.files:
        own = kernels.Kernels("onnxruntime", None, "this folder has no graph for own kernels")
    asked = f"{INSTRUCTION_SET_VARIABLE} asks for {cpu}; " if os.environ.get(INSTRUCTION_SET_VARIABLE) else ""
    return {"class": cpu.name, "kernels": own.name, "reason": asked + own.reason}


def _checked_on(there: Backend, machine: Mapping[str, str]) -> str:
    here = Backend(machine["class"], machine["kernels"], ONNXRUNTIME_VERSION)
    if there == here:
        return f"{there}, as this machine is"
    return f"{there}; this machine is {here}, and the canary texts are compared when the model is loaded"


def facts_of(spec: ModelSpec) -> dict[str, object]:
    """The facts about a model that a person asks for."""
    machine = machine_of(spec)
    facts: dict[str, object] = {
        "source": spec.source,
        "revision": spec.revision,
        "architecture": spec.architecture,
        "pooling": spec.pooling,
        "dimension": spec.dimension,
        "max tokens": spec.max_tokens,
        "query prefix": repr(spec.query_prefix),
        "document prefix": repr(spec.document_prefix),
        "precision": spec.precision,
        "fingerprint": spec.fingerprint,
        "checked on": _checked_on(spec.checked_on.backend, machine),
        "runs here": f"{machine['class']}, kernels {machine['kernels']}: {machine['reason']}",
    }
    return facts | _figures_of(spec)


def _figures_of(spec: ModelSpec) -> dict[str, object]:
    """What INT8 was made with and compared by, where it was."""
    calibration, comparison, gate = (spec.provenance.get(name) for name in ("calibration", "comparison", "gate"))
    figures: dict[str, object] = {}
    if isinstance(calibration, dict):
        figures["calibration"] = "{texts} texts, {origin}, {method}".format(**calibration)
    if isinstance(comparison, dict):
        figures["cosine to fp32"] = (
            "mean {mean_cosine:.4f}, least {least_cosine:.4f}, on {texts} texts not calibrated on".format(**comparison)
        )
    if isinstance(gate, dict):
        ndcg = gate["metrics"]["ndcg@10"]
        change = f"{100 * ndcg['fp32']:.2f} in fp32, {100 * ndcg['quantised']:.2f} here"
        figures["gate"] = f"nDCG@10 on {gate['dataset']} ({gate['queries']} queries): {change}"
    return figures
