"""The API key: where it is taken from, where it goes, and where it must not appear."""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from shrutlekh import ApiError, ApiKeyUnusable, AsyncShrutlekhClient, ShrutlekhClient

from ops.cli import main
from tests.client.fake_service import FakeService, job_json
from tests.client.test_http import client_at as client_at
from tests.client.test_http import portal as portal

KEY = "shl_1a2b3c4d_RA21qIrLCVOKt69FdysD0LCWAJDyNnVtYf"
OTHER = "shl_5e6f7a8b_other"
Clients = Callable[..., Any]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def seen() -> list[httpx.Request]:
    return []


@pytest.fixture
def transport(seen: list[httpx.Request]) -> httpx.MockTransport:
    def handle(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(200, json=job_json())

    return httpx.MockTransport(handle)


def refusing(status: int, code: str, **headers: str) -> httpx.MockTransport:
    document = {"code": code, "detail": "The service says so.", "status": status}
    return httpx.MockTransport(lambda _: httpx.Response(status, json=document, headers=headers))


@pytest.mark.parametrize(
    ("given", "environment", "sent"),
    [
        (KEY, None, f"Bearer {KEY}"),
        (f" {KEY}\n", None, f"Bearer {KEY}"),
        (None, KEY, f"Bearer {KEY}"),
        (None, f"{KEY}\n", f"Bearer {KEY}"),
        (KEY, OTHER, f"Bearer {KEY}"),
        ("", KEY, None),
        (None, None, None),
        (None, "", None),
    ],
)
def test_where_it_comes_from(
    client_at: Clients,
    transport: httpx.MockTransport,
    seen: list[httpx.Request],
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    environment: str | None,
    sent: str | None,
) -> None:
    if environment is not None:
        monkeypatch.setenv("SHRUTLEKH_API_KEY", environment)
    with client_at("http://service", api_key=given, transport=transport) as client:
        client.job("j1")
        client.submit(__file__)
    assert [request.headers.get("authorization") for request in seen] == [sent, sent]


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "कुंजी", "tab\tbed"])
def test_what_cannot_be_one(client_at: Clients, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(ApiKeyUnusable) as refusal:
        client_at("http://service", api_key=key)
    assert key not in str(refusal.value)
    monkeypatch.setenv("SHRUTLEKH_API_KEY", key)
    with pytest.raises(ApiKeyUnusable):
        client_at("http://service")


def test_a_proxys_password_and_a_key_go_together(
    client_at: Clients, transport: httpx.MockTransport, seen: list[httpx.Request]
) -> None:
    with client_at("http://user:pass@service", api_key=KEY, transport=transport) as client:
        client.job("j1")
    (request,) = seen
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["x-api-key"] == KEY


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_it_goes_to_no_other_host(client_at: Clients, status: int) -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return httpx.Response(status, headers={"Location": "http://elsewhere.example/v1/jobs/j1"})

    with (
        client_at("http://service", api_key=KEY, transport=httpx.MockTransport(handle)) as client,
        pytest.raises(ApiError) as refusal,
    ):
        client.job("j1")
    assert refusal.value.status == status
    assert hosts == ["service"]


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "key_missing", "Set SHRUTLEKH_API_KEY"),
        (401, "key_invalid", "The service says so. The key came from SHRUTLEKH_API_KEY"),
        (403, "scope_missing", "The service says so. The key came from SHRUTLEKH_API_KEY"),
    ],
)
def test_a_refusal_names_the_variable(client_at: Clients, status: int, code: str, said: str) -> None:
    with (
        client_at("http://service", api_key=KEY, transport=refusing(status, code)) as client,
        pytest.raises(ApiError, match=said) as refusal,
    ):
        client.job("j1")
    assert (refusal.value.status, refusal.value.code) == (status, code)
    assert KEY not in str(refusal.value)


def test_it_is_in_no_log_and_no_repr(
    transport: httpx.MockTransport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with ShrutlekhClient("http://service", api_key=KEY, transport=transport) as client:
        client.job("j1")
        assert KEY not in repr(client)
        assert KEY not in repr(vars(client))
        assert KEY not in repr(client._http.headers)
    assert KEY not in repr(AsyncShrutlekhClient("http://service", api_key=KEY))
    assert KEY not in caplog.text


class TestCommands:
    @pytest.fixture
    def shrutlekh(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
        def run(*arguments: object) -> tuple[int, str, str]:
            monkeypatch.setattr(sys, "argv", ["shrutlekh", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
            captured = capsys.readouterr()
            return int(ended.value.code or 0), captured.out, captured.err

        return run

    @pytest.fixture
    def sent(self, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
        """The keys that the service receives on routes that need one."""
        keys: list[str | None] = []
        send = httpx.Client.send

        def noted(self: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:
            keys.append(request.headers.get("authorization"))
            return send(self, request, **options)

        monkeypatch.setattr(httpx.Client, "send", noted)
        monkeypatch.setenv("SHRUTLEKH_URL", service.url)
        return keys

    @pytest.mark.parametrize("how", ["option", "file variable", "variable"])
    def test_each_command_sends_it(
        self,
        shrutlekh: Run,
        sent: list[str | None],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        how: str,
    ) -> None:
        file = tmp_path / "key"
        file.write_text(KEY + "\n")
        option: tuple[object, ...] = ()
        monkeypatch.setenv("SHRUTLEKH_API_KEY", KEY if how == "variable" else OTHER)
        if how == "file variable":
            monkeypatch.setenv("SHRUTLEKH_API_KEY_FILE", str(file))
        elif how == "option":
            option = ("--api-key-file", file)
        recording = tmp_path / "a.wav"
        recording.write_bytes(b"a")
        unknown = "019a2f3c-5b7e-7c41-9d52-0a6f1e8b3c77"
        for command in (
            ("submit", recording),
            ("status",),
            ("models",),
            ("delete", unknown),
            ("retry", unknown),
        ):
            sent.clear()
            shrutlekh(*command, *option)
            assert sent, command
            assert set(sent) == {f"Bearer {KEY}"}, command

    @pytest.mark.parametrize(
        ("content", "said"), [(None, "No such file"), (b"", "is empty"), (b"\xff\xfe", "not ASCII")]
    )
    def test_a_file_without_a_key(
        self, shrutlekh: Run, sent: list[str | None], tmp_path: Path, content: bytes | None, said: str
    ) -> None:
        file = tmp_path / "key"
        if content is not None:
            file.write_bytes(content)
        code, _, err = shrutlekh("status", "--api-key-file", file)
        assert (code, sent) == (2, [])
        assert said in err

    @pytest.mark.usefixtures("sent")
    def test_submit_stops_before_the_first_upload(
        self, shrutlekh: Run, service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for number in range(20):
            (tmp_path / f"{number}.wav").write_bytes(bytes([number]))
        service.key = KEY
        code, _, err = shrutlekh("submit", tmp_path)
        assert (code, service.uploads) == (2, [])
        assert "Set SHRUTLEKH_API_KEY" in err
        monkeypatch.setenv("SHRUTLEKH_API_KEY", KEY)
        assert shrutlekh("submit", tmp_path)[0] == 0
