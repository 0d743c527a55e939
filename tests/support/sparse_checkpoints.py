"""The small checkpoints of sparse encoders, whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.export import ExportSettings, export
from export.references.sparse_families import SPARSE_FAMILIES

if TYPE_CHECKING:
    from embed_plugin.types import Precision

REFERENCES = Path(__file__).parents[1] / "export" / "references"


def checkpoint_of(name: str, folder: Path) -> Path:
    """Copy a family's checkpoint to a new folder, with the tokenizer in each folder that has one."""
    shutil.copytree(REFERENCES / name, folder)
    for settings in list(folder.rglob("tokenizer_config.json")):
        shutil.copy(REFERENCES / "encoder.json", settings.parent / "tokenizer.json")
    return folder


def exported(checkpoint: Path, folder: Path, precision: Precision = "fp32") -> Path:
    """Export a family's checkpoint, which has the family's name."""
    kind = "sparse" if SPARSE_FAMILIES[checkpoint.name].layout == "plain" else None
    export(str(checkpoint), folder, ExportSettings(precision=precision, min_cosine=0.9, kind=kind))  # type: ignore[arg-type]
    return folder


def exported_m3(made: Path) -> Path:
    """Export the checkpoint in bge-m3's layout, which gives vectors, words and token vectors, in fp32."""
    checkpoint = checkpoint_of("bge-m3", made / "bge-m3")
    export(str(checkpoint), made / "model", ExportSettings(precision="fp32", min_cosine=0.9))
    return made / "model"
