"""Who may import whom: the rules of docs/architecture.md, held by reading every import in the code."""

import ast
import re
from collections.abc import Iterator
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
    "ops": {"migrations", "shared", "shrutlekh", "speech", "transcript"},
    "shrutlekh": set(),
    "shrutlekh_contract": set(),
}
IN_CLIENT = {"shrutlekh", "shrutlekh_contract"}  # what an application installs
FOLDERS = {name: ROOT / "client" / name if name in IN_CLIENT else ROOT / name for name in MAY_IMPORT}
# Who may write SQL: besides the jobs themselves only what is about the database and not about jobs.
MAY_WRITE_SQL = (
    "shared/jobs/",
    "shared/database.py",
    "shared/database_clock.py",
    "shared/draining.py",
    "shared/keys.py",
    "shared/orm.py",
    "shared/schema.py",
    "shared/webhooks/",
    "migrations/",
    "ops/doctor/database.py",
    "benchmarks/million.py",  # times statements and asks for their plans
)
NO_SQL = {"Session", "make_url"}  # names of sqlalchemy, besides its exceptions, that everybody may import
ROOMS_OF_JOBS = {path.stem for path in (ROOT / "shared" / "jobs").glob("*.py")}
TABLES = {"Batch", "Job", "JobEvent", "RevisionRow", "SegmentRow", "SpectrogramRow", "WaveformRow"}
SESSION_METHODS = {
    "add",
    "add_all",
    "delete",
    "execute",
    "flush",
    "get",
    "get_one",
    "merge",
    "refresh",
    "scalar",
    "scalars",
}
STATEMENT = re.compile(
    r"\b(SELECT\b.*\bFROM|INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(jobs|job_events|segments|waveforms|spectrograms|revisions|batches)\b",
    re.DOTALL,
)
API_STAYS_SMALL = {"numpy", "onnxruntime", "librosa", "soundfile", "soxr", "matplotlib", "torch"}


def imported_modules(path: Path) -> set[str]:
    """Modules that a file imports, or imports from, anywhere, also inside functions and for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
    return found


def imports(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere."""
    return {module.split(".")[0] for module in imported_modules(path)}


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


SUBPACKAGES = [path.parent.name for path in (ROOT / "speech").glob("*/__init__.py")]
FACES_OF_SPEECH = {"speech", *(f"speech.{name}" for name in SUBPACKAGES)}


def test_the_engine_is_imported_from_its_faces() -> None:
    folders = [folder for name, folder in FOLDERS.items() if name != "speech"]
    for folder in [*folders, ROOT / "benchmarks"]:
        for path in folder.rglob("*.py"):
            modules = {module for module in imported_modules(path) if module.split(".")[0] == "speech"}
            assert modules <= FACES_OF_SPEECH, path.relative_to(ROOT)


def test_no_module_without_an_idea() -> None:
    nameless = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert not [path for folder in FOLDERS.values() for path in folder.rglob("*.py") if path.name in nameless]


def job_sql(source: str) -> list[str]:
    """The places where a module handles the tables of the jobs itself instead of calling ``shared.jobs``."""
    return [found for node in ast.walk(ast.parse(source)) for found in _job_sql_in(node)]


def _job_sql_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=aliases):
            names = [alias.name for alias in aliases]
            yield from (name for name in names if name.startswith(("sqlalchemy", "shared.jobs.")))
        case ast.ImportFrom(module=str(module), names=aliases):
            names = [alias.name for alias in aliases]
            if module.split(".")[0] == "sqlalchemy" and module != "sqlalchemy.exc":
                yield from (f"{module}.{name}" for name in names if name not in NO_SQL)
            elif module.startswith("shared.jobs."):
                yield module
            elif module == "shared.jobs":
                yield from (f"{module}.{name}" for name in names if name in ROOMS_OF_JOBS)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            if (
                name in TABLES
                or (name == "session" and attribute in SESSION_METHODS)
                or (name == "jobs" and attribute in ROOMS_OF_JOBS)
            ):
                yield f"{name}.{attribute}"
        case ast.Constant(value=str(text)) if STATEMENT.search(text):
            yield text


def test_only_shared_jobs_holds_sql_about_jobs() -> None:
    knowing = [FOLDERS[name] for name, allowed in MAY_IMPORT.items() if "shared" in {name, *allowed}]
    folders = [*knowing, ROOT / "benchmarks", ROOT / "deploy"]
    paths = {path.relative_to(ROOT).as_posix(): path for folder in folders for path in folder.rglob("*.py")}
    found = {
        name: places
        for name, path in paths.items()
        if not name.startswith(MAY_WRITE_SQL) and (places := job_sql(path.read_text(encoding="utf-8")))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from sqlalchemy import func, make_url, select", ["sqlalchemy.func", "sqlalchemy.select"]),
        ("from sqlalchemy.dialects.postgresql import insert", ["sqlalchemy.dialects.postgresql.insert"]),
        ("import sqlalchemy as sa", ["sqlalchemy"]),
        ("def late():\n    from sqlalchemy import text", ["sqlalchemy.text"]),
        ("from shared.jobs.lifecycle import transition", ["shared.jobs.lifecycle"]),
        ("from shared.jobs import Job, tables", ["shared.jobs.tables"]),
        ("import shared.jobs.tables", ["shared.jobs.tables"]),
        ("jobs.lifecycle.transition(session, job, event)", ["jobs.lifecycle"]),
        ("late = Job.finished_at <= now()", ["Job.finished_at"]),
        ("job = session.get(Job, job_id)", ["session.get"]),
        (
            "count(f'SELECT count(*) FROM jobs WHERE id = {job_id}')",
            ["SELECT count(*) FROM jobs WHERE id = "],
        ),
        ("run('DELETE FROM segments')", ["DELETE FROM segments"]),
        ("from sqlalchemy.exc import IntegrityError\nfrom sqlalchemy.orm import Session", []),
        ("from shared.jobs import Job, get_job\njob = Job(id=1)\nget_job(session, job.id)", []),
        ("from shared import jobs\njobs.cancel(session, job_id)", []),
    ],
)
def test_sql_about_jobs_is_found(source: str, found: list[str]) -> None:
    assert job_sql(source) == found
