"""Results: the base class of every result, its verdict, its table and its text."""

from scalingbayes.results.estimate import Estimate
from scalingbayes.results.intervals import (
    EXACT_COLUMNS,
    IntervalKind,
    check_interval,
    interval_columns,
)
from scalingbayes.results.readable import one_row_a_case, readable
from scalingbayes.results.rendering import View, format_table, parameter_table
from scalingbayes.results.result import SAMPLE_DIMS, DrawsResult, Result
from scalingbayes.results.verdict import Check, Verdict

__all__ = [
    "EXACT_COLUMNS",
    "SAMPLE_DIMS",
    "Check",
    "DrawsResult",
    "Estimate",
    "IntervalKind",
    "Result",
    "Verdict",
    "View",
    "check_interval",
    "format_table",
    "interval_columns",
    "one_row_a_case",
    "parameter_table",
    "readable",
]
