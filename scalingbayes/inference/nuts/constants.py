"""Constants of the sampler that users do not set, each with the reason for its value."""

from dataclasses import dataclass

BLOCK = 100  # draws per chain in one call of the compiled program; bounds the wait for Ctrl-C
ROWS_PER_BLOCK = 10_000_000  # rows times draws per call, so that large tables also stay responsive
# The mixture of an allowance has narrow components, which need short steps. Jumps replace long
# trajectories: deeper trees cost three times as much for the same effective sample size.
MIXTURE_TREE_DEPTH = 3
MIXTURE_PROPOSALS = 8

COMPONENTS = 12  # of the mixture; curved ridges need several, and each costs time per proposal
# Half the degrees of freedom: tails heavier than a posterior's keep weights small. With 8 degrees a
# chain stays long in the tails of an allowance's mixture. Half of them is whole, because the scale
# of a draw is a mean of exponentials. Proposals that are not learnt from draws have 5 degrees of
# freedom: see importance.py.
HALF_DEGREES = 2
MODE_COMPONENTS = 4  # at most this many components stay at modes, so that most follow the draws
MODE_SHARE = 0.25  # weight of these components together
EM_DRAWS = 960  # draws that the mixture is learnt from; 80 per component
EM_ITERATIONS = 20  # further iterations hardly change the mixture
EM_SMALLEST_VARIANCE = 1e-6  # of whitened draws; keeps covariances positive definite in float32


@dataclass(frozen=True)
class Constants:
    """Constants of warm-up, thinning and jumps.

    Parameters
    ----------
    stage_ends
        Fractions of the warm-up at which a stage ends and the whitening is refined. Early stages
        are short because the whitening at the mode can be far off.
    extra_stages
        Largest number of further stages, each as long as the last planned one, for fits whose
        chains disagree or diverge. Four stages add 1.8 times the warm-up.
    max_rhat
        R-hat of the last stage above which the chains disagree. Draws of one short stage scatter
        too much for the 1.01 of the final check.
    rejection_factor
        Factor on the target rejection rate of a fit that diverges: it makes steps smaller.
    shrinkage
        Number of draws that the present whitening counts for when it is refined. It keeps the
        covariance positive definite after a short stage.
    min_relative_ess
        Relative effective sample size that thinning must reach: twice what the verdict requires.
    mode_nats
        Chains start in modes whose log density is within this many nats of the best mode's. A
        lower mode would need e^10 times the volume to matter.
    mode_distance
        Modes closer than this, in whitened coordinates, count as one mode.
    mixture_stages
        Number of latest stages whose draws the mixture is learnt from. One stage alone can miss a
        mode that the chains visit rarely.
    easy_steps
        Mean number of gradients per draw up to which a fit gets no jumps: it mixes without them.
    proposals_per_gradient
        Proposals from the mixture per gradient beyond ``easy_steps``: a third of the cost of a
        draw at most, because a proposal needs no gradient.
    proposals_between_modes
        Smallest number of proposals per draw of a fit with several modes, however short its
        trajectories are.
    least_proposals
        Smallest number of proposals per draw of any fit.
    """

    stage_ends: tuple[float, ...] = (0.2, 0.35, 0.55, 1.0)
    extra_stages: int = 4
    max_rhat: float = 1.1
    rejection_factor: float = 0.1
    shrinkage: float = 10.0
    min_relative_ess: float = 0.2
    mode_nats: float = 10.0
    mode_distance: float = 1.0
    mixture_stages: int = 3
    easy_steps: float = 7.0
    proposals_per_gradient: float = 0.5
    proposals_between_modes: int = 4
    least_proposals: int = 0
