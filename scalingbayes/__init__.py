"""Bayesian neural scaling laws on JAX.

>>> import scalingbayes as sb
>>> runs = sb.datasets.load("chinchilla")
>>> post = sb.fit(runs, law="chinchilla", seed=0)
>>> post.exponents()  # doctest: +SKIP
"""

from scalingbayes import datasets
from scalingbayes.errors import InputError, InputWarning
from scalingbayes.estimates import Estimate
from scalingbayes.fitting import fit
from scalingbayes.laws import Law, register
from scalingbayes.model import Model, build_model
from scalingbayes.noise import Noise
from scalingbayes.parameters import Parameter
from scalingbayes.posterior import Posterior, load
from scalingbayes.runs import Runs, read_runs

__all__ = [
    "Estimate",
    "InputError",
    "InputWarning",
    "Law",
    "Model",
    "Noise",
    "Parameter",
    "Posterior",
    "Runs",
    "build_model",
    "datasets",
    "fit",
    "load",
    "read_runs",
    "register",
]
