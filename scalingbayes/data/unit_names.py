"""The units that the name of a column states: (B), in millions, PF-days, samples, ppl, log10."""

from scalingbayes.data.column_choice import DATA_UNITS, words_of

MULTIPLES = {"thousands": 1e3, "millions": 1e6, "billions": 1e9, "trillions": 1e12}
"""Multiples of counts that a column may be in."""

FLOPS_UNITS = {
    "TFLOPs": 1e12,
    "PFLOPs": 1e15,
    "EFLOPs": 1e18,
    "ZFLOPs": 1e21,
    "PF-days": 8.64e19,
}
"""Units of compute, in FLOPs."""

LOGARITHMS = ("log10", "ln", "log2")
"""Logarithms that a column of counts may hold."""

_SCALE_WORDS = {
    **dict.fromkeys(("k", "thousand", "thousands", "tsd", "1e3"), "thousands"),
    **dict.fromkeys(("m", "mm", "mn", "mio", "mil", "million", "millions", "1e6"), "millions"),
    **dict.fromkeys(("b", "bn", "g", "mrd", "billion", "billions", "1e9"), "billions"),
    **dict.fromkeys(("t", "tn", "trillion", "trillions", "1e12"), "trillions"),
}
_FLOPS_WORDS = {
    **dict.fromkeys(("tflop", "tflops", "teraflop", "teraflops"), "TFLOPs"),
    **dict.fromkeys(("pflop", "pflops", "petaflop", "petaflops", "pf", "pfs"), "PFLOPs"),
    **dict.fromkeys(("eflop", "eflops", "exaflop", "exaflops", "1e18"), "EFLOPs"),
    **dict.fromkeys(("zflop", "zflops", "zettaflop", "zettaflops", "1e21"), "ZFLOPs"),
}
_DAYS = {"day", "days", "pfdays", "pfsdays"}
_LOGS = {"log10": "log10", "lg": "log10", "ln": "ln", "log2": "log2"}


def multiple_of_name(name: str) -> str | None:
    """Return the multiple that a column's name states, a key of :data:`MULTIPLES`.

    Examples
    --------
    >>> [multiple_of_name(name) for name in ("Params (B)", "tokens_k", "Größe (Mio.)", "tokens")]
    ['billions', 'thousands', 'millions', None]
    """
    return next((_SCALE_WORDS[word] for word in words_of(name) if word in _SCALE_WORDS), None)


def units_of_name(column: str, name: str) -> list[str]:
    """Return the units that a column's name states.

    Parameters
    ----------
    column
        ``"params"``, ``"tokens"``, ``"compute"`` or ``"loss"``.
    name
        The name in the user's table.

    Examples
    --------
    >>> units_of_name("params", "params_non_embedding (M)"), units_of_name("loss", "val_ppl")
    (['millions', 'non_embedding'], ['perplexity'])
    """
    own = {*words_of(name)}
    if column == "loss":
        return _units_of_loss(own)
    found = [_LOGS[word] for word in sorted(own & _LOGS.keys())][:1]
    if column == "compute":
        if own & _DAYS and (own & _FLOPS_WORDS.keys() or own & {"pfdays", "pfsdays"}):
            return [*found, "PF-days"]
        flops = [_FLOPS_WORDS[word] for word in sorted(own & _FLOPS_WORDS.keys())][:1]
        if flops:
            return [*found, *flops]
    if (multiple := multiple_of_name(name)) is not None:
        found.append(multiple)
    if column == "params":
        found += _what_params_count(own)
    if column == "tokens":
        found += [unit for unit, nouns in DATA_UNITS.items() if nouns & own][:1]
    return found


def _what_params_count(own: set[str]) -> list[str]:
    if own & {"active", "activated"}:
        return ["active"]
    if own & {"embedding", "embeddings", "emb", "embed", "nonembedding"}:
        without = own & {"non", "no", "without", "excluding", "excl", "wo", "minus", "nonembedding"}
        return ["non_embedding" if without else "total"]
    return ["total"] if "total" in own else []


def _units_of_loss(own: set[str]) -> list[str]:
    if own & {"ppl", "perplexity"}:
        return ["nats" if "log" in own or "ln" in own else "perplexity"]
    if "bpb" in own or {"bits", "byte"} <= own:
        return ["bits_per_byte"]
    return ["bits_per_character"] if "bpc" in own else []
