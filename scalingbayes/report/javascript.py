"""Translation of functions of JAX into JavaScript, for the planner of a report.

A function is traced to a jaxpr of scalars. Each equation becomes one line of JavaScript.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal  # type: ignore[attr-defined]

from scalingbayes._core.precision import precision


class UntranslatableError(Exception):
    """A function has an operation that has no JavaScript here."""


_CALLS = {
    "abs": "Math.abs",
    "acos": "Math.acos",
    "acosh": "Math.acosh",
    "asin": "Math.asin",
    "asinh": "Math.asinh",
    "atan": "Math.atan",
    "atan2": "Math.atan2",
    "atanh": "Math.atanh",
    "cbrt": "Math.cbrt",
    "ceil": "Math.ceil",
    "cos": "Math.cos",
    "cosh": "Math.cosh",
    "exp": "Math.exp",
    "expm1": "Math.expm1",
    "floor": "Math.floor",
    "is_finite": "Number.isFinite",
    "log": "Math.log",
    "log1p": "Math.log1p",
    "max": "Math.max",
    "min": "Math.min",
    "pow": "Math.pow",
    "sign": "Math.sign",
    "sin": "Math.sin",
    "sinh": "Math.sinh",
    "sqrt": "Math.sqrt",
    "tan": "Math.tan",
    "tanh": "Math.tanh",
}
"""Primitives that are functions of JavaScript."""

_TEMPLATES = {
    "add": "{0} + {1}",
    "add_any": "{0} + {1}",
    "clamp": "Math.min(Math.max({1}, {0}), {2})",
    "div": "{0} / {1}",
    "eq": "{0} === {1}",
    "exp2": "Math.pow(2, {0})",
    "ge": "{0} >= {1}",
    "gt": "{0} > {1}",
    "le": "{0} <= {1}",
    "logistic": "1 / (1 + Math.exp(-{0}))",
    "lt": "{0} < {1}",
    "mul": "{0} * {1}",
    "ne": "{0} !== {1}",
    "neg": "-{0}",
    "rem": "{0} % {1}",
    "rsqrt": "1 / Math.sqrt({0})",
    "select_n": "{0} ? {2} : {1}",
    "square": "{0} * {0}",
    "sub": "{0} - {1}",
}
"""Other primitives, as expressions of their operands."""

_LOGICAL = {"and": "{0} && {1}", "or": "{0} || {1}", "not": "!{0}", "xor": "{0} !== {1}"}
"""Primitives that are translated for truth values only; for integers they act on bits."""

_SAME = {
    "broadcast_in_dim",
    "copy",
    "copy_p",
    "reduce_precision",
    "reshape",
    "squeeze",
    "stop_gradient",
}
"""Primitives that leave a scalar as it is."""

_BODIES = ("jaxpr", "call_jaxpr", "fun_jaxpr")
"""Where primitives that call a function keep it."""


def to_javascript(
    function: Callable[..., Any],
    fixed: Sequence[str],
    varying: Sequence[str],
) -> str:
    """Return a function of JAX as an expression of JavaScript, a function that returns a function.

    Parameters
    ----------
    function
        A function of scalars, passed by keyword, that returns a scalar. It is traced in float64.
    fixed
        Names of the arguments of the outer function of JavaScript. What depends on these alone is
        computed once for many calls of the inner function.
    varying
        Names of the arguments of the inner function.

    Returns
    -------
    str
        ``(fixed) => { ...; return (varying) => { ...; return x; }; }``, where ``fixed`` is one
        array of numbers in the order of the names.

    Raises
    ------
    UntranslatableError
        If an operation of the function has no translation.
    """
    names = [*fixed, *varying]
    with precision("float64"):
        scalars = [np.float64(1.0)] * len(names)
        closed = jax.make_jaxpr(lambda *given: function(**dict(zip(names, given, strict=True))))(
            *scalars
        )
    arguments = [f"fixed[{place}]" for place in range(len(fixed))]
    arguments += [f"x{place}" for place in range(len(varying))]
    code = _Code(set(arguments[len(fixed) :]))
    returned = code.translate(closed, arguments)
    if len(returned) != 1 or closed.out_avals[0].shape:
        raise UntranslatableError("it does not return one number")
    outer, inner = code.lines_for(returned[0])
    given = ", ".join(arguments[len(fixed) :])
    body = "\n".join([*outer, f"return ({given}) => {{", *inner, f"return {returned[0]};", "};"])
    return f"(fixed) => {{\n{body}\n}}"


class _Line(NamedTuple):
    """A variable, the expression that defines it, and the operands of the expression."""

    variable: str
    expression: str
    operands: list[str]


@dataclass
class _Code:
    """Lines of JavaScript, as they are written."""

    varying: set[str]
    """Variables that depend on the arguments of the inner function."""
    lines: list[_Line] = field(default_factory=list)
    exponentials: dict[str, str] = field(default_factory=dict)
    """The exponent of each variable that is an exponential: its logarithm is no computation."""

    def translate(self, closed: ClosedJaxpr, arguments: Sequence[str]) -> list[str]:
        """Write the equations of a jaxpr; return the expressions of its results."""
        jaxpr: Jaxpr = closed.jaxpr
        known: dict[Any, str] = dict(zip(jaxpr.invars, arguments, strict=True))
        known |= {v: _number(x) for v, x in zip(jaxpr.constvars, closed.consts, strict=True)}

        def read(each: Any) -> str:
            return _number(each.val) if isinstance(each, Literal) else known[each]

        for equation in jaxpr.eqns:
            given = [read(each) for each in equation.invars]
            found = self._equation(equation, given)
            known |= dict(zip(equation.outvars, found, strict=True))
        return [read(each) for each in jaxpr.outvars]

    def _equation(self, equation: Any, given: list[str]) -> list[str]:
        name, settings = equation.primitive.name, equation.params
        if any(each.aval.shape for each in equation.outvars):
            raise UntranslatableError(f"the operation {name!r} makes an array")
        for key in _BODIES:
            if key in settings:
                body = settings[key]
                closed = body if isinstance(body, ClosedJaxpr) else ClosedJaxpr(body, ())
                return self.translate(closed, given)
        if name in _SAME:
            return [given[0]]
        if name == "log" and given[0] in self.exponentials:
            return [self.exponentials[given[0]]]
        made = self._assign(_expression(equation, given), given)
        if name == "exp":
            self.exponentials[made] = given[0]
        return [made]

    def _assign(self, expression: str, given: list[str]) -> str:
        variable = f"v{len(self.lines)}"
        self.lines.append(_Line(variable, expression, given))
        if any(each in self.varying for each in given):
            self.varying.add(variable)
        return variable

    def lines_for(self, result: str) -> tuple[list[str], list[str]]:
        """Return the lines of the outer and of the inner function that a result needs."""
        needed: set[str] = {result}
        outer: list[str] = []
        inner: list[str] = []
        for line in reversed(self.lines):
            if line.variable in needed:
                needed |= set(line.operands)
                lines = inner if line.variable in self.varying else outer
                lines.append(f"const {line.variable} = {line.expression};")
        return outer[::-1], inner[::-1]


def _expression(equation: Any, given: list[str]) -> str:
    name, settings = equation.primitive.name, equation.params
    if name in _CALLS:
        return f"{_CALLS[name]}({', '.join(given)})"
    if name in _TEMPLATES:
        if name == "select_n" and len(given) != 3:
            raise UntranslatableError("it selects from more than two cases")
        return _TEMPLATES[name].format(*given)
    if name in _LOGICAL and equation.outvars[0].aval.dtype == bool:
        return _LOGICAL[name].format(*given)
    if name == "integer_pow":
        return f"Math.pow({given[0]}, {settings['y']})"
    if name == "convert_element_type":
        kind = np.dtype(settings["new_dtype"]).kind
        return {"f": "Number({0})", "b": "{0} != 0"}.get(kind, "Math.trunc({0})").format(given[0])
    raise UntranslatableError(f"the operation {name!r} has no JavaScript")


def _number(value: Any) -> str:
    """Return a constant of JavaScript, in parentheses if it is negative."""
    array = np.asarray(value)
    if array.ndim:
        raise UntranslatableError("it has an array as a constant")
    if array.dtype == bool:
        return "true" if array else "false"
    number = float(array)
    if np.isnan(number):
        return "NaN"
    if np.isinf(number):
        return "Infinity" if number > 0 else "(-Infinity)"
    return repr(number) if number >= 0 else f"({number!r})"
