"""Checks that what a law declares matches its function: names, inputs and units."""

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scalingbayes._core.domains import POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes.laws.base.parameters import Parameter, in_order

if TYPE_CHECKING:
    from scalingbayes.laws.base.law import Law

_SYMBOLS = {"n": "params", "d": "tokens", "c": "compute", "l": "loss"}


def check_declarations(law: "Law") -> None:
    """Check that the parts of a law match each other.

    Raises
    ------
    InputError
        If they do not.
    """
    _check_parameters(law)
    _check_inputs(law)
    _check_names(law)
    in_order(law.parameters)


def _check_parameters(law: "Law") -> None:
    for name, each in law.parameters.items():
        if not isinstance(each, Parameter):
            raise InputError(
                f"law {law.name!r}: parameter {name!r} is declared by a {type(each).__name__}, not "
                f"by a Parameter: declare its meaning, prior and unit, such as "
                f'sb.Parameter("weight of data", dist.LogNormal(0, 2), unit="loss * tokens**beta").'
            )
    taken = law.arguments(inspect.Parameter.KEYWORD_ONLY)
    if set(taken) != set(law.parameters):
        raise InputError(
            f"law {law.name!r}: the function takes the parameters {sorted(taken)} but "
            f"{sorted(law.parameters)} are declared. Declare each with its prior, and make them "
            f"keyword-only: def {law.name}(params, tokens, *, E, A)."
        )


def _check_inputs(law: "Law") -> None:
    names = law.arguments(inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if strays := set(law.inputs) - set(names):
        raise InputError(
            f"law {law.name!r}: inputs declares {sorted(strays)}, which the function does not take."
        )
    if law.target.column in names:
        raise InputError(
            f"law {law.name!r} predicts {law.target.column!r} from itself: what a law reads "
            f"and what it predicts need different names; rename them in the table."
        )
    for name in names:
        each, meant = law.inputs.get(name), _SYMBOLS.get(name.lower())
        if each is None and meant is not None:
            raise InputError(
                f"law {law.name!r}: its function reads the input {name!r}, a column of that name. "
                f"Call the input {meant!r} if that is meant; if not, declare {name!r} in inputs=."
            )
        if each is None:
            continue
        shared = law.inputs.get(each.unit or "")
        if each.unit is None and each.domain != POSITIVE:
            raise InputError(
                f"law {law.name!r}: input {name!r} is {each.domain.name}, so it cannot have a unit "
                f"of its own: give it unit='1'."
            )
        common = each.unit in names and each.unit not in law.inputs
        common |= each.unit == law.target.column
        own = shared is not None and shared.unit is None
        if each.unit not in (None, "1") and not (common or own):
            raise InputError(
                f"law {law.name!r}: input {name!r} has the unit of {each.unit!r}, which is neither "
                f"the target nor an input with a unit of its own."
            )


def _check_names(law: "Law") -> None:
    """Check that terms, decreasing inputs and units name what the law has."""
    inputs = law.arguments(inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for what, given in {"terms": tuple(law.terms), "decreasing": law.decreasing}.items():
        there = law.parameters if what == "terms" else inputs
        if others := set(given) - set(there):
            raise InputError(
                f"law {law.name!r}: {what} names {sorted(others)}, which it does not have."
            )
    for name, each in law.derived.items():
        if others := set(each.parameters) - set(law.parameters):
            raise InputError(
                f"law {law.name!r}: the derived quantity {name!r} takes the parameters "
                f"{sorted(others)}, which the law does not have."
            )
    known = {law.target.column, *inputs, *law.parameters}
    for name, parameter in law.parameters.items():
        if foreign := sorted(parameter.depends_on - known):
            near = get_close_matches(foreign[0], sorted(known), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(
                f"law {law.name!r}: the unit, shift or power of {name!r} names {foreign}, which "
                f"are neither inputs, nor {law.target.column!r}, nor parameters.{hint}"
            )
