"""A visit to the page: the page in a fresh browser, and everything that goes wrong while it is open."""

import os
import re
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, CDPSession, ConsoleMessage, Page, Request, WebSocket, expect

from tests.conftest import ROOT

SCREENSHOTS = Path(os.environ.get("SHRUTLEKH_SCREENSHOTS") or ROOT / ".work" / "screenshots")
PATIENCE = 20_000
"""Milliseconds after which an expectation fails: several processes share the cores."""

DESKTOP = (1280, 800)
PHONE = (360, 740)
SERIOUS = {"serious", "critical"}
OWN_SCHEMES = {"data", "blob", "about"}

VIOLATIONS = """
document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) => {
  console.error(`CSP: ${violatedDirective} blocked ${blockedURI} of ${sourceFile}`);
});
"""
LOCALES = {"en": "en-IN", "hi": "hi-IN"}

expect.set_options(timeout=PATIENCE)


class Visit:
    """The page of a service in a browser context of its own.

    Errors on the console, exceptions, violations of the Content-Security-Policy and requests to other hosts
    are problems: the test fails, unless it allows them.

    Args:
        url: the service.
        key: API key that the browser remembers; None for none.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        language: Literal["en", "hi"] = "en",
        theme: Literal["light", "dark"] = "light",
        size: tuple[int, int] = DESKTOP,
        key: str | None = None,
    ) -> None:
        self.url = url
        self.context = browser.new_context(
            locale=LOCALES[language],
            color_scheme=theme,
            viewport={"width": size[0], "height": size[1]},
            has_touch=size == PHONE,
            reduced_motion="reduce",
            permissions=["microphone", "clipboard-read", "clipboard-write"],
            timezone_id="Asia/Kolkata",
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(VIOLATIONS)
        if key is not None:
            self.context.add_init_script(f"localStorage.setItem('shrutlekh.key', '{key}')")
        self.page: Page = self.context.new_page()
        self._seen: list[str] = []
        self._allowed: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self._seen.append(f"exception: {error}"))
        self.page.on("request", self._see_request)
        self.page.on("websocket", self._see_socket)

    def open(self, place: str = "") -> Page:
        """Load the page at a hash such as ``#/models``."""
        self.page.goto(f"{self.url}/{place}", wait_until="load")
        return self.page

    def open_job(self, job_id: str) -> Page:
        """Load the page of a job."""
        return self.open(f"#/jobs/{job_id}")

    def allow(self, *patterns: str) -> None:
        """Let problems that match a pattern be none: those that the test brings about."""
        self._allowed += patterns

    def problems(self) -> list[str]:
        """What went wrong so far."""
        return [one for one in self._seen if not any(re.search(pattern, one) for pattern in self._allowed)]

    def debugger(self) -> CDPSession:
        """Open a session of the DevTools protocol."""
        return self.context.new_cdp_session(self.page)

    def limit_upload(self, bytes_per_second: float) -> None:
        """Let uploads take time from now on."""
        limits = {
            "offline": False,
            "latency": 0,
            "downloadThroughput": -1,
            "uploadThroughput": bytes_per_second,
        }
        session = self.debugger()
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", limits)

    def screenshot(self, name: str) -> None:
        """Save a picture of the whole page for a person to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, animations="disabled")

    def check_accessibility(self) -> None:
        """Assert that axe finds nothing serious in what is shown now."""
        found = Axe().run(self.page).response["violations"]
        serious = [
            f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for one in found
            if one["impact"] in SERIOUS
            for node in one["nodes"]
        ]
        assert not serious, "\n".join(serious)

    def check(self, name: str) -> None:
        """Save a picture. Assert that axe finds nothing serious, and that nothing is wider than the page."""
        self.screenshot(name)
        self.check_accessibility()
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert too_wide <= 0, f"{name}: the page scrolls sideways by {too_wide} pixels"

    def close(self) -> None:
        self.context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        # On a busy machine a heartbeat may come late: the browser logs that as an error, and the page copes.
        is_unready = message.location.get("url", "").endswith("/readyz") and "503" in message.text
        if message.type == "error" and not is_unready:
            self._seen.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _see_request(self, request: Request) -> None:
        self._see_url(request.url)

    def _see_socket(self, socket: WebSocket) -> None:
        self._see_url(socket.url)

    def _see_url(self, url: str) -> None:
        place = urlsplit(url)
        if place.scheme not in OWN_SCHEMES and place.netloc != urlsplit(self.url).netloc:
            self._seen.append(f"request to another host: {url}")
