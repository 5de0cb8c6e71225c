"""Is every random ONNX graph read as ONNX Runtime reads it, or refused in one line?"""

from collections import Counter

import pytest

from tests.fuzz.graphs import INVALID, REFUSED, SAME, once


def assert_all_read_or_refused(seeds, folder):
    found = [once(seed, folder) for seed in seeds]
    wrong = [str(each) for each in found if each.verdict not in (SAME, REFUSED, INVALID)]
    assert not wrong, "\n".join(wrong)
    verdicts = Counter(each.verdict for each in found)
    assert verdicts[SAME] > 0.7 * len(found)
    assert verdicts[INVALID] < 0.05 * len(found)


def test_random_graphs_are_read_as_onnx_runtime_reads_them(tmp_path):
    assert_all_read_or_refused(range(60), tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("first", range(0, 5000, 500))
def test_five_thousand_random_graphs(first, tmp_path):
    assert_all_read_or_refused(range(first, first + 500), tmp_path)
