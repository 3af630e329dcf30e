"""`python -m glimpse_models SUBCOMMAND`: from pictures to a bundle, one step at a time."""

from __future__ import annotations

import argparse
import importlib
import sys

from glimpse_models.errors import Refused

STEPS = ("train", "export", "quantize", "evaluate", "bundle", "resize", "fixtures", "reference")


def main() -> int:
    """Run one step. Its module is imported alone: most steps need no PyTorch."""
    name = next((word for word in sys.argv[1:] if word in STEPS), None)
    parser = argparse.ArgumentParser(prog="glimpse_models", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True, metavar="{" + ",".join(STEPS) + "}")
    if name is not None:
        module = importlib.import_module(f"glimpse_models.{name}")
        module.add_arguments(steps.add_parser(name, description=module.__doc__))
        arguments = parser.parse_args()
        try:
            module.run(arguments)
        except Refused as error:
            print(f"{name}: {error}", file=sys.stderr)
            return 1
        return 0
    parser.parse_args()
    return 2


if __name__ == "__main__":
    sys.exit(main())
