"""Default priors: learned from public sweeps, weak, or given; and how they are learned."""

import sys
from pathlib import Path

import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import optimize, stats

import scalingbayes as sb
from scalingbayes.laws import LAWS, get_law
from scalingbayes.laws.base.resolved_priors import recorded_priors
from scalingbayes.model.noise_models import default_noise

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from learn_priors import SweepDraws, learn, learn_all

STUDIES = ("chinchilla", "llama3", "porian", "gemstones", "misfitting", "overtraining")
LEARNED = ("coupled", "chinchilla", "chinchilla(tied=True)", "overtrained", "kaplan")


def statements(model):
    return {n: p.describe(n, model.parameters[n]) for n, p in model.priors.items()}


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    params, tokens = 10 ** random.uniform(7.5, 9, 30), 10 ** random.uniform(9.5, 11, 30)
    loss = 1.7 + 400 * params**-0.34 + 410 * tokens**-0.28
    return {"params": params, "tokens": tokens, "loss": loss * random.lognormal(0, 0.01, 30)}


# --- which priors a model has ---


@pytest.mark.parametrize("law", LEARNED)
def test_every_parameter_of_a_law_of_params_and_tokens_has_a_learned_prior(law):
    model, weak = sb.Model(law), sb.Model(law, default_priors="weak")
    learned = sb.learned_priors(law)
    assert list(learned) == list(model.parameters)
    assert "learned from 21 public sweeps" in model.origin_of_priors
    assert weak.origin_of_priors == "weak"
    for name, prior in model.priors.items():
        assert prior.hyperparameters == pytest.approx(learned[name].get_args())
        assert prior.at_reference
        declared = model.parameters[name].prior
        assert weak.priors[name].hyperparameters == pytest.approx(declared.get_args())
        assert type(learned[name]) is (dist.Normal if name == "spread_exponent" else dist.LogNormal)


def test_learned_priors_of_the_default_law_are_near_those_of_another_program():
    # The same recipe in NumPy with another sampler, from the same sweeps.
    theirs = {
        "E": (-0.36, 0.25),
        "A": (-1.0, 0.49),
        "B": (-1.0, 0.49),
        "alpha": (-0.71, 0.39),
        "beta": (-0.42, 0.44),
        "k": (-0.68, 0.44),
        "sigma": (-5.0, 0.81),
        "spread_exponent": (0.15, 0.36),
    }
    ours = sb.learned_priors("coupled")
    for name, (loc, scale) in theirs.items():
        assert float(ours[name].loc) == pytest.approx(loc, abs=0.1)
        assert float(ours[name].scale) == pytest.approx(scale, rel=0.06)


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("law", LEARNED)
def test_every_study_can_be_left_out(law, study):
    every, others = sb.learned_priors(law), sb.learned_priors(law, without=study)
    assert list(others) == list(every)
    assert any(float(others[name].loc) != float(every[name].loc) for name in every)


def test_laws_with_the_same_surface_share_priors_and_others_stay_weak():
    surface, constrained = sb.learned_priors("chinchilla"), sb.learned_priors("data_constrained")
    assert set(surface) == set(constrained)
    assert float(surface["E"].loc) == float(constrained["E"].loc)
    model = sb.Model("data_constrained")
    assert model.origin_of_priors.endswith("those of R_D_star, R_N_star are weak")
    assert sb.Model("power_law").origin_of_priors == "weak"
    with pytest.raises(sb.InputError, match="There is no law 'power_law'"):
        sb.learned_priors("power_law")


def test_other_noises_have_weak_priors_and_the_law_learned_ones():
    learned = sb.learned_priors("coupled", "normal")
    assert list(learned) == list(get_law("coupled").parameters)
    assert learned["k"].loc == sb.learned_priors("coupled")["k"].loc
    assert "those of sigma are weak" in sb.Model("coupled", "normal").origin_of_priors


def test_priors_replace_defaults_of_any_kind():
    given = {"alpha": dist.LogNormal(-1.0, 0.2)}
    defaults = {"alpha": dist.LogNormal(0.0, 1.0), "beta": dist.LogNormal(0.0, 1.1)}
    model = sb.Model("chinchilla", priors=given, default_priors=defaults)
    assert model.priors["alpha"].hyperparameters == pytest.approx({"loc": -1.0, "scale": 0.2})
    assert model.priors["beta"].hyperparameters == pytest.approx({"loc": 0.0, "scale": 1.1})
    weak = sb.Model("chinchilla", default_priors="weak")
    assert statements(model)["E"] == statements(weak)["E"]
    learned = sb.Model("chinchilla", priors=given)
    assert learned.priors["beta"].hyperparameters == pytest.approx(
        sb.learned_priors("chinchilla")["beta"].get_args()
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("strong", "must be 'learned' or 'weak'"),
        ({"gamma": dist.LogNormal(0, 1)}, "There is no parameter 'gamma'"),
        ({"alpha": 1.0}, "must be a numpyro distribution"),
        (3, "must map names of parameters to distributions"),
    ],
)
def test_default_priors_that_cannot_be_used_are_refused(given, message):
    with pytest.raises(sb.InputError, match=message):
        sb.Model("chinchilla", default_priors=given)


def test_an_unknown_study_is_refused():
    with pytest.raises(sb.InputError, match="There is no study 'pile'"):
        sb.learned_priors(without="pile")


# --- they are stated at the reference point, recorded, and read back ---


def test_a_default_prior_describes_the_same_number_in_any_unit(table):
    # A of the law is stated as A**k in units of the loss: what the term adds to the loss at the
    # reference point, if the other term were 0.
    units = {"params": 1e3, "tokens": 1e2, "loss": 1 / np.log(2)}
    scaled = {name: values * units[name] for name, values in table.items()}
    engine = sb.PriorDraws(draws=2000)
    terms = []
    for each in (table, scaled):
        post = sb.fit(each, engine=engine, seed=3)
        at, v = post.record.reference, {n: x.ravel() for n, x in post.values.items()}
        terms.append((v["A"] * at["params"] ** -v["alpha"]) ** v["k"] / at["loss"])
    np.testing.assert_allclose(*terms, rtol=1e-4)
    prior = sb.learned_priors()["A"]
    ranks = stats.norm(float(prior.loc), float(prior.scale)).cdf(np.log(terms[0]))
    assert stats.kstest(ranks, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", sorted(LAWS))
def test_recorded_defaults_give_the_same_priors(name):
    law = get_law(name)
    for how in ("learned", "weak"):
        model = sb.Model(law, default_priors=how)
        records = {n: p.as_record(n, model.parameters[n]) for n, p in model.priors.items()}
        assert not recorded_priors(records, at_reference=False)
        defaults = recorded_priors(records, at_reference=True)
        assert set(defaults) == set(model.parameters)
        again = sb.Model(law, default_noise(law), default_priors=defaults)
        assert statements(again) == statements(model)


@pytest.mark.slow
def test_a_saved_fit_can_be_fitted_again_with_its_own_priors(table, tmp_path):
    defaults = sb.learned_priors("coupled", without="porian")
    model = sb.Model("coupled", priors={"E": dist.Normal(1.7, 0.2)}, default_priors=defaults)
    post = sb.fit(table, model, engine=sb.Laplace(draws=100), exact=True)
    post.save(tmp_path / "post.nc")
    loaded = sb.load(tmp_path / "post.nc")
    assert loaded.describe_priors() == post.describe_priors()
    again = sb.refit(loaded, {"same": loaded.weights})["same"]
    assert again.record.priors == post.record.priors
    assert "defaults given" in post.describe_priors()
    (alpha,) = (line for line in post.describe_priors().splitlines() if "alpha ~" in line)
    assert f"LogNormal(loc={float(defaults['alpha'].loc):.4g}" in alpha


# --- how they are learned ---


def simulated(sweeps, seed):
    """Draw sweeps of a normal population: their normal estimates, and draws of their posteriors."""
    random = np.random.default_rng(seed)
    mean, covariance = np.array([-0.7, 0.2]), np.array([[0.16, 0.1], [0.1, 0.25]])
    truth = random.multivariate_normal(mean, covariance, sweeps)
    error = random.uniform(0.05, 0.5, truth.shape)
    estimate = truth + error * random.standard_normal(truth.shape)
    prior = stats.norm(0.0, 1.5)
    precision = error**-2 + 1.5**-2
    centre, sd = estimate / error**2 / precision, precision**-0.5
    draws = centre[:, None] + sd[:, None] * random.standard_normal((sweeps, 1000, 2))
    studies = [f"study {i % 7 if i < 40 else 0}" for i in range(sweeps)]
    tables = [
        SweepDraws(study, f"sweep {i}", points, prior.logpdf(points).sum(1))
        for i, (study, points) in enumerate(zip(studies, draws, strict=True))
    ]
    return tables, estimate, error, studies


def test_the_population_is_that_of_greatest_weighted_likelihood():
    # If posteriors are normal, the marginal likelihood of a population has a closed form.
    tables, estimate, error, studies = simulated(60, 1)
    weights = np.array([studies.count(study) for study in studies]) ** -0.5

    def minus_log_likelihood(at):
        root = np.array([[np.exp(at[2]), 0.0], [at[3], np.exp(at[4])]])
        return -sum(
            weight * stats.multivariate_normal.logpdf(y, at[:2], root @ root.T + np.diag(own**2))
            for weight, y, own in zip(weights, estimate, error, strict=True)
        )

    at = optimize.minimize(minus_log_likelihood, [0, 0, -1, 0, -1], method="BFGS").x
    root = np.array([[np.exp(at[2]), 0.0], [at[3], np.exp(at[4])]])
    found = learn(tables, ridge=0.0, inflation=1.0)
    np.testing.assert_allclose(found.mean, at[:2], atol=0.01)
    np.testing.assert_allclose(found.covariance, root @ root.T, atol=0.01)


def test_the_ridge_and_the_inflation_widen_the_population():
    tables = simulated(30, 2)[0]
    bare, ridged = learn(tables, ridge=0.0, inflation=1.0), learn(tables, inflation=1.0)
    assert np.all(ridged.sds > bare.sds)
    np.testing.assert_allclose(learn(tables).covariance, 1.3 * ridged.covariance)


def test_leaving_a_study_out_is_learning_from_the_others():
    tables = simulated(30, 3)[0]
    found = learn_all(tables, ["x", "y"])
    assert set(found) == {"all", *(f"study {i}" for i in range(7))}
    others = learn([table for table in tables if table.study != "study 2"])
    assert found["study 2"]["x"] == pytest.approx([others.mean[0], others.sds[0]], abs=1e-3)


def test_priors_at_the_reference_point_are_no_priors_in_the_units_of_the_table():
    with pytest.raises(sb.InputError, match="default_priors="):
        sb.Model("coupled", priors=sb.learned_priors("coupled"))
