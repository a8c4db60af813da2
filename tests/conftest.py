"""Fixtures, and run-time checks of the annotated shapes and types."""

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

# Workers, and the processes that tests start, compile a program once between them.
CACHE = tempfile.mkdtemp(prefix="programs-")
os.environ.setdefault("SCALINGBAYES_CACHE", CACHE)

from jaxtyping import install_import_hook

# Modules whose annotations are checked at run time. Modules that check their own arguments, with
# messages for people, are left out.
LAWS = Path(__file__).parents[1] / "scalingbayes" / "laws"
CHECKED = (
    "_core.devices",
    "_core.precision",
    "_core.roots",
    *(f"laws.{module.stem}" for module in LAWS.glob("*.py")),
    "laws.base.law",
    "model.log_density",
    "model.noise",
    "model.transforms",
    "inference",
    *(
        f"allocation.{name}"
        for name in ("compute_to_reach", "newton", "optimum", "search", "shapes")
    ),
    "posterior.predictive_distribution",
)

# The hook stays: the package imports a module when it is first used.
install_import_hook([f"scalingbayes.{name}" for name in CHECKED], "beartype.beartype")

import jax
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from plain import bind, fit
from scipy import optimize

import scalingbayes as sb
from scalingbayes import cli
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import let_go
from scalingbayes.data.reading.files import read_file

mpl.use("agg")
jax.config.update("jax_num_cpu_devices", 2)  # stand in for a mesh of accelerators


MAPS = Path("/proc/self/maps")
MANY_MAPS = 20_000  # Linux allows a process 65,530, and a compiled fit takes hundreds


@pytest.fixture(autouse=True, scope="module")
def programs_are_let_go():
    """Let go of programs after a file of tests: a worker that keeps all of them is aborted."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MANY_MAPS:
        let_go()
        jax.clear_caches()


@pytest.fixture(autouse=True)
def figures_are_closed():
    """Close the figures of a test: matplotlib warns of many open ones."""
    yield
    plt.close("all")


def pytest_unconfigure() -> None:
    shutil.rmtree(CACHE, ignore_errors=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the checks that take minutes")
    parser.addoption("--fuzz", type=int, default=300, help="number of generated odd inputs")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="needs --slow"))


@pytest.fixture(scope="session")
def all_runs() -> sb.Runs:
    """The 245 Chinchilla rows."""
    return sb.datasets.load("chinchilla")


@pytest.fixture(scope="session")
def runs(all_runs) -> sb.Runs:
    """The 240 rows below the five highest losses."""
    loss = all_runs.frame["loss"]
    return all_runs.filter(loss < loss.nlargest(5).min())


@pytest.fixture(scope="session")
def post(runs) -> sb.Posterior:
    return fit(runs, seed=1)


@pytest.fixture(scope="session")
def mode(runs):
    """The density of the 240 rows, its mode by SciPy, and its covariance by differences there."""
    with precision("float64"):
        density = bind(runs).density("float64")
        slope = jax.jit(jax.value_and_grad(lambda point: -density(point)))

        def downhill(point):
            value, gradient = slope(point)
            return float(value), np.asarray(gradient)

        start = np.asarray(density.coordinates.center("float64"))
        point = optimize.minimize(downhill, start, jac=True, options={"gtol": 1e-4}).x
        steps = 1e-4 * np.eye(len(point))
        rows = [(downhill(point + h)[1] - downhill(point - h)[1]) / 2e-4 for h in steps]
        hessian = (np.array(rows) + np.array(rows).T) / 2
        # BFGS stops at rounding; Newton's steps end the search.
        for _ in range(3):
            point = point - np.linalg.solve(hessian, downhill(point)[1])
    return density, point, np.linalg.inv(hessian)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20220329)


@pytest.fixture
def small_table() -> dict[str, np.ndarray]:
    """Twelve noise-free runs on Hoffmann's published surface."""
    params = np.array([1e8, 3e8, 1e9, 3e9] * 3)
    tokens = np.repeat([3e9, 1e10, 3e10], 4)
    loss = 1.69 + 406.4 / params**0.34 + 410.7 / tokens**0.28
    return {"params": params, "tokens": tokens, "loss": loss}


class Ended(NamedTuple):
    """How a command ended, what it printed and what it complained of."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run the command line in this process, which has JAX at hand, in an empty folder."""
    # What the command line sets before JAX starts, it leaves to the caller who has.
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "2")
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["scalingbayes", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Ended(ended.value.code, *capsys.readouterr())

    return run


class CompilationCounter:
    """Counts programs that XLA compiles."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, event: str, duration: float, **_: object) -> None:
        self.count += event == "/jax/core/compile/backend_compile_duration"


@pytest.fixture
def fresh_programs(monkeypatch):
    """Compile all programs of a test anew: the test changes what shapes them."""
    monkeypatch.setenv("SCALINGBAYES_CACHE", "off")
    let_go()
    yield
    let_go()


@pytest.fixture
def compilations(monkeypatch):
    monkeypatch.setenv("SCALINGBAYES_CACHE", "off")  # every new program is compiled
    counter = CompilationCounter()
    jax.monitoring.register_event_duration_secs_listener(counter)
    yield counter
    jax.monitoring.unregister_event_duration_listener(counter)


@pytest.fixture
def read(tmp_path):
    """Return a function that writes a file and reads it as a raw table."""

    def write_and_read(content, name="runs.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_file(path)

    return write_and_read
