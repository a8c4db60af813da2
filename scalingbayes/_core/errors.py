"""What the package raises and warns about when input cannot be used as it stands."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """Input that cannot be used: says what was expected, what came, and what to do."""


class InputWarning(UserWarning):
    """Input that was used as it is but looks like a mistake."""


def unknown(kind: str, name: object, known: Iterable[str], remedy: str = "") -> InputError:
    """Build the error for a name that is not among those known.

    Parameters
    ----------
    kind
        What the name stands for, such as ``"law"`` or ``"column"``.
    name
        The name that came.
    known
        The names there are.
    remedy
        What to do, appended to the message.
    """
    known = list(known)
    near = get_close_matches(str(name).lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    hint = next((f" Did you mean {k!r}?" for k in known if near and k.lower() == near[0]), "")
    listing = ", ".join(map(repr, known)) or "none"
    return InputError(
        f"There is no {kind} {name!r}.{hint} There are: {listing}. {remedy.strip()}".strip()
    )
