"""The card of an index shows the interval that its table holds."""

import pandas as pd

from myelosynth.reports.indices import INDICES
from myelosynth.reports.patient import _card


def test_a_card_shows_the_interval_of_its_index():
    rows = [(index.key, number / 10, number / 10 + 0.05, 0.8) for number, index in enumerate(INDICES)]
    intervals = pd.DataFrame(rows, columns=["index", "low", "high", "level"])
    card = _card(INDICES[1], None, "residual-context", None, intervals)
    assert ("80 % interval for a measured PET", "10.0 to 15.0") in card.values
    intervals[["low", "high"]] = None
    assert (
        _card(INDICES[1], None, "residual-context", None, intervals).values
        == _card(INDICES[1], None, "residual-context", None, None).values
    ), "no lesions, no interval"
    assert len(_card(INDICES[1], None, "residual-context", None, None).values) == len(card.values) - 1
