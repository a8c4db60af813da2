"""What a fit says of itself: the allowance for the law's error, the table, the priors."""

from scalingbayes._core.numbers import write_all
from scalingbayes.laws import Law
from scalingbayes.model.allowance import Allowance
from scalingbayes.model.noise import Noise
from scalingbayes.posterior.record import Record

_NONE = 0.7  # exactness above which the residuals show no lack of fit
_CLEAR = 0.3  # exactness below which the lack of fit is clear
_FEW = 3  # runs per parameter, below which the residuals say little


def describe_fit(record: Record, law: Law, noise: Noise) -> str:
    """Return what was fitted to what, in two lines."""
    if record.of == "published":
        return f"Published constants of {law.equation}\n{record.data.name}"
    of = "Bootstrapped best fits" if record.of == "bootstrap" else record.of.capitalize()
    exact = record.allowance is None
    taken = "law taken as exact" if exact else "allowance for the law's error"
    return (
        f"{of} of {law.equation} ({law.source})\n"
        f"{record.data.rows} runs of {record.data.name!r}; {noise.equation}; {taken}; "
        f"{record.engine}, seed {record.seed}"
    )


def describe_data(allowance: Allowance | None, record: Record) -> tuple[str, ...]:
    """Return sentences on the allowance, and on what was done to the table when it was read."""
    if record.of == "published":
        return record.data.notes
    table = (f"Table: {note}" for note in record.data.notes)
    return (*describe_allowance(allowance, record), *table)


def describe_allowance(allowance: Allowance | None, record: Record) -> tuple[str, ...]:
    """Return what the allowance is and why; nothing if the law was taken as exact.

    Parameters
    ----------
    allowance
        The allowance.
    record
        The record of the fit.
    """
    if allowance is None:
        return ()
    rows, parameters = record.data.rows, len(record.priors)
    v = allowance.exactness
    seen = "no" if v > _NONE else "a clear" if v < _CLEAR else "some"
    folds = len(allowance.fold_scores)
    chosen = {0: "no runs could be held out to choose them", 1: "chosen with 1 fold"}
    lines = [
        f"Allowance for the law's error: the residuals show {seen} lack of fit (exactness {v:.2f} "
        f"of 1). So each run counts as {allowance.likelihood_power:.2g} of a run, and a run of a "
        f"tenth of the largest scale as {10**-allowance.row_exponent:.0%} of that (means over the "
        f"mixture, {chosen.get(folds, f'chosen with {folds} folds')})."
    ]
    if rows < _FEW * parameters:
        lines.append(f"{rows} runs cannot tell whether the law is exact.")
    return tuple(lines)


def describe_priors(record: Record) -> str:
    """Return each parameter's prior, and the reference point at which it is stated."""
    if record.of == "published":
        return ""
    if record.options.get("objective") == "likelihood":
        return "Priors were not used."
    statements = "\n".join(f"  {prior['statement']}" for prior in record.priors.values())
    return (
        f"Priors, at the reference point of the data ({write_all(record.reference)}); defaults "
        f"{record.origin_of_priors}:\n{statements}"
    )
