"""Arithmetic expressions in names of inputs and parameters: ``loss * params**alpha``."""

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp

from scalingbayes._core.errors import InputError


def _power(base: Any, exponent: Any) -> Any:
    # At the reference point every input is the number 1, and so is each of its powers.
    return base if isinstance(base, int | float) and base == 1 else base**exponent


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "log": jnp.log,
    "exp": jnp.exp,
    "softplus": jax.nn.softplus,
}


@dataclass(frozen=True)
class Number:
    """A number in an expression."""

    value: int | float


@dataclass(frozen=True)
class Symbol:
    """The name of an input, target or parameter in an expression."""

    name: str


@dataclass(frozen=True)
class Operation:
    """A function of other parts of an expression."""

    function: Callable[..., Any]
    arguments: tuple["Node", ...]


Node = Number | Symbol | Operation


@dataclass(frozen=True)
class Expression:
    """An arithmetic expression, parsed from text.

    The text may hold names, numbers, ``+ - * / **``, parentheses, and the functions ``log``,
    ``exp`` and ``softplus``. It is parsed once, when the expression is made; no code is run.

    Parameters
    ----------
    text
        The expression in Python's notation; it is printed as it was written.

    Raises
    ------
    InputError
        If the text is not such an expression.

    Examples
    --------
    >>> unit = Expression("loss * params**alpha")
    >>> unit.evaluate({"loss": 2.0, "params": 10.0, "alpha": 2})
    200.0
    >>> sorted(unit.names)
    ['alpha', 'loss', 'params']
    """

    text: str
    tree: Node = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            tree = _parse(ast.parse(self.text, mode="eval").body)
        except (SyntaxError, ValueError) as error:
            raise InputError(
                f"The expression {self.text!r} cannot be parsed: {error}. Write it with names, "
                f"numbers, + - * / ** (not ^), parentheses, {', '.join(_FUNCTIONS)}."
            ) from error
        object.__setattr__(self, "tree", tree)

    @classmethod
    def of(cls, value: "Expression | str") -> "Expression":
        """Return an expression as it is, or parse text."""
        return value if isinstance(value, Expression) else cls(value)

    def __str__(self) -> str:
        return self.text

    @property
    def names(self) -> frozenset[str]:
        """Names of the inputs and parameters in the expression."""
        return frozenset(_names(self.tree))

    @property
    def constant(self) -> int | float | None:
        """The value of an expression that is one number; None for any other."""
        return self.tree.value if isinstance(self.tree, Number) else None

    @property
    def is_arithmetic(self) -> bool:
        """Whether the expression has no functions, such as exp: numbers need no JAX then."""
        return not _functions(self.tree) & {*_FUNCTIONS.values()}

    @property
    def is_negative(self) -> bool:
        """Whether the expression begins with a minus sign."""
        return self.text.lstrip().startswith("-")

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Return the value of the expression, given the value of each name."""
        return _evaluate(self.tree, values)


def _parse(node: ast.expr) -> Node:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return Number(value)
        case ast.Name(id=name):
            return Symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _parse(operand)
            if isinstance(inner, Number):
                return Number(-inner.value)
            return Operation(operator.neg, (inner,))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return Operation(_BINARY[type(op)], (_parse(left), _parse(right)))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in _FUNCTIONS:
            return Operation(_FUNCTIONS[name], (_parse(argument),))
    raise ValueError(f"{ast.unparse(node)!r} is not allowed")


def _functions(node: Node) -> set[Callable[..., Any]]:
    if not isinstance(node, Operation):
        return set()
    return {node.function}.union(*(_functions(each) for each in node.arguments))


def _names(node: Node) -> set[str]:
    if isinstance(node, Symbol):
        return {node.name}
    if isinstance(node, Number):
        return set()
    return set().union(*map(_names, node.arguments))


def _evaluate(node: Node, values: Mapping[str, Any]) -> Any:
    if isinstance(node, Symbol):
        return values[node.name]
    if isinstance(node, Number):
        return node.value
    return node.function(*(_evaluate(each, values) for each in node.arguments))
