"""Which connections a set of network policies allows, by the rules of Kubernetes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

from tests.kubernetes.manifests import Build, containers_of

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection: a pod, in this or another namespace, or an address outside the cluster."""

    name: str
    labels: Labels = field(default_factory=dict)
    namespace: str = ""  # "" for the namespace of the policies
    address: str = ""  # of what is outside the cluster
    ports: dict[str, int] = field(default_factory=dict)


def pods_of(build: Build) -> list[Peer]:
    """One peer for each workload."""
    return [
        Peer(
            one["metadata"]["name"],
            labels=one["spec"]["template"]["metadata"]["labels"],
            ports={
                port["name"]: port["containerPort"]
                for container in containers_of(one["spec"]["template"])
                for port in container.get("ports", ())
            },
        )
        for one in build.workloads()
    ]


def selects(selector: dict[str, Any], labels: Labels) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    wanted = selector.get("matchLabels", {})
    assert set(selector) <= {"matchExpressions", "matchLabels"}
    return all(labels.get(key) == value for key, value in wanted.items())


def allowed(build: Build, source: Peer, target: Peer, port: int, protocol: str = "TCP") -> bool:
    """Whether the policies let ``source`` open a connection to ``target``."""
    return _passes(build, "Egress", source, target, target, port, protocol) and _passes(
        build, "Ingress", target, source, target, port, protocol
    )


def _passes(
    build: Build, direction: str, own: Peer, other: Peer, target: Peer, port: int, protocol: str
) -> bool:
    if own.namespace or own.address:
        return True  # the policies of others are not ours
    policies = [
        one["spec"]
        for one in build.of_kind("NetworkPolicy")
        if direction in one["spec"]["policyTypes"] and selects(one["spec"]["podSelector"], own.labels)
    ]
    if not policies:
        return True
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), ())]
    side = "to" if direction == "Egress" else "from"
    return any(
        any(_is_peer(one, other) for one in rule[side]) and (port, protocol) in set(_ports(rule, target))
        for rule in rules
    )


def _ports(rule: dict[str, Any], target: Peer) -> Iterator[tuple[int | None, str]]:
    ports: Iterable[dict[str, Any]] = rule["ports"]
    for one in ports:
        number = one["port"] if isinstance(one["port"], int) else target.ports.get(one["port"])
        yield number, one["protocol"]


def _is_peer(rule: dict[str, Any], other: Peer) -> bool:
    if block := rule.get("ipBlock"):
        if not other.address:
            return False
        address = ip_address(other.address)
        inside = [ip_network(cidr) for cidr in (block["cidr"], *block.get("except", ()))]
        matches = [address.version == one.version and address in one for one in inside]
        return matches[0] and not any(matches[1:])
    if other.address:
        return False
    if namespace := rule.get("namespaceSelector"):
        return selects(namespace, {"kubernetes.io/metadata.name": other.namespace}) and selects(
            rule.get("podSelector", {}), other.labels
        )
    return not other.namespace and selects(rule["podSelector"], other.labels)
