"""The least compute that reaches a loss: closed form, other laws, and losses out of reach."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

import scalingbayes as sb
from scalingbayes import allocation
from scalingbayes.allocation import compute_to_reach
from scalingbayes.laws import get_law

VALUES = {"E": 1.8, "A": 463.0, "B": 1885.0, "alpha": 0.3455, "beta": 0.361}


def chinchilla(loss, E, A, B, alpha, beta):
    """Invert Chinchilla's frontier.

    With N = G X^a, D = X^b / G, X = C / 6, a = beta / (alpha + beta) and b = 1 - a, both terms
    fall as X^-s, s = alpha beta / (alpha + beta), so L - E = (A G^-alpha + B G^beta) X^-s.
    """
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    s = alpha * beta / (alpha + beta)
    return 6 * ((A * G**-alpha + B * G**beta) / (loss - E)) ** (1 / s)


def reach(law, values, loss, dtype=np.float64):
    with jax.enable_x64(dtype == np.float64):
        arrays = {name: jnp.asarray(np.asarray(x, dtype)) for name, x in values.items()}
        return np.asarray(compute_to_reach(law, arrays, jnp.asarray(np.asarray(loss, dtype)), {}))


@settings(deadline=None)
@given(
    E=st.floats(0.1, 5),
    A=st.floats(0.1, 1e4),
    B=st.floats(0.1, 1e4),
    alpha=st.floats(0.1, 1.5),
    beta=st.floats(0.1, 1.5),
    excess=st.floats(1e-3, 10),
)
def test_chinchillas_frontier_is_inverted_in_closed_form(E, A, B, alpha, beta, excess):
    values = {"E": E, "A": A, "B": B, "alpha": alpha, "beta": beta}
    found = reach(get_law("chinchilla"), values, [E + excess])
    np.testing.assert_allclose(np.log(found), np.log(chinchilla(E + excess, **values)), atol=1e-8)


def test_draws_and_cases_broadcast(rng):
    draws = {name: x * np.exp(0.01 * rng.standard_normal((2, 3))) for name, x in VALUES.items()}
    law = get_law("chinchilla")
    found = reach(law, draws, [1.95, 2.1, 2.5, 3.0])
    assert found.shape == (2, 3, 4)
    columns = {name: x[..., None] for name, x in draws.items()}
    np.testing.assert_allclose(found, chinchilla(np.array([1.95, 2.1, 2.5, 3.0]), **columns))
    each = rng.uniform(2, 3, (2, 3, 4))  # a loss of its own for every draw
    np.testing.assert_allclose(reach(law, draws, each), chinchilla(each, **columns))


def test_losses_at_or_below_the_floor_are_out_of_reach():
    for law in (get_law("chinchilla"), replace(get_law("chinchilla"), optimum=None)):
        for dtype in (np.float64, np.float32):
            found = reach(law, VALUES, [0.5, 1.8 - 1e-6, 1.8, 2.0], dtype)
            assert np.isinf(found[:3]).all()
            assert np.isfinite(found[3])


@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_the_numerical_frontier_is_inverted_too_and_in_float32(dtype, rtol):
    losses = np.array([2.0, 2.5, 4.0])
    for law in (get_law("chinchilla"), replace(get_law("chinchilla"), optimum=None)):
        found = reach(law, VALUES, losses, dtype)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, chinchilla(losses, **VALUES), rtol=rtol)


def test_a_law_of_another_form_is_inverted_along_its_own_frontier():
    # Farseer's law has no closed form: scipy finds the root along the allocation.
    values = {"s": -0.062465473, "q": 0.13, "S": 0.1284880679, "B": 230.7343708, "b": -0.1729}
    values |= {"Q": -1.544209554, "A": -1.665630816, "a": 0.0459, "E": 3.133347199}
    law = get_law("farseer")
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, values)

        def frontier(log_compute):
            best = allocation.optimum(law, arrays, jnp.exp(jnp.asarray([log_compute])), {})
            return float(best["loss"][0])

        losses = [frontier(at) for at in (46.0, 53.0)]
        roots = [brentq(lambda c, x=x: frontier(c) - x, 40, 60, xtol=1e-10) for x in losses]
    np.testing.assert_allclose(np.log(reach(law, values, losses)), roots, atol=1e-6)


def test_a_law_without_a_floor_reaches_every_loss():
    values = {"N_c": 8.8e13, "D_c": 5.4e13, "alpha_N": 0.076, "alpha_D": 0.095}
    law = get_law("kaplan")
    assert set(values) == set(law.parameters)
    found = reach(law, values, [0.5, 2.0, 4.0])
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, values)
        back = allocation.optimum(law, arrays, jnp.asarray(found), {})["loss"]
    np.testing.assert_allclose(back, [0.5, 2.0, 4.0], rtol=1e-10)


def test_it_runs_under_jit_and_compiles_once(compilations):
    law = get_law("chinchilla")
    eager = reach(law, VALUES, [2.0, 3.0])
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, VALUES)
        jitted = jax.jit(lambda v, x: compute_to_reach(law, v, x, {}))(arrays, jnp.array([2.0, 3]))
    np.testing.assert_allclose(jitted, eager, rtol=1e-12)
    before = compilations.count
    reach(law, VALUES, [2.2, 3.1])
    assert compilations.count == before


def test_laws_without_a_frontier_are_refused():
    with pytest.raises(sb.InputError, match="does not read params and tokens"):
        compute_to_reach(get_law("power_law"), {}, jnp.ones(1), {})
