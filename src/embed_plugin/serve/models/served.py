"""The models of a service, and how a request finds the one it is for: by name, by fingerprint, or as the only one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

from embed_plugin.encode.text_model import TextModel
from embed_plugin.errors import InvalidInputError
from embed_plugin.model.kinds import KINDS
from embed_plugin.serve.request_errors import MOST_QUOTED, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin.model.spec import ModelSpec

Model = TypeVar("Model", bound=TextModel)
Model_co = TypeVar("Model_co", bound=TextModel, covariant=True)


@dataclass(frozen=True)
class ServedModel:
    """A model that is served: its name, and the identity of its results."""

    name: str
    fingerprint: str
    dimension: int

    def cut_to(self, spec: ModelSpec) -> ServedModel:
        """Return the same model with the vectors of these facts."""
        return replace(self, fingerprint=spec.fingerprint, dimension=spec.dimension)


@dataclass(frozen=True)
class Served(Generic[Model_co]):
    """A loaded model with the name that requests call it.

    Attributes:
        name: The name.
        loaded: The model, as the class of its kind loads it. A folder of several kinds has one for each, of one name.
    """

    name: str
    loaded: Model_co

    @property
    def facts(self) -> ServedModel:
        """Name, fingerprint and dimension, for responses."""
        spec = self.loaded.spec
        return ServedModel(self.name, spec.fingerprint, getattr(self.loaded, "dimension", spec.dimension))

    def is_called(self, requested: str) -> bool:
        """Return whether this is its name or its fingerprint."""
        return requested in (self.name, self.loaded.fingerprint)

    def __str__(self) -> str:
        return f"{self.name!r} ({KINDS[self.loaded.kind].called}, fingerprint {self.loaded.fingerprint})"


class ServedModels:
    """All models of one service, in the order they were given."""

    def __init__(self, loaded: Sequence[TextModel], names: Sequence[str] = ()) -> None:
        """Name the models.

        Args:
            loaded: At least one; those of one folder follow each other and share a name.
            names: One name a folder, in the same order; none: each is called by its source.

        Raises:
            InvalidInputError: there is no model, or not one name a folder, or a request could not tell two apart.
        """
        folders = list(dict.fromkeys(each.folder for each in loaded))
        if not folders:
            raise InvalidInputError("there is no model to serve: give at least one")
        if names and len(names) != len(folders):
            found = f"names given: {len(names)}, model folders: {len(folders)}"
            raise InvalidInputError(f"{found}; give --model-name once for each folder, in their order, or not at all")
        sources = {each.folder: each.spec.source for each in loaded}
        name_of = dict(zip(folders, names or [sources[folder] for folder in folders], strict=True))
        self._all = [Served(name_of[each.folder], each) for each in loaded]
        self._refuse_doubles(name_of)

    def __iter__(self) -> Iterator[Served[TextModel]]:
        return iter(self._all)

    @property
    def first(self) -> Served[TextModel]:
        """The first model."""
        return self._all[0]

    @property
    def names(self) -> list[str]:
        """The names, each once."""
        return list(dict.fromkeys(each.name for each in self))

    @property
    def identifiers(self) -> tuple[str, ...]:
        """All names and fingerprints."""
        return tuple(self.names) + tuple(each.loaded.fingerprint for each in self)

    def of(self, kind: type[Model]) -> list[Served[Model]]:
        """Return the models that a class has loaded."""
        return [Served(each.name, each.loaded) for each in self if isinstance(each.loaded, kind)]

    def find(self, kind: type[Model], requested: str | None) -> Served[Model]:
        """Return the model that a request is for.

        Args:
            kind: The class that loads models of the kind that the route serves.
            requested: Name or fingerprint; None: the only one of the kind.

        Raises:
            RequestError: there is none of this kind or name, or several and no name.
        """
        candidates = self.of(kind)
        called = KINDS[kind.kind].called if hasattr(kind, "kind") else "a model"
        if not candidates:
            raise self._not_found(f"this route needs {called}, and there is none here")
        if requested is None:
            if len(candidates) > 1:
                raise self._not_found(f"the request names no model, and several of this kind ({called}) are here")
            return candidates[0]
        for each in candidates:
            if each.is_called(requested):
                return each
        if any(each.is_called(requested) for each in self):
            raise self._not_found(f"the model {requested[:MOST_QUOTED]!r} is not {called}, as this route needs it")
        raise self._not_found(f"there is no model {requested[:MOST_QUOTED]!r} here")

    def _not_found(self, problem: str) -> RequestError:
        return RequestError("model_not_found", f"{problem}; this server has {', '.join(map(str, self))}")

    def _refuse_doubles(self, name_of: dict[Path, str]) -> None:
        """Refuse models that a request cannot tell apart: two of one name, or one that is given twice."""
        fingerprints = {each.loaded.folder: each.loaded.fingerprint for each in self}
        for name, times in Counter(name_of.values()).items():
            if times > 1:
                raise InvalidInputError(f"{times} models are called {name!r}: give --model-name once for each folder")
        for fingerprint, times in Counter(fingerprints.values()).items():
            if times > 1:
                folders = " and ".join(str(each) for each in fingerprints if fingerprints[each] == fingerprint)
                raise InvalidInputError(f"{folders} are one model, fingerprint {fingerprint}: give it once")
