"""Arrays on disk that other runs read: a kill leaves no part of one under its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save_array(path: Path, values: npt.NDArray[Any]) -> None:
    """Write `path`, an `.npy` file, or replace it at once."""
    partial = path.with_suffix(".part.npy")
    np.save(partial, values)
    partial.replace(path)
