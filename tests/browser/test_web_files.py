"""The files of the page, without a browser: modules that fit together, and words in both languages."""

import gzip
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, missing

WEB = ROOT / "api" / "web"
SCRIPTS = sorted(WEB.rglob("*.js"))
STRINGS = WEB / "strings"
MOST_BYTES = 300_000

# Parses each module and binds its imports to the exports of the others, without running any.
LINK = """
import { readFileSync } from "node:fs";
import { SourceTextModule } from "node:vm";
const modules = new Map();
const load = (path) => {
  const parse = () => new SourceTextModule(readFileSync(path, "utf8"), { identifier: path });
  if (!modules.has(path)) modules.set(path, parse());
  return modules.get(path);
};
const resolve = (name, from) => load(new URL(name, `file://${from.identifier}`).pathname);
for (const path of process.argv.slice(1)) {
  if (load(path).status === "unlinked") await load(path).link(resolve);
}
"""
PRINT_STRINGS = """
const tables = await Promise.all(process.argv.slice(1).map((path) => import(`file://${path}`)));
console.log(JSON.stringify(tables.map((table) => table.default)));
"""
LITERAL = re.compile(r"\bt\(\s*\"([^\"]+)\"")
TEMPLATE = re.compile(r"\bt\(\s*`([^`]+)`")
DOTTED = re.compile(r"\"([a-z_]+\.[a-z_.]+)\"")
ANY_LITERAL = re.compile(r"[\"`]([a-z_.]+)[\"`]")
PLURAL = re.compile(r"\.(one|other)$")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
# What the Content-Security-Policy forbids, or Trusted Types refuse.
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    r"|https?://(?!www\.w3\.org/2000/svg)|\son\w+=\"|\sstyle=\""
)


def node(program: str, *arguments: Path) -> str:
    """Run a program with the node that Playwright brings. Returns what it prints."""
    try:
        from playwright._impl._driver import compute_driver_executable
    except ImportError:
        missing("Playwright")
    done = subprocess.run(
        [
            str(compute_driver_executable()[0]),
            "--experimental-vm-modules",
            "--no-warnings",
            "--input-type=module",
            "--eval",
            program,
            *map(str, arguments),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def tables() -> dict[str, dict[str, str]]:
    """The texts of the page by language and key."""
    languages = ("en", "hi")
    printed: list[Any] = json.loads(node(PRINT_STRINGS, *(STRINGS / f"{name}.js" for name in languages)))
    return dict(zip(languages, printed, strict=True))


@pytest.fixture(scope="module")
def code() -> str:
    """All modules but the texts."""
    return "\n".join(path.read_text(encoding="utf-8") for path in SCRIPTS if path.parent != STRINGS)


def pattern_of(template: str) -> re.Pattern[str]:
    """The keys that a template with ``${...}`` may make."""
    parts = re.split(r"\$\{[^}]*\}", template)
    return re.compile(r"[\w.]+".join(map(re.escape, parts)) + r"(\.(one|other))?")


def test_all_modules_parse_and_import_what_exists() -> None:
    assert SCRIPTS
    node(LINK, *SCRIPTS)


def test_both_languages_have_the_same_texts(tables: dict[str, dict[str, str]]) -> None:
    assert list(tables["hi"]) == list(tables["en"])
    for key, text in tables["en"].items():
        there, here = (set(PLACEHOLDER.findall(one)) for one in (text, tables["hi"][key]))
        # "1 recording" may spell the number out. The service's own sentences are English.
        optional = {"n", "message"} if PLURAL.search(key) else {"message"}
        assert here <= there | optional, key
        assert there <= here | optional, key
        assert text.strip(), key
        assert tables["hi"][key].strip(), key


def test_a_plural_has_both_forms(tables: dict[str, dict[str, str]]) -> None:
    plurals = {PLURAL.sub("", key) for key in tables["en"] if PLURAL.search(key)}
    assert {f"{key}.{form}" for key in plurals for form in ("one", "other")} <= set(tables["en"])


def test_every_text_that_is_shown_exists(tables: dict[str, dict[str, str]], code: str) -> None:
    keys = set(tables["en"]) | {PLURAL.sub("", key) for key in tables["en"]}
    assert set(LITERAL.findall(code)) <= keys
    rooms = {key.split(".", 1)[0] for key in keys}
    named = {one for one in DOTTED.findall(code) if one.split(".", 1)[0] in rooms}
    assert named <= keys
    for template in TEMPLATE.findall(code):
        assert any(pattern_of(template).fullmatch(key) for key in keys), template


def test_every_text_is_shown(tables: dict[str, dict[str, str]], code: str) -> None:
    literals = set(ANY_LITERAL.findall(code))
    templates = [pattern_of(text) for text in re.findall(r"`([\w.]*\$\{[^`]+)`", code)]
    dead = [
        key
        for key in tables["en"]
        if not {key, PLURAL.sub("", key)} & literals
        and not any(template.fullmatch(key) for template in templates)
    ]
    assert not dead


def test_no_file_needs_what_the_security_policy_forbids() -> None:
    for path in [*SCRIPTS, *WEB.glob("*.html"), *WEB.glob("*.css")]:
        assert not FORBIDDEN.findall(path.read_text(encoding="utf-8")), path.name


def test_the_files_are_small() -> None:
    files = [path for path in WEB.rglob("*") if path.is_file()]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES / 2
