"""Verdicts: whether a result passed its checks, why, and what to do if it did not."""

from dataclasses import dataclass

from scalingbayes._core.escaping import for_html, for_terminal


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    passed
        Whether the check passed.
    finding
        What was measured, such as ``"bulk ESS at least 1200"``.
    remedy
        What to do if the check failed.
    """

    passed: bool
    finding: str
    remedy: str


@dataclass(frozen=True, repr=False)
class Verdict:
    """The outcome of all checks of one result. ``bool(verdict)`` is whether they all passed.

    Parameters
    ----------
    checks
        The checks.
    notes
        Remarks that do not fail the result, such as the parameters that the priors determine.
    of
        What was checked.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> if post.verdict:
    ...     print("the fit passed its checks")
    the fit passed its checks
    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()
    of: str = "fit"

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def word(self) -> str:
        """``"passed"`` or ``"failed"``."""
        return "passed" if self.passed else "failed"

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        if not self.checks and self.notes:
            return for_terminal("\n".join(self.notes))
        if not self.checks:
            lines = [f"The {self.of} was not checked."]
        elif self.passed:
            findings = "; ".join(c.finding for c in self.checks)
            lines = [f"The {self.of} passed its checks: {findings}."]
        else:
            lines = [f"THE {self.of.upper()} FAILED ITS CHECKS: do not rely on it."]
            lines += [f"  {c.finding}: {c.remedy}" for c in self.checks if not c.passed]
        return for_terminal("\n".join([*lines, *(f"Note: {note}" for note in self.notes)]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        first, *others = str(self).splitlines()
        first = for_html(first) if self.passed else f"<b>{for_html(first)}</b>"
        return f"<p>{'<br>'.join([first, *map(for_html, others)])}</p>"
