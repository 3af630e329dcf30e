"""template.yaml for the emulator: the real one, less the little that ministack lacks.

- CodeDeploy: there is none, so aliases move at once.
- AWS::IAM::RolePolicy: it is an AWS::IAM::Policy of the one role.
- Layers of native functions are not unpacked: the functions get the library's own path, and the
  layer is a folder with its licence only.
- /tmp is this machine's: the functions' cache is a folder of the test's.
- A number of an event source's scaling that comes from a parameter stays text, which the emulator
  cannot compare: it is the number itself.
- The condition key `s3:if-none-match` is unknown, so that every PUT would be refused: the statement
  that demands it is left out. That S3 takes one object for an address is tested in tests/s3_events.

Two things differ with no change here: an absent object is 404 to those without `s3:ListBucket`, too,
where AWS says 403; and there are no tasks that move messages from one queue to another.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from template import TEMPLATE, load

CONCURRENCY = 2
LAYERS = ("OnnxRuntimeX86Layer", "OnnxRuntimeArmLayer")


@dataclass(frozen=True)
class Packages:
    """What `sam build` would have made."""

    functions: dict[str, Path]
    layer: Path
    library: Path
    cache: Path


def write(packages: Packages, to: Path, source: Path = TEMPLATE) -> None:
    """Write the template to deploy, in JSON, which is YAML too."""
    template = load(source)
    resources: dict[str, Any] = template["Resources"]
    for name in LAYERS:
        resources[name]["Properties"]["ContentUri"] = str(packages.layer)
    for name, package in packages.functions.items():
        properties = resources[name]["Properties"]
        properties["CodeUri"] = str(package)
        del properties["DeploymentPreference"]
        properties["Environment"]["Variables"] |= {
            "GLIMPSE_ORT_LIBRARY": str(packages.library),
            "GLIMPSE_CACHE_DIR": str(packages.cache / name),
        }
    for resource in resources.values():
        if resource["Type"] == "AWS::IAM::RolePolicy":
            resource["Type"] = "AWS::IAM::Policy"
            resource["Properties"]["Roles"] = [resource["Properties"].pop("RoleName")]
    policy = resources["UploadsBucketPolicy"]["Properties"]["PolicyDocument"]
    policy["Statement"] = [
        one for one in policy["Statement"] if one["Sid"] != "OnlyOnce"
    ]
    scaling = resources["EventsFunction"]["Properties"]["Events"]["Uploads"][
        "Properties"
    ]
    scaling["ScalingConfig"]["MaximumConcurrency"] = CONCURRENCY
    to.write_text(json.dumps(template, indent=1))
