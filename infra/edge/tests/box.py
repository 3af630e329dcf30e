"""A bare Debian, booted with systemd in a folder, with no network but its own loopback.

What it changes is gone when it ends: its root is an overlay in memory.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
DEBIAN = ROOT / "target/edge/debian"
HTTP = Path(__file__).with_name("http_request.py")


class Box:
    """Use it as a context; `packages` and the pictures are there under /packages and /pictures."""

    def __init__(self, packages: Path) -> None:
        """Boot, and wait until systemd has started all it has to."""
        command = ["systemd-nspawn", "--quiet", f"--directory={DEBIAN}", "--volatile=overlay"]
        command += ["--private-network", "--register=no", "--keep-unit", "--boot", "--console=pipe"]
        command += ["--machine=glimpse-test", f"--bind-ro={packages}:/packages"]
        command += [f"--bind-ro={ROOT / 'target/pictures'}:/pictures"]
        self.log = (packages / "box.log").open("w+")
        quiet: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": self.log,
            "stderr": self.log,
        }
        self.process = subprocess.Popen(command, **quiet)
        try:
            self.wait(self.booted, "systemd")
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Box:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; show the service's log if the test failed."""
        if error:
            print(self.run("journalctl", "--no-pager", "--unit=glimpse", check=False))
        self.stop()

    def stop(self) -> None:
        """Power off."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def booted(self) -> bool:
        """Whether systemd has started all it could; a bare box in a folder may lack something."""
        # Not yet the init, at first: a helper of systemd-nspawn that ends soon.
        if (child := self.first_child()) is None:
            return False
        self.init = child
        state = self.run("systemctl", "is-system-running", check=False)
        return state in ("running", "degraded")

    def first_child(self) -> int | None:
        """The first process in the box, by its id here."""
        if self.process.poll() is not None:
            self.log.seek(0)
            raise RuntimeError(f"the box did not boot: {self.log.read()}")
        children = (
            Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        )
        return int(children[0]) if children else None

    def enter(self, *namespaces: str) -> list[str]:
        """The command that enters the box's namespaces."""
        return ["nsenter", f"--target={self.init}", *namespaces, "--"]

    def run(self, *command: str, check: bool = True) -> str:
        """Run as root in the box; gives the output without space around it."""
        inside = self.enter("--mount", "--uts", "--ipc", "--net", "--pid")
        run = subprocess.run(
            [*inside, *command], capture_output=True, text=True, timeout=120, check=False
        )
        if check and run.returncode != 0:
            raise RuntimeError(f"{command} ended with {run.returncode}:\n{run.stdout}{run.stderr}")
        return run.stdout.strip()

    def shell(self, script: str, check: bool = True) -> str:
        """The same for a line of shell."""
        return self.run("sh", "-euc", script, check=check)

    def request(self, path: str, picture: str | None = None, port: int = 8080) -> str:
        """Ask the service over the box's loopback; the body of a good answer."""
        command = [
            *self.enter("--net"),
            sys.executable,
            str(HTTP),
            f"http://127.0.0.1:{port}{path}",
        ]
        command += [str(ROOT / "target/pictures" / picture)] if picture else []
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if run.returncode != 0:
            raise RuntimeError(run.stderr)
        return run.stdout

    def answers(self, port: int = 8080) -> bool:
        """Whether the service is ready."""
        try:
            self.request("/v2/health/ready", port=port)
        except RuntimeError:
            return False
        return True

    def main_pid(self) -> str:
        """The service's process in the box."""
        return self.run("systemctl", "show", "--value", "--property=MainPID", "glimpse")

    @staticmethod
    def wait(condition: Any, what: str) -> Any:
        """Ask until the condition gives something; a minute is for slow machines, not a promise."""
        for _ in range(600):
            if found := condition():
                return found
            time.sleep(0.1)
        raise TimeoutError(f"{what} did not come")
