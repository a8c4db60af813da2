"""The bundled tables and their descriptions."""

import pytest

import scalingbayes as sb


@pytest.mark.parametrize("name", sb.datasets.names())
def test_every_table_states_its_source_and_licence(name):
    text = str(sb.datasets.info(name))
    assert all(word in text for word in ("source", "licence", name))
    assert len(sb.datasets.load(name)) > 0


def test_chinchilla_is_the_published_extraction(all_runs, runs):
    # Besiroglu et al. 2024: 245 points, 240 after dropping the five highest losses.
    assert (len(all_runs), len(runs)) == (245, 240)
    assert "MIT" in sb.datasets.info("chinchilla").licence


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(sb.InputError, match=r"no data set 'chinchila'. Did you mean 'chinchilla'"):
        sb.datasets.load("chinchila")
