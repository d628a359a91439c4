"""Which names does a notebook use before any of its cells has defined them? Read, not run."""

from __future__ import annotations

import ast
import builtins
import contextlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["Names", "bound_by"]

# What IPython has in every notebook.
_GIVEN = frozenset(dir(builtins)) | {
    *(
        "In",
        "Out",
        "_",
        "__",
        "___",
        "_i",
        "_ii",
        "_iii",
        "_ih",
        "_oh",
        "_dh",
        "get_ipython",
        "display",
        "exit",
        "quit",
    ),
    *("__name__", "__file__", "__doc__", "__builtins__", "__annotations__", "open"),
}
# Magics after which any name may have a meaning.
_OPENING = frozenset({"run", "pylab", "store", "load"})
_MAGICS = {"run_line_magic": 2, "run_cell_magic": 3}
# As the magic itself expands a line; `{{` and `$$` stand for themselves.
_MARK = re.compile(r"\{\{|\}\}|\$\$|\{(?P<expr>[^{}]*(?:\{[^{}]*\}[^{}]*)*)\}|\$(?P<name>[A-Za-z_]\w*)")
_OUTPUT = re.compile(r"(?:^|\s)-o\s+([A-Za-z_]\w*)")
_Scoped = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_Listed = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def bound_by(tree: ast.Module) -> set[str]:
    """The names that a cell gives a meaning to, at its top."""
    names = Names()
    names.read(tree)
    return names.bound


@dataclass
class Names:
    """The names that are bound so far; cells are read in their order.

    Args:
        bound: names with a meaning.
        is_open: whether any name may have one, after `from x import *`.
    """

    bound: set[str] = field(default_factory=set)
    is_open: bool = False
    _later: list[tuple[int, str]] = field(default_factory=list)
    _cell: int = 0

    def read(self, tree: ast.Module, cell: int = 0) -> list[str]:
        """Read one cell.

        Args:
            tree: its code.
            cell: its number.

        Returns:
            The names that it uses and that nothing before has defined, each once. What a function's body uses may be
            defined later, and is told by `unmet`.
        """
        self._cell = cell
        reader = _Reader(self)
        for statement in tree.body:
            reader.visit(statement)
        return list(dict.fromkeys(reader.missing))

    def unmet(self) -> Iterator[tuple[int, str]]:
        """Cell and name of what a function's body uses, and no cell defines."""
        if not self.is_open:
            yield from dict.fromkeys((cell, name) for cell, name in self._later if name not in self.bound)

    def knows(self, name: str) -> bool:
        """Whether the name has a meaning by now."""
        return self.is_open or name in self.bound or name in _GIVEN

    def defer(self, name: str) -> None:
        """Note a name that is looked up when a function is called."""
        if name not in _GIVEN:
            self._later.append((self._cell, name))


class _Reader(ast.NodeVisitor):
    """Walks code in the order in which it is run; `local` are the names of the scopes within."""

    def __init__(self, names: Names, local: Iterable[frozenset[str]] = (), *, deferred: bool = False) -> None:
        self.names, self.local, self.deferred = names, list(local), deferred
        self.missing: list[str] = []

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self._bind(node.id)
        elif isinstance(node.ctx, ast.Del):
            if not self.local:
                self.names.bound.discard(node.id)
        elif any(node.id in scope for scope in self.local):
            return
        elif self.deferred:
            self.names.defer(node.id)
        elif not self.names.knows(node.id):
            self.missing.append(node.id)

    def _bind(self, name: str) -> None:
        if self.local:
            self.local[-1] |= {name}
        else:
            self.names.bound.add(name)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._all([node.value, *node.targets])

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self.visit(ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
        self._all([node.value, node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._all([node.annotation, *([node.value] if node.value else [])])
        if node.value or not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_For(self, node: ast.For) -> None:
        self._all([node.iter, node.target, *node.body, *node.orelse])

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._all([node.value, node.target])

    def visit_Call(self, node: ast.Call) -> None:
        if (magic := _magic_of(node)) is not None:
            self._magic(*magic)
        self.generic_visit(node)

    def _magic(self, name: str, line: str) -> None:
        """What a line of a magic takes from the notebook, and gives to it."""
        if name in _OPENING:
            self.names.is_open = True
        if name == "capture" and (words := line.split()):
            self._bind(words[-1])
        if name != "lepton":
            return
        for match in _MARK.finditer(line):
            with contextlib.suppress(SyntaxError):
                self.visit(ast.parse((match["expr"] or match["name"] or "").strip() or "0", mode="eval").body)
        if found := _OUTPUT.search(line):
            self._bind(found[1])

    def visit_Global(self, node: ast.Global) -> None:
        self.names.bound.update(node.names)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name == "*":
                self.names.is_open = True
            else:
                self._bind(alias.asname or alias.name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            self.visit(node.type)
        if node.name:
            self._bind(node.name)
        self._all(node.body)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.generic_visit(node)
        if node.name:
            self._bind(node.name)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self._bind(node.rest)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        given = node.args
        self._all([*given.defaults, *(one for one in given.kw_defaults if one)])
        if not isinstance(node, ast.Lambda):
            self._all(node.decorator_list)
            self._bind(node.name)
        own = {
            one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg) if one
        }
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        own |= set(_assigned(body)) | {"super", "__class__"}
        inner = _Reader(self.names, [*self.local, frozenset(own)], deferred=True)
        inner._all(body)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all([*node.decorator_list, *node.bases, *(one.value for one in node.keywords)])
        inner = _Reader(self.names, [*self.local, frozenset({"__module__", "__qualname__"})], deferred=self.deferred)
        for statement in node.body:
            inner.visit(statement)
        self.missing += inner.missing
        self._bind(node.name)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node, [node.key, node.value])

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, elements: list[ast.expr]
    ) -> None:
        self.local.append(frozenset())
        for one in node.generators:
            self._all([one.iter, one.target, *one.ifs])
        self._all(elements)
        self.local.pop()

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)


def _magic_of(node: ast.Call) -> tuple[str, str] | None:
    """Name and text of the magic that a call runs, as IPython writes one down."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in _MAGICS:
        return None
    given = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    if len(given) != _MAGICS[node.func.attr]:
        return None
    return given[0], "\n".join(given[1:])


def _assigned(body: Iterable[ast.AST]) -> Iterator[str]:
    """The names that a function's body gives a meaning to, wherever in it; those of functions within are theirs."""
    for node in body:
        if isinstance(node, ast.Global):
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            yield node.name
        if not isinstance(node, (*_Scoped, *_Listed)):
            yield from _assigned(ast.iter_child_nodes(node))
