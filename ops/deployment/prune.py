"""Which installed distributions the services do not need, one a line, for `pip uninstall -r`.

The lock file pins what develops and tests the project as well; an image has no use for that.
"""

from __future__ import annotations

import sys
from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from offline.package.requirements import pins
from offline.package.wheel import PROJECT

KEPT = {PROJECT, "pip"}


def unneeded() -> list[str]:
    """Names of what neither the project with all its parts nor pip needs."""
    wanted = set(pins(extra="ops")) | KEPT
    found = {canonicalize_name(one.metadata["Name"]) for one in distributions() if one.metadata["Name"]}
    return sorted(found - wanted)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\n" for name in unneeded()))
