import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from shared.settings import Settings

DOCS = Path(__file__).resolve().parents[2] / "docs" / "settings.md"


def test_every_setting_is_documented_with_its_default() -> None:
    rows = re.findall(
        r"^\| `SHRUTLEKH_([A-Z0-9_]+)` \| (.*?) \| (.*?) \|$", DOCS.read_text(encoding="utf-8"), re.M
    )
    documented = {name.lower(): (default, text) for name, default, text in rows}
    assert documented.keys() == Settings.model_fields.keys()
    for name, field in Settings.model_fields.items():
        default, text = documented[name]
        assert text == field.description
        if name != "models_dir":
            written = ",".join(field.default) if isinstance(field.default, list) else field.default
            assert default == f"`{written}`" or (default == "" and field.default in ("", [], None))


def test_they_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHRUTLEKH_PORT", "9000")
    monkeypatch.setenv("SHRUTLEKH_CORS_ORIGINS", "https://a.example, https://b.example")
    settings = Settings()
    assert settings.port == 9000
    assert settings.cors_origins == ["https://a.example", "https://b.example"]


def test_sqlite_lies_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database == f"sqlite:///{tmp_path}/shrutlekh.db"
    assert Settings(database_url="postgresql+psycopg://h/d").database == "postgresql+psycopg://h/d"


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"max_attempts": 0}, {"log_level": "LOUD"}, {"lease_seconds": 0}]
)
def test_nonsense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.0/8,none"])
def test_only_addresses_and_networks_can_be_trusted(wrong: str) -> None:
    with pytest.raises(ValidationError, match="addresses and networks"):
        Settings(trusted_proxies=wrong)


def test_trusted_proxies_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHRUTLEKH_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::1")
    assert Settings().trusted_proxies == ["10.0.0.0/8", "2001:db8::1"]
    monkeypatch.setenv("SHRUTLEKH_TRUSTED_PROXIES", "none")
    assert Settings().trusted_proxies == []


@pytest.mark.parametrize(("written", "prefix"), [("", ""), ("/", ""), ("/a/", "/a"), ("/a/b-c", "/a/b-c")])
def test_the_path_prefix_has_no_slash_at_its_end(written: str, prefix: str) -> None:
    assert Settings(root_path=written).root_path == prefix


def test_the_default_model_is_the_one_that_the_models_folder_names(tmp_path: Path) -> None:
    assert Settings(models_dir=tmp_path).default_model == "hi-ctc-base"
    (tmp_path / "default-model").write_text("whisper-small\n", encoding="utf-8")
    assert Settings(models_dir=tmp_path).default_model == "whisper-small"
    assert Settings(models_dir=tmp_path, default_model="other").default_model == "other"


@pytest.mark.parametrize("content", [b"../etc", b"", b"\xff\xfe", b"two words"])
def test_a_damaged_name_of_the_default_model_is_not_used(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "default-model").write_bytes(content)
    assert Settings(models_dir=tmp_path).default_model == "hi-ctc-base"
