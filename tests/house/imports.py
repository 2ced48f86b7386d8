"""What a package's modules import, read from their text: nothing is run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import: `module` imports `target`, at its top (as soon as it is imported itself) or later."""

    module: str
    target: str
    top: bool
    place: str

    def __str__(self) -> str:
        return f"{self.place}: {self.module} imports {self.target}"


def module_name(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(root: Path, *packages: str) -> dict[str, Path]:
    """All modules of these packages, by name."""
    return {
        module_name(path, root): path
        for package in packages
        for path in sorted((root / package).rglob("*.py"))
    }


def imports(root: Path, *packages: str) -> list[Import]:
    """All imports in these packages."""
    known = modules(root, *packages)
    found = []
    for module, path in known.items():
        tree = ast.parse(path.read_bytes(), filename=str(path))
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node, top in _walk(tree, top=True):
            place = f"{path.relative_to(root)}:{node.lineno}"
            found += [Import(module, target, top, place) for target in _targets(node, package, known)]
    return found


def _walk(node: ast.AST, *, top: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, top
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _walk(ast.Module([statement], []), top=False)
            for statement in child.orelse:
                yield from _walk(ast.Module([statement], []), top=top)
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, top=top and not inside)


def _targets(node: ast.Import | ast.ImportFrom, package: str, known: dict[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
        return
    base = node.module or ""
    if node.level:
        parts = package.split(".")
        parts = parts[: len(parts) - node.level + 1]
        base = ".".join([*parts, base] if base else parts)
    # "from package import module" means the module; the package itself is then only the way to it. Of what
    # is not ours it is not known which names are modules, so all are taken for one.
    for alias in node.names:
        whole = f"{base}.{alias.name}"
        yield base if base in known and whole not in known else whole
