"""The lengths that a model's vectors may be cut to, and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.model.identity import fingerprint_of_cut
from embed_plugin.model.known_models import find_known_model

if TYPE_CHECKING:
    from embed_plugin.model.spec import ModelSpec

CUT_FROM, LAYER_NORM = "cut_from", "layer_norm"
"""The facts of a loaded model whose vectors are cut: their length before, and what comes before the cut."""


@dataclass(frozen=True)
class Matryoshka:
    """What a model was trained for ("Matryoshka Representation Learning", Kusupati et al., 2022).

    Attributes:
        lengths: The lengths that may be kept; empty: any.
        layer_norm: Vectors are normalised to a mean of 0 and a variance of 1 before they are cut.
    """

    lengths: tuple[int, ...] = ()
    layer_norm: bool = False

    def require(self, dimension: int, name: str) -> None:
        """Refuse a length that the model was not trained for.

        Raises:
            InvalidInputError: it was not.
        """
        if self.lengths and dimension not in self.lengths:
            offered = ", ".join(map(str, self.lengths))
            raise InvalidInputError(f"{name} was trained for vectors of {offered}; found dimension {dimension}")


def matryoshka_of(spec: ModelSpec) -> Matryoshka | None:
    """Return how the vectors of a loaded model may be cut; None: nothing says that they may.

    The folder says it, and for one that was made before folders did, the table of known models.
    """
    stated = spec.provenance.get("matryoshka")
    is_cut = CUT_FROM in spec.facts  # then its vectors were normalised before
    if isinstance(stated, dict):
        return Matryoshka(tuple(stated["lengths"]), bool(stated["layer_norm"]) and not is_cut)
    known = find_known_model(spec.source)
    if known is None or not known.matryoshka:
        return None
    return Matryoshka(layer_norm=known.layer_norm and known.dimension == spec.dimension and not is_cut)


def required_cut(matryoshka: Matryoshka | None, dimension: object, *, full: int, model: str) -> Matryoshka:
    """Return how vectors are cut to a length.

    Args:
        matryoshka: How they may be cut.
        dimension: The length.
        full: Their own length.
        model: The model's name, for messages.

    Raises:
        InvalidInputError: they may not be cut, or not so.
    """
    if type(dimension) is not int or not 1 <= dimension < full:
        raise InvalidInputError(f"dimension is {dimension!r}; {model} has vectors of {full} numbers")
    if matryoshka is None:
        raise InvalidInputError(
            f"nothing says that vectors of {model} may be cut: leave dimension out, or, where the model's card "
            "says so, add is_matryoshka to its config.json and export it again"
        )
    matryoshka.require(dimension, model)
    return matryoshka


def cut_spec(spec: ModelSpec, dimension: int | None) -> ModelSpec:
    """Return the spec of vectors cut to this length, and the fingerprint that follows from it; None: the spec itself.

    Raises:
        InvalidInputError: vectors of the model may not be cut, or not so.
    """
    if dimension is None or dimension == spec.dimension:
        return spec
    layer_norm = required_cut(matryoshka_of(spec), dimension, full=spec.dimension, model=spec.source).layer_norm
    return replace(
        spec,
        dimension=dimension,
        facts={CUT_FROM: spec.dimension, LAYER_NORM: layer_norm},
        fingerprint=fingerprint_of_cut(spec.fingerprint, dimension, layer_norm=layer_norm),
    )


def gives_space(spec: ModelSpec, fingerprint: str, dimension: int) -> bool:
    """Return whether a model's vectors, cut to a length if it is another than theirs, are of a space."""
    try:
        return cut_spec(spec, dimension).fingerprint == fingerprint
    except InvalidInputError:  # they may not be cut to it
        return False
