"""The rules of the layout: import circles, the folder of each engine, and the size of folders and files."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import embed_plugin
from embed_plugin import MissingExtraError
from embed_plugin.extras import PACKAGES_OF_EXTRA, import_part

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
PACKAGE = SOURCE / "embed_plugin"
OPTIONAL = sorted({package for packages in PACKAGES_OF_EXTRA.values() for package in packages})
MOST_FILES = 16
MOST_LINES = 400
NOT_COUNTED = {"kernels"}
"""Its C files move with the operators for more CPUs."""

ENGINES: dict[str, str | tuple[str, ...]] = {
    "charset_normalizer": "ingest/read",
    "docx": "ingest/read/formats/documents/word.py",
    "fastapi": "serve",
    "h11": "serve/connections",
    "httptools": "serve/connections",
    "httpx": ("client", "ingest/stores/qdrant/client"),  # qdrant-client speaks through it
    "huggingface_hub": "export/checkpoint",
    "lxml": "ingest/read/formats",
    "matplotlib": "cost",
    "mcp": "mcp",
    "mmh3": "ingest/stores/qdrant",
    "mteb": "evaluate",
    "onnx": "export",
    "onnxruntime": "encode",
    "optimum": "export/traced",
    "orjson": "serve",
    "pathspec": "ingest/read",
    "pptx": "ingest/read/formats/documents/slides.py",
    "prometheus_client": "serve",
    "pyarrow": ("evaluate/read", "ingest/read/formats"),  # neither of these two parts imports the other
    "pypdfium2": "ingest/read/formats/documents/pdf.py",
    "python_calamine": "ingest/read/formats/documents/sheets.py",
    "qdrant_client": "ingest/stores/qdrant",
    "qdrant_edge": "ingest/stores/qdrant/edge",
    "ray": "ingest/ray",
    "rich": "cli",
    "safetensors": "export/checkpoint",
    "semantic_text_splitter": "ingest/chunk",
    "snowballstemmer": "ingest/stores/qdrant",
    "starlette": "serve",
    "structlog": "serve",
    "tokenizers": "encode",
    "torch": "export/traced",
    "tqdm": "evaluate",
    "transformers": "export/traced",
    "typer": "cli",
    "uvicorn": ("serve", "mcp"),
    "webencodings": "ingest/read",
    "yaml": "ingest/read",
}
"""The one folder that imports an engine."""


def sources() -> dict[str, str]:
    """The source of each module, by its path in the package."""
    return {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def imported(source: str) -> set[str]:
    """Every module and name that is imported, in functions and for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def module_of(path: str) -> str:
    return ".".join(["embed_plugin", *Path(path).with_suffix("").parts]).removesuffix(".__init__")


def import_graph(files: dict[str, str]) -> dict[str, set[str]]:
    """The modules of this package that each imports: the longest name that is one."""
    modules = {module_of(path) for path in files}
    graph = {}
    for path, source in files.items():
        names = [name for name in imported(source) if name.startswith("embed_plugin")]
        found = {name if name in modules else name.rpartition(".")[0] for name in names}
        graph[module_of(path)] = (found & modules) - {module_of(path)}
    return graph


def circles(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """Modules that import each other, directly or by way of others."""
    reached = {module: set(targets) for module, targets in graph.items()}
    for middle in graph:
        for targets in reached.values():
            if middle in targets:
                targets.update(reached[middle])
    return {frozenset({a, b}) for a in graph for b in reached[a] if a != b and a in reached[b]}


def imports_elsewhere(engine: str, files: dict[str, str]) -> list[str]:
    """The modules outside an engine's folder that import it."""
    folders = ENGINES[engine]
    return [
        path
        for path, source in files.items()
        if not path.startswith(folders) and any(name.split(".")[0] == engine for name in imported(source))
    ]


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circles(import_graph(sources())) == set()


def test_a_circle_is_found() -> None:
    files = sources()
    files["types.py"] += "\ndef late() -> None:\n    from embed_plugin.model import folder\n"
    assert frozenset({"embed_plugin.types", "embed_plugin.model.folder"}) in circles(import_graph(files))


LOWER = (
    "types.py",
    "protocols.py",
    "errors.py",
    "texts.py",
    "lines.py",
    "process_local.py",
    "cpu/",
    "model/",
    "kernels/",
)
"""The modules below encode, which import none of the folders above them."""


def imports_upwards(files: dict[str, str]) -> set[str]:
    """The lower modules that import a folder above them."""
    allowed = {module_of(path) for path in files if path.startswith((*LOWER, "telemetry.py"))}
    graph = import_graph(files)
    return {path for path in files if path.startswith(LOWER) and not graph[module_of(path)] <= allowed}


def test_models_and_kernels_do_not_import_what_runs_them() -> None:
    files = sources()
    assert imports_upwards(files) == set()
    files["kernels/__init__.py"] += "\ndef late() -> None:\n    from embed_plugin.encode import session\n"
    assert imports_upwards(files) == {"kernels/__init__.py"}


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_is_imported_in_one_folder(engine: str) -> None:
    files = sources()
    assert imports_elsewhere(engine, files) == []
    files["cost/elsewhere.py" if engine != "matplotlib" else "elsewhere.py"] = (
        f"def late():\n    import {engine}.part\n"
    )
    assert len(imports_elsewhere(engine, files)) == 1


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_is_imported_somewhere(engine: str) -> None:
    used = [
        path for path, source in sources().items() if any(name.split(".")[0] == engine for name in imported(source))
    ]
    assert used


def test_folders_and_files_are_small() -> None:
    folders = [folder for folder in [PACKAGE, *PACKAGE.rglob("*/")] if folder.name not in NOT_COUNTED]
    counts = {
        folder.name: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders
    }
    assert {name: count for name, count in counts.items() if count > MOST_FILES} == {}
    lines = {path: source.count("\n") for path, source in sources().items()}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_every_test_file_has_a_test() -> None:
    files = [path for path in Path(__file__).parent.rglob("test_*.py") if path.is_file()]
    assert [path.name for path in files if "def test_" not in path.read_text(encoding="utf-8")] == []


def test_importing_the_package_loads_nothing_optional() -> None:
    code = f"import sys, embed_plugin; print([name for name in {OPTIONAL} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["", ".errors", ".wire", ".client", ".cost", ".testing", ".protocols", ".cli.app"])
def test_what_runs_no_model_loads_no_engine(module: str) -> None:
    loaded = "[name for name in ('onnxruntime', 'tokenizers') if name in sys.modules]"
    code = f"import sys, embed_plugin{module}; print({loaded})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_command_line_loads_no_numpy() -> None:
    """A server for agents answers before it; every command starts without."""
    code = "import sys, embed_plugin.cli.app, embed_plugin.mcp.tools; print('numpy' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


def test_every_name_of_the_package_is_there() -> None:
    for name in embed_plugin.__all__:
        assert getattr(embed_plugin, name) is not None
    assert set(embed_plugin.__all__) <= set(dir(embed_plugin))
    with pytest.raises(AttributeError, match="no attribute 'Encodre'"):
        embed_plugin.Encodre  # noqa: B018


def test_every_error_is_a_name_of_the_package() -> None:
    from embed_plugin import errors  # noqa: PLC0415 - beside what it is compared with

    named = {
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert named <= set(embed_plugin.__all__)


def test_a_missing_extra_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "ingest", ("a_package_that_is_not_there",))
    with pytest.raises(
        MissingExtraError, match=r"a_package_that_is_not_there: run  pip install 'embed-plugin\[ingest\]'"
    ):
        import_part("embed_plugin.ingest", extra="ingest")


def test_sessions_are_made_in_one_place() -> None:
    """A session made elsewhere lacks the options without which int8 products saturate on CPUs without VNNI."""
    places = [path for part in ("src", "tests", "benchmarks", "examples") for path in (ROOT / part).rglob("*.py")]
    makers = {path.name for path in places if "InferenceSession(" in path.read_text(encoding="utf-8")}
    assert makers == {"session.py", Path(__file__).name}
