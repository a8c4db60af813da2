"""``scalingbayes backtest``."""

from __future__ import annotations

from typing import Literal

import scalingbayes as sb
from scalingbayes.cli.options import (
    EngineName,
    Exact,
    FoldsBy,
    Groups,
    LawName,
    NoiseName,
    Seed,
    WeakPriors,
    posterior_engine,
)
from scalingbayes.cli.printing import print_result
from scalingbayes.cli.saved import Out, check_out, finish
from scalingbayes.cli.table_options import (
    ComputeColumn,
    DropEmpty,
    KeepRows,
    LossColumn,
    OtherColumns,
    ParamsColumn,
    RowOptions,
    Source,
    TokensColumn,
    UnitsOfColumns,
    Where,
    read_table,
)


def backtest_command(
    source: Source,
    law: LawName = "coupled",
    by: FoldsBy = "largest",
    engine: EngineName = "nuts",
    noise: NoiseName = None,
    groups: Groups = None,
    weak_priors: WeakPriors = False,
    exact: Exact = False,
    params: ParamsColumn = None,
    tokens: TokensColumn = None,
    compute: ComputeColumn = None,
    loss: LossColumn = None,
    column: OtherColumns = None,
    where: Where = None,
    drop_empty: DropEmpty = False,
    keep: KeepRows = None,
    unit: UnitsOfColumns = None,
    seed: Seed = 0,
    out: Out = None,
) -> None:
    """Hold out the largest runs, predict them from the smaller runs, and score the predictions.

    Exit status: 0 if all fits passed their checks, 3 if one failed them, 2 if the input cannot be
    used.
    """
    check_out(out)
    columns = {"params": params, "tokens": tokens, "compute": compute, "loss": loss}
    runs = read_table(source, columns, column, RowOptions(where, drop_empty, keep, unit))
    priors: Literal["weak", "learned"] = "weak" if weak_priors else "learned"
    model = sb.Model(law, noise, default_priors=priors, groups=groups)
    found = sb.backtest(
        runs, model, by=by or "largest", engine=posterior_engine(engine), exact=exact, seed=seed
    )
    print_result("backtest", found.view(), found.summary())
    finish(found.verdict, out, found.summary())
