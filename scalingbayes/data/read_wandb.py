"""Read the runs of a W&B project from its server."""

from typing import Any

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.data.reading.optional import optional_import
from scalingbayes.data.reading.wandb_folder import WandbRun, table_of_wandb_runs
from scalingbayes.data.runs import Runs


@checked
def read_wandb(
    project: str,
    *,
    filters: dict[str, Any] | None = None,
    name: str | None = None,
    **options: Any,
) -> Runs:
    """Read the runs of a W&B project: one row for each run.

    The columns are the configuration and the last value of each logged metric, under their own
    names (``model.n_layer`` if they are nested), and ``Name``, ``State``, ``id`` and
    ``created_at``. Needs ``pip install "scalingbayes[wandb]"``, and ``wandb login`` for projects
    that are not public.

    Parameters
    ----------
    project
        ``"entity/project"``.
    filters
        Which runs to read, in W&B's own terms: ``{"state": "finished"}``. By default, all.
    name
        The name of the table in output; by default ``project``.
    **options
        The options of :func:`scalingbayes.read_runs`: ``loss="eval/loss"`` and so on.

    Raises
    ------
    InputError
        If W&B does not return any runs, or the table cannot be used: see :class:`Runs`.

    Examples
    --------
    >>> runs = read_wandb("entity/project", loss="eval/loss")  # doctest: +SKIP
    """
    wandb = optional_import("wandb", "scalingbayes[wandb]", "Reading runs from W&B")
    try:
        found = [
            WandbRun(
                {
                    "Name": run.name,
                    "State": run.state,
                    "id": run.id,
                    "created_at": run.created_at,
                },
                run.config,
                run.summary_metrics,
            )
            for run in wandb.Api().runs(project, filters=filters or {}, lazy=False)
        ]
    except Exception as error:  # the client raises errors of many packages
        raise InputError(
            f"W&B did not return the runs of {project!r}: {error}. Check the name (entity/project) "
            f"and the filters, log in with the command wandb login, and update the client with "
            f"pip install --upgrade wandb."
        ) from error
    if not found:
        chosen = f" that fit {filters!r}" if filters else ""
        raise InputError(
            f"The W&B project {project!r} has no runs{chosen}: check the name and the filters."
        )
    return Runs(table_of_wandb_runs(found, project), name=name or project, **options)
