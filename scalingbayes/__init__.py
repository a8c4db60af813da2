"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, law="chinchilla", seed=0)
>>> post.exponents()  # doctest: +SKIP
"""

from scalingbayes import datasets, folds
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
from scalingbayes.domains import Domain
from scalingbayes.errors import InputError, InputWarning
from scalingbayes.estimates import Estimate
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
    "Frontier",
    "Input",
    "InputError",
    "InputWarning",
    "Law",
    "Model",
    "Noise",
    "Parameter",
    "Parametric",
    "PointEstimate",
    "Pooled",
    "Posterior",
    "Posteriors",
    "Runs",
    "Simulation",
    "Sum",
    "Target",
    "approaches",
    "average",
    "backtest",
    "build_model",
    "calibrate",
    "check",
    "compare",
    "datasets",
    "envelope",
    "evaluate_grid",
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
    "parametric",
    "pool",
    "profile_grid",
    "progress_bar",
    "read_runs",
    "refit",
    "register",
    "score",
    "sensitivity",
    "simulate",
]
