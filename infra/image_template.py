"""template.yaml where the functions are container images with SnapStart.

    target/venv-tools/bin/python infra/image_template.py --http-api IMAGE --s3-events IMAGE

Writes target/image/template.yaml. An image is one of the local Docker engine, which `sam deploy` pushes, or
one in a repository. Default: those that `make image` builds.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

import yaml

from template import TEMPLATE, Node, parse

ROOT = TEMPLATE.parent
CHANGES = ROOT / "infra" / "image" / "template.yaml"
OUT = ROOT / "target" / "image" / "template.yaml"
IMAGES = {"HttpFunction": "http-api", "EventsFunction": "s3-events"}


class Dumper(yaml.SafeDumper):
    """YAML that repeats a value instead of naming it."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Of no value."""
        return True


def changed(node: Node, changes: Node) -> Node:
    """`node` with changes, as infra/image/template.yaml says."""
    if isinstance(node, list) and isinstance(changes, list):
        return node + changes
    if not (isinstance(node, dict) and isinstance(changes, dict)):
        return changes
    if unknown := {key for key, value in changes.items() if value is None} - node.keys():
        raise ValueError(f"there is no {', '.join(sorted(unknown))} to remove")
    kept = {key: value for key, value in node.items() if key not in changes}
    made = {key: changed(node.get(key), value) for key, value in changes.items()}
    order = [*node, *(key for key in changes if key not in node)]
    both = kept | made
    return {key: both[key] for key in order if both[key] is not None}


def default_images() -> dict[str, str]:
    """What `make image` calls them, by function."""
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]
    version = workspace["package"]["version"]
    return {function: f"glimpse-{name}:{version}" for function, name in IMAGES.items()}


def with_images(images: dict[str, str]) -> dict[str, Node]:
    """The template, with an image for each function."""
    template: dict[str, Node] = changed(parse(), parse(CHANGES))
    for function, image in images.items():
        template["Resources"][function]["Properties"]["ImageUri"] = image
    return template


def main() -> None:
    """Write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for function, image in default_images().items():
        parser.add_argument(f"--{IMAGES[function]}", dest=function, default=image, metavar="IMAGE")
    parser.add_argument("--out", type=Path, default=OUT, metavar="FILE")
    images = vars(parser.parse_args())
    out: Path = images.pop("out")
    out.parent.mkdir(parents=True, exist_ok=True)
    text = yaml.dump(with_images(images), Dumper=Dumper, sort_keys=False, width=100)
    out.write_text(text, encoding="utf-8")
    print(out)


if __name__ == "__main__":
    main()
