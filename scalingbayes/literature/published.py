"""Published constants as posteriors, and the table of them."""

import numpy as np
import pandas as pd

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes._core.precision import precision, to_device
from scalingbayes.literature import constants_file
from scalingbayes.literature.constants_file import Constants
from scalingbayes.model.noise import no_scatter
from scalingbayes.posterior.from_values import SAME_DRAWS, posterior_from_values
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.record import DataRecord

_DRAWS = 4000


@checked
def published(name: str) -> Posterior:
    """Return a paper's constants as a posterior, which allocates, plans and predicts.

    The draws are from the errors that the paper published, 4,000 of them. If it published none,
    all draws are equal, and intervals leave the errors of the constants out. Each answer says
    which. The notes of a prediction are about the range of the paper's runs.

    Parameters
    ----------
    name
        A name of :func:`list_published`, such as ``"hoffmann_2022"``.

    Returns
    -------
    Posterior
        ``post.runs`` is empty, and ``post.record.of`` is ``"published"``. What needs runs, such as
        :func:`check`, raises an error that says so.

    Raises
    ------
    InputError
        If no published constants have this name.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.published("hoffmann_2022")
    >>> round(float(post.exponents()["a"].median()), 3)
    0.457
    """
    if not isinstance(name, str):
        raise InputError(f"name must be one name, such as 'hoffmann_2022'; got {name!r}.")
    found = constants_file.read(name)
    law, target = found.law, found.law.target.column
    values = (
        {each: np.full(SAME_DRAWS, x) for each, x in found.constants.items()}
        if found.errors is None
        else found.errors.draw(found.constants, _DRAWS, seed=0)
    )
    count = len(next(iter(found.runs.values())))
    runs = {**found.runs, "weights": np.zeros(count), target: np.full(count, np.nan)}
    notes = (f"Source: {found.where}.", *found.notes)
    columns = {each: np.zeros(0) for each in (*law.inputs, target)}
    record = {
        "data": DataRecord(found.paper, 0, found.digest, notes, found.units, {}),
        "reference": _reference(found),
        "engine": "published",
        "options": {"name": name},
        "of": "published",
        "facts": {
            "errors": "" if found.errors is None else found.errors.statement,
            "states": found.states,
        },
    }
    noise = no_scatter(law.target.on_scale)
    return posterior_from_values(law, noise, values, runs, pd.DataFrame(columns), record)


def list_published() -> pd.DataFrame:
    """Return the published constants that :func:`published` knows.

    Returns
    -------
    pandas.DataFrame
        A row a name: its ``law`` with options, its ``paper``, ``where`` the constants are in it,
        whether ``errors`` were published, and ``notes``.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> sb.list_published().loc["hoffmann_2022", "law"]
    'chinchilla'
    """
    rows = {
        name: {
            "law": each.law.name,
            "paper": each.paper,
            "where": each.where,
            "errors": each.errors is not None,
            "notes": " ".join(each.notes),
        }
        for name in constants_file.names()
        for each in [constants_file.read(name)]
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def _reference(found: Constants) -> dict[str, float]:
    """Return the middle of the paper's runs, and the law's target there."""
    with precision("float64"):
        target = float(found.law(*to_device((found.middle, found.constants), "float64")))
    return {**found.middle, found.law.target.column: target}
