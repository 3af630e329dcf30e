"""The engine's own decoder, in one process for many files."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from reference import Pixels

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Decoded:
    """What the engine says of a file; `pixels` where it decodes it."""

    said: dict[str, Any]
    pixels: Pixels | None

    @property
    def code(self) -> str | None:
        """The error's code."""
        code = self.said.get("code")
        return None if code is None else str(code)


class Engine:
    """A running `pixels`."""

    def __init__(self) -> None:
        program = ROOT / "target" / "debug" / "examples" / "pixels"
        self._process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )

    def decode(self, path: Path, page: int = 0) -> Decoded:
        """Decode a page of a file."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(f"{page}\t{path}\n".encode())
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the decoder died on {path}")
        said = json.loads(line)
        if "code" in said:
            return Decoded(said, None)
        shape = (said["height"], said["width"], 3)
        pixels = self._process.stdout.read(shape[0] * shape[1] * 3)
        return Decoded(said, np.frombuffer(pixels, np.uint8).reshape(shape))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
