# The public names, which `__init__.py` imports when they are first used.

from . import plots
from ._core.domains import Domain
from ._core.errors import InputError, InputWarning
from .allocation import Limits, costs
from .combine.average import Average, average
from .combine.pooling import Pooled, pool
from .data import datasets, folds
from .data.published import published_benchmarks, published_exponents, published_models, token_stock
from .data.read_runs import read_runs
from .data.read_wandb import read_wandb
from .data.runs import Runs
from .data.schedules import schedule_columns
from .decisions import (
    BestMixture,
    ComputeGain,
    CriticalTraining,
    DataExhaustion,
    Forecast,
    FrontierGap,
    Overtraining,
    Plan,
    best_mixture,
    cheapest_run,
    competition_barrier,
    compute_gain,
    critical_training,
    data_exhaustion,
    derived_quantities,
    forecast,
    frontier_gap,
    optimal_precision,
    overtrain,
    plan,
    size_for_overhead,
    smallest_size,
)
from .decisions.approaches import (
    ApproachComparison,
    Frontier,
    Parametric,
    compare_approaches,
    compare_exponents,
    envelope,
    isoflop,
    isoflop_bias,
    isoflop_sweep,
    parametric,
)
from .evaluation.backtest import Backtest, backtest
from .evaluation.calibration import Calibration, Simulation, calibrate, simulate
from .evaluation.compare import Comparison, compare
from .evaluation.influence import Influence, influence
from .evaluation.predictive_checks import PredictiveChecks, check
from .evaluation.score import score
from .evaluation.sensitivity import Sensitivity, sensitivity
from .fitting.batch import fit_many, refit
from .fitting.fit import fit
from .fitting.likelihood_grid import evaluate_grid, profile_grid
from .inference import HMC, NUTS, Bootstrap, Grid, Laplace, Optimize, PriorDraws
from .laws import Budget, Derived, Input, Law, Sum, family, get_law, list_laws, register
from .laws.base.parameters import Parameter
from .laws.base.targets import Target
from .literature import list_published, published
from .model.bound_model import BoundModel
from .model.learned_priors import learned_priors
from .model.model import Model
from .model.noise import Noise
from .model.noise_models import (
    FailureNoise,
    HuberNoise,
    LaplaceNoise,
    NoiseModel,
    NormalNoise,
    OneSidedNoise,
    StudentTNoise,
)
from .posterior.collection import Posteriors
from .posterior.load import load
from .posterior.point_estimate import PointEstimate
from .posterior.posterior import Posterior
from .results import Estimate, Result, Verdict

__all__ = [
    "HMC",
    "NUTS",
    "ApproachComparison",
    "Average",
    "Backtest",
    "BestMixture",
    "Bootstrap",
    "BoundModel",
    "Budget",
    "Calibration",
    "Comparison",
    "ComputeGain",
    "CriticalTraining",
    "DataExhaustion",
    "Derived",
    "Domain",
    "Estimate",
    "FailureNoise",
    "Forecast",
    "Frontier",
    "FrontierGap",
    "Grid",
    "HuberNoise",
    "Influence",
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
    "OneSidedNoise",
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
    "best_mixture",
    "calibrate",
    "cheapest_run",
    "check",
    "compare",
    "compare_approaches",
    "compare_exponents",
    "competition_barrier",
    "compute_gain",
    "costs",
    "critical_training",
    "data_exhaustion",
    "datasets",
    "derived_quantities",
    "envelope",
    "evaluate_grid",
    "family",
    "fit",
    "fit_many",
    "folds",
    "forecast",
    "frontier_gap",
    "get_law",
    "influence",
    "isoflop",
    "isoflop_bias",
    "isoflop_sweep",
    "learned_priors",
    "list_laws",
    "list_published",
    "load",
    "optimal_precision",
    "overtrain",
    "parametric",
    "plan",
    "plots",
    "pool",
    "profile_grid",
    "published",
    "published_benchmarks",
    "published_exponents",
    "published_models",
    "read_runs",
    "read_wandb",
    "refit",
    "register",
    "schedule_columns",
    "score",
    "sensitivity",
    "simulate",
    "size_for_overhead",
    "smallest_size",
    "token_stock",
]

__version__: str
