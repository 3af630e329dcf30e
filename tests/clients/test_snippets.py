"""Every snippet of docs/api.md runs as it stands there and prints the picture's label.

The Rust one is compiled by `cargo build --example api_client`, from the same text.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PICTURE, ROOT, skip

FENCE = re.compile(r"^```(sh|python|js|rust)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPETS = [match.groups() for match in FENCE.finditer((ROOT / "docs/api.md").read_text())]
# The tools of this environment, whatever the shell finds besides.
TOOLS = Path(sys.executable).parent


def command(language: str, snippet: str, folder: Path) -> list[str | Path]:
    match language:
        case "sh":
            return ["sh", "-eu", "-c", snippet]
        case "python":
            return [TOOLS / "python", "-c", snippet]
        case "js":
            (folder / "snippet.mjs").write_text(snippet)
            return ["node", "snippet.mjs"]
        case _:
            return [ROOT / "target/debug/examples/api_client"]


def test_every_language_has_a_snippet():
    assert {language for language, _ in SNIPPETS} == {"sh", "python", "js", "rust"}
    assert any("aws lambda invoke" in snippet for _, snippet in SNIPPETS)


@pytest.mark.parametrize(
    ("language", "snippet"), SNIPPETS, ids=[f"{i}-{s[0]}" for i, s in enumerate(SNIPPETS)]
)
def test_snippet_prints_the_label(language, snippet, server, emulator, expected, tmp_path):
    if language == "js" and shutil.which("node") is None:
        skip("the JavaScript snippet of docs/api.md", "there is no node")
    shutil.copy(PICTURE, tmp_path / "picture.jpg")
    shutil.copy(ROOT / "events/http-api-v2.json", tmp_path / "event.json")
    environment = {
        **os.environ,
        "PATH": f"{TOOLS}:{os.environ['PATH']}",
        "GLIMPSE_URL": server,
        "FUNCTION": "function",
        "AWS_ENDPOINT_URL_LAMBDA": emulator,
        "AWS_ACCESS_KEY_ID": "none",
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    ran = subprocess.run(
        command(language, snippet, tmp_path),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert str(expected[0]["label"]) in ran.stdout, ran.stdout + ran.stderr
