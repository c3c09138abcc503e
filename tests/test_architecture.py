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
    "ops": {"migrations", "shared", "shrutlekh", "speech", "transcript", "worker"},
    "shrutlekh": set(),
    "shrutlekh_contract": set(),
}
IN_CLIENT = {"shrutlekh", "shrutlekh_contract"}  # what an application installs
FOLDERS = {name: ROOT / "client" / name if name in IN_CLIENT else ROOT / name for name in MAY_IMPORT}
API_STAYS_SMALL = {"numpy", "onnxruntime", "librosa", "soundfile", "soxr", "matplotlib", "torch"}


def imports(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, also inside functions and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_follow_the_rules(package: str) -> None:
    files = sorted(FOLDERS[package].rglob("*.py"))
    assert files
    for path in files:
        ours = imports(path) & set(MAY_IMPORT) - {package, "shrutlekh_contract"}
        assert ours <= MAY_IMPORT[package], path.relative_to(ROOT)


def test_the_api_and_what_it_imports_know_no_audio_library() -> None:
    for package in ("api", "shared", "shrutlekh_contract", "transcript"):
        for path in FOLDERS[package].rglob("*.py"):
            assert not imports(path) & API_STAYS_SMALL, path


def test_no_module_without_an_idea() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for folder in FOLDERS.values() for path in folder.rglob("*.py") if path.name in nameless]
