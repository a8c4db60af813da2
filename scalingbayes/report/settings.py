"""The controls of a report's planner, and where they start."""

from typing import Any

import numpy as np

from scalingbayes._core.numbers import kind_of
from scalingbayes.allocation import Hardware, Limits
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.user_units import target_name
from scalingbayes.report.decision import Asked

_BEYOND = 1e6  # the largest budget of the slider, over that of the largest run


def planner_settings(
    post: Posterior, asked: Asked, hardware: Hardware, example: bool
) -> dict[str, Any]:
    """Return the controls, ready for JSON.

    Parameters
    ----------
    post
        The posterior.
    asked
        What the report is asked; the planner starts there.
    hardware
        The accelerator that converts FLOPs.
    example
        Whether the caller did not name the accelerator.
    """
    law = post.law
    limits = asked.limits or Limits()
    is_params = law.budget.size == "params"
    controls = [
        _control("served", "Tokens served after training", (9, 16), "none", _served(asked)),
    ]
    repeats = "unique_tokens" in law.inputs
    label = "Most training tokens" if repeats else "Unique training tokens, each used once"
    controls.append(_control("maxTokens", label, (9, 15), "no limit", limits.max_tokens))
    for name, value in asked.inputs.items():
        middle = float(np.log10(value)) if value > 0 else 0.0
        label = "Unique training tokens" if name == "unique_tokens" else name.replace("_", " ")
        controls.append(_control(f"input:{name}", label, (middle - 3, middle + 3), "", value))
        controls[-1]["kind"] = kind_of(name)
        controls[-1]["mayBeZero"] = not bool(law.inputs[name].domain.excludes(np.zeros(1))[0])
    size = "Largest model, in parameters" if is_params else f"Largest {law.budget.size}"
    controls.append(_control("maxSize", size, (7, 13), "no limit", limits.max_params))
    if is_params:
        label = "Fewest tokens per parameter"
        least = limits.min_tokens_per_param
        controls.append(_control("minRatio", label, (0, 3), "none", least))
        controls[-1]["kind"] = "ratio"
    price = hardware.price_per_hour
    return {
        "budget": asked.budgets[0],
        "unit": asked.unit,
        "budgets": [float(np.log10(x)) for x in _range_of_budgets(post, asked)],
        "controls": controls,
        "hardware": {
            "peak": float(hardware.peak_flops),
            "utilisation": float(hardware.utilisation),
            "price": None if price is None else float(price),
            "example": example,
        },
        "sizeIsParams": is_params,
        "size": law.budget.size,
        "target": target_name(post),
    }


def _served(asked: Asked) -> float | None:
    """Return the served tokens that the cost includes, if any."""
    return float(asked.cost.served_tokens) or None


def _range_of_budgets(post: Posterior, asked: Asked) -> tuple[float, float]:
    low = min(post.compute.min(), *asked.budgets)
    high = max(_BEYOND * post.compute.max(), *asked.budgets)
    return float(low), float(high)


def _control(
    name: str, label: str, logs: tuple[float, float], off: str, value: float | None
) -> dict[str, Any]:
    """Return a control: a slider over powers of ten, and a field.

    ``off`` is what an empty field means; a control without it must have a value.
    """
    low, high = logs
    value = None if value is None else float(value)
    if value is not None and value > 0:
        low, high = min(low, np.log10(value)), max(high, np.log10(value))
    return {
        "name": name,
        "label": label,
        "low": float(low),
        "high": float(high),
        "off": off,
        "value": value,
        "kind": "count",
        "mayBeZero": False,
    }
