"""Every overlay and every combination of components is valid."""

import copy

import pytest

from tests.conftest import require
from tests.kubernetes.manifests import FOLDER, OVERLAYS, Build, all_builds, combined, component_sets, overlay

for module in ("kubernetes_validate", "cloudcoil.models.keda"):
    require(module)

from jsonschema import ValidationError  # noqa: E402

from tests.kubernetes.schemas import check  # noqa: E402


def check_all(build: Build) -> None:
    assert len(build.manifests) > 15
    for manifest in build.manifests:
        check(manifest)
    names = [(one["kind"], one["metadata"]["name"]) for one in build.manifests]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_overlays_are_valid(name: str) -> None:
    check_all(overlay(name))


def test_every_combination_of_components_is_valid() -> None:
    sets = list(component_sets())
    assert len(sets) == 64
    for components in sets:
        check_all(combined(components))


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replica"), 2),
        ("Deployment", ("spec", "replicas"), "two"),
        ("Deployment", ("spec", "template", "spec", "graceSeconds"), 1),
        ("Service", ("spec", "ports", 0, "targetport"), "http"),
        ("NetworkPolicy", ("spec", "podSelector", "labels"), {}),
        ("PodDisruptionBudget", ("spec", "maxAvailable"), 1),
        ("ScaledObject", ("spec", "minReplicas"), 1),
        ("ScaledObject", ("spec", "maxReplicaCount"), "many"),
        ("ScaledObject", ("spec", "advanced", "horizontalPodAutoscalerConfig", "behaviour"), {}),
    ],
)
def test_a_mistake_is_found(kind: str, path: tuple[str | int, ...], value: object) -> None:
    manifest = copy.deepcopy(overlay("production").of_kind(kind)[0])
    at = manifest
    for key in path[:-1]:
        at = at[key]  # type: ignore[index]
    at[path[-1]] = value  # type: ignore[index]
    with pytest.raises(ValidationError):
        check(manifest)


def test_no_component_is_left_out() -> None:
    tried = {name for components in component_sets() for name in components}
    assert tried == {path.name for path in (FOLDER / "components").iterdir()}
    assert {path.name for path in (FOLDER / "overlays").iterdir()} == set(OVERLAYS)
    assert len(list(all_builds())) == 66
