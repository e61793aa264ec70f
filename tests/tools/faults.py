"""Finds small faults that can be planted in a Python file: reads its syntax tree, changes its text.

Each fault changes one place, as a person would by mistake: it changes a comparison, a condition, an operator or a
constant, drops or swaps an argument, leaves out a call of ``abs`` or ``detach``, puts ``min`` for ``max``, deletes a
statement or a decorator, or uses another parameter of the same type.  Prose is not changed: docstrings, the words of
messages, descriptions, annotations.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import NamedTuple

COMPARED = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}
CALCULATED = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "/", ast.Mod: "*", ast.Pow: "*"}
NEIGHBOURS = [
    ("min", "max"),
    ("any", "all"),
    ("sum", "max"),
    ("mean", "sum"),
    ("median", "mean"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("floor", "ceil"),
    ("startswith", "endswith"),
    ("removeprefix", "removesuffix"),
    ("partition", "rpartition"),
    ("lstrip", "rstrip"),
    ("lower", "upper"),
    ("train", "validation"),
    ("validation", "test"),
    ("low", "high"),
]
NEIGHBOUR = {old: new for old, new in reversed(NEIGHBOURS)} | {new: old for old, new in NEIGHBOURS}
NEIGHBOUR |= {old: new for old, new in NEIGHBOURS}
BUILTIN = {"min", "max", "any", "all", "sum"}
# Calls that may be left out: f(x) becomes x, x.f() becomes x.
WRAPPERS = {"abs", "sorted", "set", "reversed", "round", "max", "min"}
SUFFIXES = {"abs", "detach", "clone", "strip", "lower", "casefold", "eval", "double", "round"}
# Keywords with prose, keywords that guard against cases no test can make, and calls whose text is a message.
PROSE = {"description", "help", "title", "label"}
GUARDS = {"frozen", "strict", "encoding", "dtype"}
MESSAGES = {"print", "echo", "warn"}
# Calls for which the order of the arguments does not matter.
COMMUTATIVE = {"max", "min", "allclose", "isclose", "equal", "gcd"}
# Decorators that cannot be deleted: without them everything fails.
NEEDED = {"property", "classmethod", "staticmethod", "dataclass", "contextmanager", "abstractmethod", "overload"}


class Fault(NamedTuple):
    """One change in a file.

    Attributes:
        line: number of its first line, from 1.
        statement: first line of the statement in a function; 0 for code that runs when the module is imported.
        start, end: the bytes from start to end (exclusive) are replaced.
        new: the new text.
        kind: kind of fault, in a word or two.
    """

    line: int
    statement: int
    start: int
    end: int
    new: str
    kind: str

    def planted(self, source: bytes) -> bytes:
        """The file with the fault."""
        return source[: self.start] + self.new.encode() + source[self.end :]

    def shown(self, source: bytes) -> tuple[str, str]:
        """The changed lines before and after, without indentation."""
        first = source.rfind(b"\n", 0, self.start) + 1
        last = source.find(b"\n", self.end)
        last = len(source) if last < 0 else last
        before, after = source[first:last], source[first : self.start] + self.new.encode() + source[self.end : last]
        return " ".join(before.decode().split()), " ".join(after.decode().split())


def faults_of(source: bytes) -> list[Fault]:
    """All faults that can be planted in a file and still compile, in the order of its lines."""
    finder = _Finder(source)
    finder.visit(ast.parse(source))
    found = sorted(set(finder.found))
    return [fault for fault in found if fault.planted(source) != source and _compiles(fault.planted(source))]


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "planted", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


class _Finder(ast.NodeVisitor):
    def __init__(self, source: bytes) -> None:
        self.source, self.found = source, []
        self.lines = [0]
        for line in source.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line))
        self.parameters: dict[str, list[str]] = {}
        self.in_message = False
        self.inside, self.statement = False, 0

    # -- places ----------------------------------------------------------------------------------------------------

    def span(self, node: ast.AST) -> tuple[int, int]:
        return self.lines[node.lineno - 1] + node.col_offset, self.lines[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.source[start:end].decode()

    def replace(self, node: ast.AST, new: str, kind: str) -> None:
        self.add(node.lineno, *self.span(node), new, kind)

    def add(self, line: int, start: int, end: int, new: str, kind: str) -> None:
        self.found.append(Fault(line, self.statement, start, end, new, kind))

    def between(self, left: ast.AST, right: ast.AST, new: str, kind: str) -> None:
        """Replace the operator between two nodes; brackets around it stay."""
        start, end = self.span(left)[1], self.span(right)[0]
        gap = self.source[start:end].decode()
        word = gap.strip("()\n \\")
        if word and gap.count(word) == 1:
            at = start + len(gap[: gap.index(word)].encode())
            self.add(left.end_lineno, at, at + len(word.encode()), new, kind)

    # -- statements ------------------------------------------------------------------------------------------------

    def body(self, statements: list[ast.stmt]) -> None:
        for number, node in enumerate(statements):
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if docstring:
                continue
            self.statement = node.lineno if self.inside else 0
            gone = isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Continue | ast.Break | ast.Delete)
            gone |= isinstance(node, ast.Assign) and any(isinstance(one, ast.Subscript) for one in node.targets)
            if gone and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom)):
                self.replace(node, "pass", "statement deleted")
            guard = isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], ast.Return)
            if guard and number + 1 < len(statements):
                self.replace(node.test, "False", "guard never taken")
            self.visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns", "type_params"):
                continue
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                self.body(value)
            elif isinstance(value, list):
                self.several(value)
            elif isinstance(value, ast.AST):
                self.visit(value)

    def several(self, values: Iterable[object]) -> None:
        for value in values:
            if isinstance(value, ast.AST):
                self.visit(value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer, self.parameters = self.parameters, _alike(node.args)
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(called).rsplit(".", 1)[-1] not in NEEDED and not ast.unparse(called).startswith("app."):
                start, end = self.span(decorator)
                self.add(decorator.lineno, start - 1, end, "", "decorator deleted")
        self.visit(node.args)
        inside, self.inside = self.inside, True
        self.body(node.body)
        self.parameters, self.inside = outer, inside

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test).startswith("__name__"):  # no test runs the file as a program
            return
        self.condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.condition(node.test)
        self.generic_visit(node)

    def condition(self, test: ast.expr) -> None:
        if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.NamedExpr):
            self.replace(test, f"not ({self.text(test)})", "condition negated")

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.replace(test, "True", "filter dropped")
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        if all(item.optional_vars is None for item in node.items):
            start, _ = self.span(node)
            end = self.span(node.items[-1].context_expr)[1]
            self.add(node.lineno, start, end, "if True", "context left out")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        outer, self.in_message = self.in_message, True
        self.generic_visit(node)
        self.in_message = outer

    # -- expressions -----------------------------------------------------------------------------------------------

    def visit_Compare(self, node: ast.Compare) -> None:
        sides = [node.left, *node.comparators]
        for left, operator, right in zip(sides, node.ops, sides[1:], strict=False):
            self.between(left, right, COMPARED[type(operator)], "comparison")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between(left, right, "or" if isinstance(node.op, ast.And) else "and", "and, or")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in CALCULATED:
            self.between(node.left, node.right, CALCULATED[type(node.op)], "operator")
        elif isinstance(node.op, ast.BitOr | ast.BitAnd):
            self.replace(node, self.text(node.left), "right side dropped")
            self.replace(node, self.text(node.right), "left side dropped")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub | ast.Invert):
            self.replace(node, self.text(node.operand), "sign or not dropped")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self.replace(node, str(not value), "constant")
        elif isinstance(value, int):
            self.replace(node, repr(value + 1), "constant")
        elif isinstance(value, float):
            self.replace(node, repr(2 * value or 1.0), "constant")
        elif isinstance(value, str) and value and not self.in_message:
            self.replace(node, repr(NEIGHBOUR.get(value, value + "x")), "constant")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                # Before Python 3.12 positions in an f-string are not those of the file: search for the text instead.
                written = "{" + ast.unparse(part.value)
                whole = self.text(node)
                if whole.count(written) == 1:
                    start = whole.index(written)
                    end = _closing(whole, start)
                    self.replace(node, whole[:start] + whole[end:], "left out of a text")

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            return
        for other in self.parameters.get(node.id, []):
            self.replace(node, other, "another parameter")
        if node.id in BUILTIN:
            self.replace(node, NEIGHBOUR[node.id], "neighbour")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr in NEIGHBOUR:
            start, end = self.span(node.value)[1], self.span(node)[1]
            self.add(node.end_lineno, start, end, f".{NEIGHBOUR[node.attr]}", "neighbour")
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func).rsplit(".", 1)[-1]
        outer, self.in_message = self.in_message, self.in_message or name in MESSAGES
        starred = any(isinstance(one, ast.Starred) for one in node.args)
        if isinstance(node.func, ast.Attribute) and name in SUFFIXES and not node.args:
            self.replace(node, self.text(node.func.value), "call left out")
        elif isinstance(node.func, ast.Name) and name in WRAPPERS and node.args and not starred:
            self.replace(node, f"({self.text(node.args[0])})", "call left out")
        if not starred and name not in COMMUTATIVE:
            for left, right in zip(node.args, node.args[1:], strict=False):
                between = self.source[self.span(left)[1] : self.span(right)[0]].decode()
                new = self.text(right) + between + self.text(left)
                self.add(left.lineno, self.span(left)[0], self.span(right)[1], new, "arguments swapped")
        for keyword in node.keywords:
            if keyword.arg is not None and keyword.arg not in PROSE | GUARDS:
                self.replace(keyword, "**{}", "argument dropped")
        self.visit(node.func)
        self.several(node.args)
        self.several(keyword for keyword in node.keywords if keyword.arg not in PROSE | GUARDS)
        self.in_message = outer

    def visit_Slice(self, node: ast.Slice) -> None:
        for bound in (node.lower, node.upper):
            if bound is not None:
                self.replace(bound, "None", "bound dropped")
        self.generic_visit(node)


def _alike(arguments: ast.arguments) -> dict[str, list[str]]:
    """For each parameter, the next one with the same annotation."""
    groups: dict[str, list[str]] = {}
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
        if argument.annotation is not None:
            groups.setdefault(ast.unparse(argument.annotation), []).append(argument.arg)
    pairs = (zip(names, names[1:] + names[:1], strict=True) for names in groups.values() if len(names) > 1)
    return {name: [other] for group in pairs for name, other in group}


def _closing(text: str, start: int) -> int:
    """Position after the bracket that closes the one at ``start``."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    return len(text)
