from __future__ import annotations

import pytest

from embed_plugin import MissingExtraError
from embed_plugin.evaluate.mteb import MtebEncoder
from embed_plugin.extras import PACKAGES_OF_EXTRA


def test_mteb_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "mteb", ("a_package_that_is_not_there",))
    with pytest.raises(MissingExtraError, match=r"there: run  pip install 'embed-plugin\[mteb\]'"):
        MtebEncoder("models/bge-small")
