"""The error and the warning for input that a caller should correct."""

from collections.abc import Iterable
from difflib import get_close_matches

from scalingbayes._core.escaping import for_terminal


class InputError(ValueError):
    """Input that cannot be used. The message says what was wrong, what was expected, what to do.

    Examples
    --------
    >>> import scalingbayes as sb
    >>> try:
    ...     sb.Runs({"params": [-1.0], "tokens": [2e9], "loss": [3.1]})
    ... except sb.InputError as error:
    ...     print("not positive" in str(error))
    True
    """

    def __init__(self, message: str) -> None:
        super().__init__(for_terminal(message))


class InputWarning(UserWarning):
    """Input that was used unchanged but is probably a mistake.

    Examples
    --------
    >>> import warnings
    >>> import scalingbayes as sb
    >>> warnings.simplefilter("error", sb.InputWarning)  # stop at doubtful tables  # doctest: +SKIP
    """

    def __init__(self, message: str) -> None:
        super().__init__(for_terminal(message))


def unknown(
    kind: str, name: object, known: Iterable[str], remedy: str = "", of: str = ""
) -> InputError:
    """Return the error for an unknown name, with the closest known name as a suggestion.

    Parameters
    ----------
    kind
        What the name stands for, such as ``"law"`` or ``"column"``.
    name
        The unknown name.
    known
        All known names.
    remedy
        What to do; appended to the message.
    of
        What the name belongs to, such as ``"engine 'nuts'"``.

    Examples
    --------
    >>> unknown("law", "kaplun", ["kaplan", "m4"])
    InputError("There is no law 'kaplun'. Did you mean 'kaplan'? Available: 'kaplan', 'm4'.")
    """
    known = list(known)
    near = get_close_matches(str(name).lower(), [k.lower() for k in known], n=1, cutoff=0.5)
    hint = next((f" Did you mean {k!r}?" for k in known if near and k.lower() == near[0]), "")
    listing = ", ".join(map(repr, known)) or "none"
    owner = f" of {of}" if of else ""
    return InputError(
        f"There is no {kind} {name!r}{owner}.{hint} Available: {listing}. {remedy.strip()}".strip()
    )
