from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from qdrant_client import models

from support.command_line import run
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_command_takes_an_alias_for_its_collection(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    model, other, source = tiny_model(), tiny_model(precision="fp32"), tmp_path / "source"
    source.mkdir()
    for name in "abcdefghijkl":
        (source / f"{name}.txt").write_text(f"the cat {name}")
    with misbehaving_qdrant() as (url, server):

        def command(name: str, *arguments: str | Path, model: Path = model, collection: str = "live") -> Any:  # noqa: ANN401
            place = ("--model", model, "--to", url, "--collection", collection)
            done = run(name, *arguments, *place, "--json", "-")
            return json.loads(done.stdout) if done.returncode == 0 else done.stderr

        assert command("ingest", source, collection="notes")["embedded"] == 12
        made = models.CreateAlias(alias_name="live", collection_name="notes")
        server.engine.update_collection_aliases([models.CreateAliasOperation(create_alias=made)])
        (source / "l.txt").unlink()
        assert command("ingest", source, "--dry-run", "--mirror")["removed"] == 1
        done = command("ingest", source, "--mirror")
        assert (done["embedded"], done["unchanged"], done["removed"]) == (0, 11, 1)
        assert command("verify")["points"] == server.engine.count("notes").count == 11
        assert command("search", "the cat a")[0]["text"].startswith("the cat ")
        for dry_run in ([], ["--dry-run"]):
            assert "is an alias of 'notes'" in command("ingest", source, "--recreate", "--yes", *dry_run)
        assert command("migrate", "--drop-old", model=other)["embedded"] == 11
        assert command("ingest", source, model=other, collection="notes")["unchanged"] == 11
        assert command("adopt", model=other) | {"adopted": False, "points": 11} == command("adopt", model=other)
