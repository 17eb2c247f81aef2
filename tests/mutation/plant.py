"""Puts a mutated statement into a module that is loaded and in use, so that a mutant costs no import.

Whoever imported a function or a class keeps the same object: its code is replaced in place. A constant is replaced
wherever a module has it under its name.
"""

from __future__ import annotations
import __future__

import ast
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FunctionType, ModuleType
from typing import Any

Statement = ast.stmt


class Broken(Exception):
    """The module cannot be loaded with this statement."""


def plant(module: ModuleType, statement: Statement, behind: Iterable[Statement]) -> None:
    """Replace what the statement defines, and the constants that those behind it make of it.

    Raises:
        Broken
    """
    names = dict(vars(module))
    _execute(statement, names)
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        _graft(getattr(module, statement.name), names[statement.name])
        return
    changed = _targets(statement)
    for later in behind:
        if isinstance(later, ast.Assign | ast.AnnAssign) and changed & _mentioned(later):
            _execute(later, names)
            changed |= _targets(later)
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()
    for name in changed:
        _replace_everywhere(name, getattr(module, name), names[name])


def _execute(statement: Statement, names: dict[str, Any]) -> None:
    flags = __future__.annotations.compiler_flag
    try:
        exec(compile(ast.Module([statement], []), names["__file__"], "exec", flags, dont_inherit=True), names)
    except Exception as error:
        raise Broken from error


def _targets(statement: Statement) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _mentioned(statement: Statement) -> set[str]:
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}


def _replace_everywhere(name: str, old: object, new: object) -> None:
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType) and vars(module).get(name, vars) is old:
            setattr(module, name, new)


def _graft(old: Any, new: Any) -> None:
    """Give a function, a property or a class the code and the values of another."""
    if isinstance(old, type):
        _graft_class(old, new)
    elif isinstance(old, property):
        _graft(old.fget, new.fget)
    elif hasattr(old, "__wrapped__"):
        if hasattr(old, "cache_clear"):
            old.cache_clear()
        _graft(old.__wrapped__, new.__wrapped__)
    elif isinstance(old, FunctionType):
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__
        for name, cell, other in zip(
            old.__code__.co_freevars, old.__closure__ or (), new.__closure__ or (), strict=True
        ):
            if name != "__class__":
                cell.cell_contents = other.cell_contents


def _graft_class(old: type, new: type) -> None:
    for name, value in vars(new).items():
        if isinstance(value, FunctionType | property) or hasattr(value, "__wrapped__"):
            try:
                _graft(vars(old)[name], value)
            except ValueError:  # it has other free variables, as the `__init__` of a dataclass with other defaults
                setattr(old, name, value)
        elif not name.startswith("__") or name == "__dataclass_fields__":
            with suppress(AttributeError):
                setattr(old, name, value)
