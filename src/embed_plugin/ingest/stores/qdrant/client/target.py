"""The targets of embedded Qdrant and of servers: tell them apart, and open a client of qdrant-client for one."""

from __future__ import annotations

import os
import re
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from qdrant_client import QdrantClient

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.stores.qdrant.client.address import address_of
from embed_plugin.ingest.stores.qdrant.client.connection import Connection, ca_certificates
from embed_plugin.ingest.stores.qdrant.client.errors import translated

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = ":memory:"
EDGE = "edge:"
EDGE_MARK = "embed_plugin_edge.json"
"""The file that marks a folder as qdrant-edge's; qdrant-client's local mode has a meta.json."""

_LOCAL_MARK = "meta.json"
_SCHEME = re.compile(r"[\w.+-]{2,}:|:")  # of one letter it is a drive
_EXPECTED = f"expected a folder, {EDGE}FOLDER, {MEMORY} or a URL such as http://localhost:6333"


def is_server(target: str) -> bool:
    """Return whether a target is a server's URL."""
    return target.lower().startswith(("http://", "https://"))


def shown(target: str) -> str:
    """A target for messages, without what may be a password or a key in a URL."""
    scheme, colon, _ = target.partition(":")
    return f"{scheme}{colon}..." if "@" in target and colon else re.split(r"[?#]", target, maxsplit=1)[0]


def require_tls(target: str) -> None:
    """Refuse a CA file for a target that has no certificate to check with it.

    Raises:
        InvalidInputError: the target is no ``https://`` URL.
    """
    if not target.lower().startswith("https://"):
        raise InvalidInputError(f"target {shown(target)!r}: a CA file is for https:// alone. Leave out --ca-file")


def edge_folder(target: str) -> Path | None:
    """The folder of a target that qdrant-edge opens; None if the target is of the other backend.

    Raises:
        InvalidInputError: the target is no folder, no server and not in memory.
        TargetError: the folder was made by the other backend, or is not Qdrant's.
    """
    if target.startswith(EDGE):
        folder = Path(_path_of(target.removeprefix(EDGE), target))
        if (folder / _LOCAL_MARK).exists():
            message = f"{folder} was made by qdrant-client's local mode. Name it without {EDGE}, or name a new folder"
            raise TargetError(message)
        if not (folder / EDGE_MARK).exists():
            _refuse_foreign(folder)
        return folder
    if is_server(target) or target == MEMORY:
        return None
    folder = Path(_path_of(target, target))
    return folder if (folder / EDGE_MARK).exists() else None


def edge_collection_folder(folder: Path, collection: str) -> Path:
    """The folder of a collection in a folder of qdrant-edge's."""
    return folder / quote(collection, safe="").replace(".", "%2E")


def collection_folder(target: str, collection: str) -> Path | None:
    """The folder that a collection of a target is kept in; None for one of a server or in memory.

    Raises:
        InvalidInputError: the target is no folder, no server and not in memory.
        TargetError: the folder is not Qdrant's.
    """
    edge = edge_folder(target)
    if edge is not None:
        return edge_collection_folder(edge, collection)
    if is_server(target) or target == MEMORY:
        return None
    return Path(_path_of(target, target)) / "collection" / collection


def open_client(
    target: str,
    *,
    api_key: str | None = None,
    ca_file: str | Path | None = None,
    prefer_grpc: bool = True,
    grpc_port: int | None = None,
    timeout_seconds: int = 60,
) -> QdrantClient:
    """Connect to a Qdrant server or open an embedded one.

    Args:
        target: ``:memory:``, a server's URL, or a folder of qdrant-client's local mode, which is created if missing.
        api_key: The key of a server; ``QDRANT_API_KEY`` of the environment if None. It goes to the URL's port, over
            TLS to that of gRPC too, and in clear there only if ``grpc_port`` is given.
        ca_file: Certificates, as PEM, of the CA that an ``https://`` server's is signed by; by default the usual CAs.
        prefer_grpc: Whether to use gRPC if the server answers there.
        grpc_port: The port of gRPC; the one after the URL's (6334 for 6333) if None.
        timeout_seconds: For one response; qdrant-client's default of 5 is too short for a synchronous write.

    Raises:
        InvalidInputError: the target is none of these, the key cannot be one, or the CA file cannot be read.
        TargetError: the server does not answer, or the folder is in use, damaged or not Qdrant's.
    """
    if ca_file is not None:
        require_tls(target)
    if is_server(target):
        key = _checked_key(api_key or os.environ.get("QDRANT_API_KEY"))
        certificates = None if ca_file is None else ca_certificates(ca_file)
        connection = Connection(address_of(target), key, certificates, grpc_port, timeout_seconds)
        return connection.open(prefer_grpc=prefer_grpc)
    folder = _path_of(target, target)
    with translated(target), own_warnings_only():
        if target == MEMORY:
            return QdrantClient(MEMORY)
        is_local_folder(target)  # raises for another's
        return QdrantClient(path=folder, force_disable_check_same_thread=True)  # the backend locks


def is_local_folder(target: str) -> bool:
    """Return whether a folder was made by qdrant-client's local mode.

    Raises:
        TargetError: it has something else in it.
    """
    folder = Path(_path_of(target, target))
    if (folder / _LOCAL_MARK).exists():
        return True
    _refuse_foreign(folder)
    return False


def _path_of(path: str, target: str) -> str:
    """The folder of a target.

    Raises:
        InvalidInputError: it has a scheme, none of ours: a folder of that name would be made of a mistyped ``edge:``.
    """
    is_url = path != target and path.startswith("//")
    if target == MEMORY or (path and not _SCHEME.match(path) and not is_url):
        return os.path.expanduser(path)  # noqa: PTH111 - a path may have no other change; the shell leaves edge:~/ alone
    advice = ""
    if ":" in path and "//" not in path and shown(target) == target:
        advice = f". A folder whose name has a colon in it is named {target.removesuffix(path)}./{path}"
    raise InvalidInputError(f"target {shown(target)!r}: {_EXPECTED}{advice}")


def _checked_key(key: str | None) -> str | None:
    """The key without whitespace around it, None if it is empty; no message about a key has it in it."""
    key = (key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise InvalidInputError("the API key has a line break or a character that is not ASCII, which no key has")
    return key or None


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there and no Qdrant folder. Name a new or empty folder, or one made by ingest"
        raise TargetError(message)


@contextmanager
def own_warnings_only() -> Iterator[None]:
    """Suppress qdrant-client's warning about large local collections; the sink warns itself, once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Local mode is not recommended")
        yield
