"""The audit of the locked packages finds what it is there for."""

import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread

import pytest

from deploy import audit
from deploy.audit import Audit, check_libraries, check_licences, check_pins, check_vulnerabilities, is_allowed

HASH = f" \\\n    --hash=sha256:{'0' * 64}"


def problems_of(lock: str) -> list[str]:
    found = Audit()
    check_pins("a.lock", lock, found)
    return found.problems


@pytest.mark.parametrize(
    ("lock", "problem"),
    [
        ("one==1.0\n", "no SHA-256"),
        (f"one>=1.0{HASH}\n", "not pinned"),
        (f"one==1.*{HASH}\n", "not pinned"),
        (f"one @ https://example.org/one.whl{HASH}\n", "not pinned"),
        (f"--extra-index-url https://example.org{HASH}\n", "not a pinned requirement"),
        (f"one==1.0{HASH}\none==1.1{HASH}\n", "locked twice"),
        ("one==1.0 \\\n    --hash=md5:00\n", "no SHA-256"),
    ],
)
def test_a_lock_file_that_is_not_whole(lock: str, problem: str) -> None:
    assert any(problem in one for one in problems_of(lock)), problems_of(lock)


def test_versions_for_other_machines_are_no_duplicates() -> None:
    lock = f"# made by hand\none==1.0 ; python_version < '3.0'{HASH}\none==2.0{HASH}\n"
    found = Audit()
    assert check_pins("a.lock", lock, found) == {"one": "2.0"}
    assert found.problems == []


@pytest.mark.parametrize("path", audit.LOCKS, ids=lambda path: path.name)
def test_the_locks_are_whole(path: Path) -> None:
    lock = path.read_text(encoding="utf-8")
    assert problems_of(lock) == []
    assert sum(1 for _ in audit.requirements(lock)) == lock.count("==") - lock.count(" == ")


def test_licences_are_alternatives_and_sums() -> None:
    assert is_allowed("MIT")
    assert is_allowed("GPL-2.0-only OR MIT")
    assert not is_allowed("GPL-2.0-only AND MIT")
    assert not is_allowed("(GPL-2.0-only OR MIT) AND ISC")
    assert not is_allowed("")


def test_a_package_of_another_licence_or_version_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    version = metadata.version("soxr")
    found = Audit()
    check_licences({"soxr": version}, found)
    assert found.problems == []
    monkeypatch.delitem(audit.NAMED, "soxr")
    check_licences({"soxr": version, "numpy": "0.1", "no-such-package": "1"}, found)
    assert [one.split()[0] for one in found.problems] == ["soxr:", "numpy", "no-such-package"]


def test_a_gpl_library_in_a_wheel_is_found() -> None:
    found = Audit()
    check_libraries("av", ["libx264-d6533a8d.so.165", "libx264-params.txt"], found)
    assert found.problems == []
    check_libraries("other", ["libx264.so", "libxcb.so", "README"], found)
    assert found.problems == ["other brings libx264, which is under the GPL"]


class Osv(BaseHTTPRequestHandler):
    """Knows of one flaw in idna, fixed in a version that is yet to come."""

    def do_POST(self) -> None:
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["package"]["name"]
        ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "9999"}]}]
        affected = [{"package": {"name": "idna", "ecosystem": "PyPI"}, "ranges": ranges}]
        flaw = {"id": "PYSEC-1", "summary": "A flaw.", "details": "A flaw.", "affected": affected}
        body = json.dumps({"vulns": [flaw]} if name == "idna" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_a_known_vulnerability_is_found(tmp_path: Path) -> None:
    pytest.importorskip("pip_audit")
    lock = tmp_path / "a.lock"
    lock.write_text(f"idna==3.0{HASH}\nanyio==4.0{HASH}\n", encoding="utf-8")
    found = Audit()
    with HTTPServer(("127.0.0.1", 0), Osv) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        check_vulnerabilities(lock, f"http://127.0.0.1:{server.server_port}/v1/query", found)
        server.shutdown()
    assert found.problems == ["idna 3.0: PYSEC-1, mended in 9999"]
    assert found.notes == ["vulnerabilities: osv was asked about 2 packages"]


@pytest.mark.parametrize(
    ("report", "note"),
    [
        ("", "neither OSV nor PyPI"),
        ('{"dependencies": [{"name": "one", "skip_reason": "not found"}]}', "neither OSV nor PyPI"),
        (
            '{"dependencies": [{"name": "one", "skip_reason": ""},'
            ' {"name": "two", "version": "1", "vulns": []}]}',
            "NOT CHECKED for vulnerabilities: one",
        ),
    ],
)
def test_what_could_not_be_asked_is_said(monkeypatch: pytest.MonkeyPatch, report: str, note: str) -> None:
    def run(line: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(line, 0, report, "")

    monkeypatch.setattr(audit, "find_spec", lambda _: sys)
    monkeypatch.setattr(subprocess, "run", run)
    found = Audit()
    check_vulnerabilities(Path("a.lock"), None, found)
    assert found.problems == []
    assert any(note in one for one in found.notes), found.notes
