"""Scores and intervals against plain formulas."""

import math

import numpy as np
import pytest
from scipy import stats

from escalate.app.scores import interval, scores


@pytest.mark.parametrize(("share", "count"), [(0.9, 32), (1.0, 32), (0.0, 7), (0.5, 5000)])
def test_the_interval_is_wilsons(share, count):
    """Its ends are the shares p at which the seen share lies 1.96 standard deviations away."""
    low, high = interval(share, count)
    distance = stats.norm.ppf(0.975)
    for end in (low, high):
        if 0 < end < 1:
            spread = math.sqrt(end * (1 - end) / count)
            assert abs(share - end) / spread == pytest.approx(distance, rel=1e-9)
    assert 0 <= low <= share <= high <= 1


def test_scores_of_logits():
    random = np.random.default_rng(0)
    original = random.normal(size=(50, 10))
    noisy = original + 0.1 * random.normal(size=original.shape)
    labels = random.integers(0, 10, 50)
    found = scores(noisy, original, labels)
    assert found.images == 50
    assert found.accuracy == (noisy.argmax(1) == labels).mean()
    assert found.agreement == (noisy.argmax(1) == original.argmax(1)).mean()
    ratio = (original**2).sum() / ((noisy - original) ** 2).sum()
    assert found.sqnr_db == pytest.approx(10 * math.log10(ratio))
    itself = scores(original, original, None)
    assert (itself.accuracy, itself.agreement, itself.sqnr_db) == (None, 1.0, math.inf)
