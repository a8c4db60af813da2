"""Which column is which: a proposal from the names and the values of a table's columns.

A name is split into words: ``throughput/total_tokens`` has the words throughput, total, tokens.
Each quantity has patterns of words, the clearest first. The columns that match the first pattern
that any column matches are the candidates. A single candidate is chosen; several are ambiguous.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

import numpy as np
import pandas as pd

from scalingbayes.data.counts import is_empty, parse_count, size_in_name

Words = tuple[str, ...]
Pattern = Callable[[Words], bool]

_SPLIT = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])")
_ENOUGH = 0.5  # share of the cells with a value that must be numbers
_ROWS = 1000  # rows of a column that are looked at
_VAGUE = {"n", "d", "c", "data", "size"}
_LEAST = 1e3  # median of a column whose name is vague

PARAMS = {"param", "params", "parameter", "parameters", "nparams", "paramcount", "numel"}
TOKENS = {"token", "tokens", "ntokens", "toks"}
FLOPS = {"flop", "flops", "flos", "compute", "pf", "pfs", "pfdays", "pflops", "eflops", "zflops"}
FLOPS |= {"petaflop", "petaflops", "exaflop", "exaflops", "zettaflop", "zettaflops", "tflops"}
LOSSES = {"loss", "nll", "xent", "ce", "perplexity", "ppl", "bpb", "bpc", "bits", "crossentropy"}
HELD_OUT = {"val", "valid", "validation", "eval", "evaluation", "test", "heldout", "held", "dev"}
DATA_UNITS = {
    "samples": {"sample", "samples", "example", "examples", "sequences"},
    "images": {"image", "images"},
    "bytes": {"byte", "bytes"},
    "characters": {"char", "chars", "character", "characters"},
    "patches": {"patch", "patches"},
    "frames": {"frame", "frames"},
    "words": {"words"},
}
"""Units of data other than tokens, each with the words that name it in a column."""

_COUNTING = {"n", "num", "number", "no", "of", "the", "total", "count", "model", "config", "in"}
_COUNTING |= {"summary", "size", "trainable", "all", "log10", "log2", "ln"}
_MULTIPLES = {"k", "thousand", "thousands", "tsd", "1e3", "m", "mm", "mn", "mio", "mil", "1e6"}
_MULTIPLES |= {"million", "millions", "b", "g", "bn", "mrd", "billion", "billions", "1e9"}
_MULTIPLES |= {"t", "tn", "trillion", "trillions", "1e12"}
_COUNTING |= _MULTIPLES
_OVER_TRAINING = {"train", "training", "trained", "seen", "consumed", "processed", "trainer"}
_OVER_TRAINING |= {"throughput", "so", "far", "data", "global", "cumulative", "final", "budget"}
_OF_A_LOSS = {"final", "last", "avg", "mean", "average", "metrics", "summary", "lm", "model", "out"}
_OF_A_LOSS |= {"cross", "entropy", "per", "byte", "character", "token", "nats", "l", "set", "log"}
_RATES = {"per", "sec", "second", "seconds", "s", "tps", "rate", "ms", "hour", "day"}
_NOT_COUNTS = _RATES | {"norm", "lr", "ratio", "fraction", "std", "time", "vocab", "batch", "seq"}
_NOT_COUNTS |= {"length", "unique", "context", "group", "groups", "peak", "mfu", "utilization"}
_NOT_COUNTS |= {"max", "min", "limit", "loss"}
_NOT_LOSSES = {"std", "stderr", "se", "sd", "var", "err", "lower", "upper", "low", "high", "min"}
_NOT_LOSSES |= {"max", "scale", "aux", "z", "router", "balance", "balancing", "weight", "norm"}
_NOT_LOSSES |= {"delta", "diff", "spike", "lower95", "upper95", "ci", "time", "step", "unused"}
_TRAIN = {"train", "training"}


def words_of(name: object) -> Words:
    """Return the words of a column's name, in lower case.

    Examples
    --------
    >>> words_of("throughput/totalTokens")
    ('throughput', 'total', 'tokens')
    """
    return tuple(word.lower() for word in _SPLIT.split(str(name)) if word)


def _counts(nouns: set[str], others: set[str] = frozenset()) -> Pattern:  # type: ignore[assignment]
    """Return a pattern for counts: one of the nouns, and no words but those that may go with it."""
    allowed = nouns | _COUNTING | others
    return lambda words: bool(nouns & {*words}) and {*words} <= allowed


def _any_of(*names: str) -> Pattern:
    """Return a pattern for whole names: words, without multiples, joined by underscores."""
    return lambda words: "_".join(word for word in words if word not in _MULTIPLES) in names


def _params_of_a_part(words: Words) -> bool:
    own = {*words}
    part = {"active", "activated"} & own or ({"non", "no", "without", "with"} & own)
    return bool(PARAMS & own and part and not own & _NOT_COUNTS)


def _held_out_loss(words: Words) -> bool:
    own = {*words}
    return bool(own & HELD_OUT and _is_loss(words) and own <= LOSSES | HELD_OUT | _OF_A_LOSS)


def _plain_loss(words: Words) -> bool:
    return _is_loss(words) and {*words} <= LOSSES | _OF_A_LOSS


def _is_loss(words: Words) -> bool:
    own = {*words}
    named = bool(own & LOSSES) or {"cross", "entropy"} <= own
    return named and not own & (_NOT_LOSSES | _TRAIN)


def _train_loss(words: Words) -> bool:
    own = {*words}
    return bool(own & LOSSES and own & _TRAIN and not own & _NOT_LOSSES)


_OTHER_DATA = set().union(*DATA_UNITS.values())

PATTERNS: dict[str, tuple[Pattern, ...]] = {
    "params": (
        _counts(PARAMS),
        _any_of("model_size", "size", "n", "n_params_total", "size_b", "size_m", "model_size_b"),
        _any_of("n_non_emb", "n_nonemb", "n_no_emb", "n_non_embedding", "n_non_embd", "non_emb"),
        _params_of_a_part,
    ),
    "tokens": (
        _counts(TOKENS, _OVER_TRAINING),
        _any_of("d", "data", "dataset_size", "data_size"),
        _counts(_OTHER_DATA, _OVER_TRAINING),
    ),
    "compute": (
        _counts(FLOPS, _OVER_TRAINING | {"days", "day", "pfsdays", "s", "cost", "1e18", "1e21"}),
        _any_of("c", "pfdays", "pf_days", "pfs_days"),
    ),
    "loss": (
        _held_out_loss,
        _plain_loss,
        lambda words: bool({*words} & HELD_OUT) and _is_loss(words),
        _is_loss,
        _any_of("l"),
        _train_loss,
    ),
    "steps": (
        _any_of("steps", "train_steps", "training_steps", "total_steps", "n_steps", "num_steps"),
        _any_of("step", "global_step", "trainer_global_step", "iterations", "iters", "updates"),
        _any_of("max_steps", "train_iters", "config_max_steps", "num_iterations", "n_iters"),
    ),
    "batch_size": (
        lambda words: {"batch"} <= {*words} and bool({"global", "total", "tokens"} & {*words}),
        _any_of("batch_size", "bs", "train_batch_size", "batch", "batchsize", "config_batch_size"),
    ),
    "seq_len": (
        _any_of(
            *("seq_len", "seqlen", "sequence_length", "seq_length", "context_length", "context"),
            *("ctx", "ctx_len", "n_ctx", "block_size", "max_seq_len", "max_sequence_length"),
            *("context_len", "context_size", "max_seq_length", "sequence_len", "data_seq_len"),
        ),
    ),
}
"""The patterns of each quantity's names, the clearest first."""

_FORBIDDEN = {"params": _NOT_COUNTS, "tokens": _NOT_COUNTS, "compute": _NOT_COUNTS - {"day", "s"}}


@dataclass(frozen=True)
class Choice:
    """A proposal of which column holds which quantity.

    Parameters
    ----------
    chosen
        The column of each quantity with a single candidate.
    ambiguous
        The candidates of each quantity that has several.
    """

    chosen: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, tuple[str, ...]] = field(default_factory=dict)


def choose_columns(frame: pd.DataFrame, wanted: Iterable[str], taken: Iterable[str] = ()) -> Choice:
    """Return a proposal of the columns of quantities.

    Parameters
    ----------
    frame
        The table.
    wanted
        The quantities: keys of :data:`PATTERNS`.
    taken
        Columns that hold other quantities.

    Examples
    --------
    >>> table = pd.DataFrame({"num_params": [1e8], "train/tokens": [2e9], "eval/loss": [3.1]})
    >>> choose_columns(table, ["params", "tokens", "loss"]).chosen
    {'params': 'num_params', 'tokens': 'train/tokens', 'loss': 'eval/loss'}
    """
    # active_params is itself an input of laws of mixtures of experts.
    others = {*taken, "active_params"}
    names = [str(name) for name in frame.columns if name not in others]
    chosen: dict[str, str] = {}
    ambiguous: dict[str, tuple[str, ...]] = {}
    for quantity in wanted:
        found = _candidates(frame, names, quantity)
        if quantity == "params" and found:
            found += [name for name in names if name not in found and _is_active(frame, name)]
        if len(found) == 1 or (len(found) > 1 and _all_equal(frame, found)):
            chosen[quantity] = found[0]
        elif found:
            ambiguous[quantity] = tuple(found)
    no_params = "params" in wanted and "params" not in {**chosen, **ambiguous}
    if no_params and (column := _column_of_names_with_sizes(frame, names)) is not None:
        chosen["params"] = column
    return Choice(chosen, ambiguous)


def _is_active(frame: pd.DataFrame, name: str) -> bool:
    """Return whether a column counts the active parameters of mixtures of experts."""
    words = words_of(name)
    return (
        _params_of_a_part(words)
        and bool({"active", "activated"} & {*words})
        and _has_numbers(frame[name], 0.0)
    )


def _candidates(frame: pd.DataFrame, names: list[str], quantity: str) -> list[str]:
    forbidden = _FORBIDDEN.get(quantity, set())
    for pattern in PATTERNS[quantity]:
        found = [
            name
            for name in names
            if (words := words_of(name))
            and pattern(words)
            and not forbidden & {*words}
            and _has_numbers(frame[name], _LEAST if {*words} <= _VAGUE else 0.0)
        ]
        if found:
            return found
    return []


def _has_numbers(values: pd.Series, least: float) -> bool:
    """Return whether most cells are positive numbers, and their median is at least ``least``."""
    if values.dtype.kind in "cmM" or values.dtype == bool:
        return False
    cells = [cell for cell in values.head(_ROWS) if not is_empty(cell)]
    if not cells:
        return False
    numbers = np.array([parse_count(cell) for cell in cells])
    return bool((numbers > 0).mean() >= _ENOUGH and np.nanmedian(numbers) >= least)


def _all_equal(frame: pd.DataFrame, names: list[str]) -> bool:
    first = frame[names[0]]
    return all(first.equals(frame[name]) for name in names[1:])


def _column_of_names_with_sizes(frame: pd.DataFrame, names: list[str]) -> str | None:
    """Return the column of models' names if each name contains one size, such as pythia-70m."""
    for name in names:
        if {*words_of(name)} & {"model", "name", "run", "size", "config"}:
            cells: list[Any] = [cell for cell in frame[name].head(_ROWS) if not is_empty(cell)]
            text = bool(cells) and all(isinstance(cell, str) for cell in cells)
            if text and np.isfinite([size_in_name(cell) for cell in cells]).all():
                return name
    return None


def is_other_data(name: str) -> bool:
    """Return whether a column's name says that it counts other units of data than tokens."""
    words = {*words_of(name)}
    return bool(words & _OTHER_DATA) and not words & TOKENS


def describe_choice(columns: Mapping[str, str]) -> tuple[str, str] | None:
    """Return which column is read as which quantity, and how to choose another one."""
    if not columns:
        return None
    read = ", ".join(f"{quantity} is {name!r}" for quantity, name in columns.items())
    python = ", ".join(f"{quantity}={name!r}" for quantity, name in columns.items())
    own = {"params", "tokens", "compute", "loss"}
    shell = " ".join(
        f"--{quantity} {quote(name)}"
        if quantity in own
        else f"--column {quote(f'{quantity}={name}')}"
        for quantity, name in columns.items()
    )
    return (
        f"Columns were chosen by their names: {read}.",
        f"To choose yourself, pass {python} to sb.Runs or sb.read_runs ({shell} in the shell).",
    )


def describe_ambiguous(choice: Choice) -> str:
    """Return which quantities have several candidates, none of which was chosen, or ""."""
    several = "; ".join(
        f"{quantity} may be {', '.join(map(repr, names))}"
        for quantity, names in choice.ambiguous.items()
    )
    return several and f"Columns were not chosen, since several are possible: {several}."
