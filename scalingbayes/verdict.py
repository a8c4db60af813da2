"""Whether to believe a fit: its diagnostics turned into one verdict, with reason and remedy."""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr

MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
"""Thresholds of Vehtari et al. 2021 (Bayesian Analysis 16, section 4)."""

_MOSTLY_PRIOR = 0.5


@dataclass(frozen=True)
class Check:
    """One thing that was checked."""

    passed: bool
    finding: str
    remedy: str


@dataclass(frozen=True)
class Verdict:
    """What the checks of a fit found.

    Parameters
    ----------
    checks
        Each diagnostic against its threshold.
    notes
        What does not fail a fit but ought to be known: parameters that the priors decide.
    """

    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def word(self) -> str:
        """``"passed"`` or ``"failed"``."""
        return "passed" if self.passed else "failed"

    def __str__(self) -> str:
        if self.passed:
            lines = [
                "The fit passed its checks: " + "; ".join(c.finding for c in self.checks) + "."
            ]
        else:
            lines = ["THE FIT FAILED ITS CHECKS: do not rely on it."]
            lines += [f"  {c.finding}: {c.remedy}" for c in self.checks if not c.passed]
        return "\n".join([*lines, *(f"Note: {note}" for note in self.notes)])


def judge(tree: xr.DataTree, prior_shares: Mapping[str, float]) -> Verdict:
    """Check the draws of a fit.

    Parameters
    ----------
    tree
        With the groups ``posterior`` and ``sample_stats``.
    prior_shares
        How much of the precision of each parameter comes from its prior, 0 to 1.
    """
    import arviz_stats  # 1 s to import, and not every fit is looked at

    posterior = tree["posterior"].to_dataset()
    chains = posterior.sizes["chain"]
    needed = MIN_ESS_PER_CHAIN * chains
    name, r_hat = _extreme(arviz_stats.rhat(posterior), largest=True)
    checks = [
        Check(
            r_hat <= MAX_R_HAT,
            f"R-hat at most {r_hat:.4f}" if r_hat <= MAX_R_HAT else f"R-hat {r_hat:.3f} for {name}",
            "the chains disagree; give more warmup and draws, or look for several modes",
        )
    ]
    for method in ("bulk", "tail"):
        name, ess = _extreme(arviz_stats.ess(posterior, method=method), largest=False)
        checks.append(
            Check(
                ess >= needed,
                f"{method} ESS at least {ess:.0f}"
                if ess >= needed
                else f"{method} ESS {ess:.0f} for {name}, below {needed}",
                "give more draws",
            )
        )
    if "diverging" in tree["sample_stats"]:
        count = int(tree["sample_stats"]["diverging"].sum())
        checks.append(
            Check(
                count == 0,
                f"{count or 'no'} divergences",
                "the sampler cut corners; raise target_accept, for instance to 0.99",
            )
        )
    notes = [
        f"{share:.0%} of what is known of {name} comes from its prior, not from the runs."
        for name, share in prior_shares.items()
        if share > _MOSTLY_PRIOR
    ]
    return Verdict(tuple(checks), tuple(notes))


def _extreme(values: xr.Dataset, largest: bool) -> tuple[str, float]:
    pairs = ((str(name), float(value)) for name, value in values.items())
    # Constant or broken chains give NaN, which is the worst there is.
    return max(pairs, key=lambda p: (p[1] != p[1], p[1] if largest else -p[1]))
