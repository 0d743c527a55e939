"""Take over a collection that another program made, if its vectors are an encoder's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.collection_check import LEAST_COSINE, cosines_to_texts
from embed_plugin.collection_identity import CollectionIdentity
from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.ingest.sampling import Reservoir
from embed_plugin.ingest.stores.collection_settings import CollectionSettings
from embed_plugin.ingest.stores.payload_layout import LAYOUT_KEYS, LAYOUTS, layout_of
from embed_plugin.ingest.stores.qdrant.backend import Page, pages
from embed_plugin.ingest.stores.qdrant.migration import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.stores.description import Description, VectorShape
    from embed_plugin.ingest.stores.qdrant.backend import Backend, FoundPoint
    from embed_plugin.protocols import TextEncoder

_SAMPLE = 64
_DISTANCE = "cosine"
_NAMED = 8


@dataclass(frozen=True)
class Adoption:
    """The result of taking a collection over.

    Attributes:
        points: Its points.
        sampled: Texts embedded again, drawn evenly from all points.
        least_cosine: The minimum cosine of those to the stored vectors; 1.0 if none was sampled.
        layout: How its payloads are laid out.
        vector: The name of the dense vector; empty if it has none.
        adopted: Whether it was taken over now; False if it had this model's identity already.
    """

    points: int
    sampled: int
    least_cosine: float
    layout: str
    vector: str
    adopted: bool = True


class QdrantAdoption:
    """Takes one collection over for one encoder.

    Args:
        backend: The Qdrant of the collection.
        collection: Its name.
        encoder: The model whose vectors it should hold.
    """

    def __init__(self, backend: Backend, collection: str, encoder: TextEncoder) -> None:
        self._backend = backend
        self._collection = collection
        self._encoder = encoder

    def run(self, on_progress: Callable[[int, int], None] | None = None) -> Adoption:
        """Write the identity on the collection, if a sample of its texts, embedded again, has its vectors.

        Nothing else is written: the points stay as they are.

        Args:
            on_progress: Called after each page with the points read and their total.

        Raises:
            SpaceMismatchError: it has other vectors, or points whose text is not found.
            TargetError: there is no such collection.
        """
        description = self._backend.describe(self._collection)
        if description is None:
            there = ", ".join(self._backend.collections()) or "none"
            found = f"{self._backend.target} has no collection {self._collection!r} (found: {there})"
            raise TargetError(f"{found}. Check the name")
        if description.schema is not None:
            return self._known(description)
        tried = [self._tried(name, on_progress) for name in self._candidates(description)]
        best = max(tried, key=lambda one: one.least_cosine)
        if not best.least_cosine >= LEAST_COSINE:
            found = f"vectors whose least cosine to this model's is {best.least_cosine:.4f}"
            raise self._refusal(found, f"{LEAST_COSINE} or more for each of {best.sampled} texts")
        identity = CollectionIdentity(
            self._encoder.fingerprint,
            self._encoder.dimension,
            namespace=self._collection,
            layout=best.layout,
            vector=best.vector,
        )
        self._backend.update(self._collection, identity)
        return best

    def _known(self, description: Description) -> Adoption:
        """A collection with an identity: nothing is to be done if it is this model's."""
        if mismatch := description.mismatch(self._encoder, CollectionSettings()):
            raise self._refusal(mismatch.found, mismatch.expected)
        identity = described(self._backend, self._collection)[1]
        points = self._backend.count(self._collection)
        return Adoption(points, 0, 1.0, identity.layout, identity.vector, adopted=False)

    def _candidates(self, description: Description) -> list[str]:
        """The names of the vectors that may be the encoder's by their shape."""
        dimension = self._encoder.dimension
        fitting = [
            name
            for name, shape in description.vectors.items()
            if (shape.dimension, shape.distance, shape.several) == (dimension, _DISTANCE, False)
        ]
        if not fitting:
            found = "; ".join(_described(name, shape) for name, shape in description.vectors.items())
            expected = f"one of dimension {dimension} with the distance {_DISTANCE}"
            raise self._refusal(found or "no dense vectors", expected)
        return fitting

    def _tried(self, name: str, on_progress: Callable[[int, int], None] | None) -> Adoption:
        """Compare a sample of the vectors of a name with those of their texts."""
        survey, total = _Survey(), self._backend.count(self._collection)
        for points in pages(self._backend, self._collection, Page(vector=name)):
            survey.take(points)
            if on_progress:
                on_progress(survey.points, total)
        if wrong := survey.problem():
            raise self._refusal(*wrong)
        (layout,) = survey.layouts
        sample = survey.sample.items
        if not sample:  # no point has this one of several vectors
            return Adoption(survey.points, 0, 0.0, layout, name)
        cosines = cosines_to_texts([one.text for one in sample], [one.vector for one in sample], self._encoder)
        return Adoption(survey.points, len(sample), float(cosines.min()), layout, name)

    def _refusal(self, found: str, expected: str) -> SpaceMismatchError:
        return SpaceMismatchError(
            f"collection {self._collection!r} in {self._backend.target} has {found}, expected {expected}. It was left "
            "as it is: use the model that made it, or embed its texts into another collection"
        )


class _Sampled(NamedTuple):
    text: str
    vector: npt.NDArray[np.float32]


class _Survey:
    """The points of a collection by layout, and a sample of their texts and vectors."""

    def __init__(self) -> None:
        self.points = 0
        self.layouts: Counter[str] = Counter()
        self.sample: Reservoir[_Sampled] = Reservoir(_SAMPLE)
        self._textless: list[FoundPoint] = []
        self._without_text = 0

    def take(self, points: Sequence[FoundPoint]) -> None:
        self.points += len(points)
        for point in points:
            layout = layout_of(point.payload)
            text = LAYOUTS[layout].embedded_text(point.payload) if layout else None
            if layout is None or text is None:
                self._without_text += 1
                self._textless = self._textless or [point]
                continue
            self.layouts[layout] += 1
            if point.vector is not None:
                self.sample.add(_Sampled(text, point.vector))

    def problem(self) -> tuple[str, str] | None:
        """What was found and what is expected, if the sample shows nothing about all points."""
        if not self.points:
            return "no points, so nothing shows whose it is", "some; ingest takes over an empty one by itself"
        if self._without_text:
            (point,) = self._textless
            keys = ", ".join(map(repr, sorted(point.payload)[:_NAMED])) or "none"
            without = f"{self._without_text:,} of {self.points:,} points without a text"
            return (
                f"{without} (point {point.id} has the keys {keys})",
                f"a text in each, under {' or '.join(LAYOUT_KEYS)}",
            )
        if len(self.layouts) > 1:
            found = ", ".join(f"{count:,} in the layout {name}" for name, count in self.layouts.most_common())
            return f"points of several layouts ({found})", "one layout"
        return None


def _described(name: str, shape: VectorShape) -> str:
    kind = "multivectors" if shape.several else "vectors"
    named = f" named {name!r}" if name else ""
    return f"{kind}{named} of dimension {shape.dimension} with the distance {shape.distance}"
