"""Build the manifests of deploy/kubernetes, in every combination, with kubectl's kustomize."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import missing

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("small", "production")
STORES = ("in-cluster-stores", "external-stores")
FILES = ("shared-files", "s3")
OPTIONAL = ("gpu", "ingress", "keda", "models-volume")
OURS = ("api", "live", "sweeper", "worker")

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Build:
    """What kustomize makes of an overlay or a combination of components."""

    name: str
    manifests: tuple[Manifest, ...]

    def of_kind(self, *kinds: str) -> list[Manifest]:
        """The manifests of these kinds."""
        return [one for one in self.manifests if one["kind"] in kinds]

    def named(self, kind: str, name: str) -> Manifest:
        """The only manifest of this kind and name."""
        (found,) = (one for one in self.of_kind(kind) if one["metadata"]["name"] == name)
        return found

    def workloads(self) -> list[Manifest]:
        """Everything that has pods."""
        return self.of_kind("Deployment", "StatefulSet", "Job")

    def pod(self, name: str) -> Manifest:
        """The pod template of a workload."""
        (found,) = (one for one in self.workloads() if one["metadata"]["name"] == name)
        template: Manifest = found["spec"]["template"]
        return template

    def settings(self) -> dict[str, str]:
        """The content of the ConfigMap of settings."""
        (found,) = self.of_kind("ConfigMap")
        assert found["metadata"]["name"].startswith("shrutlekh-settings-")
        return dict(found["data"])


def containers_of(template: Manifest) -> list[Manifest]:
    """All containers of a pod template, also those that run before the others."""
    return [*template["spec"].get("initContainers", ()), *template["spec"]["containers"]]


def component_sets() -> Iterator[tuple[str, ...]]:
    """Every set of components that may stand together."""
    optional = chain.from_iterable(combinations(OPTIONAL, count) for count in range(len(OPTIONAL) + 1))
    for stores, files, others in product(STORES, FILES, list(optional)):
        yield (stores, files, *others)


@cache
def kubectl() -> str:
    """Path of kubectl: that of the environment, else the machine's."""
    beside = Path(sys.executable).parent / "kubectl"
    return str(beside) if beside.is_file() else shutil.which("kubectl") or missing("kubectl")


def kustomize(folder: Path) -> tuple[Manifest, ...]:
    """Build a folder with a kustomization.yaml.

    Raises:
        AssertionError: kustomize refuses it, or warns.
    """
    done = subprocess.run(
        [kubectl(), "kustomize", str(folder)],
        capture_output=True,
        text=True,
        env=os.environ | {"KUBECONFIG": os.devnull},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return tuple(yaml.safe_load_all(done.stdout))


@cache
def overlay(name: str) -> Build:
    """An overlay of the repository."""
    return Build(name, kustomize(FOLDER / "overlays" / name))


@cache
def combined(components: tuple[str, ...]) -> Build:
    """The base with some components, as an overlay of one's own would have them."""
    with tempfile.TemporaryDirectory(prefix="kustomize-") as scratch:
        copy = Path(scratch) / "kubernetes"
        shutil.copytree(FOLDER, copy)
        own = copy / "overlays" / "own"
        own.mkdir()
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "own",
            "resources": ["../../base"],
            "components": [f"../../components/{name}" for name in components],
        }
        (own / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")
        return Build("+".join(components), kustomize(own))


def all_builds() -> Iterator[Build]:
    """The overlays, then every combination."""
    yield from map(overlay, OVERLAYS)
    yield from map(combined, component_sets())
