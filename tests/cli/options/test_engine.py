from __future__ import annotations

from importlib.util import find_spec

import pytest

from support.command_line import run

PLACE = ("--model", "models/none", "--collection", "notes")


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_it_is_said_how_to_install_it() -> None:
    done = run("ingest", "-", *PLACE, "--to", "http://127.0.0.1:1", "--engine", "ray")
    assert done.returncode == 1
    assert "needs ray" in done.stderr
    assert "pip install 'embed-plugin[ray]'" in done.stderr


@pytest.mark.parametrize("target", ["qdrant", ":memory:", "edge:qdrant"])
def test_a_target_of_one_process_is_wrong_usage_with_ray(target: str) -> None:
    done = run("ingest", "-", *PLACE, "--to", target, "--engine", "ray")
    assert done.returncode == 2
    assert "only one process may have that open" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("option", ["--ray-workers", "--ray-cpus"])
def test_options_of_ray_are_wrong_usage_without_it(option: str) -> None:
    done = run("ingest", "-", *PLACE, "--to", ":memory:", option, "2")
    assert (done.returncode, "are for --engine ray" in done.stderr) == (2, True)
