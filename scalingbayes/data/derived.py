"""Columns that follow from others: tokens, compute or params, and FLOPs per token."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN, flops_per_token
from scalingbayes.data.column_choice import choose_columns, words_of
from scalingbayes.data.columns import check_column

_SAME_RATIO = 1.1  # compute within this factor of 6 * params * tokens is counted as such
_TYPING_ERROR = 5.0  # factor from the ratio of the other rows beyond which a row is named
_FEW = 0.2  # share of the rows that may be errors; more are a way of counting

_PER_DEVICE = {"micro", "device", "gpu", "local"}


def tokens_from_steps(frame: pd.DataFrame) -> tuple[pd.Series | None, str]:
    """Return tokens = steps x batch size x sequence length, and a sentence; None if not possible.

    Parameters
    ----------
    frame
        The table. The three columns are found by their names. A batch size that counts tokens needs
        no sequence length. A batch size of one device is not used.
    """
    found = choose_columns(frame, ["steps", "batch_size", "seq_len"]).chosen
    if not {"steps", "batch_size"} <= found.keys():
        return None, ""
    words = {*words_of(found["batch_size"])}
    if words & _PER_DEVICE:
        return None, ""
    factors = ["steps", "batch_size"]
    if "tokens" not in words:
        if "seq_len" not in found:
            return None, ""
        factors.append("seq_len")
    columns = [found[factor] for factor in factors]
    tokens = pd.Series(1.0, frame.index)
    for name in columns:
        tokens = tokens * check_column(frame, name, POSITIVE)
    return tokens, f"There is no column of tokens: tokens = {' x '.join(columns)}."


def add_missing_count(frame: pd.DataFrame) -> None:
    """Add the one of params, tokens and compute that is missing, in place.

    In a mixture of experts compute follows from ``active_params``. There params cannot be derived
    from compute, so that nothing is added unless both params and tokens are given.
    """
    given = {"params", "tokens", "compute"} & set(frame.columns)
    if len(given) != 2:
        return
    if {"params", "tokens"} <= given:
        frame["compute"] = FLOPS_PER_PARAM_TOKEN * _size(frame) * frame["tokens"]
    elif "active_params" not in frame:
        (known,) = given - {"compute"}
        (missing,) = {"params", "tokens"} - given
        frame[missing] = frame["compute"] / (FLOPS_PER_PARAM_TOKEN * frame[known])


def _size(frame: pd.DataFrame) -> pd.Series:
    size = "active_params" if "active_params" in frame else "params"
    return check_column(frame, size, POSITIVE)


def compute_ratio(frame: pd.DataFrame) -> Float[np.ndarray, " runs"] | None:
    """Return measured compute over 6 * params * tokens; None if a column is missing."""
    if not {"params", "tokens", "compute"} <= set(frame.columns):
        return None
    product = FLOPS_PER_PARAM_TOKEN * _size(frame) * frame["tokens"]
    return (frame["compute"] / product).to_numpy(float)


def describe_compute(frame: pd.DataFrame) -> tuple[str, str]:
    """Return a note on how compute was counted, and a warning about rows that are far off.

    Either is "" if there is nothing to say.
    """
    ratio = compute_ratio(frame)
    if ratio is None:
        return "", ""
    logs = np.log(ratio)
    if np.exp(np.abs(logs)).max() <= _SAME_RATIO:
        return "", ""
    odd = np.abs(logs - np.median(logs)) > np.log(_TYPING_ERROR)
    if odd.any() and odd.mean() <= _FEW:
        row = int(np.argmax(odd))
        return "", (
            f"Column 'compute', row {int(frame.index[row]) + 1}: {frame['compute'].iloc[row]:.4g} "
            f"is {ratio[row]:.3g} times 6 * params * tokens, and the median row "
            f"{np.median(ratio):.3g} times ({int(odd.sum())} such rows). Correct params, tokens or "
            f"compute of these rows, or leave out the column of compute."
        )
    return (
        f"Column 'compute' is {ratio.min():.3g} to {ratio.max():.3g} times 6 * params * tokens: "
        f"budgets are counted as the table counts them."
    ), ""


def add_flops_per_token(frame: pd.DataFrame) -> None:
    """Add ``flops_per_token`` in place, if the table gives the shape of the models instead."""
    shape = ["n_layer", "d_model", "seq_len"]
    if "flops_per_token" not in frame and set(shape) <= set(frame.columns):
        values = [check_column(frame, column, POSITIVE) for column in shape]
        frame["flops_per_token"] = flops_per_token(*values)
