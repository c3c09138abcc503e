"""Who may talk to whom: what the service needs, and nothing else."""

from itertools import product

from shared.settings import Settings
from tests.kubernetes.flows import Peer, allowed, pods_of
from tests.kubernetes.manifests import OURS, Build, all_builds, combined, overlay

DNS = Peer("dns", {"k8s-app": "kube-dns"}, "kube-system")
PROMETHEUS = Peer("prometheus", namespace="monitoring")
CONTROLLER = Peer("controller", namespace="ingress-nginx")
STRANGER = Peer("stranger", namespace="other")
NEIGHBOUR = Peer("neighbour", {"app.kubernetes.io/name": "neighbour"})
CLIENT = Peer("client", {"shrutlekh-client": "true"})
INTERNET = [Peer("internet", address="93.184.215.14"), Peer("internet6", address="2606:2800:21f::1")]
INSIDE = [
    Peer(f"inside {address}", address=address)
    for address in ("10.1.2.3", "169.254.169.254", "172.20.0.1", "192.168.1.1", "100.64.0.1", "fd00::1")
]
DATABASE = Peer("database", address="203.0.113.1")
REDIS = Peer("redis elsewhere", address="203.0.113.17")
BUCKET = Peer("bucket", address="203.0.113.33")

PORTS = (22, 53, 80, 443, 5432, 6379, 8000, 9100, 9101, 9102)
METRICS = {"api": 8000, "worker": 9100, "sweeper": 9101, "live": 9102}

Flow = tuple[str, str, int]


def found(build: Build) -> set[Flow]:
    """All connections over TCP that are allowed and begin or end at a pod of the build."""
    pods = pods_of(build)
    others = [DNS, PROMETHEUS, CONTROLLER, STRANGER, *INTERNET, *INSIDE, DATABASE, REDIS, BUCKET]
    inside = [NEIGHBOUR, CLIENT]  # no policy is about them: they may go out
    pairs = [
        *product(pods, [*pods, *others, *inside]),
        *product([*others, *inside], pods),
    ]
    return {
        (source.name, target.name, port)
        for source, target in pairs
        for port in PORTS
        if source is not target and allowed(build, source, target, port)
    }


def wanted(build: Build) -> set[Flow]:
    """The connections that the service needs."""
    flows = {(name, "dns", 53) for name in OURS}
    flows |= {("prometheus", name, port) for name, port in METRICS.items()}
    flows.add(("client", "api", 8000))
    flows |= {("sweeper", one.name, port) for one in INTERNET for port in (80, 443)}
    # Public addresses, as far as the sweeper's policy for webhooks can tell.
    flows |= {("sweeper", one.name, port) for one in (DATABASE, REDIS, BUCKET) for port in (80, 443)}
    in_cluster = any(one["metadata"]["name"] == "postgres" for one in build.workloads())
    database, redis = ("postgres", "redis") if in_cluster else (DATABASE.name, REDIS.name)
    flows |= {(name, database, 5432) for name in ("api", "sweeper", "worker")}
    flows |= {(name, redis, 6379) for name in OURS}
    names = {one["metadata"]["name"] for one in build.of_kind("NetworkPolicy")}
    if "to-s3" in names:
        flows |= {(name, BUCKET.name, 443) for name in ("api", "sweeper", "worker")}
    if build.of_kind("Ingress"):
        flows.add(("controller", "api", 8000))
    return flows


def test_exactly_what_is_needed_is_allowed_in_every_combination() -> None:
    for build in all_builds():
        assert found(build) == wanted(build), build.name


def test_names_are_looked_up_over_udp_too() -> None:
    build = overlay("small")
    for pod in pods_of(build):
        assert allowed(build, pod, DNS, 53, "UDP") is (pod.name in OURS)
        assert not allowed(build, pod, STRANGER, 53, "UDP")


def test_the_ports_of_metrics_are_those_of_the_settings() -> None:
    for build in all_builds():
        settings = build.settings()
        assert {
            "api": int(settings["SHRUTLEKH_PORT"]),
            "worker": int(settings["SHRUTLEKH_WORKER_METRICS_PORT"]),
            "sweeper": int(settings["SHRUTLEKH_SWEEPER_METRICS_PORT"]),
            "live": int(settings["SHRUTLEKH_STREAM_METRICS_PORT"]),
        } == METRICS
        for name, port in METRICS.items():
            template = build.pod(name)
            (exposed,) = template["spec"]["containers"][0]["ports"]
            assert exposed["containerPort"] == port
            assert template["metadata"]["annotations"]["prometheus.io/port"] == str(port)


def test_the_ingress_leads_to_every_route_but_the_metrics() -> None:
    from api.app import create_app

    build = combined(("in-cluster-stores", "shared-files", "ingress"))
    (ingress,) = build.of_kind("Ingress")
    (rule,) = ingress["spec"]["rules"]
    paths = [(one["path"], one["pathType"]) for one in rule["http"]["paths"]]

    def leads(path: str) -> bool:
        return any(path == at or (kind == "Prefix" and path.startswith(f"{at}/")) for at, kind in paths)

    routes = [*create_app(Settings()).openapi()["paths"], "/", "/docs", "/openapi.json", "/web/1/page.js"]
    assert [path for path in routes if not leads(path)] == ["/metrics"]
    service = build.named("Service", "api")
    assert {one["backend"]["service"]["port"]["name"] for one in rule["http"]["paths"]} == {
        service["spec"]["ports"][0]["name"]
    }
    annotations = ingress["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/"
    assert annotations[f"{prefix}proxy-body-size"] == "2g"
    settings = Settings()
    assert settings.max_upload_bytes == 2 * 2**30
    assert int(annotations[f"{prefix}proxy-read-timeout"]) > settings.simple_wait_seconds
