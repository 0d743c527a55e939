"""A token without an embedding is found at export, and not in the one text of a million that has it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from conftest import VOCABULARY, make_checkpoint
from embed_plugin import ExportError
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("added", [True, False])
def test_a_token_beyond_the_table_is_refused(tmp_path: Path, added: object) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    path, rows = checkpoint / "tokenizer.json", len(VOCABULARY)
    tokenizer = json.loads(path.read_text())
    if added:
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        tokenizer["added_tokens"].append({"id": rows, "content": "<new>", **flags})
    else:
        tokenizer["model"]["vocab"]["<new>"] = rows
    path.write_text(json.dumps(tokenizer))
    found = rf"the tokenizer's token '<new>' has the id {rows}, and the word embeddings have {rows} rows"
    with pytest.raises(ExportError, match=found):
        export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
