from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError, ServiceError
from embed_plugin.serve.keys import Keys
from serve.conftest import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serve.conftest import RunningServer

ONE, OTHER = "one-key-that-is-long-enough", "other-key-that-is-long-enough"


def test_each_key_opens_and_nothing_else_does() -> None:
    keys = Keys([ONE, OTHER])
    assert keys.allow(f"Bearer {ONE}".encode())
    assert keys.allow(f"bearer  {OTHER} ".encode())
    for wrong in ("", ONE, f"Basic {ONE}", "Bearer", f"Bearer {ONE}x", f"Bearer {ONE[:-1]}", "Bearer \xff"):
        assert not keys.allow(wrong.encode("latin-1"))


@pytest.mark.parametrize("scheme", ["Digest", "Beaver", "ApiKey"])
def test_a_key_of_another_scheme_opens_nothing(scheme: str) -> None:
    """As long as ``Bearer``, so that the key behind it stands where a bearer's would."""
    assert not Keys([ONE]).allow(f"{scheme} {ONE}".encode())


def test_without_a_key_all_is_open() -> None:
    assert Keys().allow(b"")
    assert not Keys()


def test_keys_come_from_a_file_and_from_a_line(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# ours\n\n{ONE}\n")
    keys = Keys.read(tmp_path / "keys", more=f"{OTHER},")
    assert keys.allow(f"Bearer {ONE}".encode())
    assert keys.allow(f"Bearer {OTHER}".encode())


def test_a_file_that_holds_no_key_is_no_open_door(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("# nothing yet\n")
    with pytest.raises(InvalidInputError, match="holds no key"):
        Keys.read(tmp_path / "empty")
    with pytest.raises(ServiceError, match="cannot be read"):
        Keys.read(tmp_path / "missing")


def test_a_short_key_is_refused_and_not_shown() -> None:
    with pytest.raises(InvalidInputError, match="fewer than 16 characters") as caught:
        Keys(["hunter2"])
    assert "hunter2" not in str(caught.value)


def test_keys_are_not_kept() -> None:
    assert ONE not in repr(vars(Keys([ONE])))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_keys_may_have_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "keys").write_bytes(f"{ONE}\r\n\r\n{OTHER}".encode(encoding))
    keys = Keys.read(tmp_path / "keys")
    assert keys.allow(f"Bearer {ONE}".encode())
    assert keys.allow(f"Bearer {OTHER}".encode())


@pytest.mark.parametrize("mark", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["Unix", "Windows", "old Mac"])
def test_comments_and_blank_lines_are_no_keys(tmp_path: Path, mark: str, end: str) -> None:
    lines = ["# ours, and no others", "", f"  {ONE}\t# Ann", "   # indented", f"{OTHER}#part", ""]
    (tmp_path / "keys").write_bytes(end.join(lines).encode(mark))
    keys = Keys.read(tmp_path / "keys")
    assert keys.allow(f"Bearer {ONE}".encode())
    assert keys.allow(f"Bearer {OTHER}#part".encode())
    for line in (*lines[:4], "\ufeff# ours, and no others", "ours, and no others", OTHER):
        assert not keys.allow(f"Bearer {line}".encode())


@pytest.mark.parametrize("more", [",", " , ,", ""])
def test_a_variable_without_a_key_is_no_open_door(tmp_path: Path, more: str) -> None:
    (tmp_path / "keys").write_text(ONE)
    for file in (None, tmp_path / "keys"):
        with pytest.raises(InvalidInputError, match="EMBED_PLUGIN_KEYS is set and holds no key"):
            Keys.read(file, more=more)


def test_the_command_ends_where_the_variable_holds_no_key(tiny_model: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "embed_plugin.cli", "serve", str(tiny_model()), "--port", "0"]
    env = {**os.environ, "EMBED_PLUGIN_KEYS": ","}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "EMBED_PLUGIN_KEYS is set and holds no key; expected keys with commas between" in done.stderr


def test_a_bad_key_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"# ours\n{ONE}\nhunter2\n")
    with pytest.raises(InvalidInputError, match=r"keys:3: a key has fewer than 16 characters"):
        Keys.read(tmp_path / "keys")
    with pytest.raises(InvalidInputError, match="holds a line break"):
        Keys([f"{ONE}\n{OTHER}"])


def test_a_file_read_again_replaces_its_keys_and_no_others(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(ONE)
    keys = Keys.read(file, more=OTHER)
    file.write_text("a-new-key-that-is-long-enough")
    keys.reload()
    assert keys.allow(b"Bearer a-new-key-that-is-long-enough")
    assert keys.allow(f"Bearer {OTHER}".encode())
    assert not keys.allow(f"Bearer {ONE}".encode())


@pytest.mark.parametrize("content", [b"", b"# none\n", b"short\n", b"\xff\xff\n", None])
def test_a_bad_file_read_again_changes_nothing(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "keys"
    file.write_text(ONE)
    keys = Keys.read(file)
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="keys"):
        keys.reload()
    assert keys.allow(f"Bearer {ONE}".encode())
    assert not keys.allow(b"")


def test_keys_without_a_file_stay() -> None:
    for keys in (Keys([ONE]), Keys.read(None, more=ONE)):
        keys.reload()
        assert keys.allow(f"Bearer {ONE}".encode())
    Keys().reload()


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
@pytest.mark.parametrize(("mode", "is_warned_of"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_every_user_can_read_is_warned_of(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    mode: int,
    is_warned_of: bool,  # noqa: FBT001 - a parameter
) -> None:
    (tmp_path / "keys").write_text(ONE)
    (tmp_path / "keys").chmod(mode)
    keys = Keys.read(tmp_path / "keys")
    assert ("every user of this machine can read the keys" in capsys.readouterr().err) == is_warned_of
    keys.reload()
    assert ("chmod 600" in capsys.readouterr().err) == is_warned_of


@pytest.mark.parametrize("name", ["Authorization", "X-API-Key", "api-key"])
def test_a_key_comes_in_one_header(locked_server: RunningServer, name: str) -> None:
    value = f"Bearer {KEY}" if name == "Authorization" else KEY

    def status(*headers: tuple[str, str]) -> int:
        return locked_server.client.get("/info", headers=list(headers)).status_code

    assert status((name, value)) == 200
    assert status((name, value), (name.lower(), value)) == 401
    assert status((name, value), (name, "Bearer other")) == status((name, "other"), (name, value)) == 401
    assert status((name, value + "x")) == status((name, "")) == 401
    assert status(("Authorization", "Basic b3RoZXI6b3RoZXI="), ("X-API-Key", KEY)) == 200


def test_a_key_header_without_its_form_is_refused(locked_server: RunningServer) -> None:
    for name, value in (("Authorization", KEY), ("Authorization", f"Basic {KEY}"), ("X-API-Key", f"Bearer {KEY}")):
        refused = locked_server.client.get("/info", headers={name: value})
        assert refused.status_code == 401
        assert "Authorization: Bearer KEY  or  X-API-Key: KEY" in refused.json()["error"]["message"]


def test_the_description_names_both_headers(locked_server: RunningServer) -> None:
    description = locked_server.client.get("/openapi.json", headers={"api-key": KEY}).json()
    kinds = {scheme["type"] for scheme in description["components"]["securitySchemes"].values()}
    assert kinds == {"http", "apiKey"}
    assert len(description["paths"]["/embed"]["post"]["security"]) == 2
