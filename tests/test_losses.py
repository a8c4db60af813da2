"""Several losses of one table, fitted side by side."""

import numpy as np
import pandas as pd
import pytest

import scalingbayes as sb


def test_several_losses_of_one_table_are_fitted_side_by_side(small_table):
    frame = pd.DataFrame(small_table).rename(columns={"loss": "c4_loss"})
    table = frame.assign(pile_loss=0.9 * frame["c4_loss"], code_ppl=np.exp(frame["c4_loss"]))
    tables = sb.Runs(table).with_losses(["c4_loss", "pile_loss", "code_ppl"])
    np.testing.assert_allclose(tables["code_ppl"].column("loss"), frame["c4_loss"])
    assert tables["code_ppl"].units.is_perplexity
    posts = sb.fit_many(
        {name: tables[name] for name in ("c4_loss", "pile_loss")},
        "chinchilla",
        engine=sb.Laplace(draws=500),
        exact=True,
    )
    found = posts.allocate([1e20, 1e21])
    assert found.draws["params"].sizes["fit"] == 2
    alone = posts["pile_loss"].allocate([1e20, 1e21])
    np.testing.assert_array_equal(
        found["params"].sel(fit="pile_loss").transpose("chain", "draw", "compute"),
        alone["params"].transpose("chain", "draw", "compute"),
    )
    assert not any("disagree" in note for note in found.notes)  # the losses are in proportion
    with pytest.raises(sb.InputError, match="no loss 'books'"):
        sb.Runs(table).with_losses(["books"])


def test_losses_that_disagree_are_said_to(rng):
    params, tokens = (x.ravel() for x in np.meshgrid(np.geomspace(1e7, 1e9, 6), [1e9, 1e10, 1e11]))
    noise = np.exp(1e-4 * rng.standard_normal((2, 18)))
    table = {"params": params, "tokens": tokens}
    table["a_loss"] = (1.7 + 4e2 / params**0.34 + 4e2 / tokens**0.28) * noise[0]
    table["b_loss"] = (1.7 + 4e2 / params**0.28 + 4e2 / tokens**0.34) * noise[1]
    posts = sb.fit_many(
        sb.Runs(table).with_losses(["a_loss", "b_loss"]),
        sb.Model("chinchilla", "normal"),
        engine=sb.Laplace(draws=500),
        exact=True,
    )
    assert any("disagree about a: " in note for note in posts.exponents().notes)
    assert any("disagree about params: " in note for note in posts.allocate(1e22).notes)
    table["b_loss"][:4] = np.nan  # unequal rows
    tables = sb.Runs(table).with_losses(["a_loss", "b_loss"], drop_empty=True)
    unequal = sb.fit_many(
        {"a": tables["a_loss"].filter(params > 1e7), "b": tables["b_loss"]},
        sb.Model("chinchilla", "normal"),
        engine=sb.Laplace(draws=500),
        exact=True,
    )
    assert any("disagree about a: " in note for note in unequal.exponents().notes)
    assert "Table of b: " in repr(unequal)


@pytest.mark.slow
def test_fits_of_different_costs_and_units_are_told_apart(small_table):
    flops = 60 * small_table["params"] * small_table["tokens"]
    tables = {
        "plain": sb.Runs(small_table, units={"params": "total"}),
        "measured": sb.Runs({**small_table, "compute": flops}, units={"params": "non_embedding"}),
    }
    posts = sb.fit_many(tables, "chinchilla", engine=sb.Laplace(draws=100), exact=True)
    found = posts.allocate(1e21)
    assert found.title == "Compute-optimal allocation by 2 fits"
    assert any(note.startswith("plain: ") and "C = 6 N D" in note for note in found.notes)
    assert any("C = 60 N D" in note and "without embeddings" in note for note in found.notes)
    assert "N counts" not in posts.exponents().title
    alike = sb.fit_many(
        dict.fromkeys("ab", tables["plain"]), "chinchilla", engine=sb.Laplace(draws=100)
    )
    assert alike.exponents().title.endswith("; N counts parameters with embeddings")
    assert "C = 6 N D; N counts" in alike.allocate(1e21).title
    assert "Table: Column 'params' counts parameters with embeddings." in repr(alike)


def test_a_unit_of_several_losses_is_that_of_the_loss_that_was_read_too():
    table = {"params": [1e8, 1e9], "tokens": [1e9, 1e10], "c4": [20.0, 10.0]}
    columns = {"val_loss": [15.0, 9.0]}
    with pytest.warns(sb.InputWarning, match="loss is 'val_loss'"):
        chosen = sb.Runs({**table, **columns})
    named = sb.Runs({**table, **columns}, loss="val_loss")
    for runs in (chosen, named):
        tables = runs.with_losses(["val_loss", "c4"], unit="perplexity")
        for name, values in (("val_loss", [15.0, 9.0]), ("c4", [20.0, 10.0])):
            np.testing.assert_allclose(tables[name].column("loss"), np.log(values))
            assert tables[name].units.is_perplexity
    perplexities = sb.Runs({**table, **columns}, loss="val_loss", units={"loss": "perplexity"})
    (same,) = perplexities.with_losses(["val_loss"], unit="perplexity").values()
    np.testing.assert_allclose(same.column("loss"), np.log([15.0, 9.0]))
