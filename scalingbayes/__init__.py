"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, law="chinchilla", seed=0)
>>> post.exponents()  # doctest: +SKIP
"""

from scalingbayes import datasets, facts, folds
from scalingbayes.allocation import Limits, costs
from scalingbayes.approaches import (  # sb.approaches is the function; the package is hidden
    Approaches,
    Frontier,
    Parametric,
    approaches,
    envelope,
    isoflop,
    isoflop_bias,
    isoflop_sweep,
    parametric,
)
from scalingbayes.average import Average, average
from scalingbayes.batch import fit_many, refit
from scalingbayes.calibration import Calibration, Simulation, calibrate, simulate
from scalingbayes.checks import check, sensitivity
from scalingbayes.comparison import Comparison, compare
from scalingbayes.decisions import (
    Exhaustion,
    Plan,
    Standing,
    critical_size,
    exhaustion,
    overtrain,
    plan,
    reach,
    standing,
)
from scalingbayes.domains import Domain
from scalingbayes.errors import InputError, InputWarning
from scalingbayes.estimates import Estimate
from scalingbayes.facts import published_models
from scalingbayes.fitting import fit
from scalingbayes.laws import Input, Law, Sum, family, register
from scalingbayes.laws import catalogue as laws  # sb.laws() lists them; the package is hidden
from scalingbayes.laws import get_law as law
from scalingbayes.model import Model, build_model
from scalingbayes.noise import Noise
from scalingbayes.parameters import Parameter
from scalingbayes.point import PointEstimate
from scalingbayes.pooling import Pooled, pool
from scalingbayes.posterior import Posterior, load
from scalingbayes.posteriors import Posteriors
from scalingbayes.progress import progress_bar
from scalingbayes.runs import Runs, read_runs
from scalingbayes.scoring import Backtest, backtest, score
from scalingbayes.surface import evaluate_grid, profile_grid
from scalingbayes.targets import Target

__all__ = [
    "Approaches",
    "Average",
    "Backtest",
    "Calibration",
    "Comparison",
    "Domain",
    "Estimate",
    "Exhaustion",
    "Frontier",
    "Input",
    "InputError",
    "InputWarning",
    "Law",
    "Limits",
    "Model",
    "Noise",
    "Parameter",
    "Parametric",
    "Plan",
    "PointEstimate",
    "Pooled",
    "Posterior",
    "Posteriors",
    "Runs",
    "Simulation",
    "Standing",
    "Sum",
    "Target",
    "approaches",
    "average",
    "backtest",
    "build_model",
    "calibrate",
    "check",
    "compare",
    "costs",
    "critical_size",
    "datasets",
    "envelope",
    "evaluate_grid",
    "exhaustion",
    "facts",
    "family",
    "fit",
    "fit_many",
    "folds",
    "isoflop",
    "isoflop_bias",
    "isoflop_sweep",
    "law",
    "laws",
    "load",
    "overtrain",
    "parametric",
    "plan",
    "pool",
    "profile_grid",
    "progress_bar",
    "published_models",
    "reach",
    "read_runs",
    "refit",
    "register",
    "score",
    "sensitivity",
    "simulate",
    "standing",
]
