"""The exporter that is chosen where optimum is not installed, and the errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conftest import make_checkpoint
from embed_plugin import MissingExtraError, UnknownArchitectureError
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.choose_exporter import choose_exporter
from embed_plugin.extras import PACKAGES_OF_EXTRA

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def without_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "optimum", ("a_package_that_is_not_there",))


def test_auto_is_native_for_what_it_knows(tiny_checkpoint: Path) -> None:
    assert choose_exporter(read_description(tiny_checkpoint), "auto").name == "native"


def test_auto_names_the_other_exporter_and_how_to_get_it(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", model_type="squeezebert")
    command = r"in an environment of its own, run  pip install 'embed-plugin\[optimum\]'"
    with pytest.raises(UnknownArchitectureError, match=f"architecture 'squeezebert' is not known .*{command}"):
        choose_exporter(read_description(checkpoint), "auto")


def test_optimum_names_what_is_missing(tiny_checkpoint: Path) -> None:
    with pytest.raises(
        MissingExtraError, match=r"a_package_that_is_not_there: run  pip install 'embed-plugin\[optimum\]"
    ):
        choose_exporter(read_description(tiny_checkpoint), "optimum")
