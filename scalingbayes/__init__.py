"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, law="chinchilla", seed=0)
>>> post.exponents()  # doctest: +SKIP
"""

from scalingbayes import datasets
from scalingbayes.batch import fit_many
from scalingbayes.calibration import Calibration, Simulation, calibrate, simulate
from scalingbayes.checks import check, sensitivity
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
from scalingbayes.posterior import Posterior, load
from scalingbayes.posteriors import Posteriors
from scalingbayes.progress import progress_bar
from scalingbayes.runs import Runs, read_runs
from scalingbayes.surface import evaluate_grid, profile_grid
from scalingbayes.targets import Target

__all__ = [
    "Calibration",
    "Domain",
    "Estimate",
    "Input",
    "InputError",
    "InputWarning",
    "Law",
    "Model",
    "Noise",
    "Parameter",
    "PointEstimate",
    "Posterior",
    "Posteriors",
    "Runs",
    "Simulation",
    "Sum",
    "Target",
    "build_model",
    "calibrate",
    "check",
    "datasets",
    "evaluate_grid",
    "family",
    "fit",
    "fit_many",
    "law",
    "laws",
    "load",
    "profile_grid",
    "progress_bar",
    "read_runs",
    "register",
    "sensitivity",
    "simulate",
]
