"""Diagnostics of draws, and the verdict of a fit: R-hat, effective sample sizes, divergences."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from scalingbayes.results import Check, Verdict

MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
"""Thresholds of Vehtari et al. 2021 (Bayesian Analysis 16, section 4)."""

MAX_PARETO_K = 0.7
MIN_EFFECTIVE_DRAWS = 400
"""Thresholds for weighted draws (Vehtari et al. 2024, JMLR 25, section 3)."""

_ENOUGH_CONVERGED = 0.99
_DEFAULT_TARGET_ACCEPT = 0.9
_MOSTLY_PRIOR = 0.5  # a larger share of the precision than this is worth a note


def diagnose(posterior: xr.Dataset) -> dict[str, xr.Dataset]:
    """Compute R-hat and the bulk and tail effective sample sizes of each parameter.

    Parameters
    ----------
    posterior
        Draws with dims ``chain``, ``draw`` and any others, such as fits.
    """
    import arviz_stats  # takes a second to import

    return {
        "r_hat": arviz_stats.rhat(posterior),
        "ess_bulk": arviz_stats.ess(posterior, method="bulk"),
        "ess_tail": arviz_stats.ess(posterior, method="tail"),
    }


def judge(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    facts: Mapping[str, Any],
    prior_shares: Mapping[str, float],
    diagnostics: Mapping[str, xr.Dataset] | None = None,
) -> Verdict:
    """Return the verdict on the draws of a fit.

    Parameters
    ----------
    posterior, stats
        The draws, and the engine's statistics of each draw.
    facts
        The engine's numbers of the whole run: see :class:`scalingbayes.posterior.record.Record`.
    prior_shares
        The fraction of the precision of each parameter that comes from its prior.
    diagnostics
        The result of :func:`diagnose`, if it is already known.
    """
    if posterior.sizes["chain"] > 1:
        checks = _chain_checks(posterior, stats, facts, diagnostics or diagnose(posterior))
    else:
        checks = _independent_checks(posterior, stats, facts)
    notes = [
        f"{share:.0%} of what is known of {name} comes from its prior, not from the runs."
        for name, share in prior_shares.items()
        if share > _MOSTLY_PRIOR
    ]
    return Verdict(tuple(checks), tuple(notes))


def _chain_checks(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    facts: Mapping[str, Any],
    diagnostics: Mapping[str, xr.Dataset],
) -> list[Check]:
    needed = MIN_ESS_PER_CHAIN * posterior.sizes["chain"]
    draws = posterior.sizes["draw"]
    name, r_hat = _extreme(diagnostics["r_hat"], largest=True)
    checks = [
        Check(
            r_hat <= MAX_R_HAT,
            f"R-hat at most {r_hat:.4f}" if r_hat <= MAX_R_HAT else f"R-hat {r_hat:.3f} for {name}",
            f"the chains disagree; give more warmup and draws{_such_as(facts, draws=2 * draws)}, "
            f"or look for several modes",
        )
    ]
    for method in ("bulk", "tail"):
        name, ess = _extreme(diagnostics[f"ess_{method}"], largest=False)
        checks.append(
            Check(
                ess >= needed,
                f"{method} ESS at least {ess:.0f}"
                if ess >= needed
                else f"{method} ESS {ess:.0f} for {name}, below {needed}",
                f"give more draws{_such_as(facts, draws=2 * draws)}",
            )
        )
    count = int(stats["diverging"].sum())
    accepted = facts.get("target_accept", _DEFAULT_TARGET_ACCEPT)
    checks.append(
        Check(
            count == 0,
            f"{count or 'no'} divergences",
            f"the sampler's steps are too long in places; raise target_accept from {accepted:g}"
            f"{_such_as(facts, target_accept=round(1 - (1 - accepted) / 10, 9))}",
        )
    )
    return checks


def _such_as(facts: Mapping[str, Any], **settings: float) -> str:
    """Return NUTS with other settings, as ``sb.fit`` and the command line take it."""
    if "sequential_gradients" in facts:  # HMC, whose many short chains are stored as a few
        return ""
    given = ", ".join(f"{setting}={value:g}" for setting, value in settings.items())
    return f", such as engine 'nuts({given})'"


def _independent_checks(
    posterior: xr.Dataset, stats: xr.Dataset, facts: Mapping[str, Any]
) -> list[Check]:
    checks = []
    if "pareto_k" in facts:
        k, effective = facts["pareto_k"], facts["effective_draws"]
        remedy = "the draws come from a distribution too far from the posterior; use engine 'nuts'"
        checks += [
            Check(k <= MAX_PARETO_K, f"Pareto k of the weights {k:.2f}", remedy),
            Check(effective >= MIN_EFFECTIVE_DRAWS, f"{effective:.0f} effective draws", remedy),
        ]
    if "weighed_from" in facts:
        source = facts["weighed_from"]
        checks.append(
            Check(
                source == "passed",
                f"weighed from draws of a fit that {source} its checks",
                "see the verdict of that fit",
            )
        )
    if "converged" in stats:
        total, converged = stats["converged"].size, int(stats["converged"].sum())
        checks.append(
            Check(
                converged >= _ENOUGH_CONVERGED * total,
                f"{converged} of {total} refits converged",
                "the best fits of some resamples lie at infinity; give objective='posterior'",
            )
        )
    finite = all(bool(np.isfinite(values).all()) for values in posterior.values())
    checks.append(
        Check(
            finite,
            f"{posterior.sizes['draw']} independent draws",
            "some draws are not finite; use engine 'nuts'",
        )
    )
    return checks


def _extreme(values: xr.Dataset, largest: bool) -> tuple[str, float]:
    pairs = ((str(name), float(value)) for name, value in values.items())
    # Constant or broken chains give NaN, which counts as the worst value.
    return max(pairs, key=lambda p: (p[1] != p[1], p[1] if largest else -p[1]))
