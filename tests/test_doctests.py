"""Examples in docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import scalingbayes

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def examples() -> Iterator[doctest.DocTest]:
    modules = [each.name for each in pkgutil.walk_packages(scalingbayes.__path__, "scalingbayes.")]
    modules.remove("scalingbayes.__main__")  # which runs the command line
    for name in ["scalingbayes", *modules]:
        found = doctest.DocTestFinder().find(importlib.import_module(name))
        yield from (each for each in found if each.examples)


EXAMPLES = {each.name: each for each in examples()}
SLOW = (  # each of these compiles many programs
    "scalingbayes.combine.average.average",
    "scalingbayes.combine.pooling.pool",
    "scalingbayes.decisions.approaches.table.compare_approaches",
    "scalingbayes.evaluation.backtest.backtest",
    "scalingbayes.evaluation.calibration.ranking.calibrate",
    "scalingbayes.evaluation.compare.compare",
    "scalingbayes.evaluation.influence.influence",
    "scalingbayes.fitting.batch.fit_many",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in EXAMPLES]
)
def test_the_example_prints_what_it_says(name: str) -> None:
    printed: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    failed = runner.run(EXAMPLES[name], out=printed.append, clear_globs=False).failed
    assert not failed, "".join(printed)
