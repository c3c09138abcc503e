"""Who may import whom: the rules of docs/architecture.md, held by reading every import in the code."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MAY_IMPORT = {
    "shared": set(),
    "transcript": set(),
    "speech": {"transcript"},
    "api": {"shared", "transcript"},
    "worker": {"shared", "speech", "transcript"},
    "modelkit": {"speech", "transcript"},
    "training": {"modelkit", "speech"},
    "migrations": {"shared"},
    "client": set(),
}
# `serve`, `transcribe`, `doctor` and `admin` work with the other parts, imported when they are called.
WHEN_CALLED = {"client": {"api", "migrations", "shared", "speech", "transcript", "worker"}}
API_STAYS_SMALL = {"numpy", "onnxruntime", "librosa", "soundfile", "soxr", "matplotlib", "torch"}


def imports(path: Path) -> list[tuple[str, bool]]:
    """(top-level package, imported at module level?) for every import of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(node)
        for scope in ast.walk(tree)
        if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_types_only(scope)
        for node in ast.walk(scope)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], id(node) not in inside) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.append(((node.module or "").split(".")[0], id(node) not in inside))
    return found


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_follow_the_rules(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        for name, at_module_level in imports(path):
            if name not in MAY_IMPORT or name == package:
                continue
            allowed = MAY_IMPORT[package] | (set() if at_module_level else WHEN_CALLED.get(package, set()))
            assert name in allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_the_api_and_what_it_imports_know_no_audio_library() -> None:
    for package in ("api", "shared", "transcript"):
        for path in (ROOT / package).rglob("*.py"):
            assert not {name for name, _ in imports(path)} & API_STAYS_SMALL, path


def test_no_module_without_an_idea() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [
        path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py") if path.name in nameless
    ]
