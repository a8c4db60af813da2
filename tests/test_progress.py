"""Progress: fractions, texts of parts, bars in terminals and notebooks."""

import io
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

import scalingbayes as sb
from scalingbayes._core import progress as progress_module
from scalingbayes._core import progress_bar
from scalingbayes._core.programs import compiled, fingerprint, let_go
from scalingbayes._core.progress import announce, report_progress


@pytest.fixture
def seen():
    return []


@pytest.fixture
def listen(seen):
    return lambda fraction, text: seen.append((round(fraction, 9), text))


def test_fractions_never_fall_and_texts_of_parts_are_joined(seen, listen):
    with report_progress(listen, "fits") as report:
        half = report.part(0.0, 0.5, "law 1")
        half(0.5, "sampling")
        half(0.2, "sampling")
        report.part(0.5, 1.0).part(0.5, 1.0, "law 2")(1.5)
    expected = [
        (0.0, "fits"),
        (0.0, "fits: law 1"),
        (0.25, "fits: law 1: sampling"),
        (0.25, "fits: law 1: sampling"),
        (0.5, "fits"),
        (0.75, "fits: law 2"),
        (1.0, "fits: law 2"),
        (1.0, "fits"),
    ]
    assert seen == expected


def test_work_within_work_is_reported_once_and_compiling_in_its_place(seen, listen):
    with report_progress(listen) as report:
        report(0.5, "sampling")
        with report_progress(None, "unseen") as inner, announce("compiling"):
            inner(0.9)
        with report_progress(report.part(0.5, 1.0, "law 2")), announce("compiling"):
            pass
    assert seen == [
        (0.0, ""),
        (0.5, "sampling"),
        (0.5, "compiling"),
        (0.5, "sampling"),
        (0.5, "law 2"),
        (0.5, "law 2"),
        (0.5, "law 2: compiling"),
        (0.5, "law 2"),
        (1.0, "law 2"),
        (1.0, ""),
    ]
    with announce("compiling"):  # nobody asked
        pass


def test_other_values_are_refused(small_table):
    with pytest.raises(sb.InputError, match=r"progress must be None .*; got True"):
        sb.fit(small_table, "chinchilla", engine="prior", progress=True)


def double(x):
    return 2 * x


def test_compiling_is_said_if_a_program_is_compiled_and_not_if_it_is_loaded(
    seen, listen, tmp_path, monkeypatch
):
    monkeypatch.setattr(fingerprint, "_TRUSTED", {*fingerprint._TRUSTED, __name__})

    def texts(folder):
        monkeypatch.setenv("SCALINGBAYES_CACHE", folder)
        let_go()
        seen.clear()
        doubled = compiled(double)
        with report_progress(listen, "work"):
            assert doubled(np.float32(3)) == doubled(np.float32(3)) == 6
        return [text for _, text in seen]

    once = "compiling, once on this machine"
    assert texts(str(tmp_path / "new")) == ["work", once, "work", "work"]
    assert texts(str(tmp_path / "new")) == ["work", "work"]
    assert texts("off") == ["work", "compiling", "work", "work"]
    let_go()


class Recorder:
    """A bar that remembers what it showed."""

    shown: list[tuple[float, str]]

    def __init__(self):
        type(self).shown = []

    def show(self, fraction, text):
        self.shown.append((fraction, text))

    def close(self):
        self.shown.append((-1.0, "closed"))


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setattr(progress_module, "find_screen", lambda: Recorder)
    monkeypatch.setattr(progress_module, "_PATIENCE", 0.05)
    Recorder.shown = []
    return Recorder


def test_a_bar_is_shown_for_long_work_alone(recorder):
    with report_progress(None, "short"):
        pass
    time.sleep(0.1)
    assert recorder.shown == []
    with report_progress(None, "long") as report:
        time.sleep(0.2)
        report(0.5)
    assert recorder.shown == [(0.0, "long"), (0.5, "long"), (1.0, "long"), (-1.0, "closed")]


@pytest.mark.parametrize("how", ["false", "environment"])
def test_a_bar_can_be_turned_off(recorder, monkeypatch, how):
    if how == "environment":
        monkeypatch.setenv("SCALINGBAYES_PROGRESS", "off")
    with report_progress(False if how == "false" else None):
        time.sleep(0.1)
    assert recorder.shown == []


def test_a_bar_is_removed_after_an_error(recorder):
    with pytest.raises(ZeroDivisionError), report_progress(None, "work"):
        time.sleep(0.1)
        _ = 1 / 0
    assert recorder.shown == [(0.0, "work"), (-1.0, "closed")]
    with report_progress(None, "again"):  # the screen is free
        time.sleep(0.1)
    assert recorder.shown[0] == (0.0, "again")


def test_a_bar_that_cannot_be_drawn_does_not_stop_the_work(recorder, monkeypatch):
    def fail(*_):
        raise OSError("the terminal is gone")

    monkeypatch.setattr(recorder, "show", fail)
    monkeypatch.setattr(recorder, "close", fail)
    with report_progress(None, "work") as report:
        time.sleep(0.1)
        report(0.5)
    monkeypatch.undo()
    assert not progress_module._only_bar.locked()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_shows_a_bar_and_a_pipe_does_not(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert progress_bar.find_screen() is None
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert progress_bar.find_screen() is progress_bar.TerminalBar
    bar = progress_bar.TerminalBar()
    bar.show(0.25, "law [b]1[/b]\x1b[31m")
    time.sleep(0.2)
    bar.close()
    written = terminal.getvalue()
    assert "law [b]1[/b][31m" in written
    assert "25%" in written


def test_a_notebook_shows_html_and_removes_it(monkeypatch):
    display = pytest.importorskip("IPython.display")
    shown = []
    handle = SimpleNamespace(update=lambda each: shown.append(each._repr_html_()))
    monkeypatch.setattr(display, "display", lambda *_, **__: handle)
    ipython = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert progress_bar.find_screen() is progress_bar.NotebookBar
    bar = progress_bar.NotebookBar()
    bar.show(0.25, "<img onerror>")
    bar.show(0.26, "<img onerror>")  # too soon after the last
    bar.close()
    assert len(shown) == 2
    assert "25% &lt;img onerror&gt;" in shown[0]
    assert shown[1] == ""
