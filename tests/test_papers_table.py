"""Published numbers beside ours, as docs/papers.md lists them."""

import pytest
from paper_entries import Entry, subjects

SUBJECTS = list(subjects())


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda each: each.__name__.rpartition(".")[2])
def test_published_numbers_are_ours_or_it_is_said_why(subject):
    quick = [entry for entry in subject.ENTRIES if not entry.slow]
    wrong = [
        (entry.paper, entry.quantity, entry.published, entry.ours)
        for entry in quick
        if entry.agrees == bool(entry.differs)
    ]
    assert quick
    assert not wrong


@pytest.mark.parametrize(
    ("printed", "ours", "agrees"),
    [("0.050", 0.0504, True), ("0.050", 0.0506, False), ("4.5e9", 4.54e9, True),
     ("27", 27.6, False),
     ("0.46", (0.45, 0.44, 0.47), True), ("0.46", (0.43, 0.42, 0.44), False)],
)  # fmt: skip
def test_numbers_agree_within_the_rounding_of_the_print(printed, ours, agrees):
    assert Entry("", "", "", printed, lambda: ours).agrees == agrees
