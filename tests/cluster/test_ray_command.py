"""``embed-plugin ingest --engine ray``: one process that reads, and a cluster that does the work."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cli.test_ingest_and_search import command
from support.misbehaving_qdrant import misbehaving_qdrant
from support.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ray = pytest.importorskip("ray", reason="needs the extra dev-cluster, in an environment of its own: make test-cluster")
pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]

LOCAL = "local"
"""The address that has Ray start a cluster, be there another one or not."""

LINES = [json.dumps({"id": str(number), "text": f"the cat {number}"}) + "\n" for number in range(3000)]


class Command:
    """The command on one collection of one server, with a cluster."""

    def __init__(self, model: Path, url: str, address: str) -> None:
        self.place = ("--model", str(model), "--to", url, "--collection", "notes", "--id-field", "id")
        # Ray writes a key for a cluster that it starts into the home folder, and others of this machine would find it.
        self.environment = {**os.environ, "RAY_ADDRESS": address, "HOME": str(model.parent)}

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command("ingest", "-", *self.place, "--engine", "ray", *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
            process_group=0,  # a terminal's Ctrl-C reaches every process of the group
        )

    def run(self, lines: list[str], *arguments: str | Path) -> tuple[int, str, str]:
        process = self.start(*arguments)
        stdout, stderr = process.communicate("".join(lines))
        return process.returncode, stdout, stderr


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def test_a_run_on_a_cluster_stores_mirrors_and_rejects(model: Path, address: str, tmp_path: Path) -> None:
    with misbehaving_qdrant(poison="poison") as (url, _):
        ray = Command(model, url, address)
        code, stdout, stderr = ray.run(LINES, "--ray-workers", "3", "--quiet", "--json", "-")
        assert (code, stderr) == (0, "")
        assert json.loads(stdout)["embedded"] == 3000

        code, _, stderr = ray.run(LINES[:2000], "--mirror")
        assert code == 1
        assert "more than 10.0% are not removed unasked" in stderr
        code, stdout, _ = ray.run(LINES[:2000], "--mirror", "--max-delete", "0.5", "--json", "-")
        assert (code, json.loads(stdout)["removed"]) == (0, 1000)

        letters = tmp_path / "letters.jsonl"
        bad = ['{"id": "p", "text": "poison"}\n', LINES[0], LINES[0], "no JSON\n"]
        code, _, stderr = ray.run(bad, "--rejected", letters)
        assert code == 3
        assert "2 records and 1 chunk were rejected" in stderr
        assert {json.loads(line)["source"] for line in letters.read_text().splitlines()} == {"p", "0", None}


def test_a_cluster_of_this_machine_alone_ends_with_the_run(model: Path) -> None:
    with misbehaving_qdrant() as (url, _):
        code, stdout, stderr = Command(model, url, LOCAL).run(LINES[:100], "--quiet", "--json", "-")
    assert (code, stderr, json.loads(stdout)["embedded"]) == (0, "", 100)


def test_the_workers_ask_for_nobody(model: Path, tmp_path: Path) -> None:
    watched = Watched(tmp_path, {"RAY_ADDRESS": LOCAL})
    with misbehaving_qdrant() as (url, _):
        target = ("--model", str(model), "--to", url, "--collection", "notes", "--id-field", "id")
        watched.command("ingest", "-", *target, "--engine", "ray", given="".join(LINES[:100]))
    this_machine = {socket.gethostname(), ray.util.get_node_ip_address()}
    asked = {each.split()[-1].removeprefix("::ffff:") for each in watched.asked}
    assert asked - this_machine <= {"169.254.169.254", "metadata.google.internal"}  # Ray: am I in a cloud?
    assert set(watched.files) <= {".ray/auth_token"}


def test_an_address_where_nothing_listens_is_named_with_a_remedy(model: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed, socket.create_server(("127.0.0.1", 0)) as silent:
        nobody, mute = (f"127.0.0.1:{one.getsockname()[1]}" for one in (closed, silent))
        closed.close()
        for wrong in (nobody, mute, "ray.invalid:6379", "nonsense"):
            code, _, stderr = Command(model, "http://127.0.0.1:1", wrong).run(LINES[:1])
            assert code == 1
            assert stderr.startswith(f"embed-plugin: no Ray cluster answers at {wrong} (")
            assert "Set RAY_ADDRESS to HOST:PORT" in stderr


def test_a_server_that_does_not_answer_is_the_same_error_as_without_a_cluster(model: Path, address: str) -> None:
    code, _, stderr = Command(model, "http://127.0.0.1:1", address).run(LINES[:1])
    assert (code, stderr.startswith("embed-plugin: no Qdrant server answers at http://127.0.0.1:1 (")) == (1, True)


def test_a_collection_of_another_model_is_refused(model: Path, address: str, tiny_model: Callable[..., Path]) -> None:
    with misbehaving_qdrant() as (url, _):
        assert Command(model, url, address).run(LINES[:1])[0] == 0
        code, _, stderr = Command(tiny_model(precision="fp32"), url, address).run(LINES[:1])
    assert (code, stderr.startswith("embed-plugin: collection 'notes' in")) == (1, True)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("own_cluster", [False, True])
def test_a_signal_stores_what_is_under_way_and_says_how_to_go_on(
    model: Path, address: str, number: signal.Signals, code: int, *, own_cluster: bool
) -> None:
    with misbehaving_qdrant() as (url, server):
        ray = Command(model, url, LOCAL if own_cluster else address)
        process = ray.start("--ray-workers", "1")
        assert process.stdin
        process.stdin.write("".join(LINES))
        process.stdin.flush()
        while not server.writes:
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
        _, stderr = process.communicate()
        assert process.returncode == code
        stopping, stopped = stderr.splitlines()
        assert stopping == "Stopping when what is under way is stored. Once more: at once."
        stored = int(stopped.split()[1].replace(",", ""))
        assert stored
        assert stopped.endswith(" records are stored. Run the same command again to go on.")
        assert server.engine.count("notes").count == stored
