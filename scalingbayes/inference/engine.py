"""Base class of engines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from scalingbayes._core.progress import Report
from scalingbayes.inference.draws import Draws
from scalingbayes.model.bound_model import BoundModel


class Engine(ABC):
    """A method that returns draws for models; its fields are its settings."""

    supports_allowance: ClassVar[bool] = False
    """Whether the engine can draw from the mixture of an allowance for the law's error."""

    supports_random_effects: ClassVar[bool] = True
    """Whether the engine can fit models with random effects or a discrepancy."""

    @abstractmethod
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Report
    ) -> list[Draws]:
        """Return draws for each model. Models are fitted side by side where that is faster.

        Parameters
        ----------
        models
            Models of one law, one noise model and the same families of priors. If they have
            allowances, the draws are of the law's parameters alone.
        seeds
            The seed of the random numbers of each model.
        dtype
            ``"float64"`` or ``"float32"``.
        progress
            Called with the fraction of the work that is done.

        Raises
        ------
        InputError
            If the engine cannot fit the law.
        """
