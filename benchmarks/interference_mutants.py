"""Mutants of the label engine: each is the engine with one small thing wrong, in place of the right one for a while.

What is mutated: all functions and constants of `safety/labels.py` and `tools/flow.py`, and those lines of the gate and
of the policy that look at labels, decide by them or make them. How: the usual operators of mutation testing, and those
of an information-flow engine (a join term is dropped, an escape is skipped, something untrusted counts as trusted).
Source of the usual ones: Offutt et al. 1996, "An experimental determination of sufficient mutant operators".
"""

import ast
import copy
import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType

from workbench.safety import labels
from workbench.tools import flow, gate, policy

TARGETS: tuple[tuple[ModuleType, Mapping[str, str]], ...] = (
    (
        labels,
        dict.fromkeys(
            (
                *("Label._sources_are_sorted", "Label.trusted", "level", "join", "label_of", "stray_paths", "_stands"),
                *("_nearest", "_inside", "escape", "USER", "UNKNOWN"),
            ),
            "",
        ),
    ),
    (flow, dict.fromkeys(("final", "flow", "concern", "DEFAULT"), "")),
    (
        gate,
        {
            "Gate._permitted": r"^(?!\s+reason =).*(stray|label|flow|found|worry|decision|judgement|return)",
            "Gate._pass": r"needs_approval|effect|_approved",
            "Gate.preview": r"return|decision",
            "Gate._replay": r"label",
            "_concluded": r"label|own",
        },
    ),
    (
        policy,
        {
            "Policy.decide": r"^(?!\s+(reason|ids) =)",
            "Policy._context": r"_said|context",
            "Policy._ask": r"Decision\.Allow|context",
            "_SAID": r"flow|False",
        },
    ),
)
"""Modules, and of each the functions and constants; of some only the lines in which such a word stands. Not mutated are
the words that a reason is told in, and what happens if Cedar fails: `benchmarks.fail_closed` is about that."""
_WORDS = {
    **{"trusted": "untrusted", "untrusted": "trusted", "public": "secret", "secret": "public", "internal": "public"},
    **{"read": "write", "never": "always", "always": "never", "allowed": "denied", "denied": "allowed"},
    **{"needs_approval": "allowed", "/": "", "~": "", "~0": "~1", "~1": "~0", "approved": "control"},
}
_COMPARED: Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_CALLED = {"any": "all", "all": "any", "max": "min", "min": "max", "sorted": "list"}
_READ = {"clearance": "confidentiality", "trust": "effect", "rpartition": "partition", "controls": "required"}
_BETTER = {"trusted": "True", "labels": "{}", "UNKNOWN": "Label(integrity='trusted')", "DEFAULT": "UNKNOWN"}
_BETTER |= {"control": "'trusted'"}


@dataclass(frozen=True)
class Mutant:
    """One change of one function or constant."""

    module: ModuleType
    target: str
    line: int
    what: str
    tree: ast.stmt

    @property
    def name(self) -> str:
        """Where and what."""
        return f"{self.module.__name__.rpartition('.')[2]}.{self.target}: {self.what}"


def mutants() -> Iterator[Mutant]:
    """All of them, in the order of the code; two that are the same code count once."""
    for module, targets in TARGETS:
        source = inspect.getsource(module)
        lines, found = source.splitlines(), dict(_statements(ast.parse(source)))
        for target, words in targets.items():
            before, seen, told = found[target], {ast.dump(found[target])}, Counter[str]()
            for node, what, changed in _changes(before):
                line = _line(node)
                if re.search(words, lines[line - 1]) is None or ast.dump(changed) in seen:
                    continue
                seen.add(ast.dump(changed))
                name = f"{lines[line - 1].strip()} | {what}"
                told[name] += 1
                yield Mutant(module, target, line, name if told[name] == 1 else f"{name} #{told[name]}", changed)


def unchanged() -> Iterator[Mutant]:
    """The engine itself, taken apart and put together in the same way: what catches one of these catches nothing."""
    for module, targets in TARGETS:
        found = dict(_statements(ast.parse(inspect.getsource(module))))
        yield from (Mutant(module, target, 0, "unchanged", found[target]) for target in targets)


def _statements(tree: ast.Module) -> Iterator[tuple[str, ast.stmt]]:
    """Functions, methods and constants by name."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{one.name}", one) for one in node.body if isinstance(one, ast.FunctionDef))
        elif isinstance(node, ast.FunctionDef):
            yield node.name, node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _changes(before: ast.stmt) -> Iterator[tuple[ast.AST, str, ast.stmt]]:
    """Every change of a statement: the node, what is changed, and the whole statement afterwards."""
    for place, node in enumerate(ast.walk(before)):
        if not _line(node) or _aside(before, node):
            continue
        for what, change in _operators(node):
            after = copy.deepcopy(before)
            _replace(after, next(one for n, one in enumerate(ast.walk(after)) if n == place), change)
            yield node, what, ast.fix_missing_locations(after)


def _aside(whole: ast.stmt, node: ast.AST) -> bool:
    """Whether a node is no code that runs: annotations, decorators and docstrings."""
    if node is whole:
        return True
    if not isinstance(whole, ast.FunctionDef):
        return isinstance(whole, ast.AnnAssign) and any(node is one for one in ast.walk(whole.annotation))
    outside: list[ast.AST] = [*whole.decorator_list, whole.args, *([whole.returns] if whole.returns else [])]
    if ast.get_docstring(whole) is not None:
        outside.append(whole.body[0])
    outside += [one.annotation for one in ast.walk(whole) if isinstance(one, ast.AnnAssign)]
    return any(node is one for part in outside for one in ast.walk(part))


Change = Callable[[ast.AST], ast.AST | None]
"""What takes a node's place; None removes it from a list."""


def _replace(tree: ast.AST, node: ast.AST, change: Change) -> None:
    """Put what the change makes of a node in its place."""
    for parent in list(ast.walk(tree)):
        for name, value in ast.iter_fields(parent):
            if value is node:
                setattr(parent, name, change(node))
                return
            if isinstance(value, list) and any(one is node for one in value):
                changed = [change(one) if one is node else one for one in value]
                setattr(parent, name, [one for one in changed if one is not None])
                return


def _operators(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What can be done to one node."""
    match node:
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp() | ast.If() | ast.IfExp() | ast.comprehension():
            yield from _conditions(node)
        case ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts, ctx=ast.Load()):
            yield from ((f"drop part {n}", _without("elts", n)) for n in range(len(parts)))
        case ast.Dict(keys=keys) if keys:
            yield from ((f"drop entry {n}", _entry(n)) for n in range(len(keys)))
        case ast.Raise() | ast.Expr() | ast.Assign() | ast.Return():
            yield "drop statement", lambda _: ast.Pass()
        case ast.Call() | ast.Constant() | ast.Name() | ast.Attribute():
            yield from _small(node)


def _conditions(node: ast.AST) -> Iterator[tuple[str, Change]]:
    """What decides."""
    match node:
        case ast.Compare(ops=[operator]):
            for other in _COMPARED.get(type(operator), ()):
                yield f"{type(operator).__name__} -> {other.__name__}", _field("ops", [other()])
        case ast.BoolOp(op=operator, values=values):
            other_op: ast.boolop = ast.Or() if isinstance(operator, ast.And) else ast.And()
            yield f"{type(operator).__name__} -> {type(other_op).__name__}", _field("op", other_op)
            yield from ((f"drop operand {n}", _without("values", n)) for n in range(len(values)))
        case ast.UnaryOp(op=ast.Not()):
            yield "drop not", lambda one: one.operand if isinstance(one, ast.UnaryOp) else one
        case ast.If() | ast.IfExp():
            yield from ((f"condition -> {flag}", _field("test", ast.Constant(flag))) for flag in (True, False))
        case ast.comprehension(ifs=[_]):
            yield "drop condition", _field("ifs", [])


def _small(node: ast.Call | ast.Constant | ast.Name | ast.Attribute) -> Iterator[tuple[str, Change]]:
    """Names, constants and calls."""
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            yield f"{name} -> {_CALLED[name]}", _field("func", ast.Name(_CALLED[name], ast.Load()))
        case ast.Call(func=ast.Name(id="escape" | "level" as name), args=[_]):
            yield f"skip {name}", lambda one: one.args[0] if isinstance(one, ast.Call) else one
        case ast.Constant(value=bool() as flag):
            yield f"{flag} -> {not flag}", _field("value", not flag)
        case ast.Constant(value=int() as number):
            yield f"{number} -> {number + 1}", _field("value", number + 1)
        case ast.Constant(value=str() as word) if word in _WORDS:
            yield f"{word!r} -> {_WORDS[word]!r}", _field("value", _WORDS[word])
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in _READ:
            yield f".{name} -> .{_READ[name]}", _field("attr", _READ[name])
        case ast.Attribute(attr=name, ctx=ast.Load()) | ast.Name(id=name, ctx=ast.Load()) if name in _BETTER:
            yield f"{name} -> {_BETTER[name]}", lambda _: ast.parse(_BETTER[name], mode="eval").body


def _field(name: str, value: object) -> Change:
    def change(node: ast.AST) -> ast.AST:
        setattr(node, name, value)
        return node

    return change


def _without(name: str, place: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        values = getattr(node, name)
        del values[place]
        return values[0] if isinstance(node, ast.BoolOp) and len(values) == 1 else node

    return change


def _entry(place: int) -> Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Dict), "only asked for of these"
        del node.keys[place], node.values[place]
        return node

    return change


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """The engine with the mutant in it, for all who use it; the right one again afterwards."""
    if isinstance(mutant.tree, ast.FunctionDef):
        function = _function(mutant.module, mutant.target)
        right = function.__code__
        function.__code__ = _code(mutant)
        try:
            yield
        finally:
            function.__code__ = right
        return
    name, right_value = mutant.target, getattr(mutant.module, mutant.target)
    holders = [module for key, module in sys.modules.items() if key.startswith("workbench.")]
    held = [module for module in holders if module.__dict__.get(name) is right_value]
    wrong = _run(mutant)[name]
    try:
        for module in held:
            setattr(module, name, wrong)
        yield
    finally:
        for module in held:
            setattr(module, name, right_value)


def _run(mutant: Mutant) -> dict[str, object]:
    space: dict[str, object] = dict(vars(mutant.module))
    tree = copy.deepcopy(mutant.tree)
    if isinstance(tree, ast.FunctionDef):
        tree.decorator_list = []
    exec(compile(ast.Module([tree], []), f"<{mutant.name}>", "exec"), space)
    return space


def _code(mutant: Mutant) -> CodeType:
    made = _run(mutant)[mutant.target.rpartition(".")[2]]
    assert isinstance(made, FunctionType), "a function was mutated"
    return made.__code__


def _function(module: ModuleType, target: str) -> FunctionType:
    """The function itself, behind property and validator."""
    owner, _, name = target.rpartition(".")
    found = vars(getattr(module, owner) if owner else module).get(name)
    if found is None:  # pydantic takes its validators out of the class
        found = getattr(module, owner).__pydantic_decorators__.model_validators[name].func
    function = getattr(found, "fget", None) or getattr(found, "wrapped", found)
    assert isinstance(function, FunctionType), target
    return function
