"""Prints the mutants of a module, one JSON object a line: the line that is changed, the index of the statement of the
module that holds it, and that statement as it is then.

The operators are mutmut's, and four of our own. mutmut itself leaves out functions with decorators, which properties
have, and constants; and its runner needs the package at the top of the repository. So that its dependencies stay apart
from the product's, this program runs in an environment of its own: `python operators.py MODULE.py`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import libcst as cst
from libcst.metadata import ByteSpanPositionProvider, MetadataWrapper
from mutmut.mutation.mutators import mutation_operators


def drop_statement(node: cst.Expr | cst.Raise) -> Iterator[cst.CSTNode]:
    """A call whose result nobody uses, or a `raise`, is left out."""
    if isinstance(node, cst.Raise) or isinstance(node.value, cst.Call):
        yield cst.Pass()


def return_none(node: cst.Return) -> Iterator[cst.CSTNode]:
    """`True` and `False` have an operator of mutmut's."""
    is_word = isinstance(node.value, cst.Name) and node.value.value in ("True", "False", "None")
    if node.value is not None and not is_word:
        yield node.with_changes(value=cst.Name("None"))


def negate(node: cst.If | cst.While) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Comparisons and `not` have operators of mutmut's."""
    if not isinstance(node.test, cst.Comparison | cst.UnaryOperation):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.test, cst.UnaryOperation(cst.Not(), test)


def only_one_side(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    yield node.left
    yield node.right


OWN = (
    (cst.Expr | cst.Raise, drop_statement),
    (cst.Return, return_none),
    (cst.BooleanOperation, only_one_side),
)
OPERATORS = (*mutation_operators, *OWN)


class Mutants(cst.CSTVisitor):
    """Collects pairs of a node and its replacement."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[cst.CSTNode, cst.CSTNode]] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        if is_left_out(node):
            return False
        for kind, operator in OPERATORS:
            if isinstance(node, kind):
                self.found += [(node, mutated) for mutated in operator(node)]
        if isinstance(node, cst.If | cst.While):
            self.found += negate(node)
        return True


def is_left_out(node: cst.CSTNode) -> bool:
    """Annotations, decorators, imports, and the members of enumerations, which are the words of the contract."""
    if isinstance(node, cst.If) and cst.Module([]).code_for_node(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, cst.ClassDef):
        return any("Enum" in cst.Module([]).code_for_node(base.value) for base in node.bases)
    return isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom)


def main(path: str) -> None:
    wrapper = MetadataWrapper(cst.parse_module(Path(path).read_text()))
    module, spans = wrapper.module, wrapper.resolve(ByteSpanPositionProvider)
    source = module.code.encode()
    for index, statement in enumerate(module.body):
        visitor = Mutants()
        statement.visit(visitor)
        end = spans[statement].start + spans[statement].length
        begin = min(spans[part].start for part in (*getattr(statement, "decorators", ()), statement))
        for node, mutated in visitor.found:
            span = spans[node]
            if source[span.start : span.start + span.length].decode() == module.code_for_node(node).strip():
                new = module.code_for_node(mutated).strip().encode()
                code = source[begin : span.start] + new + source[span.start + span.length : end]
                text = code.decode()
            else:  # a node that is more than a piece of text: slower, and rare
                text = module.code_for_node(cst.ensure_type(statement.deep_replace(node, mutated), cst.CSTNode))
            line = source[: span.start].count(b"\n") + 1
            print(json.dumps({"line": line, "index": index, "code": text.strip()}))


if __name__ == "__main__":
    main(sys.argv[1])
