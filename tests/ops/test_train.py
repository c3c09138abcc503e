"""``shrutlekh train``: starts the training in its own place, or says what is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WITHOUT_TORCH = """
import sys, importlib.util as util
found = util.find_spec
util.find_spec = lambda name, *rest: None if name == "torch" else found(name, *rest)
from ops.cli import main
sys.argv = ["shrutlekh", "train", *sys.argv[1:]]
main()
"""


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "ops", "train", *map(str, arguments)]


def run(line: list[str], folder: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}"}
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def test_help_lists_the_options_and_needs_no_torch() -> None:
    for arguments in (["--help"], ["-h"]):
        done = run([sys.executable, "-c", WITHOUT_TORCH, *arguments])
        assert done.returncode == 0, done.stderr
        assert "Usage: shrutlekh train" in done.stdout
        assert "--manifest" in done.stdout


def test_without_torch_it_says_what_to_install() -> None:
    done = run([sys.executable, "-c", WITHOUT_TORCH, "--manifest", "x.tsv"])
    assert done.returncode == 2
    assert "pip install 'shrutlekh[train]'" in done.stderr
    assert "torch" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_exit_status_is_that_of_the_training(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    done = run(command("--manifest", tmp_path / "none.tsv"), tmp_path)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [f"Error: {tmp_path / 'none.tsv'} does not exist."],
    )
    assert "Usage" in run(command("--unheard-of")).stderr
