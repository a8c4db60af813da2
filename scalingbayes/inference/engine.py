"""What an engine is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from scalingbayes.inference.draws import Draws, Progress
from scalingbayes.model.bound_model import BoundModel


class Engine(ABC):
    """A way from models to draws; its fields are its settings."""

    uses_likelihood_power: ClassVar[bool] = True
    """Whether a likelihood_power changes what it finds."""

    supports_random_effects: ClassVar[bool] = True
    """Whether it can fit runs that share errors."""

    @abstractmethod
    def run(
        self, models: Sequence[BoundModel], seeds: Sequence[int], dtype: str, progress: Progress
    ) -> list[Draws]:
        """Fit models that differ in their numbers only, side by side where that is faster.

        Parameters
        ----------
        models
            What to fit.
        seeds
            For each model the seed of all that is random.
        dtype
            ``"float64"`` or ``"float32"``.
        progress
            Called now and then with the part that is done.

        Raises
        ------
        InputError
            If the engine cannot fit such a law.
        """
