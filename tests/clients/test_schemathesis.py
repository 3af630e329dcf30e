"""schemathesis finds nothing: the server does what its document says, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_server_conforms_to_its_document(server, model, tmp_path):
    command = [
        Path(sys.executable).parent / "schemathesis",
        f"--config-file={HERE / 'schemathesis.toml'}",
        "run",
        f"{server}/openapi.json",
        "--checks=all",
        "--phases=examples,coverage,fuzzing",
        "--continue-on-failure",
        "--no-color",
    ]
    environment = {
        **os.environ,
        "GLIMPSE_MODEL_NAME": str(model["name"]),
        "GLIMPSE_MODEL_VERSION": str(model["version"]),
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
