"""Importing the package, in a fresh process."""

import pickle
import subprocess
import sys

import pytest

import scalingbayes as sb

SLOW = ("arviz_base", "jax", "matplotlib", "numpyro", "pandas", "rich", "scipy", "xarray")

CHECK = """
import jax
before = dict(jax.config.values)
import scalingbayes, scalingbayes.cli
for name in scalingbayes.__all__:
    getattr(scalingbayes, name)
assert dict(jax.config.values) == before, "importing changed JAX's settings"
# Only possible before JAX's backend has started.
jax.config.update("jax_num_cpu_devices", 2)
assert len(jax.devices("cpu")) == 2
runs, law = scalingbayes.datasets.load("chinchilla"), scalingbayes.get_law("chinchilla")
scalingbayes.fit(runs, scalingbayes.Model(law, "student_t"), exact=True, engine="laplace")
assert jax.numpy.ones(()).dtype == jax.numpy.float32
"""


def run(code: str) -> str:
    """Run ``code`` in a new process, and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def slow_imports(code: str) -> set[str]:
    """Return the packages of ``SLOW`` that a new process has imported after ``code``."""
    return set(run(f"import sys\n{code}\nprint(*sys.modules)").splitlines()[-1].split()) & {*SLOW}


def test_importing_changes_no_setting_and_starts_no_backend():
    run(CHECK)


def test_a_slow_package_is_imported_when_it_is_used():
    assert not slow_imports("import scalingbayes as sb; dir(sb), sb.__version__, sb.InputError")
    assert {"jax", "pandas"} <= slow_imports("import scalingbayes as sb; sb.Law")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["fit", "--help"], ["datasets"]])
def test_help_imports_no_slow_package(arguments):
    code = f"""
sys.argv[1:] = {arguments}
from scalingbayes import cli
try:
    cli.main()
except SystemExit:
    pass
"""
    assert slow_imports(code) <= {"rich"}  # which prints the help


def test_threads_may_import_different_names():
    code = """
from concurrent.futures import ThreadPoolExecutor
import scalingbayes as sb
names = [name for name in sb.__all__ if name != "plots"]
with ThreadPoolExecutor(16) as pool:
    print(len(list(pool.map(lambda name: getattr(sb, name), names))) == len(names))
"""
    assert run(code) == "True\n"


def test_public_names_are_those_of_the_stub():
    assert dir(sb) == sorted(sb.__all__)
    assert {"Posterior", "datasets", "fit", "plots"} < set(dir(sb))
    assert pickle.loads(pickle.dumps(sb.fit)) is sb.fit
    with pytest.raises(AttributeError, match="nothing"):
        _ = sb.nothing
