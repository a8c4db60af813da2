"""Columns that follow from others: tokens, compute or params, and FLOPs per token."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float

from scalingbayes._core.domains import POSITIVE
from scalingbayes._core.errors import InputError
from scalingbayes.data.architecture import FLOPS_PER_PARAM_TOKEN, flops_per_token
from scalingbayes.data.column_choice import choose_columns, words_of
from scalingbayes.data.columns import check_column
from scalingbayes.data.unit_names import FLOPS_UNITS, MULTIPLES, multiple_of_name
from scalingbayes.data.units import Units

SAME_RATIO = 1.1
"""Compute within this factor of 6 * params * tokens is counted as such."""

TYPING_ERROR = 5.0
"""Factor from the median ratio to 6 * params * tokens, beyond which a row is probably wrong."""

_FEW = 0.2  # share of the rows that may be errors; more are a way of counting

_UNITS = (1e-2, 1e4)  # ratios outside of these are a matter of units, not of counting
_RATIO = (1e-3, 1e5)  # tokens per param of real runs

_SUSPICIOUS = {"params": 1e4, "tokens": 1e5, "compute": 1e9}
"""Counts below these are probably in thousands, millions or billions."""

_BATCH_IN_TOKENS = 2e5  # batches of more sequences are rather counted in tokens
_DEVICES = {"micro", "device", "gpu", "gpus", "ngpus", "local", "accumulation", "accum", "world"}
_DEVICES |= {"gas", "nodes", "devices", "replicas"}


def derive(
    frame: pd.DataFrame,
    sources: Mapping[str, str],
    ambiguous: Iterable[str],
    units: Units,
) -> tuple[list[str], list[str]]:
    """Add columns that follow from others, in place; return notes and warnings.

    Parameters
    ----------
    frame
        The table, with the package's column names and units.
    sources
        The name in the user's table of each column.
    ambiguous
        Quantities for which the table has several columns, none of which was chosen: these are
        not derived.
    units
        The units of the columns.

    Raises
    ------
    InputError
        If compute is in another unit than FLOPs.
    """
    notes: list[str] = []
    warnings: list[str] = []
    ambiguous = set(ambiguous)
    if "tokens" not in {*frame.columns, *ambiguous}:
        tokens, note = tokens_from_steps(frame, sources)
        notes += filter(None, [note])
        if tokens is not None:
            frame["tokens"] = tokens
            warnings.append(note)
    given = [name for name in _SUSPICIOUS if name in frame]
    small = list(_small_counts(frame, given))
    warnings += small
    notes += add_missing_count(frame, ambiguous)
    if "compute" in frame and "compute" not in given and units.tokens != "tokens":
        warnings.append(
            f"Column 'tokens' counts {units.tokens}, and there is no column of compute. FLOPs are "
            f"counted as 6 * params * {units.tokens}: add a column compute of training FLOPs, or "
            f"ask for budgets in this unit."
        )
    note, warning = describe_compute(frame, units)
    notes += filter(None, [note])
    warnings += filter(None, [warning, "" if small else _odd_ratio(frame, units)])
    add_flops_per_token(frame)
    return notes, warnings


def tokens_from_steps(
    frame: pd.DataFrame, sources: Mapping[str, str]
) -> tuple[pd.Series | None, str]:
    """Return tokens = steps x batch size x sequence length, and a sentence; None if not possible.

    Parameters
    ----------
    frame
        The table. The three columns are found by their names. A batch size that counts tokens needs
        no sequence length. Batch sizes of one device, or of one step of accumulation, are not used.
    sources
        The name in the user's table of each column.
    """
    found = choose_columns(frame, ["steps", "batch_size", "seq_len"]).chosen
    if not {"steps", "batch_size"} <= found.keys():
        return None, ""
    names = {factor: sources.get(name, name) for factor, name in found.items()}
    of_devices = [str(name) for name in frame.columns if {*words_of(name)} & _DEVICES]
    if of_devices:
        return None, (
            f"There is no column of tokens. They were not computed from steps and batch size, "
            f"because {', '.join(map(repr, of_devices))} may be a further factor: add a column of "
            f"tokens."
        )
    in_tokens = "tokens" in words_of(names["batch_size"])
    factors = ["steps", "batch_size"] if in_tokens else ["steps", "batch_size", "seq_len"]
    if "seq_len" not in found and not in_tokens:
        return None, (
            f"There is no column of tokens. Steps and batch size are there, but no sequence "
            f"length: add a column seq_len, or call {names['batch_size']!r} batch_size_tokens if "
            f"it counts tokens."
        )
    tokens = pd.Series(1.0, frame.index)
    values = {name: check_column(frame, found[name], POSITIVE) for name in factors}
    if not in_tokens and values["batch_size"].median() > _BATCH_IN_TOKENS:
        return None, (
            f"There is no column of tokens. Column {names['batch_size']!r} has a median of "
            f"{values['batch_size'].median():.4g}, as if it counted tokens: call it "
            f"batch_size_tokens if it does, or add a column of tokens."
        )
    for name, column in values.items():
        multiple = multiple_of_name(names[name])
        tokens = tokens * column * (MULTIPLES[multiple] if multiple else 1.0)
    product = " x ".join(names[name] for name in factors)
    return tokens, f"There is no column of tokens: tokens = {product}."


def _odd_ratio(frame: pd.DataFrame, units: Units) -> str:
    """Return a warning if tokens per param are not those of language models, or ""."""
    if units.tokens != "tokens" or not {"params", "tokens"} <= set(frame.columns):
        return ""
    ratio = float((frame["tokens"] / frame["params"]).median())
    if _RATIO[0] <= ratio <= _RATIO[1]:
        return ""
    return (
        f"The median run has {ratio:.3g} tokens per param: check that params and tokens are "
        f"counts, and in the same unit."
    )


def add_missing_count(frame: pd.DataFrame, ambiguous: set[str]) -> Iterator[str]:
    """Add the one of params, tokens and compute that is missing, in place; yield a note.

    In a mixture of experts compute follows from ``active_params``. There params cannot be derived
    from compute, so that nothing is added unless both params and tokens are given. A sample of a
    model with an image tower is many tokens, so that nothing is added there.
    """
    if "image_params" in frame:
        return
    given = {"params", "tokens", "compute"} & set(frame.columns)
    if len(given) != 2:
        return
    if {"params", "tokens"} <= given:
        frame["compute"] = FLOPS_PER_PARAM_TOKEN * _size(frame) * frame["tokens"]
    elif "active_params" not in frame:
        (known,) = given - {"compute"}
        (missing,) = {"params", "tokens"} - given
        if missing not in ambiguous:
            frame[missing] = frame["compute"] / (FLOPS_PER_PARAM_TOKEN * frame[known])
            yield f"Column {missing!r} was computed: compute / (6 * {known})."


def _size(frame: pd.DataFrame) -> pd.Series:
    size = "active_params" if "active_params" in frame else "params"
    return check_column(frame, size, POSITIVE)


def compute_ratio(frame: pd.DataFrame) -> Float[np.ndarray, " runs"] | None:
    """Return measured compute over 6 * params * tokens; None if it has no meaning."""
    if "image_params" in frame or not {"params", "tokens", "compute"} <= set(frame.columns):
        return None
    product = FLOPS_PER_PARAM_TOKEN * _size(frame) * frame["tokens"]
    return (frame["compute"] / product).to_numpy(float)


def describe_compute(frame: pd.DataFrame, units: Units) -> tuple[str, str]:
    """Return a note on how compute was counted, and a warning about rows that are far off.

    Either is "" if there is nothing to say.

    Raises
    ------
    InputError
        If all rows are far off: compute is in another unit than FLOPs.
    """
    ratio = compute_ratio(frame)
    if ratio is None:
        return "", ""
    logs = np.log(ratio)
    if np.exp(np.abs(logs)).max() <= SAME_RATIO:
        return "", ""
    usual = float(np.median(ratio))
    if units.tokens == "tokens" and not _UNITS[0] <= usual <= _UNITS[1]:
        raise InputError(
            f"Column 'compute' is {usual:.3g} times 6 * params * tokens: one of the three is in "
            f"another unit. Name the unit, for instance units={{'compute': 'EFLOPs'}} or "
            f"units={{'tokens': 'billions'}} (--unit compute=EFLOPs in the shell); units of "
            f"compute are {', '.join(FLOPS_UNITS)}."
        )
    odd = np.abs(logs - np.median(logs)) > np.log(TYPING_ERROR)
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


def _small_counts(frame: pd.DataFrame, columns: Iterable[str]) -> Iterator[str]:
    """Yield warnings about counts that are probably in millions or billions."""
    for column in columns:
        smallest = _SUSPICIOUS[column]
        values = frame[column]
        small = values < smallest
        if values.median() < smallest:
            yield (
                f"Column {column!r} has a median of {values.median():.4g}: it looks like "
                f"thousands, millions or billions. Exponents are not affected, but answers will "
                f"be in the same unit, and compute = 6 * params * tokens holds for counts only. "
                f"Name the unit: units={{{column!r}: 'billions'}} (--unit {column}=billions in the "
                f"shell), or millions."
            )
        elif small.any():
            row = int(np.argmax(small))
            yield (
                f"Column {column!r}, row {int(frame.index[row]) + 1}: {values.iloc[row]:.4g} looks "
                f"like millions or billions among counts ({int(small.sum())} such rows). Correct "
                f"these rows: they distort every answer."
            )


def add_flops_per_token(frame: pd.DataFrame) -> None:
    """Add ``flops_per_token`` in place, if the table gives the shape of the models instead."""
    shape = ["n_layer", "d_model", "seq_len"]
    if "flops_per_token" not in frame and set(shape) <= set(frame.columns):
        values = [check_column(frame, column, POSITIVE) for column in shape]
        frame["flops_per_token"] = flops_per_token(*values)
