"""From a folder of pictures to a published bundle: `build` does it all, the other steps one thing each."""

from __future__ import annotations

import argparse
import importlib
import sys

from glimpse_models.cli.renamed import refuse_old_names
from glimpse_models.errors import UserError

USER_STEPS = {
    "build": "a folder of pictures → a bundle and its card, published if asked: all of the below",
    "train": "train a classifier on a folder of pictures",
    "export": "weights, or a plain ONNX classifier → float ONNX with the serving input",
    "quantize": "float ONNX → int8 ONNX, calibrated with pictures",
    "bundle": "ONNX or weights → a bundle that the service loads",
    "calibrate": "the same bundle with a temperature, so that its scores are honest",
    "optimize": "the same bundle with its graph optimized offline, for shorter cold starts",
    "upgrade": "a bundle of schema version 1 in the form of version 2",
    "verify": "check a bundle's files and run its model once",
    "evaluate": "measure weights, ONNX files and bundles on validation pictures",
    "compare": "two bundles on the same pictures: the gate before a release",
    "card": "the model card of a bundle, from the records of train and evaluate",
    "publish": "upload a bundle to S3 and make it current",
    "rollback": "make an earlier published version current",
    "list": "the published versions",
    "imagenet": "the 1000-class, 224-pixel bundle from torchvision's weights",
    "imagenet-lite": "the small 1000-class bundle from weights that need no network",
}

AUTHOR_STEPS = {
    "faithfulness": "whether class activation maps show what a bundle's answers rest on",
    "operators": "where a run of a bundle's model spends its time, and what is left to gain",
    "overhead": "what a bundle's further outputs cost a run that does not ask for them",
    "to-checkpoint": "a bundle → weights to train on, where those of its run are gone",
    "average": "the mean of weights of runs that went on from one another",
    "resize": "the same bundle for another input side, for benchmarks",
    "fixtures": "pictures of every kind and their expected tensors, for parity tests",
    "reference": "labels of a folder's pictures by the Python reference",
}

# Where a step's name cannot be its module's.
MODULES = {"list": "versions", "to-checkpoint": "checkpoint", "imagenet-lite": "imagenet_lite"}

FRAMEWORKS = {
    "timm": "timm",
    "transformers": "'transformers>=5'",
    "keras": "'keras>=3'",
    "safetensors": "safetensors",
}
"""What to install for classifiers made elsewhere: packages that are not among the requirements."""

INSTALL = "python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt"


def main(words: list[str] | None = None) -> int:
    """Run one step. Only its own module is imported: most steps need no PyTorch."""
    given = sys.argv[1:] if words is None else words
    name = given[0] if given else ""
    try:
        refuse_old_names(name, given[1:])
        if name not in {**USER_STEPS, **AUTHOR_STEPS}:
            return _help(given)
        module = importlib.import_module(f"glimpse_models.cli.{MODULES.get(name, name)}")
        parser = argparse.ArgumentParser(
            prog=f"glimpse-models {name}",
            description=module.__doc__,
            argument_default=argparse.SUPPRESS,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(parser)
        module.run(parser.parse_args(given[1:]), given)
    except UserError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{name}: {_how_to_install(error.name or str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    return 0


def _how_to_install(module: str) -> str:
    """A framework by itself; everything else is among the requirements."""
    package = module.partition(".")[0]
    lacking = f"the package {package} is not installed for {sys.executable}"
    if package in FRAMEWORKS:
        return f"{lacking}; once: {sys.executable} -m pip install {FRAMEWORKS[package]}"
    return f"{lacking}; in the folder models, once: {INSTALL}; then in each shell: . .venv/bin/activate"


def _help(words: list[str]) -> int:
    """The list of steps; an unknown one is named."""
    lines = [
        f"usage: glimpse-models STEP [options]; glimpse-models STEP --help\n\n{__doc__}",
        *_lines("steps:", USER_STEPS),
        *_lines("for the authors of this repository:", AUTHOR_STEPS),
    ]
    asked = words[:1] in (["-h"], ["--help"])
    text = "\n".join(lines)
    if asked:
        print(text)
        return 0
    unknown = f"unknown step {words[0]}" if words else "no step given"
    print(f"{text}\n\n{unknown}", file=sys.stderr)
    return 2


def _lines(title: str, steps: dict[str, str]) -> list[str]:
    return ["", title, *(f"  {step:<14}{purpose}" for step, purpose in steps.items())]
