"""A power law of one quantity, with or without a floor."""

from jaxtyping import Array, Float

from scalingbayes.laws.base import priors
from scalingbayes.laws.base.family import family
from scalingbayes.laws.base.law import Law, Sum, Values, power, signed
from scalingbayes.laws.base.targets import Target


def loss(x: Values, *, E: Values, A: Values, alpha: Values) -> Float[Array, "*shape"]:
    """L(x) = E + A / x^alpha."""
    return E + A * power(x, -alpha)


def bare_loss(x: Values, *, A: Values, alpha: Values) -> Float[Array, "*shape"]:
    """L(x) = A / x^alpha: Kaplan et al. 2020, eq. 1.1 to 1.3, with x_c = A^(1/alpha)."""
    return A * power(x, -alpha)


@family
def power_law(x: str = "params", floor: bool = True, target: str = "loss") -> Law:
    """Return a power law of one column.

    Parameters
    ----------
    x
        The column: ``params``, ``tokens``, ``compute`` or any other of positive numbers.
    floor
        Whether the loss has a floor E above 0.
    target
        The column that the law predicts, of positive numbers.
    """
    parameters = {"E": priors.floor(unit=target)} if floor else {}
    parameters |= {
        "A": priors.weight(f"finite {x}", f"{target} * {x}**alpha"),
        "alpha": priors.exponent(x),
    }
    return Law(
        name="power_law",
        function=signed(loss if floor else bare_loss, [x], parameters),
        equation=f"L = {'E + ' if floor else ''}A/x^alpha, x = {x}",
        source="Hestness et al. 2017 (arXiv:1712.00409); "
        "Kaplan et al. 2020 (arXiv:2001.08361), eq. 1.1 to 1.3",
        target=Target(target),
        parameters=parameters,
        terms=Sum("A", "E") if floor else Sum(),
        decreasing=(x,),
    )
