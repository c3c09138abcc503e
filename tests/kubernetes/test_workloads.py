"""The pods: how they are confined, configured, probed and stopped, in every combination of components."""

import re
from pathlib import Path
from typing import Any

import yaml

from api.__main__ import DRAIN_SECONDS as API_DRAIN_SECONDS
from api.__main__ import LIVE_SECONDS
from shared.settings import Settings
from shared.version import VERSION
from tests.kubernetes.flows import selects
from tests.kubernetes.manifests import FOLDER, OURS, ROOT, all_builds, combined, containers_of, overlay
from worker.drain import LAST_WORDS_SECONDS

STACK = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
COMPOSE: dict[str, Any] = STACK["services"]
SETTINGS = {f"SHRUTLEKH_{name.upper()}" for name in Settings.model_fields}
NOT_OURS = {
    "AWS_ACCESS_KEY_ID",  # botocore
    "AWS_SECRET_ACCESS_KEY",
    "NVIDIA_DRIVER_CAPABILITIES",  # the container runtime
    "POSTGRES_USER",  # the image of Postgres
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "PGDATA",
}


def keys_in(path: Path) -> set[str]:
    """Names of the variables in an environment file."""
    return set(re.findall(r"^(\w+)=", path.read_text(encoding="utf-8"), re.MULTILINE))


def in_dockerfile(image: str, pattern: str) -> Any:
    """What a pattern finds in an image's Dockerfile."""
    text = (ROOT / f"Dockerfile.{image}").read_text(encoding="utf-8")
    (found,) = re.findall(pattern, text, re.MULTILINE)
    return yaml.safe_load(found)


def test_pods_are_as_confined_as_in_the_compose_stack() -> None:
    assert in_dockerfile("api", r"^USER (\d+):\d+$") == 10001
    assert in_dockerfile("worker", r"^USER (\d+):\d+$") == 10001
    for service in (*OURS, "postgres", "redis"):
        assert COMPOSE[service]["read_only"] is True
        assert COMPOSE[service]["cap_drop"] == ["ALL"]
    for build in all_builds():
        for workload in build.workloads():
            template = workload["spec"]["template"]
            pod, name = template["spec"], workload["metadata"]["name"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            assert pod["securityContext"]["runAsUser"] == (10001 if name in OURS else 999)
            assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["automountServiceAccountToken"] is False
            assert pod["enableServiceLinks"] is False, "a Service could set one of our variables"
            assert pod["serviceAccountName"] == name
            assert build.named("ServiceAccount", name)["automountServiceAccountToken"] is False
            for key in ("hostNetwork", "hostPID", "hostIPC"):
                assert key not in pod
            for container in containers_of(template):
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }
                assert {"cpu", "memory"} <= set(container["resources"]["requests"])
                assert "memory" in container["resources"]["limits"]


def test_pods_can_write_where_they_write_in_the_compose_stack() -> None:
    for build in all_builds():
        for name in (*OURS, "postgres", "redis"):
            if name not in {one["metadata"]["name"] for one in build.workloads()}:
                continue
            (container,) = build.pod(name)["spec"]["containers"]
            mounts = {one["mountPath"] for one in container["volumeMounts"]}
            wanted = {entry.split(":")[0] for entry in COMPOSE[name]["tmpfs"]}
            wanted |= {entry.split(":")[1] for entry in COMPOSE[name].get("volumes", ())}
            assert wanted <= mounts, (build.name, name)


def test_volumes_and_claims_exist_and_are_mounted() -> None:
    for build in all_builds():
        claims = {one["metadata"]["name"] for one in build.of_kind("PersistentVolumeClaim")}
        claimed = set()
        for workload in build.workloads():
            spec = workload["spec"]
            pod = spec["template"]["spec"]
            volumes = {one["name"] for one in pod["volumes"]}
            volumes |= {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())}
            mounts = [one for each in containers_of(spec["template"]) for one in each["volumeMounts"]]
            mounted = {one["name"] for one in mounts}
            assert mounted == volumes, (build.name, workload["metadata"]["name"])
            claimed |= {
                one["persistentVolumeClaim"]["claimName"]
                for one in pod["volumes"]
                if "persistentVolumeClaim" in one
            }
        assert claimed == claims, build.name


def test_every_variable_is_a_setting_and_every_key_is_declared() -> None:
    secrets = keys_in(FOLDER / "secrets.env.example")
    used = set()
    for build in all_builds():
        assert set(build.settings()) <= SETTINGS, build.name
        (name,) = (one["metadata"]["name"] for one in build.of_kind("ConfigMap"))
        for workload in build.workloads():
            for container in containers_of(workload["spec"]["template"]):
                for source in container.get("envFrom", ()):
                    assert source == {"configMapRef": {"name": name}}
                variables = container.get("env", ())
                assert {one["name"] for one in variables} <= SETTINGS | NOT_OURS
                for one in variables:
                    if "valueFrom" in one:
                        reference = one["valueFrom"]["secretKeyRef"]
                        assert reference == {"name": "shrutlekh", "key": one["name"]}
                        used.add(one["name"])
    assert used == secrets


def test_the_settings_are_valid_and_require_keys() -> None:
    for build in all_builds():
        values = {name.removeprefix("SHRUTLEKH_").lower(): value for name, value in build.settings().items()}
        settings = Settings(**{name: value for name, value in values.items() if value})  # type: ignore[arg-type]
        assert settings.keys_required
        assert build.settings()["SHRUTLEKH_DATA_DIR"] == "/data"


def test_no_secret_is_in_the_repository() -> None:
    for build in all_builds():
        assert build.of_kind("Secret") == []


def test_images_are_those_of_the_compose_stack_with_a_version() -> None:
    compose = {
        service: re.sub(r"\$\{\w+:-(.*)\}", r"\1", COMPOSE[service]["image"])
        for service in (*OURS, "migrate", "postgres", "redis")
    }
    for build in all_builds():
        has_gpu = "nvidia.com/gpu" in str(build.pod("worker"))
        for workload in build.workloads():
            for container in containers_of(workload["spec"]["template"]):
                image, _, tag = container["image"].removeprefix("registry.example.org/").partition(":")
                service = {"schema": "worker"}.get(container["name"], container["name"])
                if service == "worker" and container["name"] == "worker" and has_gpu:
                    assert (image, tag) == ("shrutlekh-worker-gpu", VERSION)
                elif service in ("postgres", "redis"):
                    assert f"{image}:{tag}" == compose[service]
                else:
                    assert (image, tag) == (compose[service], VERSION)
                assert container["imagePullPolicy"] == "IfNotPresent"


def test_commands_are_those_of_the_compose_stack() -> None:
    build = combined(("in-cluster-stores", "shared-files"))
    for name in (*OURS, "redis"):
        (container,) = build.pod(name)["spec"]["containers"]
        command = COMPOSE[name].get("command") or in_dockerfile(name, r"^CMD (\[.*\])$")
        assert container["command"] == command
    (migrate,) = build.pod("api")["spec"]["initContainers"]
    assert migrate["command"] == COMPOSE["migrate"]["command"]


def test_selectors_match_their_pods_and_no_other() -> None:
    for build in all_builds():
        labels = {one["metadata"]["name"]: pod_labels(one) for one in build.workloads()}

        def selected(selector: dict[str, Any], labels: dict[str, Any] = labels) -> list[str]:
            return [name for name in labels if selects(selector, labels[name])]

        for workload in build.workloads():
            selector = workload["spec"]["selector"]
            assert selected(selector) == [workload["metadata"]["name"]]
            for spread in workload["spec"]["template"]["spec"].get("topologySpreadConstraints", ()):
                assert spread["labelSelector"] == selector
        for service in build.of_kind("Service"):
            name = service["metadata"]["name"]
            assert selected({"matchLabels": service["spec"]["selector"]}) == [name]
            (container,) = build.pod(name)["spec"]["containers"]
            exposed = {port["name"] for port in container["ports"]}
            assert {port["targetPort"] for port in service["spec"]["ports"]} <= exposed
        budgets = build.of_kind("PodDisruptionBudget")
        assert {one["metadata"]["name"] for one in budgets} == {"api", "live", "worker"}
        for budget in budgets:
            assert selected(budget["spec"]["selector"]) == [budget["metadata"]["name"]]
            assert budget["spec"]["maxUnavailable"] == 1


def pod_labels(workload: dict[str, Any]) -> dict[str, str]:
    """Labels of a workload's pods."""
    return dict(workload["spec"]["template"]["metadata"]["labels"])


def test_hosts_in_the_example_of_the_secret_are_services() -> None:
    text = (FOLDER / "secrets.env.example").read_text(encoding="utf-8")
    hosts = set(re.findall(r"(?:@|redis://)(\w+):(\d+)", text))
    services = {
        (one["metadata"]["name"], str(one["spec"]["ports"][0]["port"]))
        for one in overlay("small").of_kind("Service")
    }
    assert hosts <= services
    assert {name for name, _ in hosts} == {"postgres", "redis"}


def test_a_stop_waits_as_long_as_the_longest_step() -> None:
    """The drain, then a step that has just begun, then the hand-back. No step is longer than a lease."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    needed = defaults["drain_seconds"] + defaults["lease_seconds"] + LAST_WORDS_SECONDS
    assert int(COMPOSE["worker"]["stop_grace_period"].removesuffix("s")) >= needed
    for build in all_builds():
        settings = build.settings()
        drain = float(settings.get("SHRUTLEKH_DRAIN_SECONDS", defaults["drain_seconds"]))
        lease = float(settings.get("SHRUTLEKH_LEASE_SECONDS", defaults["lease_seconds"]))
        grace = build.pod("worker")["spec"]["terminationGracePeriodSeconds"]
        assert grace >= drain + lease + LAST_WORDS_SECONDS
        assert f"{grace}s" == COMPOSE["worker"]["stop_grace_period"]


def test_a_stop_of_the_api_waits_for_proxies_live_sessions_and_uploads() -> None:
    for build in all_builds():
        pod = build.pod("api")["spec"]
        (container,) = pod["containers"]
        before = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] >= before + LIVE_SECONDS + API_DRAIN_SECONDS + 5


def test_no_probe_restarts_a_pod_because_another_service_is_away() -> None:
    """/readyz and worker.health ask Redis."""
    for build in all_builds():
        for name in OURS:
            (container,) = build.pod(name)["spec"]["containers"]
            liveness = container["livenessProbe"]
            assert liveness["httpGet"]["path"] == ("/healthz" if name == "api" else "/metrics")
            assert liveness["httpGet"]["port"] in {port["name"] for port in container["ports"]}
            assert "startupProbe" in container
        worker = build.pod("worker")["spec"]["containers"][0]
        asked = in_dockerfile("worker", r"^HEALTHCHECK.* CMD (\[.*\])$")
        assert worker["readinessProbe"]["exec"]["command"] == asked
        startup = worker["startupProbe"]
        assert startup["periodSeconds"] * startup["failureThreshold"] >= 120  # LONGEST_WARM_UP_SECONDS
