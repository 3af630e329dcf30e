"""Types and ranges of JSON fields, checked as strictly as the service's parser checks them.

It takes no `true` for 1, no 64.0 for 64 and no text for a number. Fields that it does not know are
passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[str, Any], None]
"""Gets a field's path and its value; raises a `ValueError` that names the path."""

MOST_BYTES = 2**64 - 1


def parse_json(stored: bytes) -> Any:
    """What `stored` says; refuses what Python reads and the service does not.

    A field that is there twice is refused wherever it is: another reader might take the other one.
    """
    found = json.loads(
        stored.decode("utf-8"),
        object_pairs_hook=_once,
        parse_constant=_no_constant,
        parse_float=_finite,
    )
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("its text has half of a surrogate pair") from error
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"it has {name} twice")
        found[name] = value
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"the number {text} is out of range")


def refuse(path: str, found: Any, expected: str) -> ValueError:
    """The error about a field, with the beginning of what it holds."""
    text = json.dumps(found, ensure_ascii=False)
    return ValueError(
        f"its {path} is {text if len(text) < 80 else f'{text[:77]}...'}, not {expected}"
    )


def text(path: str, found: Any) -> None:
    """Any text."""
    if not isinstance(found, str):
        raise refuse(path, found, "text")


def flag(path: str, found: Any) -> None:
    """True or false."""
    if not isinstance(found, bool):
        raise refuse(path, found, "true or false")


def number(path: str, found: Any) -> None:
    """Any number that 64 bits of floating point hold."""
    if not _is_number(found):
        raise refuse(path, found, "a number")


def integer(least: int, most: int) -> Check:
    """A whole number, written without a decimal point."""

    def check(path: str, found: Any) -> None:
        if isinstance(found, bool) or not isinstance(found, int) or not least <= found <= most:
            raise refuse(path, found, f"a whole number of {least} to {most}")

    return check


def number_of(least: float, most: float) -> Check:
    """A number of a range."""

    def check(path: str, found: Any) -> None:
        if not _is_number(found) or not least <= found <= most:
            raise refuse(path, found, f"a number of {least} to {most}")

    return check


def one_of(*known: str) -> Check:
    """One of several words."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, str) or found not in known:
            raise refuse(path, found, " or ".join(known))

    return check


def list_of(item: Check, length: int | None = None) -> Check:
    """A list whose every item passes the check."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, list):
            raise refuse(path, found, "a list")
        if length is not None and len(found) != length:
            raise refuse(path, found, f"a list of {length}")
        for index, each in enumerate(found):
            item(f"{path}[{index}]", each)

    return check


def object_of(
    required: Mapping[str, Check],
    optional: Mapping[str, Check] | None = None,
    nullable: Mapping[str, Check] | None = None,
) -> Check:
    """Fields that must be there, that may be left out, and that may be null too."""
    checks = {**required, **(optional or {}), **(nullable or {})}

    def check(path: str, found: Any) -> None:
        if not isinstance(found, dict):
            raise refuse(path or "content", found, "an object")
        for name, inner in checks.items():
            inside = f"{path}.{name}" if path else name
            if name in found:
                if found[name] is not None or name not in (nullable or {}):
                    inner(inside, found[name])
            elif name in required:
                raise ValueError(f"it lacks {inside}")

    return check


def each_of(item: Check) -> Check:
    """An object whose every value passes the check."""

    def check(path: str, found: Any) -> None:
        if not isinstance(found, dict):
            raise refuse(path or "content", found, "an object")
        for name, value in found.items():
            item(f"{path}.{name}", value)

    return check


def _is_number(found: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    try:
        return math.isfinite(float(found))
    except OverflowError:  # a whole number beyond 64-bit floats
        return False
