"""Draw the README's figure."""

from pathlib import Path

import matplotlib as mpl

import scalingbayes as sb
from scalingbayes import plots

mpl.use("agg")
post = sb.fit(sb.datasets.load("chinchilla"), engine=sb.NUTS(draws=4000))
plots.overview(post)[0].figure.savefig(Path(__file__).with_name("overview.png"), dpi=150)
