"""Whether to believe a fit: its diagnostics turned into one verdict, with reason and remedy."""

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
"""The like for weighted draws (Vehtari et al. 2024, JMLR 25, section 3)."""

_ENOUGH_CONVERGED = 0.99
_USUAL_AIM = 0.9  # of NUTS's acceptance rate

_MOSTLY_PRIOR = 0.5


def diagnose(posterior: xr.Dataset) -> dict[str, xr.Dataset]:
    """Compare chains: R-hat, bulk and tail effective sample sizes of each parameter.

    Parameters
    ----------
    posterior
        Draws with dims ``chain``, ``draw`` and any others, such as fits.
    """
    import arviz_stats  # 1 s to import, and not every fit is looked at

    return {
        "r_hat": arviz_stats.rhat(posterior),
        "ess_bulk": arviz_stats.ess(posterior, method="bulk"),
        "ess_tail": arviz_stats.ess(posterior, method="tail"),
    }


def judge(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    record: Mapping[str, Any],
    diagnostics: Mapping[str, xr.Dataset] | None = None,
) -> Verdict:
    """Check the draws of a fit.

    Parameters
    ----------
    posterior, stats
        The draws, and what the engine says of each.
    record
        What was run: the engine's facts, and how much of the precision of each parameter comes from
        its prior.
    diagnostics
        What :func:`diagnose` found, if it is known.
    """
    if posterior.sizes["chain"] > 1:
        checks = _chain_checks(posterior, stats, record, diagnostics or diagnose(posterior))
    else:
        checks = _independent_checks(posterior, stats, record)
    notes = [
        f"{share:.0%} of what is known of {name} comes from its prior, not from the runs."
        for name, share in record["prior_shares"].items()
        if share > _MOSTLY_PRIOR
    ]
    return Verdict(tuple(checks), tuple(notes))


def _chain_checks(
    posterior: xr.Dataset,
    stats: xr.Dataset,
    record: Mapping[str, Any],
    diagnostics: Mapping[str, xr.Dataset],
) -> list[Check]:
    needed = MIN_ESS_PER_CHAIN * posterior.sizes["chain"]
    name, r_hat = _extreme(diagnostics["r_hat"], largest=True)
    checks = [
        Check(
            r_hat <= MAX_R_HAT,
            f"R-hat at most {r_hat:.4f}" if r_hat <= MAX_R_HAT else f"R-hat {r_hat:.3f} for {name}",
            "the chains disagree; give more warmup and draws, or look for several modes",
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
                "give more draws",
            )
        )
    count = int(stats["diverging"].sum())
    aim = record.get("target_accept", _USUAL_AIM)
    checks.append(
        Check(
            count == 0,
            f"{count or 'no'} divergences",
            f"the sampler cut corners; raise target_accept from {aim:g}, for instance to "
            f"{1 - (1 - aim) / 10:g}",
        )
    )
    return checks


def _independent_checks(
    posterior: xr.Dataset, stats: xr.Dataset, record: Mapping[str, Any]
) -> list[Check]:
    checks = []
    if "pareto_k" in record:
        k, effective = record["pareto_k"], record["effective_draws"]
        remedy = "the draws come from too far off the posterior; use engine 'nuts'"
        checks += [
            Check(k <= MAX_PARETO_K, f"Pareto k of the weights {k:.2f}", remedy),
            Check(
                effective >= MIN_EFFECTIVE_DRAWS, f"worth {effective:.0f} effective draws", remedy
            ),
        ]
    if "weighed_from" in record:
        source = record["weighed_from"]
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
    # Constant or broken chains give NaN, which is the worst there is.
    return max(pairs, key=lambda p: (p[1] != p[1], p[1] if largest else -p[1]))
