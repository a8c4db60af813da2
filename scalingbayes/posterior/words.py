"""What answers call the draws, such as those of a posterior or of a bootstrap."""

from dataclasses import dataclass

from scalingbayes.posterior.posterior import Posterior


@dataclass(frozen=True)
class Words:
    """The words for the draws of a fit.

    Parameters
    ----------
    draws
        What the draws are, such as ``"posterior"``.
    medians
        The medians of the draws, at the start of a sentence.
    kind
        The kind of the intervals: ``"credible"`` or ``"confidence"``.
    """

    draws: str
    medians: str
    kind: str


_WORDS = {
    "posterior": Words("posterior", "Posterior medians", "credible"),
    "bootstrap": Words("bootstrap", "Medians over resampled tables", "confidence"),
    "point": Words("best fit", "Values of the best fit", "credible"),
    "published": Words("published constants", "Medians of published constants", "confidence"),
    "prior": Words("prior", "Medians of the prior, which no run has changed", "credible"),
}


def words_for(post: Posterior) -> Words:
    """Return the words for the draws of a fit."""
    return _WORDS[post.record.of]
