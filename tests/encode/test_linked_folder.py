"""Model folders made of links, as a hub's cache, DVC, git-annex, Nix and Bazel make them."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder, ModelFolderError
from embed_plugin.encode.session import linked_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog", ""]


def into_a_hubs_cache(folder: Path, home: Path) -> Path:
    """Relative links to files that are named by their hash, in one folder."""
    return linked(folder, home / "snapshots" / "c0ffee", lambda path: home / "blobs" / digest(path), relative=True)


def into_a_store(folder: Path, home: Path) -> Path:
    """Absolute links to files named by a part of their hash, each in a folder of its own."""
    return linked(folder, home / "data", lambda path: home / "store" / digest(path)[:2] / digest(path)[2:])


def into_another_folder(folder: Path, home: Path) -> Path:
    """Absolute links to files of the same names."""
    return linked(folder, home / "runfiles", lambda path: home / "built" / path.name)


def weights_alone(folder: Path, home: Path) -> Path:
    """The graph is a file, its weights are links."""
    made = into_a_store(folder, home)
    for path in made.glob("*.onnx"):
        shutil.copy(path.resolve(), path.with_suffix(".copy"))
        path.with_suffix(".copy").replace(path)
    return made


def a_linked_folder(folder: Path, home: Path) -> Path:
    (home / "model").symlink_to(folder)
    return home / "model"


def linked(folder: Path, to: Path, place: Callable[[Path], Path], *, relative: bool = False) -> Path:
    to.mkdir(parents=True)
    for path in folder.iterdir():
        content = place(path)
        content.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, content)
        (to / path.name).symlink_to(f"../../{content.parent.name}/{content.name}" if relative else content)
    return to


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize(
    "layout", [into_a_hubs_cache, into_a_store, into_another_folder, weights_alone, a_linked_folder]
)
def test_a_folder_of_links_gives_the_same_vectors(
    tmp_path: Path, tiny_model: Callable[..., Path], layout: Callable[[Path, Path], Path], precision: str
) -> None:
    folder = tiny_model(precision=precision)
    plain, encoder = Encoder.load(folder), Encoder.load(layout(folder, tmp_path))
    assert encoder.fingerprint == plain.fingerprint
    np.testing.assert_array_equal(encoder.encode_documents(TEXTS), plain.encode_documents(TEXTS))


def test_a_link_to_nothing_is_named_with_the_remedy(tmp_path: Path, tiny_model: Callable[..., Path]) -> None:
    folder = into_a_store(tiny_model(), tmp_path)
    target = (folder / "model.onnx.data").readlink()
    target.unlink()
    with pytest.raises(
        ModelFolderError, match=rf"model\.onnx\.data is a link to {target}, which is not there: .*cp -rL"
    ):
        Encoder.load(folder)


def test_the_weights_of_an_ordinary_folder_are_left_to_onnxruntime(tiny_model: Callable[..., Path]) -> None:
    assert linked_weights(tiny_model() / "model.onnx") == {}
