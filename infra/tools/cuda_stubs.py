"""Let PyTorch's CUDA build run on the CPU without NVIDIA's libraries, which take 3 GB.

    target/venv-models/bin/python infra/tools/cuda_stubs.py

PyPI has no CPU build of PyTorch for Linux, and the CUDA build does not load without the libraries that
it is linked to. For each that is missing, this writes a library in which every function reports
cudaErrorNoDevice. PyTorch then finds no GPU and computes on the CPU, as it does on any machine without one.
Needs a C compiler and binutils.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from pathlib import Path

NVIDIA = re.compile(r"lib(cu|nccl|nv)[A-Za-z_]*\.so\.")
UNVERSIONED = re.compile(r"cu[A-Z]|cusparseLt|nccl|nvshmem")
NO_DEVICE = 100  # cudaErrorNoDevice


def main() -> None:
    """Write one stub for each library that PyTorch's libraries need and that is not installed."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise SystemExit("torch is not installed here")
    folder = Path(spec.origin).parent / "lib"
    libraries = sorted(folder.glob("*.so*"))
    needed = {name for path in libraries for name in needs(path)}
    missing = sorted(name for name in needed - {p.name for p in libraries} if NVIDIA.match(name))
    undefined = {name for path in libraries for name in symbols(path, "--undefined-only")}
    defined = {name.split("@")[0] for path in libraries for name in symbols(path, "--defined-only")}
    versions = {name: set[str]() for name in missing}
    for path in libraries:
        for library, version in required_versions(path):
            versions.get(library, set()).add(version)
    plain = sorted(
        name for name in undefined - defined if UNVERSIONED.match(name) and "@" not in name
    )
    for name in missing:
        nodes = {
            version: sorted(s.split("@")[0] for s in undefined if s.endswith(f"@{version}"))
            for version in sorted(versions[name])
        }
        compile_stub(folder / name, nodes, plain)


def output(*command: str | Path) -> str:
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needs(library: Path) -> list[str]:
    """Names of the libraries that one is linked to."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", library))


def symbols(library: Path, which: str) -> list[str]:
    """Dynamic symbols, as `name` or `name@version`."""
    lines = output("nm", "--dynamic", which, library).splitlines()
    return [line.split()[-1].replace("@@", "@") for line in lines if line.strip()]


def required_versions(library: Path) -> list[tuple[str, str]]:
    """Pairs of a library's name and a symbol version that is needed from it."""
    found, file = [], ""
    for line in output("readelf", "-VW", library).splitlines():
        if match := re.search(r"File: (\S+)", line):
            file = match[1]
        elif file and (match := re.search(r"Name: (\S+)", line)):
            found.append((file, match[1]))
    return found


def compile_stub(path: Path, versions: dict[str, list[str]], plain: list[str]) -> None:
    """Compile a library of functions that report an error; `versions` maps a version to functions."""
    names = [name for group in versions.values() for name in group] or plain
    with tempfile.TemporaryDirectory() as temporary:
        source, script = Path(temporary, "stub.c"), Path(temporary, "stub.map")
        source.write_text(
            f"static int no_device(void) {{ return {NO_DEVICE}; }}\n"
            + "".join(f'int {n}(void) __attribute__((alias("no_device")));\n' for n in names)
        )
        nodes = (f"{node} {{ global: {'; '.join(group)}; }};\n" for node, group in versions.items())
        script.write_text("".join(nodes))
        command = ["cc", "-shared", "-fPIC", "-nostdlib", f"-Wl,-soname,{path.name}"]
        command += [f"-Wl,--version-script={script}"] if versions else []
        subprocess.run([*command, "-o", str(path), str(source)], check=True)


if __name__ == "__main__":
    main()
