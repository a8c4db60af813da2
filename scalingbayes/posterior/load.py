"""Read a saved posterior."""

from pathlib import Path

import xarray as xr

from scalingbayes._core.checked import checked
from scalingbayes._core.errors import InputError
from scalingbayes.laws import Law, get_law
from scalingbayes.model.noise import NO_SCATTER, Noise, no_scatter
from scalingbayes.model.noise_models import NoiseModel, get_noise
from scalingbayes.posterior.io import read_posterior
from scalingbayes.posterior.posterior import Posterior
from scalingbayes.posterior.ranges import check_ranges
from scalingbayes.posterior.record import Record


@checked
def load(
    path: str | Path, *, law: str | Law | None = None, noise: str | NoiseModel | Noise | None = None
) -> Posterior:
    """Read a posterior that :meth:`Posterior.save` wrote.

    Parameters
    ----------
    path
        The file.
    law, noise
        The law and the noise model that were fitted. By default they are looked up by the names in
        the file; give those that are not registered.

    Raises
    ------
    InputError
        If there is no such file, it is not a saved posterior, it was damaged or edited after it
        was saved, it has another schema version, or the law or the noise model is unknown or
        differs from the one that was fitted.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> post.save("post.nc")  # doctest: +SKIP
    >>> sb.load("post.nc").tree.identical(post.tree)  # doctest: +SKIP
    True
    """
    tree, record = read_posterior(path)
    try:
        post = _assemble(tree, record, law, noise)
        check_ranges(post)
    except InputError as error:
        raise InputError(f"{path} cannot be used. {error}") from error
    except Exception as error:
        raise InputError(
            f"{path} cannot be used: its record is not one that scalingbayes writes "
            f"({type(error).__name__}: {error})."
        ) from error
    return post


def _assemble(
    tree: xr.DataTree,
    record: Record,
    law: str | Law | None,
    noise: str | NoiseModel | Noise | None,
) -> Posterior:
    """Return the posterior of a tree with the law and the noise model of its record.

    Raises
    ------
    InputError
        If the law or the noise model is unknown or differs from the one that was fitted.
    """
    known = get_law(law or record.law)
    stated = noise is None and record.noise == NO_SCATTER
    model = no_scatter(known.target.on_scale) if stated else get_noise(noise or record.noise, known)
    names = [*known.parameters, *model.parameters]
    fitted = [str(name) for name in tree["posterior"].data_vars]
    if known.equation != record.equation or set(names) != set(fitted):
        raise InputError(
            f"It holds a fit of {record.equation} with the parameters "
            f"{', '.join(fitted)}; the law and noise model of these names here are "
            f"{known.equation} with {', '.join(names)}. Give load the ones that were fitted."
        )
    return Posterior(tree, known, model)
