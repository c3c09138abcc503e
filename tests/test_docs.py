"""What the documentation says of the code is true."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

import worker.metrics
import worker.streaming.metrics
from api.app import create_app
from api.http.instrumentation import Metrics
from migrations.schema import upgrade
from modelkit.errors import ModelkitError
from shared import errors
from shared.database import Database
from shared.live import SessionEnd
from shared.settings import Settings
from speech import SpeechError

ROOT = Path(__file__).resolve().parent.parent
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_every_route_is_documented_and_no_other() -> None:
    paths = create_app(Settings()).openapi()["paths"]
    in_code = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /\S*)`", API, re.M)) == in_code


def subclasses(error: type[Exception]) -> Iterator[Any]:
    """All subclasses of an error, however deep."""
    for one in error.__subclasses__():
        yield one
        yield from subclasses(one)


def test_every_error_code_is_documented_with_its_status() -> None:
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", API, re.M))
    for error in subclasses(errors.ServiceError):
        if error is not errors.JobFailed:  # has the code of its job
            assert documented[error.code] == str(error.status), error
    assert documented["internal_error"] == str(errors.ServiceError.status)


def test_every_error_code_of_a_job_is_documented() -> None:
    of_jobs = set(re.findall(r"^\| `(\w+)` \| [^|]+ \|$", API, re.M))
    of_jobs |= set(re.findall(r"`(\w+)` \(", API))
    for error in subclasses(SpeechError):
        assert error.code in of_jobs
        assert error.code in errors.PERMANENT_JOB_ERRORS
    for code in (
        errors.ATTEMPT_TIMED_OUT,
        errors.ATTEMPTS_EXHAUSTED,
        errors.FILE_DAMAGED,
        errors.FILE_MISSING,
        errors.LEASE_EXPIRED,
        errors.MEMORY_EXHAUSTED,
        errors.WORKER_ERROR,
    ):
        assert code in of_jobs


def test_every_end_of_a_live_session_is_documented() -> None:
    text = (ROOT / "docs" / "stream.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d{4}) \| (?:`(\w+)`)? ?\|", text, re.M)
    assert rows == [(str(end.close_code), end.error) for end in SessionEnd]


def test_links_between_the_documents_lead_somewhere() -> None:
    for path in [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("client/*.md"),
        *ROOT.glob("models/**/*.md"),
        *ROOT.glob("samples/*.md"),
    ]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).exists(), f"{path.name} -> {target}"


@pytest.mark.parametrize("name", ["README.md", "models/hi-ctc-base/README.md"])
def test_the_error_rates_are_those_of_the_shipped_model(name: str) -> None:
    card = json.loads((ROOT / "models" / "hi-ctc-base" / "model.json").read_text(encoding="utf-8"))
    text = (ROOT / name).read_text(encoding="utf-8")
    of_dev = [entry for entry in card["evaluation"] if entry["set"] == "cv-hi dev"]
    assert {entry["decoder"] for entry in of_dev} == {"greedy", "beam"}
    for entry in of_dev:
        for rate in ("wer", "cer"):
            assert f"{100 * entry[rate]:.1f}" in text, (entry["decoder"], rate)


MONITOR = (ROOT / "docs" / "monitor.md").read_text(encoding="utf-8")


def test_every_alert_has_its_section() -> None:
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text(encoding="utf-8")
    sections = re.findall(r"^### (Shrutlekh\w+)\n\n(\S[^\n]{60,})", MONITOR, re.M)
    assert [name for name, _ in sections] == re.findall(r"- alert: (\w+)", rules)


def test_every_metric_is_documented_with_its_type_and_labels(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    database = Database(f"sqlite:///{tmp_path / 'shrutlekh.db'}")
    upgrade(database)
    in_api = Metrics()
    in_api.watch(settings, database)
    modules = (vars(worker.metrics), vars(worker.streaming.metrics), vars(in_api))
    collectors = [one for module in modules for one in module.values()]
    wrappers = [one for one in collectors if isinstance(one, MetricWrapperBase)]
    in_code = {
        (family.name, family.type, tuple(one._labelnames)) for one in wrappers for family in one.describe()
    }
    known = {name for name, _, _ in in_code}
    in_code |= {
        (
            family.name,
            family.type,
            tuple(sorted({name for sample in family.samples for name in sample.labels})),
        )
        for family in in_api.registry.collect()
        if family.name not in known
    }
    database.close()
    rows = re.findall(r"^\| `(shrutlekh_\w+)` \| (\w+) \|([^|]*)\|", MONITOR, re.M)
    documented = {
        (
            name.removesuffix("_total") if kind == "counter" else name,
            kind,
            tuple(re.findall(r"`(\w+)`", labels)),
        )
        for name, kind, labels in rows
    }
    assert len(documented) == len(rows)
    assert documented == in_code


def test_every_error_code_of_adding_a_model_is_documented() -> None:
    text = (ROOT / "docs" / "bring-a-model.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert documented == {error.code for error in subclasses(ModelkitError)}
