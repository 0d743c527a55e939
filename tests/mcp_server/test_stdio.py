"""The server as a client starts it: a child process, spoken to by the official SDK's client."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("mcp.server", reason="needs the extra mcp")

import anyio

from conftest import HANG_SECONDS
from embed_plugin.encode import Encoder
from embed_plugin.errors import TargetError
from embed_plugin.ingest import RecordReader, ingest, open_sink, verify
from support.mcp_client import answer, command_of, over_stdio, refusal
from support.processes import killed_on_failure
from support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp import Client

DOG = "# The dog ## Fast the dog ran fast to the water and the tree"


def test_tools_are_listed_and_read_only(store: tuple[str, ...]) -> None:
    async def talk(client: Client) -> Any:  # noqa: ANN401 - the SDK's
        return (await client.list_tools()).tools

    tools = over_stdio(*store, talk=talk)
    assert [tool.name for tool in tools] == ["search", "fetch", "list_sources", "list_collections", "count"]
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert tools[0].input_schema["required"] == ["query"]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_hit_says_where_it_is(store: tuple[str, ...], mode: str) -> None:
    async def talk(client: Client) -> dict[str, Any]:
        return await answer(client, "search", query=DOG, limit=2)

    found = over_stdio(*store, talk=talk, mode=mode)
    first, second = found["hits"]
    assert (found["collection"], first["record"], first["source"], first["chunk"]) == ("notes", "dog.md", "notes", 0)
    assert (first["citation"], first["headings"]) == ("dog.md:1  Fast", ["Fast"])
    assert (first["title"], first["first_line"], first["last_line"]) == ("The dog", 1, 5)
    assert "the dog ran fast" in first["text"]
    assert first["score"] > second["score"]
    assert {second["record"], *second["duplicates"]} in ({"cat.md", "again.md:1"}, {"again.md", "cat.md:1"})


def test_conditions_narrow_a_search(store: tuple[str, ...]) -> None:
    async def talk(client: Client) -> list[dict[str, Any]]:
        return [
            await answer(client, "search", query=DOG, filter=["record = cat.md", "source = notes"]),
            await answer(client, "search", query=DOG, filter=["nowhere = 1"]),
        ]

    found, nothing = over_stdio(*store, talk=talk)
    assert [hit["record"] for hit in found["hits"]] == ["cat.md"]
    assert nothing["hits"] == []
    assert nothing["reasons"][0].startswith("no chunk has the field nowhere")


def test_a_hit_is_read_with_its_neighbours(store: tuple[str, ...]) -> None:
    async def talk(client: Client) -> list[dict[str, Any]]:
        return [
            await answer(client, "fetch", record="long.txt", source="notes"),
            await answer(client, "fetch", record="long.txt", chunk=2),
            await answer(client, "fetch", record="long.txt", chunk=2, neighbours=0),
        ]

    whole, around, alone = over_stdio(*store, talk=talk)
    assert whole["chunks_of_record"] == len(whole["chunks"]) > 4
    assert around["chunks"] == whole["chunks"][1:4]
    assert alone["chunks"] == whole["chunks"][2:3]
    assert [chunk["chunk"] for chunk in whole["chunks"]] == list(range(len(whole["chunks"])))
    assert whole["chunks"][0]["citation"] == "long.txt:1"


def test_the_collection_is_described(store: tuple[str, ...], notes: Path) -> None:
    async def talk(client: Client) -> list[dict[str, Any]]:
        return [await answer(client, name) for name in ("count", "list_sources", "list_collections")]

    counted, sources, listed = over_stdio(*store, talk=talk)
    assert counted["chunks"] > 4
    assert sources == {"collection": "notes", "sources": [{"source": "notes", "root": str(notes)}]}
    described = {"collection": "notes", "chunks": counted["chunks"], "dimension": 32, "model": "checkpoint"}
    assert listed == {"collections": [described]}


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("search", {"query": " "}, "query is ' ', expected a text that is not empty"),
        ("search", {"query": "a", "filter": ["b"]}, "the filter 'b' cannot be read"),
        ("search", {"query": "cat", "limit": 51}, "limit is 51, expected 1 to 50"),
        ("search", {"query": "cat", "collection": "notse"}, "collection is 'notse', expected one of: notes"),
        ("search", {}, "query is missing"),
        ("count", {"filter": "a"}, "unknown argument filter, expected collection"),
        ("fetch", {"record": "cow.md"}, "collection 'notes' has no record 'cow.md'. Give record"),
        ("fetch", {"record": "cow.md", "chunk": 0}, "collection 'notes' has no record 'cow.md'. Give record"),
        ("fetch", {"record": "cat.md", "source": "other"}, "collection 'notes' has no record 'cat.md' in source"),
        ("fetch", {"record": "cat.md", "chunk": 7}, "record 'cat.md' has no chunk 7, expected 0 to 0"),
    ],
)
def test_a_wrong_call_says_what_was_expected(
    store: tuple[str, ...], tool: str, arguments: dict[str, object], message: str
) -> None:
    async def talk(client: Client) -> str:
        return await refusal(client, tool, **arguments)

    assert over_stdio(*store, talk=talk).startswith(message)


def test_an_unknown_tool_is_an_error_of_the_protocol(store: tuple[str, ...]) -> None:
    from mcp import MCPError  # noqa: PLC0415 - after the check that it is there

    async def talk(client: Client) -> None:
        with pytest.raises(MCPError, match="no tool 'forget', expected one of: search, fetch"):
            await client.call_tool("forget", {})

    over_stdio(*store, talk=talk)


def test_neither_model_nor_store_is_loaded_before_the_first_call(store: tuple[str, ...], tmp_path: Path) -> None:
    heavy = {"numpy", "onnxruntime", "tokenizers", "qdrant_client"}
    log = tmp_path / "imports"

    def loaded() -> set[str]:
        return set(re.findall(r"\| +(\w+)$", log.read_text(), re.MULTILINE)) & heavy

    async def talk(client: Client) -> set[str]:
        assert (await client.list_tools()).tools
        before = loaded()
        await answer(client, "search", query=DOG)
        return before

    with log.open("w") as errors:
        before = over_stdio(*store, talk=talk, mode="legacy", environment={"PYTHONPROFILEIMPORTTIME": "1"}, log=errors)
    assert before == set()
    assert loaded() == heavy


def test_what_libraries_print_stays_out_of_the_protocol(store: tuple[str, ...], tmp_path: Path) -> None:
    """The SDK's client reports a line that is no message as an error; the prints are in a call."""
    (tmp_path / "noise").mkdir()
    (tmp_path / "noise" / "sitecustomize.py").write_text(
        "import os, sys\n"
        "class Noise:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'qdrant_client':\n"
        "            print('noise by print', flush=True)\n"
        "            os.write(1, b'noise by write\\n')\n"
        "            os.system('echo noise of a child')\n"
        "sys.meta_path.insert(0, Noise())\n"
    )
    path = os.pathsep.join([str(tmp_path / "noise"), os.environ.get("PYTHONPATH", "")])
    unreadable: list[Exception] = []

    async def note(message: object) -> None:
        if isinstance(message, Exception):
            unreadable.append(message)

    async def talk(client: Client) -> int:
        return len((await answer(client, "search", query=DOG))["hits"])

    with (tmp_path / "log").open("w") as errors:
        environment = {"PYTHONPATH": path}
        found = over_stdio(*store, talk=talk, environment=environment, log=errors, on_message=note)
    assert (found > 1, unreadable) == (True, [])
    noise = (tmp_path / "log").read_text()
    assert all(f"noise {how}" in noise for how in ("by print", "by write", "of a child"))


@pytest.mark.parametrize("target", ["{}", "edge:{}"])
def test_a_store_in_use_is_said_to_be_and_opened_when_it_is_free(tmp_path: Path, model: Path, target: str) -> None:
    (tmp_path / "notes.txt").write_text("the cat sat on the mat")
    place = target.format(tmp_path / "store")
    with open_sink(place, "notes") as sink:
        ingest(RecordReader([tmp_path / "notes.txt"]), Encoder.load(model), sink)

    async def talk(client: Client) -> tuple[str, dict[str, Any], int]:
        with open_sink(place, "notes") as sink:
            sink.count()
            refused = await refusal(client, "count")
            (listed,) = (await answer(client, "list_collections"))["collections"]
        return refused, listed, (await answer(client, "count"))["chunks"]

    refused, listed, chunks = over_stdio("--to", place, "--collection", "notes", talk=talk)
    assert "another process. Wait for that" in refused
    assert "use a Qdrant server" in refused
    assert listed == {"collection": "notes", "problem": refused}
    assert chunks == 1


def test_the_store_is_free_again_when_there_are_no_calls(tmp_path: Path, notes: Path, model: Path) -> None:
    target = f"edge:{tmp_path / 'store'}"
    with open_sink(target, "notes") as sink:
        ingest(RecordReader([notes]), Encoder.load(model), sink)

    async def talk(client: Client) -> int:
        chunks: int = (await answer(client, "count"))["chunks"]
        while True:  # the client's own limit against hanging ends it
            try:
                with open_sink(target, "notes") as sink:
                    assert sink.count() == chunks
                break
            except TargetError:
                await anyio.sleep(0.05)
        return int((await answer(client, "count"))["chunks"]) - chunks

    options = ("--to", target, "--collection", "notes", "--release-after", "0.1")
    assert over_stdio(*options, talk=talk) == 0


def test_a_collection_that_is_not_there_yet_is_found_when_it_is(tmp_path: Path, model: Path) -> None:
    place, options = str(tmp_path / "store"), ("--collection", "notes", "--model", str(model))
    (tmp_path / "notes.txt").write_text("the cat sat on the mat")

    async def talk(client: Client) -> tuple[str, int]:
        refused = await refusal(client, "search", query="cat")
        with open_sink(place, "notes") as sink:
            ingest(RecordReader([tmp_path / "notes.txt"]), Encoder.load(model), sink)
        return refused, (await answer(client, "count"))["chunks"]

    refused, chunks = over_stdio("--to", place, *options, talk=talk)
    assert (refused, chunks) == (f"{place} has no collection 'notes'. It has none: ingest into it first", 1)


def test_each_collection_has_its_own_model_found_by_fingerprint(
    tmp_path: Path, notes: Path, tiny_model: Callable[..., Path]
) -> None:
    (tmp_path / "models").mkdir()
    place = str(tmp_path / "store")
    for pooling in ("cls", "mean"):
        folder = tmp_path / "models" / f"me--{pooling}"
        folder.symlink_to(tiny_model(pooling=pooling), target_is_directory=True)
        with open_sink(place, pooling) as sink:
            ingest(RecordReader([notes]), Encoder.load(folder), sink)

    async def talk(client: Client) -> tuple[list[str], str]:
        found = [await answer(client, "search", query=DOG, collection=name, limit=1) for name in ("cls", "mean")]
        return [one["hits"][0]["record"] for one in found], await refusal(client, "search", query=DOG)

    options = ("--to", place, "--collection", "cls", "--collection", "mean")
    found, refused = over_stdio(*options, talk=talk, environment={"EMBED_PLUGIN_MODELS": str(tmp_path / "models")})
    assert found == ["dog.md", "dog.md"]
    assert refused == "collection is missing, expected one of: cls, mean"


def test_a_model_that_is_not_here_is_said_with_the_remedy(store: tuple[str, ...], tmp_path: Path) -> None:
    async def talk(client: Client) -> tuple[str, dict[str, Any]]:
        refused = await refusal(client, "search", query="cat")
        return refused, (await answer(client, "list_collections"))["collections"][0]

    found = over_stdio(*store[:4], talk=talk, environment={"EMBED_PLUGIN_MODELS": str(tmp_path / "none")})
    refused, listed = found
    assert refused.startswith("no model of collection 'notes' (fingerprint ")
    assert "embed-plugin export HUB_ID" in refused
    assert (listed["problem"], listed["chunks"] > 4) == (refused, True)


def test_the_server_asks_for_nobody_and_leaves_nothing_at_home(store: tuple[str, ...], tmp_path: Path) -> None:
    watched = Watched(tmp_path / "watched")

    async def talk(client: Client) -> int:
        return len((await answer(client, "search", query=DOG))["hits"])

    assert over_stdio(*store, talk=talk, environment=watched.environment) > 1
    assert (watched.asked, watched.files) == ([], [])


def test_it_ends_when_its_client_closes_stdin(store: tuple[str, ...]) -> None:
    command = [sys.executable, *command_of(*store)]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_though_stdin_is_open(store: tuple[str, ...], stop: signal.Signals) -> None:
    command, pipe = [sys.executable, *command_of(*store)], subprocess.PIPE
    with killed_on_failure(subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert '"id":1' in process.stdout.readline()
        process.send_signal(stop)
        assert process.wait(HANG_SECONDS) == -stop


MIXED_CALLS = 1000
MOST_GROWTH_KIB = 4 << 10
"""Of the resident memory, between the calls after the first 100 and the last. Half of the answers are of 10 KiB and
more, so that keeping each once would pass it."""


def resident_kib(command: str) -> int:
    """The resident memory of the child of this process that runs a command."""
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
            arguments = status.with_name("cmdline").read_text()
        except OSError:  # it has ended
            continue
        if int(facts["PPid"]) == os.getpid() and command in arguments.split("\0"):
            return int(facts["VmRSS"].split()[0])
    raise AssertionError(f"no child runs {command}")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_many_mixed_calls_leave_memory_and_collection_as_they_were(store: tuple[str, ...], model: Path) -> None:
    async def call(client: Client, number: int) -> None:
        await answer(client, "search", query=f"the cat and the dog {number}", limit=1 + number % 9)
        await answer(client, "fetch", record="long.txt", chunk=number % 4)
        await refusal(client, "fetch", record=f"{number}.md")
        await answer(client, ("count", "list_sources", "list_collections")[number % 3])

    async def talk(client: Client) -> int:
        for number in range(25):
            await call(client, number)
        before = resident_kib("mcp")
        for number in range(25, MIXED_CALLS // 4):
            await call(client, number)
        return resident_kib("mcp") - before

    assert over_stdio(*store, talk=talk) < MOST_GROWTH_KIB
    with open_sink(store[1], "notes") as sink:
        assert verify(Encoder.load(model), sink).is_sound
