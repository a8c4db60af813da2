"""Text: separators, titles, decimal commas, and logs that are no tables."""

import pytest

import scalingbayes as sb
from scalingbayes.data.reading.files import read_file
from scalingbayes.data.reading.raw_table import RawTable


def columns(table: RawTable) -> dict[str, list]:
    return table.frame.to_dict("list")


ALIGNED = """\
Parameters (million)   d_model   n_layers   Tokens (B)   Loss
                  70       512          6         0.35   4.28
                 160       768         12         0.35   3.95
"""
WORDS = "params tokens loss\n70M 1.4B 4.28\n160M 3.2B 3.95\n"


@pytest.mark.parametrize("title", ["", "Table 1. The runs of the sweep\n", "The runs, 2026\n\n"])
def test_columns_two_spaces_apart_have_names_and_cells_with_spaces(read, title):
    table = read(title + ALIGNED)
    assert columns(table) == {
        "Parameters (million)": [70, 160],
        "d_model": [512, 768],
        "n_layers": [6, 12],
        "Tokens (B)": [0.35, 0.35],
        "Loss": [4.28, 3.95],
    }
    assert any("above the header" in note for note in table.notes) == bool(title)


@pytest.mark.parametrize(
    "title", ["", "Sweep\n", "Table of runs\n", "The runs of a sweep, in nats\n", "Our runs\n\n"]
)
@pytest.mark.parametrize("separator", [" ", ",", ";", "\t"])
def test_a_title_is_no_header(read, title, separator):
    table = read(title + WORDS.replace(" ", separator))
    expected = {"params": ["70M", "160M"], "tokens": ["1.4B", "3.2B"], "loss": [4.28, 3.95]}
    assert columns(table) == expected
    assert any("above the header" in note for note in table.notes) == bool(title)


def test_thousands_between_spaces_are_one_cell(read):
    table = read("params      tokens       loss\n70 000 000  350 000 000  4.2\n")
    assert columns(table)["tokens"] == ["350 000 000"]


@pytest.mark.parametrize(
    "text",
    [
        "Parameters (million) Tokens (B) Loss\n70   0.35   4.28\n160   0.35   3.95\n",
        "params tokens loss\n70 0.35 4.28\n160 3.95\n",
    ],
)
def test_columns_of_spaces_with_too_few_cells_are_refused(read, text):
    with pytest.raises(sb.InputError, match=r"fewer fields than its header: [32] for the [53]"):
        read(text)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("loss", ["4.268 ± 0.01", "4.268 +/- 0.01", "4.268 (0.01)", "91.2 %"])
@pytest.mark.parametrize("rows", [1, 3])
def test_the_separator_of_the_header_comes_before_spaces(read, separator, loss, rows):
    row = separator.join(["70M", "0.35B", loss]) + "\n"
    table = read(separator.join(["params", "tokens", "loss"]) + "\n" + row * rows)
    expected = {"params": ["70M"], "tokens": ["0.35B"], "loss": [loss]}
    assert columns(table) == {name: cells * rows for name, cells in expected.items()}


@pytest.mark.parametrize(
    ("rows", "expected", "notes"),
    [
        (
            ["Modell 0;70.000.000;350.000.000;4,2764", "Modell 1;500000;1.350.000.000;3,9"],
            [[70_000_000, 500_000], [350_000_000, 1_350_000_000], [4.2764, 3.9]],
            [
                "Commas are decimal points in 'loss': 4,2764 is read as 4.2764.",
                "Dots separate thousands in 'params', 'tokens': 70.000.000 is read as 70000000.",
            ],
        ),
        (
            ["a;70,0 Mio.;0,3 Mrd.;4,29", "b;1.160 Mio.;3 Mrd.;3,9"],
            [["70.0 Mio.", "1160 Mio."], ["0.3 Mrd.", "3 Mrd."], [4.29, 3.9]],
            ["in 'params', 'tokens', 'loss': 70,0 Mio. is read as 70.0 Mio."],
        ),
        (
            ["a;70M;1.000.000;4,29 ± 0,01", "b;160M;1.000;3,9 ± 0,1"],
            [["70M", "160M"], [1_000_000, 1000], ["4.29 ± 0.01", "3.9 ± 0.1"]],
            ["4,29 ± 0,01 is read as 4.29 ± 0.01.", "Dots separate thousands in 'tokens'"],
        ),
        (
            ["a;70.000.000;0.3B;4.250", "b;1.000.000;1.5B;3.125"],
            [[70_000_000, 1_000_000], ["0.3B", "1.5B"], [4.25, 3.125]],
            ["Dots separate thousands in 'params': 70.000.000 is read as 70000000."],
        ),
        (["a;1.3B;70M;3,125"], [["1.3B"], ["70M"], [3.125]], ["3,125 is read as 3.125"]),
        (["a;70M;1B;91,2 %"], [["70M"], ["1B"], ["91.2 %"]], ["91,2 % is read as 91.2 %"]),
        (["a;70M;1B;1.2.3"], [["70M"], ["1B"], ["1.2.3"]], []),
    ],
)
def test_decimal_commas_and_dots_between_thousands(read, rows, expected, notes):
    table = read("\n".join(["Modell;params;tokens;loss", *rows]) + "\n")
    assert [list(table.frame[name]) for name in ("params", "tokens", "loss")] == expected
    assert len(table.notes) == len(notes)
    for note, part in zip(table.notes, notes, strict=True):
        assert part in note
        assert not note.endswith("..")


@pytest.mark.parametrize(
    ("log", "loss", "steps", "losses"),
    [
        (
            "number of parameters: 10.65M\nstep 0: train loss 4.28, val loss 4.29\n"
            "iter 0: loss 4.2655, time 27292.56ms, mfu -100.00%\n"
            "step 250: train loss 3.21, val loss 3.25\n",
            "val_loss",
            [250],
            [3.25],
        ),
        (
            "iter 0: loss 10.98, time 100ms\niter 10: loss 9.5e0, time 90ms, mfu 17.2%\n",
            "loss",
            [10],
            [9.5],
        ),
        (
            "step    1/19560 | loss 11.009 (+nanz)| norm 15.3\n"
            "step    2/19560 | loss 10.956 (+nanz)| norm 15.2\n",
            "loss",
            [1, 2],
            [11.009, 10.956],
        ),
        (
            "[2026-01-01 10:00:00] Step: 5, train_loss: 3.5\n"
            "[2026-01-01 10:01:00] Step: 6, train_loss: 3.4\n",
            "loss",
            [5, 6],
            [3.5, 3.4],
        ),
    ],
    ids=["nanoGPT evaluations", "nanoGPT iterations", "llm.c", "with times"],
)
def test_the_lines_for_a_training_log_read_it(tmp_path, log, loss, steps, losses):
    path = tmp_path / "log.txt"
    path.write_text(log)
    with pytest.raises(sb.InputError, match="the log of a training run, not a table") as refused:
        read_file(path)
    code = [line[4:] for line in str(refused.value).splitlines() if line.startswith("    ")]
    scope: dict = {"sb": sb}
    exec("\n".join(code), scope)
    assert list(scope["frame"]["step"]) == steps
    assert list(scope["frame"][loss]) == losses
    assert len(scope["runs"]) == len(steps)


def test_json_lines_of_steps_are_no_log(read):
    table = read('{"step": 5, "loss": 3.5}\n{"step": 6, "loss": 3.4}\n')
    assert columns(table) == {"step": [5, 6], "loss": [3.5, 3.4]}


def test_a_table_with_remarks_on_steps_is_no_log(read):
    assert len(read("run,note\na,step 1 loss 3\nb,step 2 loss 3\n").frame) == 2
