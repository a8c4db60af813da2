"""Noise models: compared with SciPy, simulation and each other."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from plain import bind_default, fit
from scipy import stats

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes.evaluation.calibration import typical_inputs
from scalingbayes.laws import get_law
from scalingbayes.model.noise_models import NOISE_MODELS, default_noise, get_noise

VALUES = {"sigma": 0.02, "nu": 4.0, "spread_exponent": 0.3}
ORACLES = {
    "student_t": lambda z, s: stats.t(4.0, scale=s).logpdf(z),
    "normal": lambda z, s: stats.norm(scale=s).logpdf(z),
    "laplace": lambda z, s: stats.laplace(scale=s).logpdf(z),
}


def simulate(rng, rows=200, spread_exponent=0.3, errors=None):
    """Simulate runs whose spread falls with compute, or that have known errors."""
    params, tokens = 10 ** rng.uniform(7, 10, rows), 10 ** rng.uniform(9, 11.5, rows)
    size = np.log(params * tokens)
    spread = 0.01 * np.exp(-spread_exponent * (size - size.mean()))
    if errors is not None:
        spread = np.hypot(spread, errors)
    loss = (1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28) * np.exp(
        spread * rng.standard_normal(rows)
    )
    return pd.DataFrame({"params": params, "tokens": tokens, "loss": loss})


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("options", ["", "(varying=compute)", "(varying=tokens)", "(error=se)"])
def test_densities_agree_with_scipy(name, options, rng):
    noise = get_noise(name + options, get_law("chinchilla"))
    inputs = {"params": rng.uniform(0.1, 9, 20), "tokens": rng.uniform(0.1, 9, 20)}
    expected, observed, errors = rng.uniform(2, 3, (3, 20))
    errors *= 0.01
    spread = np.full(20, 0.02)
    if "varying" in options:
        size = inputs["tokens"] * (inputs["params"] if "compute" in options else 1)
        spread *= size**-0.3
    if "error" in options:
        spread = np.hypot(spread, errors)
    with precision("float64"):
        there = {key: jnp.asarray(x) for key, x in inputs.items()}
        values = {key: jnp.asarray(x) for key, x in VALUES.items()}
        own = jnp.asarray(errors) if "error" in options else None
        found = noise(jnp.asarray(expected), values, there, own).log_prob(jnp.asarray(observed))
    oracle = ORACLES[name](np.log(observed / expected), spread) - np.log(observed)
    np.testing.assert_allclose(found, oracle, rtol=1e-9)


def test_the_spread_exponent_is_recovered(rng):
    post = fit(simulate(rng), noise="normal(varying=compute)", engine="laplace")
    frame = post.summary(0.99)
    assert frame.loc["spread_exponent", "eti99_lb"] < 0.3 < frame.loc["spread_exponent", "eti99_ub"]
    assert frame.loc["sigma", "eti99_lb"] < 0.01 < frame.loc["sigma", "eti99_ub"]
    assert post["spread_exponent"].std() < 0.05
    # A prediction has the spread at the run's own compute.
    far = post.predict(params=[1e7, 1e10], tokens=[1e9, 3e11]).draws
    scatter = np.log(far["observed"] / far["expected"]).std(("chain", "draw")).to_numpy()
    exponent = np.log(scatter[0] / scatter[1]) / np.log(1e10 * 3e11 / 1e16)
    assert exponent == pytest.approx(0.3, abs=0.05)


@pytest.mark.slow
def test_known_errors_are_not_part_of_sigma(rng):
    errors = np.where(np.arange(200) < 100, 0.05, 0.0)
    table = simulate(rng, spread_exponent=0.0, errors=errors)
    table["se"] = errors * table["loss"]  # in the unit of the loss
    with_errors = fit(table, noise="normal(error=se)", engine="laplace")
    sigma = with_errors.summary(0.99).loc["sigma"]
    assert sigma["eti99_lb"] < 0.01 < sigma["eti99_ub"]
    without = fit(table, noise="normal", engine="laplace")
    assert without.summary(0.99).loc["sigma", "eti99_lb"] > 0.025
    assert with_errors["alpha"].std() < 0.7 * without["alpha"].std()


@pytest.mark.parametrize(
    ("law", "noise"),
    [
        ("chinchilla", "student_t(varying=compute)"),
        ("chinchilla", "normal(error=se)"),
        ("accuracy", "normal(error=se)"),
        ("vocabulary", "normal(error=se)"),
    ],
)
def test_the_numpyro_model_has_the_same_likelihood(law, noise, rng):
    from numpyro.infer.util import log_density

    target = get_law(law).target.column
    table = typical_inputs(get_law(law), 30, rng) | {target: rng.uniform(0.2, 0.4, 30)}
    model = bind_default(sb.Runs({**table, "se": np.full(30, 0.01)}), law, noise=noise)
    with precision("float64"):
        density = model.density("float64")
        points = density.coordinates.center(float) + jnp.asarray(
            rng.normal(0, 0.1, (2, len(model.parameters)))
        )
        ours = [float(density.weights @ density.log_likelihood(point)) for point in points]
        theirs = []
        for point in points:
            values = dict(density.coordinates.in_units(point))
            traced = log_density(model.numpyro_model(), (), {}, values)[1]
            theirs.append(float(traced[target]["fn"].log_prob(traced[target]["value"]).sum()))
    assert ours[0] - ours[1] == pytest.approx(theirs[0] - theirs[1], rel=1e-9)


def test_a_saved_fit_keeps_its_noise(rng, tmp_path):
    table = simulate(rng, 40)
    post = fit(table, noise="student_t(varying=compute)", engine="laplace", draws=200)
    post.save(tmp_path / "post.nc")
    again = sb.load(tmp_path / "post.nc")
    assert again.noise is post.noise
    where = {"params": 1e9, "tokens": 1e11}
    pairs = again.predict(**where), post.predict(**where)
    np.testing.assert_array_equal(*(pair.draws["observed"] for pair in pairs))


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ("student", "There is no noise model 'student'. Did you mean 'student_t'"),
        ("normal(vary=compute)", "no option 'vary' of noise models. Did you mean 'varying'"),
        ("normal(varying=flops)", "There is no input 'flops' of law 'chinchilla'"),
        ("normal(varying=2)", "varying of noise 'normal' must be a name; got 2"),
        ("normal(error=se)", "no column 'se'"),
        ("normal(error=minus)", "'minus', row 1"),
    ],
)
def test_invalid_noise_is_refused(noise, message, small_table):
    with pytest.raises(sb.InputError, match=message):
        fit({**small_table, "minus": -small_table["loss"]}, noise=noise)


def test_the_default_spread_falls_with_compute_if_the_law_allocates():
    assert default_noise(get_law("coupled")) == sb.StudentTNoise(varying="compute")
    assert default_noise(get_law("power_law")) == sb.StudentTNoise()
    for name in NOISE_MODELS:
        assert get_noise(name, get_law("chinchilla")).name == name
