"""The page's document and files, as a browser gets them."""

import gzip
import re
from html.parser import HTMLParser

import httpx
import pytest

from api.page_files import FOLDER, page_files
from shared.settings import Settings
from tests.api.front_end import running

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
LIMIT = 300_000
"""Bytes that the whole page may take on its way to the browser."""


class Links(HTMLParser):
    """The URLs that a document loads, and the attributes of its root element."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.root: dict[str, str | None] = {}
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.urls += [value for name, value in attrs if name in {"src", "href"} and value]
        if tag == "html":
            self.root = dict(attrs)


async def test_the_document_loads_its_own_files_only(client: httpx.AsyncClient) -> None:
    response = await client.get("/")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    links = Links(response.text)
    assert links.root["data-root"] == "/"
    assert len(links.urls) >= 3
    for url in links.urls:
        assert url.startswith(f"/web/{page_files().version}/")
        file = await client.get(url)
        assert file.status_code == 200, url
        assert "immutable" in file.headers["cache-control"]
    assert "{{" not in response.text


async def test_nothing_else_may_run_in_it(client: httpx.AsyncClient) -> None:
    for path in ("/", f"/web/{page_files().version}/main.js"):
        policy = (await client.get(path)).headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert not any("unsafe" in rule or "http" in rule for rule in policy)
    document = (await client.get("/")).text
    assert not re.search(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|<style", document)


async def test_a_proxys_prefix_is_in_every_url(settings: Settings) -> None:
    async with running(settings.model_copy(update={"root_path": "/speech"})) as (_, client):
        links = Links((await client.get("/")).text)
    assert links.root["data-root"] == "/speech/"
    assert all(url.startswith("/speech/web/") for url in links.urls)


async def test_a_browser_revalidates_the_document(client: httpx.AsyncClient) -> None:
    first = await client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert not again.content
    assert again.headers["content-security-policy"] == first.headers["content-security-policy"]


async def test_files_are_compressed_for_who_can_read_it(client: httpx.AsyncClient) -> None:
    url = f"/web/{page_files().version}/style.css"
    plain = await client.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == (FOLDER / "style.css").read_bytes()
    packed = await client.get(url, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.content == plain.content
    assert packed.headers["vary"].startswith("Accept-Encoding")


async def test_an_older_page_gets_todays_file_and_does_not_keep_it(client: httpx.AsyncClient) -> None:
    file = await client.get("/web/0123456789abcdef/main.js")
    assert file.status_code == 200
    assert file.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name",
    ["nothing.js", "index.html", "../page_files.py", "%2e%2e/page_files.py", "strings", "", "/etc/passwd"],
)
async def test_other_files_are_not_served(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get(f"/web/{page_files().version}/{name}")
    assert response.status_code == 404
    assert response.json()["code"] == "not_found"


async def test_head_and_queries(client: httpx.AsyncClient) -> None:
    head = await client.head("/")
    assert head.status_code == 200
    assert not head.content
    assert (await client.get("/?utm_source=x")).status_code == 200


async def test_the_page_is_small(client: httpx.AsyncClient) -> None:
    files = page_files().files.values()
    assert sum(len(file.plain) for file in files) < LIMIT, "even without compression"
    assert all(gzip.decompress(file.compressed) == file.plain for file in files)
