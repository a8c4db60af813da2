"""Compiled programs on disk: the same results, never a wrong or an unsafe program."""

import functools
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import scalingbayes as sb
from scalingbayes._core.precision import precision
from scalingbayes._core.programs import Store, compiled, fingerprint, let_go, open_store


def scaled(x, *, by=2.0, power):
    return {"power": (by * x) ** power, "sum": jnp.sum(x)}


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder of programs."""
    monkeypatch.setenv("SCALINGBAYES_CACHE", str(tmp_path / "programs"))
    let_go()
    yield tmp_path / "programs"
    let_go()


@pytest.fixture
def trusted(monkeypatch):
    """Count this file as a part of the package."""
    monkeypatch.setattr(fingerprint, "_TRUSTED", {*fingerprint._TRUSTED, __name__})


def in_new_process(script: str, folder: Path, **variables: str) -> str:
    environment = {**os.environ, "SCALINGBAYES_CACHE": str(folder), **variables}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    found = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    return found.stdout


FIT = """
import hashlib, numpy as np, scalingbayes as sb
runs = sb.datasets.load("chinchilla")
post = sb.fit(runs, engine=sb.Laplace(draws=200), exact=True)
draws = np.stack([post.draws[name].values for name in ("E", "A", "B", "alpha", "beta")])
print(hashlib.sha256(draws.tobytes()).hexdigest())
"""


def test_a_second_process_loads_the_programs_and_draws_the_same_bits(folder):
    first = in_new_process(FIT, folder)
    written = {path: path.stat().st_ino for path in folder.glob("*.program")}
    assert len(written) > 1
    assert in_new_process(FIT, folder, PYTHONHASHSEED="1") == first
    assert {path: path.stat().st_ino for path in folder.glob("*.program")} == written
    assert folder.stat().st_mode & 0o777 == 0o700


LAW = """
import sys, jax.numpy as jnp, numpy as np, scalingbayes as sb
sys.path.insert(0, "{where}")
from mine import law
runs = dict(params=np.geomspace(1e7, 1e10, 30), loss=2 + 0.01 * np.sin(np.arange(30)))
post = sb.fit(runs, sb.Model(law, "normal"), engine=sb.Laplace(draws=200, starts=2), exact=True)
print(float(post.draws["E"].mean()))
"""
MINE = """
import numpyro.distributions as dist, scalingbayes as sb
def mean(params, *, E):
    return {floor} * E + 0 * params
E = sb.Parameter("floor", dist.HalfNormal(1), unit="loss")
law = sb.Law("mine", mean, {{"E": E}}, "L = E", "me")
"""


@pytest.mark.slow
def test_a_law_of_the_users_own_is_compiled_again_when_it_changes(folder, tmp_path):
    found = []
    for floor in (1.0, 2.0):
        (tmp_path / "mine.py").write_text(MINE.format(floor=floor))
        found.append(float(in_new_process(LAW.format(where=tmp_path), folder)))
    assert found == pytest.approx([2.0, 1.0], rel=0.005)  # the mean loss is 2


def test_it_computes_what_jit_computes_in_each_precision(folder, trusted):
    function = compiled(scaled, static=("power",))
    x = np.linspace(0.5, 2, 7)
    for dtype in ("float64", "float32"):
        with precision(dtype):
            found, expected = function(x, power=3), jax.jit(scaled, static_argnames="power")
            np.testing.assert_array_equal(found["power"], expected(x, power=3)["power"])
            assert found["power"].dtype == dtype
    assert len(list(folder.glob("*.program"))) == 2
    np.testing.assert_allclose(function(x, by=1, power=2)["power"], x**2, rtol=1e-6)
    np.testing.assert_allclose(function(x[:3], power=2)["power"], 4 * x[:3] ** 2, rtol=1e-6)


def test_it_can_be_transformed(folder, trusted):
    function = partial(compiled(scaled, static=("power",)), power=2)
    x = jnp.arange(3.0)
    slope = jax.vmap(jax.grad(lambda x: function(x)["power"]))(x)
    np.testing.assert_allclose(slope, 8 * x)
    np.testing.assert_allclose(jax.jit(function)(x)["power"], 4 * x**2)


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_program_is_compiled_again(folder, trusted, damage):
    function = compiled(scaled, static=("power",))
    x = np.arange(4.0)
    expected = function(x, power=2)["power"]
    (path,) = folder.glob("*.program")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100] if damage is None else damage)
    let_go()
    np.testing.assert_array_equal(function(x, power=2)["power"], expected)
    assert Store(folder).read(path.stem) is not None


def test_what_others_could_have_written_is_not_loaded(folder, trusted):
    store = open_store()
    store.write("a", b"program")
    assert store.read("a") == b"program"
    (folder / "a.program").chmod(0o666)
    assert store.read("a") is None
    folder.chmod(0o777)
    with pytest.warns(sb.InputWarning, match="chmod 700"):
        assert open_store() is None


def test_the_variable_turns_the_store_off(folder, trusted, monkeypatch):
    monkeypatch.setenv("SCALINGBAYES_CACHE", "off")
    compiled(scaled, static=("power",))(np.arange(4.0), power=2)
    assert open_store() is None
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_not_an_error(trusted, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SCALINGBAYES_CACHE", str(tmp_path / "file" / "programs"))
    found = compiled(scaled, static=("power",))(np.arange(4.0), power=5)["power"]
    np.testing.assert_allclose(found, (2 * np.arange(4.0)) ** 5)


def test_the_store_deletes_what_was_not_used_for_longest(tmp_path):
    store = Store(tmp_path, most_bytes=3500)
    for i in range(3):
        store.write(f"program{i}", bytes(1000))
        os.utime(tmp_path / f"program{i}.program", (0, i))
    assert store.read("program0") is not None  # now used last
    store.write("program3", bytes(1000))
    assert {path.stem for path in store.programs()} == {"program0", "program2", "program3"}
    assert store.size() == 3 * 1032
    abandoned = tmp_path / ".program4.program.xyz.scalingbayes-tmp"
    abandoned.write_bytes(b"half")
    store.write("program5", bytes(10))
    assert not abandoned.exists()
    assert store.clear() == 4
    assert not list(tmp_path.iterdir())


def test_few_programs_stay_in_memory(folder, trusted, monkeypatch):
    from scalingbayes._core.programs import compile as module

    monkeypatch.setattr(module, "_MOST_PROGRAMS", 2)
    function = compiled(scaled, static=("power",))
    for power in range(1, 5):
        function(np.arange(4.0), power=power)
    assert len(module._programs) == 2


DIGESTS = """
import scalingbayes as sb
from scalingbayes._core.programs import fingerprint
from scalingbayes.model.noise_models import NOISE_MODELS
runs = sb.datasets.load("chinchilla")
laws = [sb.get_law(name) for name in sb.list_laws().index]
noises = [sb.Model("chinchilla", name).bind(runs).noise for name in NOISE_MODELS]
print(*(fingerprint.digest(each) for each in (*laws, *noises)))
"""


def test_laws_and_noise_models_of_the_package_have_digests_that_stay(folder):
    # In new processes: the run-time checks of these tests wrap the package's functions.
    found = in_new_process(DIGESTS, folder, PYTHONHASHSEED="1").split()
    assert len(set(found)) == len(found) > 20
    assert in_new_process(DIGESTS, folder, PYTHONHASHSEED="2").split() == found


def use_first(x, y, *, law):
    return {"found": law(x, y)}


def use_second(x, y, *, law):
    return {"other": law(x, y)}


def test_code_of_others_is_told_apart_by_the_lowered_program(folder):
    # The functions of this file are not trusted. Some programs do not use an argument.
    x, y = np.array([1.0]), np.array([5.0])
    for function, name in ((use_first, "found"), (use_second, "other")):
        for law, expected in ((lambda x, y: 2 * x, 2), (lambda x, y: 2 * y, 10)):
            let_go()
            assert compiled(function, static=("law",))(x, y, law=law)[name] == expected
    assert len(list(folder.glob("*.program"))) == 4


def kind_of(x, *, flag):
    return x + (10 if flag is True else 0)


def test_equal_static_values_of_other_types_are_other_programs(folder, trusted):
    function = compiled(kind_of, static=("flag",))
    found = [float(function(np.float64(1.0), flag=flag)) for flag in (True, 1, 1.0)]
    assert found == [11, 1, 1]


def test_arrays_of_another_device_stay_there(folder, trusted):
    function = compiled(scaled, static=("power",))
    first, second = jax.devices()[:2]
    there = jax.device_put(np.arange(3.0), second)
    for x in (there, np.arange(3.0), jax.device_put(np.arange(3.0), first), there):
        np.testing.assert_allclose(function(x, power=2)["power"], 4 * np.arange(3.0) ** 2)
    assert function(there, power=2)["power"].devices() == {second}


def test_a_source_that_changes_after_the_import_is_not_stored(folder, trusted, monkeypatch):
    monkeypatch.setattr(fingerprint, "_source", lambda: "changed since")
    compiled(scaled, static=("power",))(np.arange(4.0), power=2)
    assert not list(folder.glob("*.program"))


def test_many_threads_share_programs(folder, trusted, monkeypatch):
    from scalingbayes._core.programs import compile as module

    monkeypatch.setattr(module, "_MOST_PROGRAMS", 2)
    function = compiled(scaled, static=("power",))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: function(2.0, power=i % 4)["power"], range(200)))
    np.testing.assert_allclose(found, [4.0 ** (i % 4) for i in range(200)])


def test_functions_that_differ_have_different_digests(trusted):
    def raised(power):
        return lambda x: x**power

    def shifted(power):
        return lambda x: x + power

    kinds = (raised(2), raised(3), raised(2.0), shifted(2), raised)
    assert len({fingerprint.digest(each) for each in kinds}) == len(kinds)
    assert fingerprint.digest(raised(2)) == fingerprint.digest(raised(2))
    values = (1, 1.0, True, "1", (1,), [1], {1}, {1: 1}, np.ones(1), np.ones(1, "float32"), None)
    assert len({fingerprint.digest(each) for each in values}) == len(values)


def others():
    """Return functions and values whose code or state the digest cannot see."""
    wrapped = functools.wraps(sb.get_law("chinchilla").function)(lambda *args: args)
    cached = functools.lru_cache(scaled)
    return (scaled, wrapped, cached, jax.jit(scaled), [].append, jax.random.key(0), slice(1))


@pytest.mark.parametrize("value", others(), ids=lambda value: str(value)[:20])
def test_code_of_others_has_no_digest(value):
    with pytest.raises(fingerprint.NoFingerprintError):
        fingerprint.digest({"law": value})


def test_methods_are_told_apart_by_their_objects():
    methods = [dist.Normal(0.0, 1.0).log_prob, dist.Normal(5.0, 2.0).log_prob]
    assert len({fingerprint.digest(method) for method in methods}) == 2


MANY = """
import sys, numpy as np
from scalingbayes._core.programs import compiled
from scalingbayes.inference.prior import PriorDraws
import scalingbayes as sb
runs = sb.datasets.load("chinchilla")
post = sb.fit(runs, "power_law", engine=sb.PriorDraws(draws=100))
print(float(post.draws["E"].mean()))
"""


@pytest.mark.slow
def test_a_hundred_processes_share_an_empty_folder_and_some_are_killed(folder):
    environment = {**os.environ, "SCALINGBAYES_CACHE": str(folder)}
    start = [sys.executable, "-c", MANY]
    pipe = subprocess.PIPE
    waves = 4  # memory: a process needs 300 MB
    answers = []
    for wave in range(waves):
        begun = [
            subprocess.Popen(start, env=environment, stdout=pipe, text=True)
            for _ in range(100 // waves)
        ]
        for i, each in enumerate(begun):
            if i % 10 == 5:
                time.sleep(1 + wave)
                each.send_signal(signal.SIGKILL)
        answers += [each.communicate()[0] for each in begun if each.wait() == 0]
    assert len(answers) == 90
    assert len(set(answers)) == 1
    store = Store(folder)
    assert all(store.read(path.stem) is not None for path in store.programs())
    assert in_new_process(MANY, folder) == answers[0]
