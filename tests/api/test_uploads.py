"""Upload forms: file names in headers, limits, malformed and truncated bodies."""

from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from api.intake import uploads
from api.intake.arrival import BLOCK_BYTES
from api.services import Services
from shared.settings import Settings
from tests.api.front_end import AUDIO, running, stored_files

# One database: it is the form that is looked at.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]

BOUNDARY = "xyz"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def part(name: str, content: bytes, *, extra: bytes = b"", headers: bytes = b"") -> bytes:
    disposition = b'Content-Disposition: form-data; name="' + name.encode() + b'"' + extra
    return b"--xyz\r\n" + disposition + headers + b"\r\n\r\n" + content + b"\r\n"


END = b"--xyz--\r\n"
WHOLE = part("file", AUDIO, extra=b'; filename="a.wav"') + part("waveform", b"false") + END


async def post(
    client: httpx.AsyncClient, body: bytes | AsyncIterator[bytes], **headers: str
) -> httpx.Response:
    return await client.post("/v1/jobs", content=body, headers=FORM | headers)


async def test_a_form_may_come_byte_by_byte(client: httpx.AsyncClient, services: Services) -> None:
    async def drip() -> AsyncIterator[bytes]:
        for index in range(len(WHOLE)):
            yield WHOLE[index : index + 1]

    response = await post(client, drip())
    assert response.status_code == 202, response.text
    assert response.json()["waveform"] is False
    assert response.json()["file"]["bytes"] == len(AUDIO)
    assert len(stored_files(services)) == 1


async def test_fields_may_come_before_the_file(client: httpx.AsyncClient) -> None:
    body = part("waveform", b"0") + part("file", AUDIO) + END
    response = await post(client, body)
    assert response.status_code == 202
    assert response.json()["waveform"] is False
    assert response.json()["file"]["name"] == "recording"


async def test_what_looks_like_a_boundary_stays_in_the_file(client: httpx.AsyncClient) -> None:
    content = b"\r\n--xy\r\n--xyzz \r\n-\r\n--xy" * 1000
    response = await post(client, part("file", content) + END)
    assert response.status_code == 202
    assert response.json()["file"]["bytes"] == len(content)


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        (b'; filename="../../etc/passwd"', "passwd"),
        (b'; filename="..%2F..%2Fetc"', "..%2F..%2Fetc"),
        (b'; filename="C:\\\\dir\\\\a.wav"', "a.wav"),
        (b'; filename="a\x00b.wav"', "ab.wav"),
        ('; filename="समाचार.wav"'.encode(), "समाचार.wav"),
        (b"; filename*=UTF-8''%E0%A4%B8.wav", "स.wav"),
        (b'; filename=""', "recording"),
        (b"; filename=bare.wav", "bare.wav"),
        (b'; filename="' + "अ".encode() * 5000 + b'.wav"', "अ" * 251 + ".wav"),
    ],
)
async def test_names(client: httpx.AsyncClient, services: Services, extra: bytes, name: str) -> None:
    response = await post(client, part("file", AUDIO, extra=extra) + END)
    assert response.status_code == 202, response.text
    assert response.json()["file"]["name"] == name
    (stored,) = stored_files(services)
    assert len(stored) == 32
    assert set(stored) <= set("0123456789abcdef"), "the server names its files itself"


@pytest.mark.parametrize(
    ("content_type", "status", "code"),
    [
        (None, 415, "unsupported_media_type"),
        ("audio/wav", 415, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("multipart/mixed; boundary=xyz", 415, "unsupported_media_type"),
        ("multipart/form-data", 422, "invalid_request"),
        ("multipart/form-data; boundary=", 422, "invalid_request"),
        ("multipart/form-data; boundary=" + "x" * 300, 422, "invalid_request"),
        ("multipart/form-data; boundary=other", 422, "invalid_request"),
    ],
)
async def test_content_types(
    client: httpx.AsyncClient, services: Services, content_type: str | None, status: int, code: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    response = await client.post("/v1/jobs", content=WHOLE, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert stored_files(services) == []


BIG = b"x" * (BLOCK_BYTES + 1)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", None),
        (END, "file"),
        (part("waveform", b"true") + END, "file"),
        (part("file", AUDIO) + part("file", AUDIO) + END, "file"),
        (part("file", BIG) + part("file", BIG) + END, "file"),
        (part("file", AUDIO), None),
        (part("file", BIG)[:-2], None),
        (WHOLE[:20], None),
        (WHOLE[:-6], None),
        (b"no form at all", None),
        (part("file", AUDIO, headers=b"\r\nContent-Transfer-Encoding: base64") + END, None),
        (b"--xyz\r\nContent-Type: audio/wav\r\n\r\n" + AUDIO + b"\r\n" + END, None),
        (b"--xyz\r\nContent-Disposition: attachment; name=file\r\n\r\n\r\n" + END, None),
        (b"--xyz\r\nBad Header: x\r\n\r\n\r\n" + END, None),
        (part("file", AUDIO, headers=b"\r\nX: 1" * 20) + END, None),
        (part("file", AUDIO, headers=b"\r\nX: " + b"y" * 70_000) + END, None),
        (b"".join(part("model", b"") for _ in range(40)) + part("file", AUDIO) + END, "model"),
        (part("\x00", b"") + END, "\x00"),
        (part("x" * 5000, b"") + END, "x" * 64),
        (part("file", AUDIO) + part("model", b"\xff\xfe") + END, "model"),
    ],
)
async def test_malformed_forms_are_refused_and_leave_nothing(
    client: httpx.AsyncClient, services: Services, body: bytes, field: str | None
) -> None:
    response = await post(client, body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request"), response.text
    assert [error["field"] for error in response.json().get("errors", [])] == ([field] if field else [])
    assert stored_files(services) == []


@pytest.fixture
def small(settings: Settings) -> Settings:
    """Settings with a limit of 3,000,000 bytes."""
    return settings.model_copy(update={"max_upload_bytes": 3_000_000})


@pytest.mark.parametrize("size", [3_000_000, 3_000_001, 6_000_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_limit_holds_to_the_byte(small: Settings, size: int, chunked: bool) -> None:
    body = part("file", b"x" * size) + END

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100_000):
            yield body[start : start + 100_000]

    async with running(small) as (app, client):
        response = await post(client, pieces() if chunked else body)
        stored = stored_files(app.state.services)
    if size <= 3_000_000:
        assert (response.status_code, len(stored)) == (202, 1)
    else:
        assert (response.status_code, response.json()["code"]) == (413, "upload_too_large")
        assert stored == []


async def test_an_announced_excess_is_refused_before_it_is_read(small: Settings) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async with running(small) as (_, client):
        length = {"Content-Length": "9" * 30, "Expect": "100-continue"}
        response = await post(client, never(), **length)
    assert (response.status_code, response.json()["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize("place", ["preamble", "padding", "epilogue", "fields"])
async def test_ballast_beside_the_file_is_bounded(client: httpx.AsyncClient, place: str) -> None:
    ballast = 3 * uploads.MAX_FORM_OVERHEAD
    first, rest = WHOLE[:5], WHOLE[5:]
    body = {
        "preamble": b"\r\n" * (ballast // 2) + WHOLE,
        "padding": first + b" " * ballast + rest,
        "epilogue": WHOLE + b"x" * ballast,
        "fields": part("model", b"x" * ballast) + WHOLE,
    }[place]

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    response = await post(client, pieces())
    assert response.status_code in (413, 422), response.text


async def test_a_full_disk_is_named(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shared.files.folder.os.fsync", full)
    response = await post(client, WHOLE)
    assert (response.status_code, response.json()["code"]) == (507, "storage_full")
    assert stored_files(services) == []


PIECES = st.sampled_from(
    [
        b"--xyz",
        b"--xyz--",
        b"\r\n",
        b"\r",
        b"\n",
        b"--",
        b": ",
        b";",
        b'"',
        b"\\",
        b"\x00",
        b"\xff",
        b"Content-Disposition: form-data",
        b'; name="file"',
        b'; name="waveform"',
        b'; name="model"',
        b'; filename="a.wav"',
        b"; filename*=utf-8''%E0%A4%85",
        b"Content-Type: multipart/mixed; boundary=xyz",
        b"Content-Transfer-Encoding: 8bit",
        "अ".encode(),
        b"true",
        b" " * 100,
        part("file", b"RIFF"),
        part("model", b"hi-ctc-base"),
        END,
    ]
)


# One front end serves all the examples.
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(pieces=st.lists(PIECES | st.binary(max_size=20), max_size=20), cut=st.integers(1, 50))
async def test_no_hostile_form_is_a_server_error(
    client: httpx.AsyncClient, services: Services, pieces: list[bytes], cut: int
) -> None:
    body = b"".join(pieces)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), cut):
            yield body[start : start + cut]

    before = len(stored_files(services))
    response = await post(client, chunks())
    assert response.status_code in (202, 413, 415, 422), response.text
    assert len(stored_files(services)) == before + (response.status_code == 202)
    if response.status_code != 202:
        assert response.headers["content-type"] == "application/problem+json"
