"""Likelihood powers: their effect on a posterior, and how they are chosen."""

import numpy as np
import pytest
from plain import PLAIN, bind_default, fit_default, fit_many_default
from scalingbayes.inference.likelihood_power import LIKELIHOOD_POWERS, choose_likelihood_powers
from simulation import simulate

import scalingbayes as sb


def bent(rng, rows=120, bend=0.0):
    """Return runs of ten budgets around a surface that deviates from Chinchilla's law."""
    budgets = np.repeat(np.geomspace(1e18, 1e21, 10), rows // 10)
    params = np.sqrt(budgets / 120) * 10 ** rng.uniform(-0.5, 0.5, rows)
    tokens = budgets / 6 / params
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    wave = np.sin(np.log(budgets) * 2.5)  # the same for all runs of a budget
    loss *= np.exp(bend * wave + 0.002 * rng.standard_normal(rows))
    return sb.Runs({"params": params, "tokens": tokens, "loss": loss})


def models(tables):
    return [bind_default(table, **PLAIN) for table in tables]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::scalingbayes.InputWarning")
def test_a_doubled_table_at_power_one_half_has_the_posterior_of_the_table(rng):
    table = simulate(rng, 60, 4.0, 0.01)
    twice = {name: np.tile(values, 2) for name, values in dict(table).items()}
    how = {**PLAIN, "engine": "laplace"}
    once = fit_default(table, exact=True, **how).summary()
    halved = fit_default(twice, likelihood_power=0.5, **how).summary()
    # The densities are equal; each summary is of 4,000 independent draws.
    error = 5 * once["sd"] / np.sqrt(4000)
    assert (abs(once["mean"] - halved["mean"]) < error)[["E", "alpha", "beta"]].all()


def test_a_wrong_law_gets_a_lower_power_than_a_true_law():
    rng = np.random.default_rng(7)
    tables = [bent(rng, bend=bend) for bend in (0.0, 0.0, 0.0, 0.02, 0.02, 0.02)]
    chosen = choose_likelihood_powers(models(tables), [0] * 6, "float64")
    values = [each.value for each in chosen]
    assert max(values[3:]) < min(values[:3])
    assert all(min(LIKELIHOOD_POWERS) <= value <= 1 for value in values)
    # The chosen power predicts better than power 1.
    for each in chosen[3:]:
        totals = each.scores.sum(axis=1)
        assert totals[totals.index[np.argmin(abs(totals.index - each.value))]] > totals[1.0]


def test_the_choice_does_not_depend_on_the_other_tables_of_a_batch(rng):
    tables, seeds = models([bent(rng, bend=0.01), bent(rng, bend=0.01)]), [3, 8]
    together = choose_likelihood_powers(tables, seeds, "float64")
    for table, seed, chosen in zip(tables, seeds, together, strict=True):
        (alone,) = choose_likelihood_powers([table], [seed], "float64")
        np.testing.assert_allclose(chosen.scores, alone.scores, rtol=1e-6)
        assert chosen.value == pytest.approx(alone.value, rel=1e-6)
    # The seed matters: two tables with equal runs and different seeds differ.
    first, second = choose_likelihood_powers([tables[0]] * 2, seeds, "float64")
    assert first.value != second.value


def test_folds_are_predicted_from_below():
    table = bent(np.random.default_rng(1))
    (chosen,) = choose_likelihood_powers(models([table]), [0], "float64")
    assert list(chosen.scores.index) == list(LIKELIHOOD_POWERS)
    assert list(chosen.scores.columns) == [
        f"from {budget / 6:.3g}" for budget in np.geomspace(1e18, 1e21, 10)[:-5:-1]
    ]
    assert np.isfinite(chosen.scores).all(axis=None)


def test_the_choice_depends_on_no_units_and_no_order(rng):
    table = bent(rng, bend=0.01).frame[["params", "tokens", "loss"]]
    shuffled = table.sample(frac=1, random_state=1)
    scaled = table.assign(params=table["params"] / 1e6, loss=table["loss"] * 1.44)
    tables = [sb.Runs(each) for each in (table, shuffled)]
    with pytest.warns(sb.InputWarning):
        tables.append(sb.Runs(scaled))
    values = [each.value for each in choose_likelihood_powers(models(tables), [0] * 3, "float64")]
    assert values[1] == pytest.approx(values[0], rel=1e-6)
    assert values[2] == pytest.approx(values[0], rel=1e-6)


def test_runs_of_small_loss_are_the_large_runs_of_a_law_of_the_loss(rng):
    losses = rng.permutation(np.geomspace(2, 4, 60))
    errors = 0.85 - 0.9 * np.exp(-0.5 * losses) + 0.003 * rng.standard_normal(60)
    model = bind_default(sb.Runs({"loss": losses, "error": errors}), "downstream")
    (chosen,) = choose_likelihood_powers([model], [0], "float64")
    lowest = [1 / float(label.removeprefix("from ")) for label in chosen.scores]
    assert lowest == sorted(lowest)
    assert len(lowest) == 4
    assert 2 < lowest[0] < lowest[-1] < np.median(losses) + 0.3


def test_a_table_without_a_scale_gets_the_typical_power(rng):
    web = rng.uniform(0.1, 0.9, 30)
    losses = 2 + 0.3 * np.exp(-1.5 * web) + 0.003 * rng.standard_normal(30)
    post = fit_default({"web": web, "code": 1 - web, "loss": losses}, "mixture", engine="laplace")
    assert 0.1 < post.likelihood_power < 0.4


def test_a_table_too_small_to_be_split_gets_the_typical_power(small_table):
    few = sb.Runs({name: values[:8] for name, values in small_table.items()})
    (chosen,) = choose_likelihood_powers(models([few]), [0], "float64")
    assert chosen.scores.empty
    assert 0.1 < chosen.value < 0.4


def test_defaults_are_what_the_scoreboard_found_best(rng):
    table = bent(rng, bend=0.01)
    post = fit_default(table, engine="laplace", draws=300)
    assert post.law.name == "coupled"
    assert post.noise.name == "student_t(varying=compute)"
    (chosen,) = choose_likelihood_powers([bind_default(table)], [0], "float64")
    assert post.likelihood_power == chosen.value < 1
    assert f"likelihood_power {post.likelihood_power:.2g}" in repr(post)
    np.testing.assert_allclose(post.weights, 1)
    again = sb.refit(post, {"all": np.ones(len(table))})["all"]
    assert again.likelihood_power == post.likelihood_power


@pytest.mark.slow
def test_each_of_many_fits_chooses_its_own_power(rng):
    tables = [bent(rng, bend=0.02), bent(rng, bend=0.0)]
    posts = fit_many_default(tables, engine="laplace", draws=200, **PLAIN)
    assert posts[0].likelihood_power < posts[1].likelihood_power


@pytest.mark.parametrize("likelihood_power", [0, -1, "hot", None, np.nan, np.inf])
def test_invalid_powers_are_refused(small_table, likelihood_power):
    with pytest.raises(sb.InputError, match="likelihood_power must be 'auto' or a positive number"):
        fit_default(small_table, likelihood_power=likelihood_power)


@pytest.mark.parametrize("engine", ["bootstrap", "optimize"])
def test_engines_without_a_posterior_refuse_a_power(small_table, engine):
    with pytest.raises(sb.InputError, match=r"samples no posterior, so likelihood_power=0\.5"):
        fit_default(small_table, engine=engine, likelihood_power=0.5)
