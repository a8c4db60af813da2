"""The bundled tables and their descriptions."""

import re
from pathlib import Path

import pytest

import scalingbayes as sb

NOTICES = {
    "MIT": "Permission is hereby granted",
    "Apache-2.0": "Apache License, Version 2.0",
    "CC-BY-4.0": "Creative Commons Attribution 4.0",
}
"""Licences under which a table may be shipped, and words of their notices."""


@pytest.mark.parametrize("name", sb.datasets.names())
def test_every_table_states_its_source_and_licence(name):
    text = str(sb.datasets.info(name))
    assert all(word in text for word in ("source", "licence", name))
    assert len(sb.datasets.load(name)) > 0


@pytest.mark.parametrize("name", sb.datasets.names())
def test_every_table_may_be_shipped_and_has_its_notice(name):
    licence = re.match("|".join(map(re.escape, NOTICES)), sb.datasets.info(name).licence)
    assert licence is not None
    notice = Path(sb.datasets.__file__).with_name(f"{name}.LICENSE").read_text(encoding="utf-8")
    assert NOTICES[licence[0]] in notice


def test_chinchilla_is_the_published_extraction(all_runs, runs):
    # Besiroglu et al. 2024: 245 points, 240 after dropping the five highest losses.
    assert (len(all_runs), len(runs)) == (245, 240)
    assert "MIT" in sb.datasets.info("chinchilla").licence


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(sb.InputError, match=r"no data set 'chinchila'. Did you mean 'chinchilla'"):
        sb.datasets.load("chinchila")
