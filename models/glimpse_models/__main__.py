"""`python -m glimpse_models SUBCOMMAND`: from pictures to a bundle, one step at a time."""

from __future__ import annotations

import argparse
import importlib
import sys

from glimpse_models.errors import Refused

STEPS = {
    "train": "train a classifier on a folder of pictures",
    "unfold": "a bundle's model → weights to train on, where those of its run are gone",
    "average": "the mean of weights of runs that went on from one another",
    "evaluate": "measure weights, ONNX files and bundles on validation pictures",
    "export": "weights → float ONNX with the serving input",
    "quantize": "float ONNX → int8 ONNX, calibrated with pictures",
    "bundle": "ONNX or weights → a bundle that the service loads",
    "calibrate": "the same bundle with a temperature, so that its scores are honest",
    "fuse": "the same bundle with its graph fused, for shorter cold starts",
    "faithfulness": "do a bundle's class maps show what its answers rest on?",
    "overhead": "what a bundle's further outputs cost a run that does not ask for them",
    "card": "the model card of a bundle, from the records of train and evaluate",
    "compare": "two bundles on the same pictures: the gate before a release",
    "publish": "upload a bundle to S3 and make it current",
    "rollback": "make an earlier published version current",
    "list": "the published versions",
    "imagenet": "the 1000-class, 224-pixel bundle from torchvision's weights",
    "resize": "the same bundle for another input side, for benchmarks",
    "fixtures": "pictures of every kind and their expected tensors, for parity tests",
    "reference": "labels of a folder's pictures by the Python reference",
}

# Where a step's name is not its module's: `list` would hide a built-in.
MODULES = {"list": "versions"}

INSTALL = "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt"


def main() -> int:
    """Run one step. Its module is imported alone: most steps need no PyTorch."""
    name = next((word for word in sys.argv[1:2] if word in STEPS), None)
    parser = argparse.ArgumentParser(prog="glimpse_models", description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True, metavar="SUBCOMMAND")
    if name is None:
        for step, purpose in STEPS.items():
            steps.add_parser(step, help=purpose)
        parser.parse_args()
        return 2
    try:
        module = importlib.import_module(f"glimpse_models.{MODULES.get(name, name)}")
        module.add_arguments(steps.add_parser(name, description=module.__doc__))
        module.run(parser.parse_args())
    except Refused as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"{name}: the package {error.name} is not installed for {sys.executable}; in the folder models, "
            f"once: {INSTALL}; then in each shell: . .venv/bin/activate",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
