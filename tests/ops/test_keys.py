"""`shrutlekh keys`: on real databases, and with a service that checks the keys."""

import json
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter

from ops.cli import main
from ops.commands.serve import _notes_on_access
from ops.keys.selection import moment_of
from shared.clock import now
from shared.database import Database
from shared.jobs import book_audio
from shared.keys import ApiKey, Scope, all_keys, find_key, key_with_prefix
from shared.settings import Settings
from tests.api.front_end import running
from tests.api.keys import bearer

Run = Callable[..., tuple[int, str, str]]
SECRET = re.compile(r"(shl_[0-9a-f]{8})_[A-Za-z0-9_-]{43}")


@pytest.fixture
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `shrutlekh keys` on the settings' database; gives exit status, stdout and stderr."""
    settings.data_dir.mkdir()
    for name in settings.model_fields_set:
        monkeypatch.setenv(f"SHRUTLEKH_{name.upper()}", str(getattr(settings, name)))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["shrutlekh", "keys", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return run


def made(keys: Run, *arguments: object) -> str:
    """The secret of a new key."""
    code, out, err = keys("create", *arguments)
    assert code == 0, err
    return out.strip()


def stored(database: Database, secret: str) -> ApiKey:
    with database.read() as session:
        key = find_key(session, secret)
    assert key is not None
    return key


def test_the_secret_is_alone_on_stdout_and_nowhere_else(keys: Run, database: Database) -> None:
    code, out, err = keys("create", "newsroom")
    assert code == 0
    assert SECRET.fullmatch(out.removesuffix("\n"))
    secret = out.strip()
    assert secret not in err
    assert "cannot be shown again" in err
    key = stored(database, secret)
    assert (key.name, key.scopes, key.expires_at, key.tenant) == (
        "newsroom",
        ["read", "submit"],
        None,
        str(key.id),
    )
    audit = [line for line in err.splitlines() if "key_created" in line]
    assert len(audit) == 1
    assert key.prefix in audit[0]
    with database.read() as session:
        rows = [vars(row) for row in all_keys(session)]
    assert secret not in str(rows)
    for command in (["list"], ["list", "--json"], ["show", key.prefix], ["show", "newsroom", "--json"]):
        code, out, err = keys(*command)
        assert code == 0
        assert key.prefix in out
        for hidden in (secret, secret.rpartition("_")[2], key.sha256):
            assert hidden not in out + err


def test_options(keys: Run, database: Database) -> None:
    arguments = (
        *("--scope", "read", "--scope", "admin", "--expires", "90d"),
        *("--requests-per-minute", 60, "--jobs-waiting", 0, "--audio-hours-per-day", 2.5),
    )
    code, out, _ = keys("create", "a", *arguments, "--json")
    assert code == 0
    document = json.loads(out)
    key = stored(database, document["key"])
    assert key.scopes == document["scopes"] == ["admin", "read"]
    assert key.expires_at is not None
    assert timedelta(days=89) < key.expires_at - now() <= timedelta(days=90)
    limits = {"requests_per_minute": 60, "jobs_waiting": 0, "audio_hours_per_day": 2.5}
    assert document["limits"] == limits
    with_none = json.loads(keys("create", "b", "--json")[1])
    assert set(with_none["limits"].values()) == {None}
    listed = keys("list")[1]
    assert "60 requests/min, unlimited jobs waiting, 2.5 audio h/day" in listed


def test_rotation(keys: Run, database: Database) -> None:
    old = stored(
        database, made(keys, "a", "--scope", "read", "--requests-per-minute", 5, "--jobs-waiting", 7)
    )
    code, out, err = keys("create", "a", "--replaces", old.prefix, "--jobs-waiting", 9)
    assert code == 0
    assert f"keys revoke {old.prefix}" in err
    new = stored(database, out.strip())
    assert (new.tenant, new.scopes) == (old.tenant, ["read"])
    assert (new.requests_per_minute, new.jobs_waiting) == (5, 9)
    code, _, err = keys("revoke", "a")
    assert code == 2
    assert old.prefix in err
    assert new.prefix in err
    assert keys("revoke", old.prefix)[0] == 0
    assert keys("show", "a")[1].startswith(f"key           {new.prefix}")
    lost = keys("create", "a", "--replaces", old.prefix)  # also a key that is no longer valid
    assert lost[0] == 0
    assert stored(database, lost[1].strip()).tenant == old.tenant


def test_names_are_unique_among_valid_keys(keys: Run, database: Database) -> None:
    first = stored(database, made(keys, "a"))
    code, out, err = keys("create", "a")
    assert (code, out) == (2, "")
    assert first.prefix in err
    other = stored(database, made(keys, "b"))
    assert keys("create", "a", "--replaces", other.prefix)[0] == 2
    assert keys("revoke", "a")[0] == 0
    assert keys("create", "a")[0] == 0
    with database.write() as session:
        second = next(key for key in all_keys(session) if key.name == "a" and key.revoked_at is None)
        second.expires_at = now() - timedelta(seconds=1)
    assert keys("create", "a")[0] == 0


@pytest.mark.parametrize("name", ["", " a", "a" * 65, "a\nb", "shl_1a2b3c4d", "\u202eabc"])
def test_names_that_are_none(keys: Run, database: Database, name: str) -> None:
    assert keys("create", "--", name)[0] == 2
    with database.read() as session:
        assert not all_keys(session)


def test_revoking(keys: Run, database: Database) -> None:
    key = stored(database, made(keys, "a"))
    code, out, err = keys("revoke", "a")
    assert (code, out) == (0, f"{key.prefix} (a) is revoked.\n")
    assert "key_revoked" in err
    with database.read() as session:
        found = key_with_prefix(session, key.prefix)
    assert found is not None
    assert found.revoked_at is not None
    code, out, err = keys("revoke", key.prefix)
    assert code == 0
    assert "already" in out
    assert "key_revoked" not in err
    listed = json.loads(keys("list", "--json")[1])["keys"]
    assert [(one["state"], one["prefix"]) for one in listed] == [("revoked", key.prefix)]


@pytest.mark.parametrize("command", [["show", "x"], ["revoke", "x"], ["create", "a", "--replaces", "x"]])
def test_a_key_that_is_not_there(keys: Run, command: list[str]) -> None:
    code, out, err = keys(*command)
    assert (code, out) == (2, "")
    assert "keys list" in err


def test_show_says_what_the_tenant_uses(keys: Run, database: Database) -> None:
    key = stored(database, made(keys, "a"))
    with database.write() as session:
        book_audio(session, key.tenant, 5400.0, now())
    assert json.loads(keys("show", "a", "--json")[1])["usage"] == {
        "jobs_waiting": 0,
        "audio_hours_today": 1.5,
    }
    assert "1.50 h" in keys("show", "a")[1]


def test_no_database_is_made(keys: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SHRUTLEKH_DATABASE_URL")
    code, out, err = keys("create", "a", "--data", tmp_path / "nothing")
    assert (code, out) == (2, "")
    assert "no database" in err
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("text", "days"), [("90d", 90), ("2w", 14), ("12h", 0.5), (" 1D ", 1), ("2100-01-31", None)]
)
def test_expiry(text: str, days: float | None) -> None:
    present = now()
    moment = moment_of(text, present)
    if days is None:
        assert moment.isoformat() == "2100-01-31T00:00:00+00:00"
    else:
        assert moment - present == timedelta(days=days)


@pytest.mark.parametrize("text", ["", "soon", "-1d", "0d", "2020-01-01", "2100-13-01", "9999999999w"])
def test_expiries_that_are_none(text: str) -> None:
    with pytest.raises(BadParameter):
        moment_of(text, now())


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_service_knows_what_the_command_made(keys: Run, settings: Settings) -> None:
    secret = made(keys, "a", "--scope", Scope.READ)
    async with running(settings.model_copy(update={"require_keys": "always"})) as (_, client):
        assert (await client.get("/v1/jobs", headers=bearer(secret))).status_code == 200
        assert (await client.post("/v1/jobs", headers=bearer(secret))).status_code == 403
        assert (await client.get("/v1/jobs")).status_code == 401


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"host": "0.0.0.0"}, ["there is none yet"]),
        ({"require_keys": "always"}, ["there is none yet"]),
        ({"host": "0.0.0.0", "require_keys": "never"}, ["without an API key"]),
    ],
)
def test_serve_says_where_keys_are_required(
    keys: Run, settings: Settings, changes: dict[str, Any], said: list[str]
) -> None:
    changed = settings.model_copy(update=changes)
    notes = list(_notes_on_access(changed))
    assert len(notes) == len(said)
    for note, words in zip(notes, said, strict=True):
        assert words in note
    if changed.keys_required:
        assert f"shrutlekh keys create NAME --data {settings.data_dir}" in notes[0]
        made(keys, "a")
        assert "(1 valid key)" in next(iter(_notes_on_access(changed)))


def test_the_list_of_no_keys(keys: Run) -> None:
    code, out, _ = keys("list")
    assert code == 0
    assert "keys create NAME" in out
