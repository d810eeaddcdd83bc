"""Docstrings: what takes or returns arrays gives a shape, and what raises `UserError` says so.

Asked of public functions and methods in the folders below. An override may leave either to the method that it
overrides; a closure belongs to the function around it, which says what comes out of it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("agents", "envs", "wrappers", "evaluation", "analysis", "callbacks", "persistence", "training", "common",
           "configs")  # fmt: skip
FILES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
Function = tuple[ast.FunctionDef, ast.ClassDef | None]

ARRAY = re.compile(r"\b(ndarray|NDArray|Tensor|Array)\b")
TUPLE = re.compile(r"\(([^()]*,[^()]*)\)")
# A size: a number, a letter such as B, n or K, sums and products of them, an entry of a list, or an ellipsis.
ATOM = r"(?:\d+|[A-Z]'?|[nk]|n_envs|[a-z_]\w*\[[^]]*\]|[a-z_]\w*)"
SIZE = re.compile(rf"(?:…|\.\.\.|{ATOM}(?: ?[+·×/−-]? ?{ATOM})*)")
CERTAIN = re.compile(r"…|\.\.\.|\d|\b(?:[A-Z]|n|k|n_envs)\b")
IN_WORDS = re.compile(r"\bscalars?\b|\b(?:any|own|same|equal)(?: \w+){0,3} shapes?\b|\(\)")


def gives_a_shape(text: str, parameters: list[str]) -> bool:
    """Whether `text` names a shape: `(B, 25)`, `(n,)`, `(…, G)`, `(rows, size)` by its parameters, or in words."""
    if IN_WORDS.search(text):
        return True
    for found in TUPLE.finditer(text):
        sizes = [part.strip() for part in found[1].split(",")]
        alone = len(sizes) == 2 and not sizes[1]
        sizes = sizes[: 1 if alone else None]
        # A tuple of words is a shape where it cannot be anything else: (m, rad) is none.
        certain = alone or any(CERTAIN.search(size) or size in parameters for size in sizes)
        if certain and all(SIZE.fullmatch(size) for size in sizes):
            return True
    return False


def annotations(function: ast.FunctionDef) -> list[str]:
    """The types in the signature, as text."""
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]
    return [ast.unparse(note) for note in [*(arg.annotation for arg in named), function.returns] if note]


def raises_user_error(function: ast.FunctionDef) -> bool:
    """Whether `raise UserError` stands in the body, closures left out."""
    waiting: list[ast.AST] = [*function.body]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).split("(")[0] == "UserError":
            return True
        waiting += ast.iter_child_nodes(node)
    return False


def public(tree: ast.Module) -> Iterator[Function]:
    """Functions and methods that others call; constructors and `__call__` included."""
    for node in tree.body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        for member in members if not getattr(node, "name", "_").startswith("_") else ():
            called = ("__init__", "__post_init__", "__call__")
            if isinstance(member, ast.FunctionDef) and (member.name in called or not member.name.startswith("_")):
                yield member, node if isinstance(node, ast.ClassDef) else None


def overridden(cls: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    """The classes of ours that `cls` is made from, near and far."""
    for base in cls.bases:
        above = classes.get(ast.unparse(base).split("[")[0].split(".")[-1])
        if above and above is not cls:
            yield above
            yield from overridden(above, classes)


def said(function: ast.FunctionDef, cls: ast.ClassDef | None, classes: dict[str, ast.ClassDef]) -> str:
    """The docstring, with those that speak for it: of its class for a constructor, of what it overrides otherwise."""
    text = ast.get_docstring(function) or ""
    if cls is None:
        return text
    if function.name in ("__init__", "__post_init__"):
        return f"{text}\n{ast.get_docstring(cls) or ''}"
    above = [m for base in overridden(cls, classes) for m in base.body if isinstance(m, ast.FunctionDef)]
    return "\n".join([text, *(ast.get_docstring(m) or "" for m in above if m.name == function.name)])


def faults(tree: ast.Module, classes: dict[str, ast.ClassDef]) -> list[str]:
    """What the docstrings of a module leave out, a line each."""
    found = []
    for function, cls in public(tree):
        where = f"{cls.name}.{function.name}" if cls else function.name
        text = said(function, cls, classes)
        parameters = [arg.arg for arg in [*function.args.args, *function.args.kwonlyargs]]
        if any(ARRAY.search(note) for note in annotations(function)) and not gives_a_shape(text, parameters):
            found.append(f"{where} takes or returns arrays, and gives no shape")
        if raises_user_error(function) and "UserError" not in text:
            found.append(f"{where} raises UserError, and does not say so")
    return found


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def classes() -> dict[str, ast.ClassDef]:
    return {node.name: node for path in FILES for node in parsed(path).body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_docstrings_give_shapes_and_errors(folder: str, classes: dict[str, ast.ClassDef]) -> None:
    found = [f"{path.relative_to(ROOT)}: {fault}" for path in FILES if path.relative_to(ROOT).parts[0] == folder
             for fault in faults(parsed(path), classes)]  # fmt: skip
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["(B, 25)", "of (n,) rows", "(…, G)", "(B, O + 2 G)", "(3 · views · k, size, size)",
                                  "(rows, size)", "(K, B, sizes[-1])", "a scalar", "of the same shapes"])  # fmt: skip
def test_what_is_a_shape(text: str) -> None:
    assert gives_a_shape(text, ["rows", "size"])


@pytest.mark.parametrize("text", ["in each unit (m, m/step, rad)", "(m, world frame)", "of a shape that is known", "",
                                  "(see `plan`)", "(Haarnoja et al. 2018, equation 5)"])  # fmt: skip
def test_what_is_no_shape(text: str) -> None:
    assert not gives_a_shape(text, ["rows", "size"])


def test_the_check_sees_what_it_should() -> None:
    tree = ast.parse('''
class Base:
    def act(self, x: Tensor): "Actions (B, A)."

class Own(Base):
    """Raises `UserError` at once."""
    def __init__(self): raise UserError("no")
    def act(self, x: Tensor): "Better ones."
    def see(self, x: Tensor): "What is there."

def ask(x: list[np.ndarray] | None): raise UserError
def _hidden(x: Tensor): raise UserError
def outer():
    def inner(): raise UserError
''')
    known = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert faults(tree, known) == [
        "Own.see takes or returns arrays, and gives no shape",
        "ask takes or returns arrays, and gives no shape",
        "ask raises UserError, and does not say so",
    ]
