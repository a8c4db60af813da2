"""Laws that a user writes: each mistake is named when the law is made."""

import math

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import scalingbayes as sb
from scalingbayes.laws import power

POSITIVE = dist.LogNormal(0, 1)


def chinchilla(params, tokens, *, E, A, B, alpha, beta):
    return E + A * power(params, -alpha) + B * power(tokens, -beta)


def make(function=chinchilla, name="mine", units=(), **declared):
    of_units = {"E": "loss", "A": "loss * params**alpha", "B": "loss * tokens**beta"} | dict(units)
    parameters = {
        name: sb.Parameter("a parameter", POSITIVE, of_units.get(name, "1"))
        for name in ("E", "A", "B", "alpha", "beta")
    }
    return sb.Law(name, function, parameters | declared, equation="", source="this test")


@pytest.mark.parametrize(
    ("units", "message"),
    [
        (
            {"B": "loss * params**beta"},
            r"of 'params' and 'tokens'\. The unit of parameter 'B', .*"
            r"lacks the factor params\*\*-beta \* tokens\*\*beta\.",
        ),
        ({"B": "loss"}, r"parameter 'B', 'loss', lacks the factor tokens\*\*beta\."),
        ({"A": "loss * params"}, r"parameter 'A', .* lacks the factor params\*\*"),
        ({"E": "1"}, r"unit of 'loss'\. The unit of parameter 'E', '1', lacks the factor loss\."),
        ({"E": "1", "B": "loss"}, r"of 'tokens' and 'loss'\. Check the unit= of each parameter"),
        ({"B": "loss * token**beta"}, r"names .'token'.*Did you mean 'tokens'\?"),
        ({"B": "loss * tokens^beta"}, r"cannot be parsed.* \*\* \(not \^\)"),
    ],
)
def test_a_wrong_unit_names_its_parameter(units, message):
    with pytest.raises(sb.InputError, match=message):
        make(units=units)


def test_units_that_cancel_are_accepted():
    def in_billions(params, tokens, *, E, A, B, alpha, beta):
        return chinchilla(params / 1e9, tokens, E=E, A=A, B=B, alpha=alpha, beta=beta)

    assert make(in_billions).name == "mine"  # a factor of the unit only rescales A


@pytest.mark.parametrize("declared", [POSITIVE, 3.0, "loss"])
def test_a_parameter_needs_its_declaration(declared):
    with pytest.raises(sb.InputError, match=r"parameter 'B' is declared by a .*sb\.Parameter\("):
        make(B=declared)


def test_a_prior_is_a_distribution():
    with pytest.raises(sb.InputError, match=r"must be a distribution of numpyro, .*got 1\.0"):
        sb.Parameter("weight", 1.0)


def with_numpy(params, tokens, *, E, A, B, alpha, beta):
    return E + A * np.power(params, -alpha) + B * power(tokens, -beta)


def with_if(params, tokens, *, E, A, B, alpha, beta):
    return E + (A * power(params, -alpha) if alpha > 0 else 0) + B * power(tokens, -beta)


def with_math(params, tokens, *, E, A, B, alpha, beta):
    return E + A * math.exp(-alpha) * power(params, -1) + B * power(tokens, -beta)


def with_sum(params, tokens, *, E, A, B, alpha, beta):
    return jnp.sum(E + A * power(params, -alpha) + B * power(tokens, -beta))


def of_symbols(n, d, *, E, A, B, alpha, beta):
    return E + A * power(n, -alpha) + B * power(d, -beta)


def of_a_logarithm(params, tokens, *, E, A, B, alpha, beta):
    return E + A * alpha * jnp.log(params) + B * power(tokens, -beta)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (with_numpy, r"calls NumPy, .* use jax\.numpy"),
        (with_if, r"branches on a value .* use jnp\.where"),
        (with_math, r"turns a value into a Python number"),
        (with_sum, r"must return one array .* for 20 runs it returns \(\)"),
        (of_symbols, r"reads the input 'n', .* Call the input 'params'"),
        (of_a_logarithm, r"changes with the unit of 'params'"),
    ],
)
def test_a_mistake_in_the_function_is_named(function, message):
    with pytest.raises(sb.InputError, match=message):
        make(function, units={"A": "loss"} if function is of_a_logarithm else ())


def test_the_name_of_a_law_of_the_package_is_taken(small_table):
    own = make(name="chinchilla")
    for use in (sb.register, sb.get_law, sb.Model):
        with pytest.raises(sb.InputError, match=r"There is a law 'chinchilla' in this package"):
            use(own)
