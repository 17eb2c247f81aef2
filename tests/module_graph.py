"""Which module of the layer imports which, read from the source."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from tests.builders import ROOT

SHARED = ROOT / "shared"
PACKAGE = SHARED / "waybill"


def _name(path: Path) -> str:
    return ".".join(path.relative_to(SHARED).with_suffix("").parts).removesuffix(".__init__")


#: Dotted name → file of every module of the layer.
MODULES: Mapping[str, Path] = {_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def imports_of(path: Path, at_runtime_start: bool = False) -> frozenset[str]:
    """What a file imports: names of the layer's modules, and of others as they are written.

    Args:
        at_runtime_start: only what is loaded with the module, neither in functions nor under TYPE_CHECKING.
    """
    nodes = _loaded_with(tree(path).body) if at_runtime_start else ast.walk(tree(path))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(SHARED).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *filter(None, [node.module])])
            found |= {f"{module}.{alias.name}" for alias in node.names} & MODULES.keys() or {module}
    return frozenset(found)


def _loaded_with(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in body:
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _loaded_with(node.body)


def layer_imports(name: str) -> set[str]:
    """The modules of the layer that one of them imports, wherever in its source."""
    return {imported for imported in imports_of(MODULES[name]) if imported in MODULES} - {name}


def loaded_with(name: str) -> dict[str, set[str]]:
    """All that is loaded with a module, through any number of others: what → the modules that import it."""
    seen, waiting = {name}, [name]
    importers: dict[str, set[str]] = {}
    while waiting:
        module = waiting.pop()
        for imported in imports_of(MODULES[module], at_runtime_start=True):
            importers.setdefault(imported, set()).add(module)
            if imported in MODULES and imported not in seen:
                seen.add(imported)
                waiting.append(imported)
    return importers


def circles() -> list[list[str]]:
    """Groups of modules that import each other, directly or not (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for imported in layer_imports(module):
            if imported not in index:
                visit(imported)
            if imported in stack:
                low[module] = min(low[module], low[imported])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in MODULES:
        if module not in index:
            visit(module)
    return found


def mentions(path: Path) -> Iterator[tuple[str, int]]:
    """Every `module.name` of a file, by the module's own name also where it is imported under another or by name."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            aliases |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                yield f"{node.module}.{alias.name}", node.lineno
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            base = ast.unparse(node.value)
            head, dot, rest = base.partition(".")
            yield f"{aliases.get(head, head)}{dot}{rest}.{node.attr}", node.lineno
