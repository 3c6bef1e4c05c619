"""The card of an index shows the interval that its table holds."""

import pandas as pd

from myelosynth.reports.cards import cards
from myelosynth.reports.indices import INDICES

SYSTEM = "residual-context"


def lines(intervals):
    indices = pd.DataFrame({index.key: {SYSTEM: 0.1} for index in INDICES})
    return cards(indices, SYSTEM, None, intervals, {})[1].sides[1].lines


def test_a_card_shows_the_interval_of_its_index():
    rows = [(index.key, number / 10, number / 10 + 0.05, 0.8) for number, index in enumerate(INDICES)]
    intervals = pd.DataFrame(rows, columns=["index", "low", "high", "level"])
    told = lines(intervals)
    assert told[0] == "80 % interval for a measured PET: 10.0 to 15.0"
    intervals[["low", "high"]] = None
    assert lines(intervals) == lines(None) == told[1:], "no lesions, no interval"
