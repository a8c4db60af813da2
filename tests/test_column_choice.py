"""Which cells are counts, and which column is which, from names and values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scalingbayes as sb
from scalingbayes.data.column_choice import choose_columns
from scalingbayes.data.counts import parse_count, parse_number
from scalingbayes.data.unit_names import units_of_name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("70M", 7e7),
        ("1.3B", 1.3e9),
        ("1.4T", 1.4e12),
        ("500k", 5e5),
        ("410m", 4.1e8),
        ("1.4T tokens", 1.4e12),
        ("7 billion", 7e9),
        ("12,345,678", 12345678),
        ("12_345_678", 12345678),
        ("12 345 678", 12345678),
        ("2.1e18", 2.1e18),
        ("2.1 x 10^20", 2.1e20),
        ("10**21", 1e21),
        (" 3 ", 3),
    ],
)
def test_counts_are_read_as_people_write_them(text, number):
    assert parse_count(text) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize("cell", ["", "seventy", "7Q", "3,1", "1-2", "70M?", True, 1j, None, [1]])
def test_other_cells_are_no_counts(cell):
    assert np.isnan(parse_count(cell))


@given(st.floats(1e-3, 999), st.sampled_from("kKmMbBgGtT"))
def test_a_count_with_a_letter_is_the_number_times_its_multiple(number, letter):
    factor = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}[letter.lower()]
    assert parse_count(f"{number!r}{letter}") == pytest.approx(number * factor, rel=1e-12)


@given(st.integers(0, 10**15))
def test_thousands_separators_change_nothing(number):
    assert parse_count(f"{number:,}") == number
    assert parse_count(f"{number:_}") == number


@pytest.mark.parametrize(
    ("quantity", "right", "wrong"),
    [
        ("params", "num_params", ["param_norm", "learning_rate"]),
        ("params", "model/parameter_count", ["grad_norm"]),
        ("params", "n_params", ["n_embedding_params"]),
        ("params", "Params (B)", []),
        ("params", "#Params (B)", ["Rank"]),
        ("params", "params_non_embedding", ["vocab_size"]),
        ("params", "config.num_parameters", ["config.num_layers"]),
        ("tokens", "throughput/total_tokens", ["throughput/tokens_per_sec", "tokens/s"]),
        ("tokens", "train_tokens", ["batch_tokens", "seq_len"]),
        ("tokens", "tokensSeen", ["unique_tokens"]),
        ("tokens", "samples_seen", ["batch_size"]),
        ("compute", "training_flops", ["flops_per_token", "flops/sec"]),
        ("compute", "total_flops", ["peak_flops", "mfu"]),
        ("compute", "PF-days", []),
        ("loss", "eval/loss", ["train/loss", "loss_scale", "eval/accuracy"]),
        ("loss", "eval/c4_loss", ["train_loss", "z_loss"]),
        ("loss", "val_bpb", ["val_bpb_stderr"]),
        ("loss", "final_val_loss", ["loss_se", "train_loss"]),
        ("loss", "validation_perplexity", ["aux_loss"]),
        ("loss", "train_loss", ["lr"]),
        ("steps", "trainer/global_step", ["batch_size"]),
        ("seq_len", "block_size", ["batch_size"]),
    ],
)
def test_columns_are_chosen_by_their_names(quantity, right, wrong):
    frame = pd.DataFrame({name: [2e3, 3e4, 5e5] for name in [*wrong, right]})
    assert choose_columns(frame, [quantity]).chosen == {quantity: right}


def test_a_column_without_numbers_is_not_chosen():
    frame = pd.DataFrame({"model_size": ["small", "large"], "n_params": [1e8, 1e9]})
    assert choose_columns(frame, ["params"]).chosen == {"params": "n_params"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("3.12 ± 0.01", 3.12),
        ("4.278(12)", 4.278),
        ("3.1 +/- 0.2", 3.1),
        ("2.8*", 2.8),
        ("2.8†", 2.8),
    ],
)
def test_the_error_and_the_footnote_of_a_number_are_left_out(text, number):
    assert parse_number(text) == number
    (note,) = sb.Runs({"compute": [1e20], "loss": [text]}).notes
    assert f"read from text such as {text!r}" in note


@pytest.mark.parametrize(
    ("column", "name", "units"),
    [
        ("loss", "val_ppl", ["perplexity"]),
        ("loss", "log_ppl", ["nats"]),
        ("loss", "val_bpb", ["bits_per_byte"]),
        ("tokens", "tokens (k)", ["thousands"]),
        ("params", "Größe (Mio.)", ["millions"]),
        ("params", "log10_N", ["log10"]),
        ("params", "total params", ["total"]),
        ("params", "params_no_emb", ["non_embedding"]),
        ("compute", "compute (exaflops)", ["EFLOPs"]),
        ("compute", "petaflop/s-days", ["PF-days"]),
        ("compute", "PFdays", ["PF-days"]),
        ("compute", "training_flops", []),
    ],
)
def test_units_are_read_from_the_name_of_a_column(column, name, units):
    assert units_of_name(column, name) == units


def test_total_and_active_params_are_asked_for():
    frame = pd.DataFrame({"active params": [1e8, 2e8], "total params": [8e8, 16e8]})
    assert choose_columns(frame, ["params"]).ambiguous == {
        "params": ("total params", "active params")
    }
    assert not choose_columns(frame.set_axis(["active_params", "M"], axis=1), ["params"]).chosen


def test_a_unit_of_the_column_applies_to_texts_without_a_multiple_of_their_own():
    runs = sb.Runs({"tokens (B)": ["2.5*", "1,000"], "loss": [3.0, 2.9]}, tokens="tokens (B)")
    assert runs.column("tokens").tolist() == [2.5e9, 1e12]
    own = sb.Runs({"tokens (B)": ["2.5B", "1T"], "loss": [3.0, 2.9]}, tokens="tokens (B)")
    assert own.column("tokens").tolist() == [2.5e9, 1e12]
