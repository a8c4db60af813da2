"""Predict training curves under other learning-rate schedules, and ends of runs in flight.

    python benchmarks/schedules.py --data FOLDER

FOLDER holds lr_schedule_curves.csv: the curves of Luo et al. 2025 (thu-yao-01-luo/MultiPowerLaw at
8da9f19): 25M, 100M and 400M params under nine schedules. As in the paper, cosine_24000,
constant_24000 and wsdcon_9 are fitted, and the other six are predicted.

For each size and law, means over the held-out curves: R^2 and mean absolute error of the median, in
nats, and the share of points in the last 20 % of the steps that the 90 % intervals contain. Then
the ends of the held-out curves, predicted in flight from a share of their steps. The published
numbers are those of logs/*.log of the repository.
"""

import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from common import console, machine, show

import scalingbayes as sb

FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")
LAST = 0.2
HOW: dict[str, Any] = {"warmup": 2160, "engine": "laplace"}
SHARES = (0.5, 0.75, 0.83, 0.94)  # of the steps of a run in flight
PUBLISHED = {  # mean R^2 and mean absolute error over the held-out curves
    25e6: (0.99880, 0.00376),
    100e6: (0.99830, 0.00435),
    400e6: (0.99776, 0.00484),
}


def cold(frame: pd.DataFrame, law: str) -> pd.DataFrame:
    """Predict each held-out curve before it starts."""
    fitted = frame[frame["schedule"].isin(FITTED)]
    rows = []
    for name, curve in frame[~frame["schedule"].isin(FITTED)].groupby("schedule"):
        found = sb.forecast(fitted, curve, curve="schedule", model=law, **HOW)
        loss = curve.set_index("step")["loss"].loc[found.draws["step"].to_numpy()].to_numpy()
        error = loss - found.median()["expected"].to_numpy()
        low, high = found.interval()["observed"].transpose("bound", "step").to_numpy()
        late = found.draws["step"].to_numpy() > (1 - LAST) * curve["step"].max()
        rows.append(
            {
                "law": law,
                "schedule": name,
                "R2": 1 - (error**2).sum() / ((loss - loss.mean()) ** 2).sum(),
                "MAE": np.abs(error).mean(),
                "in 90 %, last 20 %": ((low < loss) & (loss < high))[late].mean(),
                "half width": ((high - low) / 2)[late].mean(),
                "error at the end": error[-1],
            }
        )
    return pd.DataFrame(rows)


def in_flight(frame: pd.DataFrame, law: str) -> pd.DataFrame:
    """Predict the end of each held-out curve from a share of its steps."""
    fitted = frame[frame["schedule"].isin(FITTED)]
    rows = []
    for name, curve in frame[~frame["schedule"].isin(FITTED)].groupby("schedule"):
        for share in SHARES:
            so_far = curve[curve["step"] <= share * curve["step"].max()]
            found = sb.forecast(fitted, curve, so_far, curve="schedule", model=law, **HOW)
            low, high = found.end.interval()["observed"].to_numpy()
            end = curve["loss"].iloc[-1]
            error = end - float(found.end.median()["expected"])
            rows.append(
                {
                    "law": law,
                    "schedule": name,
                    "share": share,
                    "in 90 %": float(low < end < high),
                    "half width": (high - low) / 2,
                    "error": error,
                    "MAE": abs(error),
                }
            )
    return pd.DataFrame(rows)


def main(
    data: Annotated[Path, typer.Option(help="Folder with lr_schedule_curves.csv.")],
    law: Annotated[list[str] | None, typer.Option(help="Laws.")] = None,
    flight: Annotated[bool, typer.Option(help="Also predict runs in flight.")] = True,
) -> None:
    """Print the tables."""
    console.print(machine())
    warnings.simplefilter("ignore", sb.InputWarning)
    frame = pd.read_csv(data / "lr_schedule_curves.csv")
    before, during = [], []
    for each in law or ["annealing", "multi_power"]:
        for params, curves in frame.groupby("params"):
            before.append(cold(curves, each).assign(params=params))
            if flight and each == "multi_power":
                during.append(in_flight(curves, each).assign(params=params))
    starts = pd.concat(before)
    show("Held-out schedules", starts.to_dict("records"))
    numbers = ["R2", "MAE", "in 90 %, last 20 %", "half width"]
    means = starts.groupby(["law", "params"])[numbers].mean().reset_index()
    means["published R2"] = [PUBLISHED[p][0] for p in means["params"]]
    means["published MAE"] = [PUBLISHED[p][1] for p in means["params"]]
    show("Means over the held-out schedules; published: multi_power", means.to_dict("records"))
    show("Over all sizes", starts.groupby("law")[numbers].mean().reset_index().to_dict("records"))
    if during:
        runs = pd.concat(during)
        show("Ends of runs in flight", runs.to_dict("records"))
        of = ["in 90 %", "half width", "MAE"]
        show(
            "Means, in flight",
            runs.groupby(["law", "share"])[of].mean().reset_index().to_dict("records"),
        )


if __name__ == "__main__":
    typer.run(main)
