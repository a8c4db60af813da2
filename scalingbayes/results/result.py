"""What every result has: a title, a table, a verdict, notes, and one way to show itself."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd
import xarray as xr

from scalingbayes._core.arguments import Probability
from scalingbayes._core.checked import check_methods
from scalingbayes._core.errors import unknown
from scalingbayes.results.intervals import IntervalKind
from scalingbayes.results.rendering import View
from scalingbayes.results.verdict import Verdict

SAMPLE_DIMS = ("chain", "draw")


class Result(ABC):
    """Base class of results.

    A subclass has ``title``, ``verdict`` and, where it needs them, ``notes``: as fields of a
    dataclass or as properties. It defines :meth:`summary` and :meth:`plot`.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> post = sb.fit(sb.datasets.load("chinchilla"), "chinchilla")  # doctest: +SKIP
    >>> isinstance(post, sb.Result) and isinstance(post.exponents(), sb.Result)
    True
    """

    # Declared for the type checker alone: a dataclass would take an inherited property for the
    # default of its field.
    if TYPE_CHECKING:

        @property
        def title(self) -> str:
            """What the result is, in one line."""

        @property
        def verdict(self) -> Verdict:
            """Whether the result passed its checks."""

        @property
        def notes(self) -> tuple[str, ...]:
            """What to know when reading the result, such as how far it extrapolates."""
    else:
        notes = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        check_methods(cls)

    @abstractmethod
    def summary(self, prob: Probability = 0.9, kind: IntervalKind = "eti") -> pd.DataFrame:
        """Return the table of the result.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals. A table without credible intervals
            ignores ``prob`` and ``kind``.
        kind
            ``"eti"``, equal tails, or ``"hdi"``, the shortest interval.

        Returns
        -------
        pandas.DataFrame
            ``frame.attrs["verdict"]`` is ``"passed"`` or ``"failed"``.

        Raises
        ------
        InputError
            If ``prob`` is not between 0 and 1, or the result has no interval of this kind.
        """

    @abstractmethod
    def plot(self, ax: Any = None) -> Any:
        """Plot the result.

        Parameters
        ----------
        ax
            The matplotlib axes to draw into, or a list of axes if the figure has several panels;
            new ones by default.

        Returns
        -------
        Axes or numpy.ndarray
            The axes; an array of them if the figure has several panels.
        """

    def view(self, prob: Probability = 0.9) -> View:
        """Return what the result shows of itself in a terminal or notebook.

        Parameters
        ----------
        prob
            Posterior probability of the credible intervals, which have equal tails.
        """
        verdict = None if self.verdict else self.verdict
        return View(self.title, self.summary(prob), self.notes, verdict)

    def to_markdown(self, prob: Probability = 0.9) -> str:
        """Return the result's table as Markdown, as it prints.

        ``prob`` is as for :meth:`view`.
        """
        return self.view(prob).markdown()

    def to_latex(self, prob: Probability = 0.9) -> str:
        """Return the result's table as LaTeX (booktabs), as it prints.

        ``prob`` is as for :meth:`view`.
        """
        return self.view(prob).latex()

    def __repr__(self) -> str:
        return self.view().text()

    def _repr_html_(self) -> str:
        return self.view().html()


class DrawsResult(Result):
    """Base class of results that hold draws: ``result["a"]`` is the draws of ``a``."""

    if TYPE_CHECKING:

        @property
        def draws(self) -> xr.Dataset:
            """One variable a quantity, with dims ``chain`` and ``draw`` and any others."""

    def plot(self, ax: Any = None) -> Any:
        """Plot the draws, a panel a quantity.

        ``sb.plots.plot_draws(result, names=["params"], ax=ax)`` plots some of the quantities.

        Parameters
        ----------
        ax
            One matplotlib axes a quantity; new ones by default.
        """
        from scalingbayes.plots import plot_draws

        return plot_draws(self, ax=ax)

    def __getitem__(self, name: str) -> xr.DataArray:
        if name not in self.draws.data_vars:
            raise unknown("quantity", name, map(str, self.draws.data_vars))
        return self.draws[name]

    def __iter__(self) -> Iterator[str]:
        return map(str, self.draws.data_vars)

    def __contains__(self, name: object) -> bool:
        return name in self.draws.data_vars


check_methods(Result)
