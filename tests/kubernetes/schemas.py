"""Strict validation of a manifest: against the schemas of Kubernetes, and KEDA's models."""

import json
from functools import cache
from typing import Any

import kubernetes_validate
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from jsonschema import Draft202012Validator

Manifest = dict[str, Any]

VERSIONS = ("1.30", "1.37")
"""The oldest that the manifests are made for, and the newest whose schemas kubernetes-validate brings."""

FALLBACKS = {"static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"}
"""Behaviours of `fallback`, which KEDA has since 2.17; the models are those of 2.16."""


def check(manifest: Manifest) -> None:
    """Validate one manifest. Unknown fields are errors.

    Raises:
        jsonschema.ValidationError: it is not valid.
        kubernetes_validate.SchemaNotFoundError: no such kind.
    """
    _check_once(json.dumps(manifest, sort_keys=True))


@cache  # most manifests are the same in many combinations
def _check_once(text: str) -> None:
    manifest = json.loads(text)
    if manifest["apiVersion"].startswith("keda.sh/"):
        check_scaled_object(manifest)
        return
    for version in VERSIONS:
        kubernetes_validate.validate(manifest, version, strict=True)


def check_scaled_object(manifest: Manifest) -> None:
    """Validate a ScaledObject.

    Raises:
        jsonschema.ValidationError: it is not valid.
    """
    fallback = dict(manifest["spec"].get("fallback", {}))
    assert fallback.pop("behavior", "static") in FALLBACKS
    spec = manifest["spec"] | ({"fallback": fallback} if fallback else {})
    Draft202012Validator(_strict_schema()).validate(manifest | {"spec": spec})


@cache
def _strict_schema() -> Manifest:
    schema = ScaledObject.model_json_schema(by_alias=True)
    for part in (schema, *schema["$defs"].values()):
        if "properties" in part:
            part["additionalProperties"] = False
    return schema
