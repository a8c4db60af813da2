"""Examples in docstrings run, and print what they say.

An example that skips its fit (``post = sb.fit(...)  # doctest: +SKIP``) finds a posterior in
``post``.
"""

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import scalingbayes

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
FITS = "post = sb.fit("
SKIPPED = doctest.SKIP


def examples() -> Iterator[doctest.DocTest]:
    modules = [each.name for each in pkgutil.walk_packages(scalingbayes.__path__, "scalingbayes.")]
    modules.remove("scalingbayes.__main__")  # which runs the command line
    for name in ["scalingbayes", *modules]:
        found = doctest.DocTestFinder().find(importlib.import_module(name))
        yield from (each for each in found if each.examples)


EXAMPLES = {each.name: each for each in examples()}
SLOW = (  # each of these compiles many programs
    "scalingbayes.combine.average.Average",
    "scalingbayes.combine.average.average",
    "scalingbayes.combine.pooling.pool",
    "scalingbayes.decisions.approaches.table.ApproachComparison",
    "scalingbayes.decisions.approaches.table.compare_approaches",
    "scalingbayes.decisions.compute_gain.ComputeGain",
    "scalingbayes.decisions.compute_gain.compute_gain",
    "scalingbayes.evaluation.backtest.Backtest",
    "scalingbayes.evaluation.backtest.backtest",
    "scalingbayes.evaluation.calibration.ranking.calibrate",
    "scalingbayes.evaluation.compare.Comparison",
    "scalingbayes.evaluation.compare.compare",
    "scalingbayes.evaluation.influence.influence",
    "scalingbayes.fitting.batch.fit_many",
    "scalingbayes.plots.approaches.plot_approaches",
    "scalingbayes.plots.checks.plot_influence",
    "scalingbayes.plots.predicted.plot_backtest",
    "scalingbayes.plots.predicted.plot_point_estimate",
    "scalingbayes.plots.side_by_side.plot_comparison",
    "scalingbayes.plots.side_by_side.plot_laws",
    "scalingbayes.plots.side_by_side.plot_posteriors",
)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in EXAMPLES]
)
def test_the_example_prints_what_it_says(name: str, request: pytest.FixtureRequest) -> None:
    example = EXAMPLES[name]
    example.globs["sb"] = scalingbayes
    if any(FITS in each.source and SKIPPED in each.options for each in example.examples):
        example.globs["post"] = request.getfixturevalue("post")
    printed: list[str] = []
    runner = doctest.DocTestRunner(verbose=False, optionflags=OPTIONS)
    failed = runner.run(example, out=printed.append, clear_globs=False).failed
    assert not failed, "".join(printed)


def test_every_public_name_has_an_example() -> None:
    public = [getattr(scalingbayes, name) for name in scalingbayes.__all__]
    documented = [(each.__name__, each.__doc__ or "") for each in public if callable(each)]
    # A result may name the function that returns it, which has the example.
    enough = (">>> ", ":func:", ":meth:")
    assert not [name for name, text in documented if not any(each in text for each in enough)]
