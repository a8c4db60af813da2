"""The choice of the allowance for a law's error."""

from scalingbayes.inference.allowance.choose import Allowed, choose_allowances

__all__ = ["Allowed", "choose_allowances"]
