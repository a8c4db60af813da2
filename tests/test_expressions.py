"""Expressions of units: parsed without eval, with Python's own meaning."""

import math

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry import NAMES

from scalingbayes.laws import get_law
from scalingbayes.laws.base.expressions import Expression

FUNCTIONS = {"log": math.log, "exp": math.exp, "softplus": lambda x: math.log1p(math.exp(x))}

leaves = st.sampled_from(["params", "alpha", "1", "2", "0.5", "24"])
texts = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("({}) ** ({})".format, leaves, st.sampled_from(["alpha", "-alpha", "1/2"])),
        st.builds("-({})".format, inner),
        st.builds("softplus({})".format, inner),
        st.builds("log(1 + softplus({}))".format, inner),
        st.builds("exp(-softplus({}))".format, inner),
    ),
    max_leaves=8,
)


@given(texts, st.floats(0.1, 3.0), st.floats(0.1, 3.0))
def test_the_value_is_pythons_own(text, params, alpha):
    values = {"params": params, "alpha": alpha}
    try:
        expected = eval(text, FUNCTIONS | values)
    except (ZeroDivisionError, OverflowError):
        return
    with jax.enable_x64(True):
        found = Expression(text).evaluate(values)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@given(texts)
def test_an_expression_prints_as_it_was_written(text):
    expression = Expression(text)
    assert str(expression) == text
    assert Expression(str(expression)) == expression
    assert Expression.of(expression) is expression
    assert expression.names == {name for name in ("params", "alpha") if name in text}


def test_what_an_expression_says_of_itself():
    assert Expression("24").constant == 24
    assert Expression("-1").constant == -1
    assert Expression("loss").constant is None
    assert Expression("-(params**-q) / q").is_negative
    assert not Expression("params - q").is_negative
    # A column may have the name of a function.
    assert float(Expression("exp(exp)").evaluate({"exp": 0.0})) == 1.0


def test_powers_of_a_reference_of_one_are_not_computed():
    def unit(alpha):
        return Expression("loss * params**alpha").evaluate(
            {"loss": 1.0, "params": 1.0, "alpha": alpha}
        )

    assert not jax.make_jaxpr(unit)(0.3).eqns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "my column",
        "loss ^ 2",
        "loss if params else 1",
        "params.shape",
        "__import__('os')",
        "sin(params)",
        "log(params, 2)",
        "log(x=params)",
        "[params]",
        "True",
        "'params'",
        "params // 2",
        "lambda: 1",
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match=r"cannot be parsed.*numbers, \+ - \* / \*\*"):
        Expression(text)


@pytest.mark.parametrize("name", NAMES)
def test_expressions_of_every_law_are_pythons(name, rng):
    law = get_law(name)
    for parameter in law.parameters.values():
        for each in (parameter.unit, parameter.shift, parameter.power):
            values = {x: rng.uniform(0.5, 1.5) for x in sorted(each.names)}
            with jax.enable_x64(True):
                found = each.evaluate(values)
            np.testing.assert_allclose(found, eval(str(each), FUNCTIONS | values), rtol=1e-9)
