"""Find import circles: between the modules of each Rust crate, and of the Python packages.

    python3 infra/check_circles.py [--graph]

Needs Python 3.11 and nothing else. A module is a file. In Rust, what `use` and paths name counts, followed
through re-exports to the file that defines it. A re-export alone does not count, nor do tests, nor what a
submodule uses of the modules around it, whose items it sees as its own.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHON = ("models/glimpse_models", "docs/scaling/glimpse_scaling")

Graph = dict[str, set[str]]

# Comments, strings and characters, in which nothing is imported.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(?P<hash>\#*)".*?"(?P=hash)|b?"(?:\\.|[^"\\])*"|b?'(?:\\.|[^'\\])'""",
    re.DOTALL,
)
USE = re.compile(r"\b(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);")
PATH = re.compile(r"\b(?:crate|self|super|[a-z_][a-z0-9_]*)(?:::[A-Za-z_][A-Za-z0-9_]*)+")


class Crate:
    """The modules of one crate: `()` is its root, `("decode", "jpeg")` is `decode/jpeg.rs`."""

    def __init__(self, source: Path) -> None:
        self.code: dict[tuple[str, ...], str] = {}
        for path in sorted(source.rglob("*.rs")):
            names = list(path.relative_to(source).with_suffix("").parts)
            if names[0] == "bin":
                continue
            if names[-1] in ("mod", "lib", "main"):
                names.pop()
            text = without_tests(NO_CODE.sub(" ", path.read_text(encoding="utf-8")))
            self.code[tuple(names)] = self.code.get(tuple(names), "") + in_one_module(text)
        self.names: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = defaultdict(dict)
        for module, text in self.code.items():
            for _, tree in USE.findall(text):
                for path, name in use_paths(tree):
                    if (target := self.absolute(module, path)) is not None:
                        self.names[module][name] = target

    def absolute(self, module: tuple[str, ...], path: list[str]) -> tuple[str, ...] | None:
        """A path as one from the crate's root; None where it leaves the crate."""
        first, rest = path[0], path[1:]
        if first == "crate":
            return tuple(rest)
        if first == "self":
            return (*module, *rest)
        if first == "super":
            while rest and rest[0] == "super":
                module, rest = module[:-1], rest[1:]
            return (*module[:-1], *rest)
        return (*module, *path) if (*module, first) in self.code else None

    def definition(
        self, path: tuple[str, ...], seen: frozenset[tuple[str, ...]]
    ) -> tuple[str, ...]:
        """The module that defines what a path names."""
        module: tuple[str, ...] = ()
        for number, name in enumerate(path):
            if (*module, name) in self.code:
                module = (*module, name)
                continue
            origin = self.names[module].get(name)
            if origin is None or origin in seen:
                return module
            return self.definition((*origin, *path[number + 1 :]), seen | {origin})
        return module

    def graph(self) -> Graph:
        """Which module imports from which."""
        found: Graph = {label(module): set() for module in self.code}
        for module, text in self.code.items():
            paths = [
                p for public, tree in USE.findall(text) if not public for p, _ in use_paths(tree)
            ]
            paths += [match[0].split("::") for match in PATH.finditer(USE.sub(" ", text))]
            for path in paths:
                if (target := self.absolute(module, path)) is None:
                    continue
                defined = self.definition(target, frozenset([target]))
                if defined != module[: len(defined)]:
                    found[label(module)].add(label(defined))
        return found


def label(module: tuple[str, ...]) -> str:
    """How a module is printed."""
    return "::".join(module) or "(root)"


def without_tests(code: str) -> str:
    """The code less its `#[cfg(test)]` items."""
    while (match := re.search(r"#\[cfg\(test\)\]", code)) is not None:
        opening, semicolon = code.find("{", match.end()), code.find(";", match.end())
        if opening < 0 or 0 <= semicolon < opening:
            end = semicolon
        else:
            end, depth = opening, 0
            for end in range(opening, len(code)):
                depth += {"{": 1, "}": -1}.get(code[end], 0)
                if depth == 0:
                    break
        code = code[: match.start()] + code[end + 1 :]
    return code


def in_one_module(code: str) -> str:
    """The code with `super` of its inline modules as `self`: a module is a file here."""
    start = 0
    while (match := re.compile(r"\bmod \w+ \{").search(code, start)) is not None:
        end, depth = match.end(), 1
        while depth and end < len(code):
            depth += {"{": 1, "}": -1}.get(code[end], 0)
            end += 1
        code = (
            code[: match.end()] + code[match.end() : end].replace("super::", "self::") + code[end:]
        )
        start = match.end()
    return code


def use_paths(tree: str) -> Iterator[tuple[list[str], str]]:
    """Each path of a `use` tree, and the name that it gets."""
    tree = tree.strip()
    if (brace := tree.find("{")) >= 0:
        prefix, depth, start = tree[:brace], 0, brace + 1
        for index in range(brace, len(tree)):
            depth += {"{": 1, "}": -1}.get(tree[index], 0)
            if (depth == 1 and tree[index] == ",") or depth == 0:
                if part := tree[start:index].strip():
                    yield from use_paths(prefix + part)
                start = index + 1
                if depth == 0:
                    return
    path, _, alias = tree.partition(" as ")
    words = [word.strip() for word in path.strip().split("::") if word.strip() not in ("", "*")]
    if words and words[-1] == "self":
        words.pop()
    if words:
        yield words, alias.strip() or words[-1]


def python_graph(package: Path) -> Graph:
    """Which module of a Python package imports which, at any level of the code."""
    modules = {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in package.rglob("*.py")
    }
    found: Graph = {}
    for name, path in modules.items():
        targets = python_imports(name, path)
        found[name] = {
            t if t in modules else t.rpartition(".")[0] for t in targets
        } & modules.keys()
        # A package's own file gathers names, as a re-export does.
        found[name] = {t for t in found[name] if t != name and not name.startswith(f"{t}.")}
    return found


def python_imports(name: str, path: Path) -> Iterator[str]:
    """Full names of what a module imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
            prefix = parts[: len(parts) + 1 - node.level] if node.level else []
            base = ".".join([*prefix, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def circles(graph: Graph) -> list[list[str]]:
    """Groups of modules of which each imports, perhaps through others, each (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for target in sorted(graph.get(node, set()) - {node}):
            if target not in index:
                visit(target)
                low[node] = min(low[node], low[target])
            elif target in stack:
                low[node] = min(low[node], index[target])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def main() -> int:
    """Print each circle with the imports that make it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--graph", action="store_true", help="print every import")
    arguments = parser.parse_args()
    rust = sorted(path for top in ("crates", "functions") for path in (ROOT / top).glob("*/src"))
    graphs = {str(path.parent.relative_to(ROOT)): Crate(path).graph() for path in rust}
    graphs |= {name: python_graph(ROOT / name) for name in PYTHON if (ROOT / name).is_dir()}
    failed = False
    for name, graph in graphs.items():
        if arguments.graph:
            for module in sorted(graph):
                print(f"{name}: {module} -> {', '.join(sorted(graph[module] - {module}))}")
        for group in circles(graph):
            failed = True
            print(f"{name}: import circle", file=sys.stderr)
            for module in group:
                targets = sorted(graph[module] & set(group) - {module})
                print(f"  {module} -> {', '.join(targets)}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
