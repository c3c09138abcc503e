import os
from collections.abc import Iterator

import pytest

from tests.client.fake_service import FakeService, serving

# Typer reads these when it is imported; tests read plain text.
for name in ("FORCE_COLOR", "GITHUB_ACTIONS", "PY_COLORS"):
    os.environ.pop(name, None)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with serving(FakeService()) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_settings_of_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SHRUTLEKH_URL", "SHRUTLEKH_API_KEY", "SHRUTLEKH_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHRUTLEKH_DISK_RESERVE_BYTES", "0")
    monkeypatch.setenv("COLUMNS", "200")
