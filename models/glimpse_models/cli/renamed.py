"""Names of earlier versions: each answers with a sentence that names its successor."""

from __future__ import annotations

from glimpse_models.errors import UserError

STEPS = {"fuse": "optimize", "unfold": "to-checkpoint"}

# By step: option, and where it matters its value → what to write now.
OPTIONS: dict[str, dict[tuple[str, str | None], str]] = {
    "train": {
        ("--hide", None): "--hide-and-seek",
        ("--augment", "origin"): "--augment legacy",
    },
    "average": {("--parts", None): "--shares"},
}


def refuse_old_names(step: str, words: list[str]) -> None:
    """Refuse a step or an option of an earlier version."""
    if step in STEPS:
        raise UserError(f"the step {step} is called {STEPS[step]} now")
    for (option, value), successor in OPTIONS.get(step, {}).items():
        old = option if value is None else f"{option} {value}"
        if _gives(words, option, value):
            raise UserError(f"{old} is called {successor} now")


def _gives(words: list[str], option: str, value: str | None) -> bool:
    pairs = [
        tuple(word.split("=", 1)) if "=" in word else (word, after)
        for word, after in zip(words, [*words[1:], ""], strict=True)
    ]
    return any(name == option and value in (None, given) for name, given in pairs)
