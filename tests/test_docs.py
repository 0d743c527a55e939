"""The pages in docs/ name tests, files and headings that are there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
LINKED_PAGES = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md"))]
LINKED_PAGES += [*sorted((ROOT / "examples").rglob("*.md")), *sorted((ROOT / "integrations").rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def names_of_tests() -> set[str]:
    files = [*(ROOT / "tests").rglob("test_*.py")]
    return {
        name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def is_there(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_test_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
    assert named <= names_of_tests()


def test_every_pitfall_is_held_by_a_test() -> None:
    answers = (ROOT / "docs" / "design" / "pitfalls.md").read_text(encoding="utf-8").split("\n## ")[1:]
    assert answers
    assert [answer.splitlines()[0] for answer in answers if "`test_" not in answer] == []


@pytest.mark.parametrize("page", LINKED_PAGES, ids=name_of)
def test_every_link_to_a_file_and_heading_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not is_there(page, link)] == []


def test_every_page_and_benchmark_that_a_file_names_exists() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    if listed.returncode:
        pytest.skip("needs a clone: it reads the files that git knows")
    files = [ROOT / name for name in listed.stdout.splitlines() if name.endswith((".py", ".md", ".toml", "Makefile"))]
    named = {
        (name_of(file), path)
        for file in files
        if file.exists()
        for path in re.findall(r"\b((?:docs|benchmarks)/(?:[\w-]+/)*[\w-]+\.(?:md|svg|py))\b", file.read_text("utf-8"))
    }
    assert sorted((file, path) for file, path in named if not (ROOT / path).exists()) == []


def test_a_guide_to_adding_something_is_ten_lines_at_most() -> None:
    sections = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("\n## ")[1:]
    lengths = {each.splitlines()[0]: sum(map(bool, each.splitlines()[1:])) for each in sections if each[:4] == "Add "}
    headings = ("an instruction set", "an architecture", "a format", "a store", "an output", "a known model")
    assert list(lengths) == [f"Add {heading}" for heading in headings]
    assert {heading: length for heading, length in lengths.items() if length > 10} == {}


def test_every_file_contributing_names_exists() -> None:
    named = re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|c|toml|txt))`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    bases = (ROOT, ROOT / "src" / "embed_plugin", ROOT / "src" / "embed_plugin" / "export")
    assert named
    assert [name for name in named if not any((base / name).exists() for base in bases)] == []
