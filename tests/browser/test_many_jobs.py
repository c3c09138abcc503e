"""The page with 5,000 jobs, and how much it transfers."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from shared.database import Database
from tests.api.keys import make_key, tenant_of
from tests.browser.conftest import Visits, database_url
from tests.browser.visit import Visit
from tests.jobs.many_jobs import add_finished
from tests.stack.conftest import Service

pytestmark = pytest.mark.stack

JOBS = 5_000
PAGE = 50
MOST_BYTES = 300_000
MOST_ELEMENTS = 2_500
FIRST_ROW_SECONDS = 5.0
"""It takes half a second where nothing else runs."""


@pytest.fixture(scope="module")
def their_key(keyed_service: Service) -> Iterator[str]:
    """A key that sees 5,000 finished jobs, which are there for these tests alone."""
    with closing(Database(database_url(keyed_service))) as database:
        for _ in add_finished(database, JOBS):
            pass
        key = make_key(database)
        theirs = {"tenant": tenant_of(database, key), "names": "recording-%.wav"}
        with database.write() as session:
            session.execute(text("UPDATE jobs SET tenant = :tenant WHERE file_name LIKE :names"), theirs)
        yield key
        with database.write() as session:
            session.execute(text("DELETE FROM jobs WHERE tenant = :tenant"), theirs)


def names(page: Page) -> list[str]:
    """Names of the recordings in the list."""
    return page.get_by_role("list", name="Jobs").locator("a.name").all_inner_texts()


def elements(page: Page) -> int:
    return int(page.evaluate("document.querySelectorAll('*').length"))


def test_5000_jobs_are_listed_filtered_and_paged(
    visit: Visits, keyed_service: Service, their_key: str
) -> None:
    look = visit(keyed_service, key=their_key)
    began = time.monotonic()
    page = look.open()
    jobs = page.get_by_role("list", name="Jobs").get_by_role("listitem")
    expect(jobs).to_have_count(PAGE)
    assert time.monotonic() - began < FIRST_ROW_SECONDS
    assert names(page)[0] == f"recording-{JOBS}.wav"
    expect(page.get_by_role("button", name="All 5,000")).to_be_visible()
    assert elements(page) < MOST_ELEMENTS
    look.check("list-5000")

    older = page.get_by_role("button", name="Older", exact=True)
    older.click()
    expect(page.get_by_text("Page 2")).to_be_visible()
    expect(jobs.first).to_contain_text(f"recording-{JOBS - PAGE}.wav")
    older.click()
    expect(jobs.first).to_contain_text(f"recording-{JOBS - 2 * PAGE}.wav")
    page.get_by_role("button", name="Newer", exact=True).click()
    expect(jobs.first).to_contain_text(f"recording-{JOBS - PAGE}.wav")
    assert elements(page) < MOST_ELEMENTS

    page.get_by_role("button", name="Failed 50").click()
    expect(jobs.first).to_contain_text("Failed")
    expect(jobs).to_have_count(PAGE)
    expect(older).to_be_hidden()
    page.get_by_role("button", name="All").click()
    page.get_by_role("searchbox", name="Search by name").fill("ing-123")
    expect(jobs.first).to_contain_text("recording-1239.wav")
    assert sorted(names(page)) == sorted(["recording-123.wav", *[f"recording-123{n}.wav" for n in range(10)]])
    look.check("list-filtered")
    page.get_by_role("searchbox", name="Search by name").fill("nothing like it")
    expect(page.get_by_text("No recording matches.")).to_be_visible()
    look.check("list-nothing-matches")


def transferred(look: Visit) -> list[int]:
    """Collects the bytes of each answer from now on, headers included."""
    sizes: list[int] = []

    def count(event: dict[str, Any]) -> None:
        sizes.append(event["encodedDataLength"])

    session = look.debugger()
    session.on("Network.loadingFinished", count)
    session.send("Network.enable")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    return sizes


def test_the_page_is_small(visit: Visits, keyed_service: Service, their_key: str) -> None:
    look = visit(keyed_service, key=their_key)
    sizes = transferred(look)
    page = look.open()
    expect(page.get_by_role("list", name="Jobs").get_by_role("listitem")).to_have_count(PAGE)
    page.wait_for_load_state("networkidle")
    assert 10_000 < sum(sizes) < MOST_BYTES
