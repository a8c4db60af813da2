"""The best learning rate and batch size of a planned run."""

import numpy as np
import pytest

import scalingbayes as sb

BUDGET = 1e22


@pytest.fixture(scope="module")
def planned():
    papers = ("deepseek_2024_learning_rate", "li_2025_batch_size")
    laws = [sb.published(name) for name in papers]
    return sb.plan(sb.published("hoffmann_2022"), BUDGET, hyperparameters=laws)


def test_published_constants_give_the_settings_of_a_plan(planned):
    medians = planned.summary()["median"]
    rate = 0.3118 * BUDGET**-0.1250  # DeepSeek-AI 2024, eq. 1
    batch = 0.58 * planned.run["tokens"] ** 0.571  # Li et al. 2025, in tokens
    assert medians["learning_rate"] == pytest.approx(rate, rel=1e-3)
    assert medians["batch_size"] == pytest.approx(batch, rel=1e-2)
    assert "learning_rate" in str(planned)


def test_a_plan_of_experts_counts_both_params():
    sparse = sb.plan(sb.published("abnar_2025"), BUDGET, sparsity=0.9).run
    assert sparse["active_params"] == pytest.approx(0.1 * sparse["params"])
    post = sb.published("ludziejewski_2025")
    joint = sb.plan(post, BUDGET, limits=sb.Limits(max_params=1e10), experts=8)
    assert joint.run["params"] == pytest.approx(1e10, rel=1e-6)
    assert "params 10B" in str(joint)


def test_a_drawn_plan_has_its_settings(planned):
    lines = planned.plot()[0].texts[0].get_text().splitlines()
    named = [line.split()[0] for line in lines]
    assert named == ["tokens_per_param", "learning_rate", "batch_size"]
    assert float(lines[1].split()[1]) == pytest.approx(0.3118 * BUDGET**-0.1250, rel=0.01)


def test_a_setting_that_two_laws_predict_is_refused():
    law = sb.published("deepseek_2024_learning_rate")
    with pytest.raises(sb.InputError, match="Two of hyperparameters="):
        sb.plan(sb.published("hoffmann_2022"), BUDGET, hyperparameters=[law, law])


def test_laws_of_a_loss_are_refused():
    post = sb.published("hoffmann_2022")
    with pytest.raises(sb.InputError, match="predict a setting"):
        sb.plan(post, BUDGET, hyperparameters=[post])


@pytest.mark.slow
def test_a_bowl_has_its_own_optimum(rng):
    size, tokens = np.exp(rng.uniform(np.log([[5e7], [1e9]]), np.log([[2e9], [1e11]]), (2, 400)))
    rate = 1.79 * size**-0.713 * tokens**0.307 * np.exp(rng.uniform(-1.5, 1.5, 400))
    batch = 0.58 * tokens**0.571 * np.exp(rng.uniform(-1.5, 1.5, 400))
    x = np.log(rate / (1.79 * size**-0.713 * tokens**0.307))
    y = np.log(batch / (0.58 * tokens**0.571))
    loss = 1.8 + 400 / size**0.34 + 900 / tokens**0.3 + 0.03 * x**2 + 0.02 * y**2
    runs = {"params": size, "tokens": tokens, "learning_rate": rate, "batch_size": batch}
    runs["loss"] = loss * np.exp(0.003 * rng.standard_normal(400))
    post = sb.fit(runs, "hyperparameter_bowl", engine="laplace", exact=True)
    found = sb.plan(post, 1e21, learning_rate=1e-3, batch_size=1e6)
    run, table = found.run, found.summary()
    truth = {"learning_rate": 1.79 * run["params"] ** -0.713 * run["tokens"] ** 0.307}
    truth["batch_size"] = 0.58 * run["tokens"] ** 0.571
    for name, best in truth.items():
        assert table.loc[name, "eti90_lb"] / 1.05 < best < 1.05 * table.loc[name, "eti90_ub"]
