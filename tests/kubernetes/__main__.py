"""``python -m tests.kubernetes``: build every overlay and combination of components, and validate it."""

import time
from collections import Counter

from jsonschema import ValidationError

from tests.kubernetes.manifests import OVERLAYS, all_builds
from tests.kubernetes.schemas import VERSIONS, check


def main() -> int:
    """Print what was validated, and each manifest that is not valid; 1 if there are any."""
    began = time.monotonic()
    valid, invalid, kinds = 0, 0, Counter[str]()
    for number, build in enumerate(all_builds()):
        for manifest in build.manifests:
            try:
                check(manifest)
            except ValidationError as error:
                invalid += 1
                name = f"{manifest['kind']} {manifest['metadata']['name']}"
                print(f"INVALID {build.name}: {name}: {error.message}")
            else:
                valid += 1
        if number < len(OVERLAYS):
            print(f"{build.name}: {len(build.manifests)} manifests")
            kinds.update(one["kind"] for one in build.manifests)
    print(f"{number + 1} builds, Kubernetes {' and '.join(VERSIONS)}: {valid} valid, {invalid} invalid")
    print("kinds in the overlays: " + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if invalid else 0


if __name__ == "__main__":
    raise SystemExit(main())
