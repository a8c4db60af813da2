"""Arguments are checked against signatures, and sizes against memory."""

import inspect
import math
import subprocess
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from fuzz.calls import OUTSIDE
from fuzz.values import Objects

import scalingbayes as sb
from scalingbayes._core.arguments import Count, Positive, PositiveNumbers, Seed, as_floats, shown
from scalingbayes._core.checked import checked
from scalingbayes._core.domains import LARGEST_CELL, SMALLEST_CELL, Domain
from scalingbayes._core.memory import check_size, free_memory
from scalingbayes.results import Result


@checked
def ask(
    budgets: PositiveNumbers,
    draws: Count = 4,
    kind: Literal["eti", "hdi"] = "eti",
    size: tuple[float, float] | None = None,
    post: "sb.Runs | None" = None,  # type: ignore[valid-type]
    **inputs: Positive,
) -> str:
    return "answered"


@dataclass(frozen=True)
class Setting:
    share: Annotated[float, Domain("above 0 and at most 1", 0.0, 1.0, closed="upper")]
    seed: Seed = 0


Setting = checked(Setting)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"budgets": -1}, "budgets must be finite numbers, each positive; got -1"),
        ({"budgets": [1e20, math.nan]}, "budgets must be finite numbers"),
        ({"budgets": "1e20"}, "budgets must be numbers, each positive; got '1e20'"),
        ({"budgets": np.ma.array([1.0, 2.0], mask=[0, 1])}, "budgets must be numbers"),
        ({"budgets": 10**400}, "budgets must be finite numbers"),
        ({"budgets": 1e-308}, "budgets must be at most 1e.100 and at least 1e-100 in size"),
        ({"budgets": 1, "draws": 0}, "draws must be a whole number of 1 or more; got 0"),
        ({"budgets": 1, "draws": 2.0}, "draws must be a whole number of 1 or more; got 2.0"),
        ({"budgets": 1, "draws": True}, "draws must be a whole number of 1 or more; got True"),
        ({"budgets": 1, "draws": -(10**5000)}, "draws must .* about 5,00. digits"),
        ({"budgets": 1, "kind": "map"}, "kind must be 'eti' or 'hdi'; got 'map'"),
        ({"budgets": 1, "size": (1.0, "a")}, r"size\[1\] must be a finite number; got 'a'"),
        ({"budgets": 1, "size": (1.0,)}, "size must have 2 values"),
        ({"budgets": 1, "post": "post.nc"}, "post must be a Runs; got 'post.nc'"),
        ({"budgets": 1, "experts": -8}, "experts must be positive; got -8"),
    ],
)
def test_an_argument_outside_its_annotation_is_named(arguments, message):
    with pytest.raises(sb.InputError, match=message):
        ask(**arguments)


def test_arguments_within_their_annotations_are_passed_on():
    assert ask([1e20, 10**21], np.int64(3), size=[1, 2.0], experts=np.float32(8)) == "answered"
    assert ask(pd.Series([1.0, 2.0])) == ask(jnp.ones(2)) == ask(Fraction(1, 3)) == "answered"
    assert jax.jit(lambda x: ask(x) == "answered" and x)(1.0) == 1.0
    with pytest.raises(TypeError, match="budgets"):
        ask()


def test_fields_are_checked_and_pytrees_are_not():
    for share, seed in ((0.0, 0), (1.1, 0), ("a", 0), (1.0, -1), (1.0, 10**30)):
        with pytest.raises(sb.InputError, match=r"share must be|seed must be a whole number"):
            Setting(share, seed)
    assert Setting(1.0).seed == 0
    cost = sb.costs.Transformer(context=4096, vocab=50_000)
    batch = jax.tree.map(lambda x: jnp.full(3, x), cost)
    assert jax.vmap(lambda each: each.context)(batch).shape == (3,)
    with pytest.raises(sb.InputError, match="context must be positive; got -1"):
        sb.costs.Transformer(context=-1, vocab=50_000)


def test_every_public_function_and_method_is_checked():
    unchecked = []
    for name in (
        set(sb.__all__) - OUTSIDE - {"BoundModel", "Budget", "Domain", "Law", "Noise", "NoiseModel"}
    ):
        value = getattr(sb, name)
        members = vars(value).items() if inspect.isclass(value) else [(name, value)]
        if inspect.ismodule(value):
            members = [(each, getattr(value, each)) for each in getattr(value, "__all__", ())]
        unchecked += [
            f"{name}.{member}"
            for member, function in members
            if inspect.isfunction(function) and not member.startswith("_")
            if len(inspect.signature(function).parameters) > inspect.isclass(value)
            if not getattr(function, "is_checked", False)
        ]
    unchecked = [each for each in unchecked if not each.startswith("Parameter.")]
    assert not unchecked, "add @checked, and declare the domains of the arguments"


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([1, 2.5], [1.0, 2.5]),
        (np.array([Fraction(1, 2), 3], object), [0.5, 3.0]),
        (jnp.ones(2, jnp.bfloat16), [1.0, 1.0]),
        (-(10**400), -math.inf),
        ([], []),
        ("1", None),
        (True, None),
        (np.array([True]), None),
        ([1j], None),
        ([[1, 2], [3]], None),
        (np.ma.masked, None),
        (np.datetime64("2020"), None),
        (None, None),
    ],
)
def test_only_real_numbers_are_floats(values, found):
    if found is None:
        assert as_floats(values) is None
    else:
        np.testing.assert_array_equal(as_floats(values), found)


def test_values_are_shown_in_short():
    class Rude:
        def __repr__(self):
            raise RuntimeError

    assert shown(Rude()) == "a Rude"
    assert len(shown("a" * 1000)) == len(shown(np.arange(1e4))) == 80


def test_numbers_that_overflow_single_precision_are_extreme():
    domain = Domain("positive", 0.0)
    values = np.array([1e-40, SMALLEST_CELL, 1.0, LARGEST_CELL, 1e40])
    extreme = domain.too_extreme(values, LARGEST_CELL, SMALLEST_CELL)
    np.testing.assert_array_equal(extreme, [True, False, False, False, True])
    assert np.all(np.isfinite(np.log(np.float32([SMALLEST_CELL, LARGEST_CELL]))))
    assert not Domain("0 or more", 0.0, closed="lower").too_extreme(np.array([0.0, 1e-300])).any()


def test_a_size_beyond_the_memory_is_refused_before_it_is_allocated():
    assert 1e8 < free_memory() < 1e15
    check_size("An array", 1e6, 8, "Ask for less")
    with pytest.raises(sb.InputError, match=r"An array needs about 8,000,000 GB .* Ask for less\."):
        check_size("An array", 1e15, 8, "Ask for less")


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
from scalingbayes._core.memory import free_memory
assert free_memory() < 1 << 32
"""


def test_the_limit_of_the_process_counts():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call",
    [
        lambda table: sb.profile_grid(table, dict.fromkeys(("alpha", "beta"), np.ones(10**6))),
        lambda table: sb.fit(table, engine=sb.PriorDraws(10**11)),
        lambda table: sb.fit(table, engine=sb.NUTS(chains=10**9)),
        lambda table: sb.fit(table, engine=sb.Bootstrap(10**12)),
        lambda table: sb.fit(table, engine=sb.Optimize(10**12)),
        lambda table: sb.simulate(table, count=10**12),
    ],
)
def test_requests_that_no_machine_can_hold_are_refused(small_table, call):
    with pytest.raises(sb.InputError, match=r"needs about .* GB of memory"):
        call(small_table)


def test_results_check_the_arguments_of_their_methods():
    class Own(Result):
        def summary(self, prob: Positive = 0.9, kind: str = "eti") -> pd.DataFrame:
            return pd.DataFrame()

        def plot(self, ax: object = None) -> None:
            return None

    with pytest.raises(sb.InputError, match="prob must be positive"):
        Own().summary(-1)
    assert Objects(Own()).made == {}
