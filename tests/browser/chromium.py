"""Debian's chromium, driven by Playwright, which brings no browser of its own here."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.conftest import ROOT, missing

MICROPHONE = ROOT / "samples" / "rain.wav"
"""What the fake microphone hears: a Hindi sentence, once, then silence."""


def executable() -> str:
    """Path of chromium. Skips the test on a laptop without it, fails it in CI."""
    return shutil.which("chromium") or missing("chromium")


@contextmanager
def launched(microphone: Path = MICROPHONE) -> Iterator[Browser]:
    """Start a browser with a fake microphone.

    While it runs, this process has a running event loop, so no other test may call `asyncio.run`: the
    fixtures of this folder stop it when its last test has ended.
    """
    arguments = [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        "--autoplay-policy=no-user-gesture-required",
    ]
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()
