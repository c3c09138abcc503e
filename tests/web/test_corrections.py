"""The modules of the page that need no browser, run by Node's own test runner."""

import subprocess
from pathlib import Path

from tests.conftest import missing

TESTS = Path(__file__).with_name("corrections.test.mjs")


def test_corrections_are_made_found_and_saved() -> None:
    """Node is the one that Playwright brings."""
    try:
        from playwright._impl._driver import compute_driver_executable
    except ImportError:
        missing("Playwright")
    node = str(compute_driver_executable()[0])
    done = subprocess.run(
        [node, "--no-warnings", "--test", str(TESTS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
