"""The examples of docs/api.md run, and print what the page says."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.conftest import ROOT, missing
from tests.stack.conftest import Service

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.M | re.S)
SECONDS = 120.0
PROGRAMS = ("curl", "jq")


class Example(NamedTuple):
    """A program of the page, under its heading, and what it prints; None if the page does not say."""

    heading: str
    language: str
    program: str
    printed: str | None


def examples() -> Iterator[Example]:
    for section in PAGE.split("\n### ")[1:]:
        heading, _, text = section.partition("\n")
        blocks = BLOCK.findall(text)
        for index, (language, program) in enumerate(blocks):
            if language != "text":
                printed = (content for later, content in blocks[index:] if later == "text")
                yield Example(heading, language, program, next(printed, None))


EXAMPLES = list(examples())
SECTIONS = PAGE.partition("\n## Examples\n")[2].split("\n### ")[1:]


def test_each_capability_has_an_example_in_both_languages() -> None:
    shown = {(example.heading, example.language) for example in EXAMPLES}
    headings = {text.partition("\n")[0] for text in SECTIONS}
    assert len(headings) > 10
    assert {(heading, language) for heading in headings for language in ("sh", "python")} <= shown
    assert all(example.printed for example in EXAMPLES if example.heading in headings)


@pytest.mark.stack
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.heading} ({one.language})")
@pytest.mark.parametrize("service", ["sqlite"], indirect=True)
def test_the_example_prints_what_the_page_says(service: Service, example: Example, tmp_path: Path) -> None:
    for program in PROGRAMS:
        if shutil.which(program) is None:
            missing(program)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    command = ["bash", "-euo", "pipefail"] if example.language == "sh" else [sys.executable]
    done = subprocess.run(
        [*command, "-c", example.program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        timeout=SECONDS,
        env=os.environ
        | {
            "SHRUTLEKH_URL": service.url,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")]),
            "PYTHONIOENCODING": "utf-8",
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "SHRUTLEKH_DATA_DIR": str(service.data),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if example.printed is not None:
        pattern = re.escape(example.printed).replace(re.escape("..."), ".*")
        assert re.fullmatch(pattern, done.stdout), done.stdout
