"""Importing the package, in a fresh process."""

import subprocess
import sys

CHECK = """
import jax
before = dict(jax.config.values)
import scalingbayes, scalingbayes.cli, scalingbayes.plots
assert dict(jax.config.values) == before, "importing changed JAX's settings"
# Only possible before JAX's backend has started.
jax.config.update("jax_num_cpu_devices", 2)
assert len(jax.devices("cpu")) == 2
runs, law = scalingbayes.datasets.load("chinchilla"), scalingbayes.get_law("chinchilla")
scalingbayes.fit(runs, scalingbayes.Model(law, "student_t"), exact=True, engine="laplace")
assert jax.numpy.ones(()).dtype == jax.numpy.float32
"""


def test_importing_changes_no_setting_and_starts_no_backend():
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
