"""What tests of adding models need: a hub of this machine."""

from collections.abc import Iterator

import pytest

from tests.modelkit.hub_double import HubDouble, running_hub


@pytest.fixture(scope="session")
def client_without_proxy() -> Iterator[None]:
    """Make the client of huggingface_hub once: it reads the certificates of all authorities each time."""
    from huggingface_hub import close_session, get_session

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        close_session()
        get_session()
    yield
    close_session()


@pytest.fixture
def hub(
    client_without_proxy: None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HubDouble]:
    """A hub that HF_ENDPOINT names, without repositories. New tries do not wait."""
    from modelkit.sources import hub_download

    monkeypatch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf-home")))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(hub_download, "WAITS", (0.0, 0.0, 0.0, 0.0))
    with running_hub() as double:
        monkeypatch.setenv("HF_ENDPOINT", double.url)
        yield double
