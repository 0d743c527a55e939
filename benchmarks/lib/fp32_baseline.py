"""The fp32 model beside INT8 folders: one that is given, or one that is exported from the same wheel."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin import Encoder, InvalidInputError
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WHEEL = "wheel:"


@contextmanager
def fp32_baseline(encoders: Sequence[Encoder], given: Path | None) -> Iterator[Encoder]:
    """Load the fp32 model to compare with; without a given one, export it from the wheel that the first came from.

    Raises:
        InvalidInputError: the first was not made from a wheel, or one has other tokens or prefixes than the fp32 model.
    """
    with tempfile.TemporaryDirectory() as work:
        baseline = Encoder.load(given or _exported(encoders[0], Path(work, "fp32")))
        for encoder in encoders:
            _require_same_model(encoder, baseline)
        yield baseline


def _exported(encoder: Encoder, out: Path) -> Path:
    spec = encoder.spec
    if not spec.source.startswith(WHEEL):
        raise InvalidInputError(f"{encoder.folder} is from {spec.source}, no wheel: give its fp32 folder (--baseline)")
    settings = ExportSettings(
        precision="fp32",
        max_tokens=spec.max_tokens,
        query_prefix=spec.query_prefix,
        document_prefix=spec.document_prefix,
    )
    export(spec.source, out, settings)
    return out


def _require_same_model(encoder: Encoder, baseline: Encoder) -> None:
    names = ("pooling", "dimension", "max_tokens", "query_prefix", "document_prefix")
    other = [name for name in names if getattr(encoder.spec, name) != getattr(baseline.spec, name)]
    if baseline.spec.precision != "fp32":
        other = ["precision"]
    if other:
        found = f"{baseline.folder} is not the fp32 model of {encoder.folder}: {', '.join(other)} would have to change"
        raise InvalidInputError(f"{found}; give the folder of  export --precision fp32  of the same checkpoint")
