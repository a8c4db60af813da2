"""Names from a table are shown as text by every medium: terminals, HTML, Markdown, LaTeX, CSV."""

import io
import json
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import scalingbayes as sb
from scalingbayes._core.escaping import as_csv, for_html, for_markdown, for_terminal
from scalingbayes.results import Result

TERMINAL = "\x1b]0;title\x07\x1b[31m\x9b2J\u202e"
HOSTILE = f"=<img src=x onerror=alert(1)>{TERMINAL}[red]$x^2$|`*_\\end{{tabular}}"
TAGS = {
    "p",
    "br",
    "b",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "details",
    "summary",
    "div",
    "progress",
}
ATTRIBUTES = {"border", "class", "rowspan", "style", "valign"}


@pytest.fixture(scope="module")
def hostile(runs) -> sb.Posterior:
    """A fit of a table whose names attack whatever shows them."""
    columns = {name: f"{name}{HOSTILE}" for name in ("params", "tokens", "loss")}
    frame = runs.frame[list(columns)].rename(columns=columns)
    runs = sb.Runs(frame.assign(**{HOSTILE: HOSTILE}), **columns, name=HOSTILE)
    return sb.fit(runs, "chinchilla", engine="laplace", exact=True)


@pytest.fixture(scope="module")
def results(hostile) -> list[Result]:
    return [
        hostile,
        hostile.exponents(),
        hostile.allocate(1e21),
        hostile.predict(params=1e9, tokens=1e10),
        sb.plan(hostile, 1e21),
        sb.check(hostile),
        sb.influence(hostile),
        sb.fit(hostile.runs, "chinchilla", engine="optimize"),
    ]


class Markup(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def is_harmless(text: str) -> bool:
    """Return whether a text has no control characters."""
    return not any(each in text for each in "\x1b\x07\x9b\u202e")


def test_terminals_get_no_control_characters(results, hostile):
    for each in (*results, hostile.runs, hostile.verdict, hostile.law):
        text = repr(each)
        assert is_harmless(text), type(each)
    assert "[31m" in repr(hostile)
    for complaint in (sb.InputError, sb.InputWarning):
        assert is_harmless(str(complaint(HOSTILE)))


def test_html_has_the_tags_of_the_package_alone(results, hostile):
    for each in (*results, hostile.runs, hostile.verdict, hostile.law):
        markup = Markup(each._repr_html_())
        assert markup.tags <= TAGS, type(each)
        assert markup.attributes <= ATTRIBUTES, type(each)


def test_markdown_and_latex_show_names_as_text(results):
    for each in results:
        markdown, latex = each.to_markdown(), each.to_latex()
        assert is_harmless(markdown)
        assert "<img" not in markdown.replace("\\<", "")
        assert not any(line.startswith(("=", "#", "<")) for line in markdown.splitlines())
        assert latex.count("\\end{tabular}") == latex.count("\\begin{tabular}")
        assert is_harmless(latex)


def test_figures_read_no_formulas(results):
    for each in results:
        each.plot()
        plt.gcf().savefig(io.BytesIO(), format="svg")  # a formula of a name would fail here
        plt.close("all")


def test_no_result_shows_itself_in_a_way_of_its_own():
    def below(base):
        return {base} | {each for cls in base.__subclasses__() for each in below(cls)}

    for name in sb.__all__:
        getattr(sb, name)  # imports every module with results
    for each in below(Result) - {Result}:
        assert not {"__repr__", "__str__", "_repr_html_", "to_latex"} & set(vars(each)), each


def test_csv_has_no_formulas(tmp_path):
    index = pd.MultiIndex.from_tuples([("=1+1", 1), ("a", 2)], names=["@x", None])
    frame = pd.DataFrame({"+c": ["-1+1", "\t=1"], "n": [-1.5, 2.0]}, index)
    (tmp_path / "t.csv").write_text(as_csv(frame))
    read = pd.read_csv(tmp_path / "t.csv")
    assert list(read.columns) == ["'@x", "Unnamed: 1", "'+c", "n"]
    assert read.iloc[:, 0].tolist() == ["'=1+1", "a"]
    assert read["'+c"].tolist() == ["'-1+1", "'\t=1"]
    assert read["n"].tolist() == [-1.5, 2.0]


def test_the_shell_shows_and_writes_names_as_text(hostile, tmp_path, command):
    hostile.save(tmp_path / "post.nc")
    models = pd.DataFrame({"model": [HOSTILE, "b"], "params": [1e9, 2e9], "tokens": [1e10, 2e10]})
    models.to_csv(tmp_path / "models.csv", index=False)
    options = ["frontier-gap", tmp_path / "post.nc", "--models", tmp_path / "models.csv"]
    ended = command(*options, "--out", tmp_path / "out.csv")
    assert "[31m" in ended.stdout
    assert is_harmless(ended.stdout + ended.stderr)
    assert f"'{HOSTILE}" in pd.read_csv(tmp_path / "out.csv").to_numpy()
    document = command(*options, "--json").stdout
    assert is_harmless(document)
    assert repr(HOSTILE) in repr(json.loads(document))


@pytest.mark.parametrize("text", ["a", "12 %", "é ∝ 数", "a\u00a0b", "two\nlines\tand a tab"])
def test_ordinary_text_is_kept(text):
    assert for_terminal(text) == text
    assert for_html(text) == text
    assert for_markdown(text) == " ".join(text.split())
    assert for_markdown("[a](b) [1, 2]") == "[a]\\(b) [1, 2]"


def test_losses_keep_their_own_files():
    from scalingbayes.cli.fit_output import file_names

    assert len(set(file_names(["a/b", "a_b", "A_B", "a b", "..", ""]).values())) == 6
    assert np.all(["/" not in each for each in file_names(["../../x", "/etc/y"]).values()])
