"""``scalingbayes check``."""

from __future__ import annotations

from dataclasses import replace

import scalingbayes as sb
from scalingbayes.cli.options import Seed
from scalingbayes.cli.printing import describe_fit, print_result
from scalingbayes.cli.saved import Out, PosteriorOrTable, check_out, finish, read_posterior


def check_command(posterior: PosteriorOrTable, seed: Seed = 0, out: Out = None) -> None:
    """Check a fitted model against its runs: trends and tails of residuals, errors of groups.

    Exit status: 0 if fit and model passed their checks, 3 if one failed them, 2 if the input cannot
    be used.
    """
    check_out(out)
    post = read_posterior(posterior, seed)
    found = sb.check(post, seed=seed)
    verdict = found.verdict
    if not post.verdict.passed:
        verdict = replace(post.verdict, checks=(*post.verdict.checks, *verdict.checks))
    view = replace(found.view(), title=f"{found.title}\n{describe_fit(post)}")
    print_result("check", view, found.summary())
    finish(verdict, out, found.summary())
