"""What is compared: each peer's command, environment and model."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from glimpse_peers import machine, places

PROVIDER = "GLIMPSE_BENCH_PROVIDER"
PLUGIN = (
    places.TARGET
    / "openvino"
    / platform.machine()
    / "lib"
    / "libonnxruntime_providers_openvino_plugin.so"
)
ANY_VENDOR = places.example("libopenvino_on_any_vendor.so")


@dataclass(frozen=True)
class Peer:
    """One program; `{port}` in its command becomes a free port."""

    key: str
    name: str
    command: tuple[str, ...]
    model_variable: str = "MODEL_URI"
    model: str = "resnet50"
    environment: Mapping[str, str] = field(default_factory=dict)
    under_emulator: bool = False
    """A Lambda function, started by the runtime interface emulator."""
    needs: tuple[Path, ...] = ()
    provider: str | None = None
    """What must run the model, as `GET /model` names it."""
    packages: Path | None = None
    """The environment that is deployed with it."""

    @property
    def missing(self) -> str | None:
        """Why it cannot be measured here."""
        absent = [path for path in self.needs if not path.exists()]
        return f"{absent[0].relative_to(places.ROOT)} is absent" if absent else None

    def with_model(self, model: str, name: str) -> Peer:
        """The same program with another model."""
        return replace(self, key=f"{self.key}-{model}", name=f"{self.name}, {name}", model=model)


def provider() -> Path:
    """The plugin of the OpenVINO execution provider: where `GLIMPSE_BENCH_PROVIDER` says, or fetched.

    It offers processors of other vendors no device, although the library behind it runs on them; there
    it is loaded through a library of the tests that reports another vendor.
    """
    if chosen := os.environ.get(PROVIDER):
        return Path(chosen).resolve()
    if not machine.is_intel() and ANY_VENDOR.exists() and PLUGIN.exists():
        return ANY_VENDOR
    return PLUGIN


def provider_note() -> str | None:
    """What a reader should know of the provider that was measured."""
    if provider() != ANY_VENDOR:
        return None
    return "the plugin offers this vendor's processors no device, so it is loaded through a library of the tests that reports Intel"


def function() -> Peer:
    """Glimpse as a Lambda function."""
    program = places.profile() / "bootstrap"
    return Peer(
        key="function",
        name="Glimpse, function",
        command=(str(program),),
        model_variable="GLIMPSE_MODEL_URI",
        environment={"GLIMPSE_ORT_LIBRARY": str(places.LIBRARY)},
        under_emulator=True,
        needs=(program, places.EMULATOR, places.LIBRARY),
    )


def server() -> Peer:
    """Glimpse as a server."""
    program = places.profile() / "glimpse"
    return Peer(
        key="serve",
        name="Glimpse, server",
        command=(str(program), "serve", "--listen", "127.0.0.1:{port}"),
        model_variable="GLIMPSE_MODEL_URI",
        environment={"GLIMPSE_ORT_LIBRARY": str(places.LIBRARY), "GLIMPSE_LOG": "warn"},
        needs=(program, places.LIBRARY),
    )


def server_with_provider() -> Peer:
    """The same with the OpenVINO execution provider."""
    plain, plugin = server(), provider()
    return replace(
        plain,
        key="serve-openvino",
        name="Glimpse, server with the OpenVINO provider",
        command=(*plain.command, "--provider", f"openvino={plugin}"),
        provider="openvino",
        needs=(*plain.needs, plugin),
    )


def handler(draft: bool = False) -> Peer:
    """The Python handler, with or without Pillow's `draft`."""
    python = places.python("peer-handler")
    return Peer(
        key="handler-draft" if draft else "handler",
        name="Python handler with `draft`" if draft else "Python handler",
        command=(str(python), "-m", "awslambdaric", "handler.handle"),
        environment={"PYTHONPATH": str(places.BASELINE), "DRAFT": "1" if draft else "0"},
        under_emulator=True,
        needs=(python, places.EMULATOR),
        packages=python.parents[1],
    )


def python_server(key: str, name: str, model: str = "resnet50") -> Peer:
    """One of the servers in tests/baseline."""
    python = places.python(f"peer-{key}")
    return Peer(
        key=key,
        name=name,
        command=(str(python), str(places.BASELINE / f"{key}_server.py"), "{port}"),
        model=model,
        environment={"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
        needs=(python,),
        packages=python.parents[1],
    )


def empty() -> Peer:
    """A function that does nothing: the emulator's own time."""
    program = places.example("empty_function")
    return Peer(
        key="empty",
        name="empty function (the emulator's own time)",
        command=(str(program),),
        under_emulator=True,
        needs=(program, places.EMULATOR),
    )


def everybody() -> list[Peer]:
    """All peers, Glimpse's first."""
    return [
        function(),
        server(),
        server_with_provider(),
        handler(),
        handler(draft=True),
        python_server("openvino", "Python server, OpenVINO"),
        python_server("litserve", "LitServe, ONNX Runtime"),
        python_server("keras", "Flask and Keras, float32", model="keras"),
    ]


BASELINE = "handler"
"""The peer that functions are compared with."""
SERVER_BASELINE = "openvino"
"""The peer that servers are compared with."""
EVENT_PATH = "/2015-03-31/functions/function/invocations"
SERVER_PATH = "/predict"
EMULATED_MEMORY_MB = 3538
"""Two processors."""
