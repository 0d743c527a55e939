from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError, ServiceError
from embed_plugin.serve.keys import Keys

if TYPE_CHECKING:
    from pathlib import Path

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
