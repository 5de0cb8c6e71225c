"""Is a point on the front exactly if no other point beats it?"""

import numpy as np
import pandas as pd
import pytest

from reports.pareto import front, on_front


def beaten(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((other <= one).all() and (other < one).any())


@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_what_nobody_beats(seed: int) -> None:
    costs = np.random.default_rng(seed).integers(0, 6, (25, 2)).astype(float)
    wanted = [not any(beaten(one, other) for other in costs) for one in costs]
    assert front(costs).tolist() == wanted


def test_equal_points_share_the_front_and_nothing_is_on_none() -> None:
    costs = np.array([[1.0, 2.0], [1.0, 2.0], [1.0, 3.0], [np.nan, 0.0], [2.0, np.nan]])
    assert front(costs).tolist() == [True, True, False, False, False]
    assert front(np.empty((0, 2))).tolist() == []


def test_every_network_has_its_own_front() -> None:
    points = pd.DataFrame(
        {
            "network": ["x", "y", "x", "y"],
            "latency_s": [1.0, 10.0, 2.0, 20.0],
            "energy_j": [1.0, 10.0, 0.5, 20.0],
        },
        index=[7, 3, 5, 1],
    )
    assert on_front(points).tolist() == [True, True, True, False]
