"""Options of ``scalingbayes allocate`` for the budget, its cost and its limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import typer

import scalingbayes as sb
from scalingbayes._core.errors import unknown
from scalingbayes.cli.options import AMOUNT

_COSTS = ("6ND", "transformer")
_RATES = ("utilisation", "price_per_hour", "devices", "watts", "pue", "carbon_intensity")
_BUDGET = {
    "rich_help_panel": "Budget (one of --compute, --dollars, --gpu-hours and --days)",
    **AMOUNT,
}
_ENERGY = {"rich_help_panel": "Energy and carbon of the budget", **AMOUNT}
_COST = {"rich_help_panel": "What the budget pays for", **AMOUNT}
_LIMITS = {"rich_help_panel": "Limits", **AMOUNT}

Number = float | None
Numbers = list[float] | None

Compute = Annotated[
    Numbers, typer.Option(help="Budget in FLOPs, such as 1e24. May be repeated.", **_BUDGET)
]
Dollars = Annotated[Numbers, typer.Option(help="Budget in dollars. May be repeated.", **_BUDGET)]
GpuHours = Annotated[Numbers, typer.Option(help="Budget in GPU hours. May be repeated.", **_BUDGET)]
Days = Annotated[
    Numbers, typer.Option(help="Budget in days of --devices. May be repeated.", **_BUDGET)
]
Devices = Annotated[Number, typer.Option(help="Number of GPUs that work at once.", **_BUDGET)]
PeakFlops = Annotated[
    Number,
    typer.Option(help="FLOPs a second of one GPU, such as 989e12 for an H100.", **_BUDGET),
]
Utilisation = Annotated[
    Number,
    typer.Option(help="Fraction of --peak-flops that training uses. Default: 0.4.", **_BUDGET),
]
PricePerHour = Annotated[Number, typer.Option(help="Dollars for one GPU hour.", **_BUDGET)]
Watts = Annotated[
    Number, typer.Option(help="Mean power of one GPU in watts, such as 700.", **_ENERGY)
]
Pue = Annotated[
    Number,
    typer.Option(
        help="Energy of the data centre over that of its computers. Default: 1.", **_ENERGY
    ),
]
CarbonIntensity = Annotated[
    Number, typer.Option(help="Grams of CO2 equivalent per kWh of electricity.", **_ENERGY)
]
CostName = Annotated[
    str | None,
    typer.Option(
        metavar="|".join(_COSTS),
        rich_help_panel=_COST["rich_help_panel"],
        help="How training FLOPs are counted: 6ND, or transformer with attention and embeddings. "
        "Default: as the table counts them.",
    ),
]
Context = Annotated[
    Number, typer.Option(help="Context length in tokens, for --cost transformer.", **_COST)
]
Vocab = Annotated[
    Number, typer.Option(help="Vocabulary size in tokens, for --cost transformer.", **_COST)
]
InferenceTokens = Annotated[
    Number,
    typer.Option(
        help="Tokens that the model will serve in its life: the budget pays for them too.", **_COST
    ),
]
ServingPrice = Annotated[
    Number,
    typer.Option(
        help="Price of a serving FLOP over the price of a training FLOP. Default: 1.", **_COST
    ),
]
MaxParams = Annotated[Number, typer.Option(help="Largest model, in parameters.", **_LIMITS)]
MaxTokens = Annotated[
    Number, typer.Option(help="Most training tokens, repeated tokens included.", **_LIMITS)
]
MinTokensPerParam = Annotated[
    Number, typer.Option(help="Least training tokens per parameter.", **_LIMITS)
]
MaxUniqueTokens = Annotated[
    Number,
    typer.Option(
        help="Number of distinct tokens. A law that reads unique_tokens chooses how often to "
        "repeat them; with any other law each token is used at most once.",
        **_LIMITS,
    ),
]


@dataclass(frozen=True)
class BudgetOptions:
    """Budgets, and the hardware that they buy; None if not given."""

    compute: Numbers
    dollars: Numbers
    gpu_hours: Numbers
    days: Numbers
    devices: Number
    peak_flops: Number
    utilisation: Number
    price_per_hour: Number
    watts: Number = None
    pue: Number = None
    carbon_intensity: Number = None

    @property
    def given(self) -> bool:
        """Whether there is a budget of any kind."""
        return bool(self.compute or self.dollars or self.gpu_hours or self.days)

    def hardware(self) -> sb.costs.Hardware | None:
        """Return the hardware, if it was given.

        Raises
        ------
        InputError
            If it was given incompletely, or a number cannot be used.
        """
        given = {name: getattr(self, name) for name in _RATES if getattr(self, name) is not None}
        if self.peak_flops is not None:
            return sb.costs.Hardware(self.peak_flops, **given)
        if given:
            options = " and ".join(f"--{name.replace('_', '-')}" for name in given)
            raise sb.InputError(
                f"{options} need --peak-flops, the FLOPs a second of one GPU: add it, such as "
                f"--peak-flops 989e12."
            )
        return None

    def flops(self) -> list[float]:
        """Return the budgets in FLOPs, without repetitions.

        Raises
        ------
        InputError
            If there is not exactly one kind of budget, or the hardware to convert it is missing.
        """
        kinds = {
            "--compute": self.compute,
            "--dollars": self.dollars,
            "--gpu-hours": self.gpu_hours,
            "--days": self.days,
        }
        given = [name for name, values in kinds.items() if values]
        if len(given) != 1:
            raise sb.InputError(
                f"Give the budget by exactly one of {', '.join(kinds)}; got "
                f"{' and '.join(given) or 'none'}."
            )
        if self.compute:
            return _distinct(self.compute)
        hardware = self.hardware()
        if hardware is None:
            raise sb.InputError(
                f"{given[0]} is converted to FLOPs by --peak-flops, the FLOPs a second of one GPU: "
                f"add it, such as --peak-flops 989e12."
            )
        if self.gpu_hours:
            return _distinct(hardware.flops(gpu_hours=self.gpu_hours))
        if self.days:
            if self.devices is None:
                raise sb.InputError(
                    "--days is converted to GPU hours by --devices, the number of GPUs: add it, "
                    "such as --devices 1024."
                )
            return _distinct(hardware.flops(days=self.days))
        if self.price_per_hour is None:
            raise sb.InputError(
                "--dollars is converted to GPU hours by --price-per-hour: add it, such as "
                "--price-per-hour 2."
            )
        return _distinct(hardware.flops(dollars=self.dollars))

    def stated(self) -> tuple[list[float], str]:
        """Return the budgets in the unit in which they are given, and the unit.

        Days are stated as GPU hours.

        Raises
        ------
        InputError
            As :meth:`flops`.
        """
        flops, hardware = self.flops(), self.hardware()
        hours = self.gpu_hours
        if self.days and hardware is not None:
            hours = list(hardware.gpu_hours(flops))
        units = {"FLOPs": self.compute, "dollars": self.dollars, "GPU hours": hours}
        return next((_distinct(given), unit) for unit, given in units.items() if given)


@dataclass(frozen=True)
class CostOptions:
    """What the budget pays for; None if not given."""

    name: str | None
    context: Number
    vocab: Number
    inference_tokens: Number
    serving_price: Number

    def for_fit(self, post: sb.Posterior) -> sb.costs.Cost | None:
        """Return what a budget pays for, or None for the cost of the fit's table.

        Raises
        ------
        InputError
            If there is no such cost, the law does not allow it, or options do not go together.
        """
        cost = self._training(post.law)
        if self.inference_tokens is None:
            if self.serving_price is not None:
                raise sb.InputError("--serving-price needs --inference-tokens: add it.")
            return cost
        price = {} if self.serving_price is None else {"price": self.serving_price}
        return (cost or post.cost).serve(self.inference_tokens, **price)

    def _training(self, law: sb.Law) -> sb.costs.Cost | None:
        if self.name is not None and self.name not in _COSTS:
            raise unknown("cost", self.name, _COSTS)
        if self.name is not None and law.budget.size != "params":
            raise sb.InputError(
                f"--cost {self.name} counts the size of a model in params, but law {law.name!r} "
                f"counts it in {law.budget.size}: leave --cost out."
            )
        if self.name == "6ND" and law.budget.active is not None:
            raise sb.InputError(
                f"--cost 6ND counts the params of all experts, of which a token uses a part under "
                f"law {law.name!r}: leave --cost out."
            )
        if self.name == "transformer":
            if self.context is None or self.vocab is None:
                raise sb.InputError(
                    "--cost transformer needs --context and --vocab: add them, such as --context "
                    "4096 --vocab 128000."
                )
            from scalingbayes._core.arguments import check_number

            return sb.costs.Transformer(
                check_number("--context", self.context), check_number("--vocab", self.vocab)
            )
        if self.context is not None or self.vocab is not None:
            raise sb.InputError("--context and --vocab need --cost transformer: add it.")
        return sb.costs.Proportional() if self.name == "6ND" else None


@dataclass(frozen=True)
class LimitOptions:
    """Limits of the runs; None if not given."""

    max_params: Number
    max_tokens: Number
    min_tokens_per_param: Number
    max_unique_tokens: Number

    def for_law(self, law: sb.Law) -> tuple[sb.Limits | None, dict[str, Any], list[str]]:
        """Return the limits, inputs of the law that follow from the options, and notes.

        Raises
        ------
        InputError
            If a limit is not a positive number.
        """
        max_tokens = self.max_tokens
        inputs: dict[str, Any] = {}
        notes: list[str] = []
        if self.max_unique_tokens is not None and "unique_tokens" in law.inputs:
            inputs["unique_tokens"] = self.max_unique_tokens
        elif self.max_unique_tokens is not None:
            notes = [f"Law {law.name!r} reads no unique_tokens: each token is used at most once."]
            max_tokens = min(x for x in (max_tokens, self.max_unique_tokens) if x is not None)
        limits = sb.Limits(self.max_params, max_tokens, self.min_tokens_per_param)
        return limits if limits.bounds else None, inputs, notes


def _distinct(budgets: Iterable[float]) -> list[float]:
    return list(dict.fromkeys(map(float, budgets)))
