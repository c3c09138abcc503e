"""What the list of jobs shows, found as a screen reader finds it."""

from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

DONE = "Done"


def row(page: Page, name: str) -> Locator:
    """The row of the job whose recording has this name."""
    jobs = page.get_by_role("list", name="Jobs")
    return jobs.get_by_role("listitem").filter(has=page.get_by_role("link", name=name, exact=True))


def upload(page: Page, paths: Sequence[Path]) -> None:
    """Choose files as with the button."""
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose files").click()
    chooser.value.set_files(paths)


def submitted(page: Page, *paths: Path) -> None:
    """Upload recordings and wait until the list shows their jobs."""
    upload(page, paths)
    for path in paths:
        expect(row(page, path.name)).to_be_visible()


def finished(page: Page, *paths: Path) -> None:
    """Upload recordings and wait until their jobs have succeeded."""
    submitted(page, *paths)
    for path in paths:
        expect(row(page, path.name)).to_contain_text(DONE)


def open_result(page: Page, name: str) -> str:
    """Go from the list to a job. Returns its id."""
    link = row(page, name).get_by_role("link", name=name)
    href = link.get_attribute("href")
    assert href is not None
    link.click()
    return href.rsplit("/", 1)[1]
