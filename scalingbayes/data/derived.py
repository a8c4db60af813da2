"""Columns that follow from others: compute, params or tokens, and FLOPs per token."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN, flops_per_token
from scalingbayes.data.columns import check_column

_MAX_RATIO = 2.5  # ways of counting params and FLOPs differ by a smaller factor
_MAX_SILENT_RATIO = 1.1


def add_missing_count(frame: pd.DataFrame) -> str:
    """Add the one of params, tokens and compute that is missing, in place; compare all three.

    In a mixture of experts compute follows from ``active_params``. There params cannot be derived
    from compute, so that nothing is added unless both params and tokens are given.

    Returns
    -------
    str
        What the caller should be warned about, or "".

    Raises
    ------
    InputError
        If all three are given and contradict each other.
    """
    given = {"params", "tokens", "compute"} & set(frame.columns)
    experts = "active_params" in frame
    if {"params", "tokens"} <= given:
        size = "active_params" if experts else "params"
        product = FLOPS_PER_PARAM_TOKEN * check_column(frame[size], POSITIVE) * frame["tokens"]
        if "compute" in given:
            return _compare(frame["compute"], product, size)
        frame["compute"] = product
    elif len(given) == 2 and not experts:
        (known,) = given - {"compute"}
        (missing,) = {"params", "tokens"} - given
        frame[missing] = frame["compute"] / (FLOPS_PER_PARAM_TOKEN * frame[known])
    return ""


def _compare(compute: pd.Series, product: pd.Series, size: str) -> str:
    """Return a warning if compute differs from 6 * size * tokens; raise if it differs much."""
    ratio = compute / product
    factor: Float[np.ndarray, " runs"] = np.exp(np.abs(np.log(ratio.to_numpy())))
    if factor.max() > _MAX_RATIO:
        row = int(np.argmax(factor > _MAX_RATIO))
        raise InputError(
            f"Column 'compute', row {row + 1}: {size}, tokens and compute contradict each other: "
            f"{compute.iloc[row]:.4g} is {ratio.iloc[row]:.3g} times 6 * {size} * tokens "
            f"({int((factor > _MAX_RATIO).sum())} such rows). Correct the wrong column, or drop "
            f"one of the three and it is derived from the other two."
        )
    if factor.max() > _MAX_SILENT_RATIO:
        return (
            f"Column 'compute' is {ratio.min():.3g} to {ratio.max():.3g} times "
            f"6 * {size} * tokens. The column is used as given, but the budgets that you ask about "
            f"are counted as 6 * {size} * tokens: drop the column if it should be too."
        )
    return ""


def add_flops_per_token(frame: pd.DataFrame) -> None:
    """Add ``flops_per_token`` in place, if the table gives the shape of the models instead."""
    shape = ["n_layer", "d_model", "seq_len"]
    if "flops_per_token" not in frame and set(shape) <= set(frame.columns):
        values = [check_column(frame[column], POSITIVE) for column in shape]
        frame["flops_per_token"] = flops_per_token(*values)
