"""The Law class: one pure function, and a description of its inputs and parameters."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from scalingbayes._core.domains import POSITIVE, Domain
from scalingbayes._core.escaping import for_terminal
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN
from scalingbayes.laws.base.declaration_checks import check_declarations
from scalingbayes.laws.base.derived import Derived
from scalingbayes.laws.base.expressions import Expression
from scalingbayes.laws.base.function_checks import check_function
from scalingbayes.laws.base.parameters import Parameter
from scalingbayes.laws.base.targets import Target
from scalingbayes.results import View, parameter_table

Values = Float[Array, "*#shape"]
"""An input or a parameter of a law. All of them broadcast against each other."""


def power(base: Float[ArrayLike, "*#shape"], exponent: Float[ArrayLike, "*#shape"]) -> Array:
    """Return a positive base raised to a power.

    The logarithm of a law's input does not depend on the parameters, so XLA moves it out of a
    sampler's loop. There it is twice as fast as ``base ** exponent``.
    """
    return jnp.exp(exponent * jnp.log(base))


def _real(values: Any) -> Any:
    """Convert integers to floats: JAX would overflow for counts of tokens above 2**31."""
    whole = isinstance(values, (int, np.integer, np.ndarray)) and np.issubdtype(
        np.asarray(values).dtype, np.integer
    )
    return jnp.asarray(np.asarray(values, float)) if whole else values


def signed(
    function: Callable[..., Array], inputs: Iterable[str], parameters: Iterable[str]
) -> Callable[..., Array]:
    """Return the function with a law's signature: inputs by position, parameters by keyword.

    For functions of ``*inputs`` and ``**parameters``, whose names depend on options.
    """

    def law(*given: Array, **values: Array) -> Array:
        return function(*given, **values)

    kinds = {
        inspect.Parameter.POSITIONAL_OR_KEYWORD: inputs,
        inspect.Parameter.KEYWORD_ONLY: parameters,
    }
    arguments = [inspect.Parameter(name, kind) for kind, names in kinds.items() for name in names]
    law.__signature__ = inspect.Signature(arguments)  # type: ignore[attr-defined]
    return law


@dataclass(frozen=True)
class Input:
    """A column of the table that a law reads.

    Parameters
    ----------
    description
        The meaning of the column, in a few words.
    domain
        The values that the column may hold.
    unit
        ``None`` if the column has a unit of its own, which may differ between tables. The name of
        another input, or of the target, if the column is measured in the same unit. ``"1"`` for
        numbers that mean the same in every table, such as a count of experts, a fraction or a year.

    Examples
    --------
    >>> Input("distinct training tokens", unit="tokens").unit
    'tokens'
    """

    description: str
    domain: Domain = POSITIVE
    unit: str | None = None


COMMON_INPUTS = {
    "params": Input("parameters of the model, N"),
    "tokens": Input("training tokens, D"),
    "compute": Input("training FLOPs, C"),
    "loss": Input("loss that the model reached"),
}
"""Inputs that a law need not declare."""


@dataclass(frozen=True)
class Sum:
    """A sum of positive terms that is about the loss at the reference point.

    The sum is ``(part_1**(1/power) + part_2**(1/power) + ...)**power``.

    Parameters
    ----------
    *parts
        Names of parameters, or nested sums. A parameter whose prior covers all reals is the
        logarithm of its term.
    power
        An expression in dimensionless parameters, such as ``"k"``.

    Examples
    --------
    >>> str(Sum(Sum("A", "B", power="k"), "E"))
    '((A + B)^k + E)^1'
    """

    parts: tuple["str | Sum", ...]
    power: Expression

    def __init__(self, *parts: "str | Sum", power: Expression | str = "1") -> None:
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "power", Expression.of(power))

    def __str__(self) -> str:
        return f"({' + '.join(map(str, self.parts))})^{self.power}"

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the parameters."""
        for part in self.parts:
            yield from [part] if isinstance(part, str) else part


@dataclass(frozen=True)
class Budget:
    """The cost of a training run in FLOPs: compute = flops * size * tokens.

    Parameters
    ----------
    size
        Name of the input for the size of a model.
    flops
        FLOPs per unit of size and token.
    active
        For laws whose size counts params that a token does not use, such as all experts:
        ``active(size, *others)`` returns the part of the size that a token uses, and
        compute = flops * active * tokens. ``others`` are other inputs of the law, by their names.
    total
        For laws whose size counts only params that a token uses: ``total(size, *others)`` returns
        all params, which :class:`~scalingbayes.Limits` bounds.
    equation
        How the active part follows from the size, as text.
    unknown
        For laws whose FLOPs do not follow from the size and the other inputs: the cost that a
        caller must state, as code. "" if the FLOPs follow.

    Examples
    --------
    >>> half = Budget(active=lambda params, sparsity: params * (1 - sparsity))
    >>> half.inputs, float(half.count_active(jnp.asarray(1e9), {"sparsity": 0.5}))
    (('sparsity',), 500000000.0)
    """

    size: str = "params"
    flops: float = FLOPS_PER_PARAM_TOKEN
    active: Callable[..., Array] | None = None
    total: Callable[..., Array] | None = None
    equation: str = ""
    unknown: str = ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the other inputs on which the active part or all params depend."""
        functions = [each for each in (self.active, self.total) if each is not None]
        return tuple(dict.fromkeys(name for each in functions for name in _others(each)))

    def count_active(self, size: Array, inputs: Mapping[str, ArrayLike]) -> Array:
        """Return the part of a size that a token uses."""
        return _count(self.active, size, inputs)

    def count_all(self, size: Array, inputs: Mapping[str, ArrayLike]) -> Array:
        """Return all params of a model of given size."""
        return _count(self.total, size, inputs)


def _count(
    function: Callable[..., Array] | None, size: Array, inputs: Mapping[str, ArrayLike]
) -> Array:
    if function is None:
        return size
    return function(size, *(jnp.asarray(inputs[name]) for name in _others(function)))


def _others(function: Callable[..., Array]) -> list[str]:
    """Return the names of the arguments after the size."""
    return list(inspect.signature(function).parameters)[1:]


@dataclass(frozen=True, eq=False, repr=False)
class Law:
    """A scaling law.

    The names of inputs and parameters come from the signature of the function, and are checked
    against what is declared.

    Parameters
    ----------
    name
        The name of the law for :func:`scalingbayes.fit`.
    function
        ``function(*inputs, **parameters)`` returns the expected value of the target. It must be
        pure, and written with jax.numpy so that it broadcasts, differentiates and compiles. Inputs
        are positional; parameters are keyword-only.
    parameters
        Meaning, unit and default prior of each parameter, under the paper's name for it.
    equation
        The law as a reader would write it; by default its name.
    source
        The publication, with the number of the equation.
    target
        What the law predicts. The default is the column ``loss``, which scatters on a log scale.
    inputs
        Descriptions of inputs other than ``params``, ``tokens``, ``compute`` and ``loss``.
    decreasing
        Inputs in which the law decreases for all values of its parameters.
    terms
        Parameters whose sum is about the loss at the reference point, where every input is 1. The
        sum is known far better than each term, so samplers work on the sum and log ratios.
    optimum
        ``optimum(compute, **parameters) -> (size, tokens)`` returns the model size and the number
        of tokens of least loss in closed form. Without it the optimum is found numerically.
    budget
        How compute depends on size and tokens. A law that does not read the budget's size cannot
        allocate compute.
    derived
        Quantities that follow from the parameters, by name: see
        :func:`scalingbayes.derived_quantities`.

    Raises
    ------
    InputError
        If function, inputs, parameters and units do not match, or the function cannot be compiled.

    Examples
    --------
    >>> import numpyro.distributions as dist
    >>> def loss(tokens, *, B, beta):
    ...     return B * power(tokens, -beta)
    >>> parameters = {
    ...     "B": Parameter("weight", dist.LogNormal(0, 1), unit="loss * tokens**beta"),
    ...     "beta": Parameter("exponent", dist.LogNormal(-1, 0.8)),
    ... }
    >>> law = Law("tokens_only", loss, parameters, equation="L = B/D^beta", source="an example")
    >>> law.inputs["tokens"].description
    'training tokens, D'
    """

    name: str
    function: Callable[..., Array]
    parameters: Mapping[str, Parameter]
    equation: str = ""
    source: str = "no source given"
    target: Target = field(default_factory=Target)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    decreasing: tuple[str, ...] = ()
    terms: Sum = field(default_factory=Sum)
    optimum: Callable[..., tuple[Array, Array]] | None = None
    budget: Budget = field(default_factory=Budget)
    derived: Mapping[str, Derived] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_declarations(self)
        names = self.arguments(inspect.Parameter.POSITIONAL_OR_KEYWORD)
        known = {**COMMON_INPUTS, **self.inputs}
        complete = {name: known.get(name, Input(name.replace("_", " "))) for name in names}
        object.__setattr__(self, "inputs", complete)
        if not self.equation:
            object.__setattr__(self, "equation", f"{self.target.column} = {self.name}")
        if not self.function.__module__.startswith("scalingbayes."):  # tests check those
            check_function(self)

    def arguments(self, kind: object) -> tuple[str, ...]:
        """Return the names of the function's arguments of one kind of `inspect.Parameter`."""
        signature = inspect.signature(self.function).parameters.values()
        return tuple(argument.name for argument in signature if argument.kind is kind)

    def __call__(self, inputs: Mapping[str, ArrayLike], values: Mapping[str, ArrayLike]) -> Array:
        """Return the expected value of the target; other inputs and parameters are ignored."""
        return self.function(
            *(_real(inputs[name]) for name in self.inputs),
            **{name: values[name] for name in self.parameters},
        )

    @property
    def allocates(self) -> bool:
        """Whether the law has an optimal division of compute between model size and tokens."""
        return {self.budget.size, "tokens"} <= set(self.inputs)

    @property
    def beside_budget(self) -> tuple[str, ...]:
        """Names of the inputs other than the budget's size and tokens."""
        return tuple(n for n in self.inputs if n not in (self.budget.size, "tokens"))

    def __repr__(self) -> str:
        scale = self.target.on_scale
        lines = [
            f"{self.name}: {self.equation}",
            f"  source   {self.source}",
            f"  predicts {self.target.column}, on the scale {scale.of(self.target.column)}",
            "  reads",
            *(f"    {name:12} {each.description}" for name, each in self.inputs.items()),
            "  parameters and their priors at the reference point",
        ]
        lines += [
            f"    {name:12} {parameter.description}: {parameter.describe_prior(name)}"
            for name, parameter in self.parameters.items()
        ]
        return for_terminal("\n".join(lines))

    def _repr_html_(self) -> str:
        reads = "; ".join(f"{name}, {each.description}" for name, each in self.inputs.items())
        title = f"Law {self.name}: {self.equation}\n{self.source}"
        lines = (f"The law predicts {self.target.column}. It reads {reads}.",)
        rows = {
            name: {
                "meaning": parameter.description,
                "prior at the reference point": parameter.describe_prior(name),
            }
            for name, parameter in self.parameters.items()
        }
        return View(title, parameter_table(rows), lines).html()
