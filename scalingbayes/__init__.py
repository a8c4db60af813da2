"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, "chinchilla", engine="laplace")
>>> post.verdict.passed
True
"""

from importlib import import_module
from importlib.metadata import version
from types import ModuleType

from scalingbayes._core.domains import Domain
from scalingbayes._core.errors import InputError, InputWarning
from scalingbayes._core.progress_bar import progress_bar
from scalingbayes.allocation import Limits, costs
from scalingbayes.combine.average import Average, average
from scalingbayes.combine.pooling import Pooled, pool
from scalingbayes.data import datasets, folds, published
from scalingbayes.data.published import published_models
from scalingbayes.data.readers import read_runs
from scalingbayes.data.runs import Runs
from scalingbayes.decisions import (
    DataExhaustion,
    FrontierGap,
    Overtraining,
    Plan,
    cheapest_run,
    critical_size,
    data_exhaustion,
    frontier_gap,
    overtrain,
    plan,
)
from scalingbayes.decisions.approaches import (
    ApproachComparison,
    Frontier,
    Parametric,
    compare_approaches,
    envelope,
    isoflop,
    isoflop_bias,
    isoflop_sweep,
    parametric,
)
from scalingbayes.evaluation.backtest import Backtest, backtest
from scalingbayes.evaluation.calibration import Calibration, Simulation, calibrate, simulate
from scalingbayes.evaluation.compare import Comparison, compare
from scalingbayes.evaluation.predictive_checks import PredictiveChecks, check
from scalingbayes.evaluation.score import score
from scalingbayes.evaluation.sensitivity import Sensitivity, sensitivity
from scalingbayes.fitting.batch import fit_many, refit
from scalingbayes.fitting.fit import fit
from scalingbayes.fitting.likelihood_grid import evaluate_grid, profile_grid
from scalingbayes.inference import NUTS, Bootstrap, Grid, Laplace, Optimize, PriorDraws
from scalingbayes.laws import Input, Law, Sum, family, get_law, list_laws, register
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target
from scalingbayes.model.bound_model import BoundModel
from scalingbayes.model.learned_priors import learned_priors
from scalingbayes.model.model import Model
from scalingbayes.model.noise import Noise
from scalingbayes.model.noise_models import (
    HuberNoise,
    LaplaceNoise,
    NoiseModel,
    NormalNoise,
    StudentTNoise,
)
from scalingbayes.posterior.collection import Posteriors
from scalingbayes.posterior.load import load
from scalingbayes.posterior.point_estimate import PointEstimate
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.results import Estimate, Result, Verdict

__all__ = [
    "NUTS",
    "ApproachComparison",
    "Average",
    "Backtest",
    "Bootstrap",
    "BoundModel",
    "Calibration",
    "Comparison",
    "DataExhaustion",
    "Domain",
    "Estimate",
    "Frontier",
    "FrontierGap",
    "Grid",
    "HuberNoise",
    "Input",
    "InputError",
    "InputWarning",
    "Laplace",
    "LaplaceNoise",
    "Law",
    "Limits",
    "Model",
    "Noise",
    "NoiseModel",
    "NormalNoise",
    "Optimize",
    "Overtraining",
    "Parameter",
    "Parametric",
    "Plan",
    "PointEstimate",
    "Pooled",
    "Posterior",
    "Posteriors",
    "PredictiveChecks",
    "PriorDraws",
    "Result",
    "Runs",
    "Sensitivity",
    "Simulation",
    "StudentTNoise",
    "Sum",
    "Target",
    "Verdict",
    "average",
    "backtest",
    "calibrate",
    "cheapest_run",
    "check",
    "compare",
    "compare_approaches",
    "costs",
    "critical_size",
    "data_exhaustion",
    "datasets",
    "envelope",
    "evaluate_grid",
    "family",
    "fit",
    "fit_many",
    "folds",
    "frontier_gap",
    "get_law",
    "isoflop",
    "isoflop_bias",
    "isoflop_sweep",
    "learned_priors",
    "list_laws",
    "load",
    "overtrain",
    "parametric",
    "plan",
    "plots",
    "pool",
    "profile_grid",
    "progress_bar",
    "published",
    "published_models",
    "read_runs",
    "refit",
    "register",
    "score",
    "sensitivity",
    "simulate",
]


__version__ = version("scalingbayes")


def __getattr__(name: str) -> ModuleType:
    """Import ``plots`` when it is first used: matplotlib takes a second to import."""
    if name == "plots":
        return import_module("scalingbayes.plots")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, and no subpackages."""
    return __all__
