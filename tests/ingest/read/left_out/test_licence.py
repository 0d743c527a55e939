from __future__ import annotations

import pytest

from embed_plugin.ingest.read.left_out.clean import clean


@pytest.mark.parametrize(
    ("syntax", "text", "rest"),
    [
        ("python", "# Copyright 2026 Ada\n# Licensed under X\n\nimport os\n", "\n\nimport os\n"),
        ("python", "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n# SPDX-License-Identifier: MIT\nx = 1\n",
         "#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n\nx = 1\n"),
        ("c", "/*\n * Copyright (c) 2026 Ada\n */\nint a;\n", "\nint a;\n"),
        ("rust", "// Copyright 2026\n// All rights reserved.\nfn a() {}\n", "\nfn a() {}\n"),
        ("php", "<?php\n/* The licence is MIT. */\necho 1;\n", "<?php\n\necho 1;\n"),
    ],
)  # fmt: skip
def test_the_licence_over_source_code_is_left_out(syntax: str, text: str, rest: str) -> None:
    cleaned = clean(text, syntax)
    assert cleaned.text == rest
    (part,) = cleaned.left_out
    assert (part.characters, part.lines) == (len(text) - len(rest), text.count("\n") - rest.count("\n"))


@pytest.mark.parametrize(
    ("syntax", "text"),
    [
        ("python", "# What this does\nimport os\n"),
        ("python", "import os\n# Copyright 2026\n"),
        ("python", "# Copyright 2026\n"),
        ("python", '"""The licence."""\nx = 1\n'),
        ("text", "# Copyright 2026\ntext"),
        ("markdown", "# Licence\n\ntext"),
    ],
)
def test_other_comments_and_a_file_of_nothing_else_stay(syntax: str, text: str) -> None:
    assert clean(text, syntax) == (text, {}, ())
