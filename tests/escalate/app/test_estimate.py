"""Is the estimate made from this source and these machines, and does it run next to nothing?"""

import pytest

from arch.systolic.model import Systolic
from escalate.app.estimate import estimate, jobs_of, shapes
from escalate.app.feed import Feed, parse_synthetic
from escalate.app.machines import choose_all
from escalate.app.sources import resolve

RECIPE = parse_synthetic("coefficients=0.2,activations=0.5,weights=0.5")


def counted(monkeypatch, method):
    """How often, and on which layers, the systolic array is run."""
    seen, own = [], getattr(Systolic, method)

    def run(self, layer, *rest, **named):
        seen.append(getattr(layer, "layer", layer).name)
        return own(self, layer, *rest, **named)

    monkeypatch.setattr(Systolic, method, run)
    return seen


def test_two_layers_of_one_job_per_machine_are_simulated(monkeypatch):
    seen = counted(monkeypatch, "run")
    choices = choose_all(["systolic", "systolic:tiny", "basis_first"])
    jobs = jobs_of(resolve(["resnet20_cifar10"]), choices, Feed(synthetic=RECIPE))
    assert [len(job.choices) for job in jobs] == [2, 1]
    found = estimate([*jobs, *jobs])
    assert found.timed == 4
    assert len(set(seen)) == 2
    assert found.seconds > 0
    assert found.peak_bytes > 50_000_000


def test_twice_the_work_is_estimated_to_take_twice_as_long(monkeypatch):
    monkeypatch.setattr("escalate.app.estimate._rates", lambda job, layers: ((2e-9, 1e-9), 2))
    source = resolve(["resnet20_cifar10"])
    macs = sum(layer.macs for layer in shapes(source))
    one = jobs_of(source, choose_all(["systolic"]), Feed())
    assert estimate(one).seconds == pytest.approx(2e-9 * macs)
    assert estimate([*one, *one]).seconds == pytest.approx(4e-9 * macs)
    two = jobs_of(source, choose_all(["systolic", "systolic:tiny"]), Feed(count=3))
    assert estimate(two).seconds == pytest.approx(3 * 3e-9 * macs)


def test_shapes_alone_are_timed_as_shapes(monkeypatch):
    seen = counted(monkeypatch, "run_shape")
    estimate(jobs_of(resolve(["digits_cnn"]), choose_all(["systolic"]), Feed()))
    assert len(set(seen)) == 2


def test_a_model_is_timed_with_its_own_weights(compressed):
    jobs = jobs_of(resolve([str(compressed.folder)]), choose_all(["basis_first", "scnn"]), Feed())
    assert estimate(jobs).timed == 4


def test_processes_share_the_time_and_each_want_memory():
    found = estimate(jobs_of(resolve(["digits_cnn"]), choose_all(["systolic"]), Feed()))
    one, two = found.told(), found.told(2)
    assert two["seconds_about"] == pytest.approx(one["seconds_about"] / 2, abs=0.01)
    assert two["peak_bytes_about"] == 2 * one["peak_bytes_about"]


def test_many_images_are_estimated_from_a_few(monkeypatch):
    seen, own = [], Systolic.run_shape

    def run(self, layer, spec, images):
        seen.append(images)
        return own(self, layer, spec, images)

    monkeypatch.setattr(Systolic, "run_shape", run)
    source, choices = resolve(["digits_cnn"]), choose_all(["systolic"])
    few, many = (estimate(jobs_of(source, choices, Feed(count=n))) for n in (4, 100_000))
    assert set(seen) == {4}
    largest = max(n.C * n.H * n.W + 4 * n.K * n.P * n.Q for n in shapes(source))
    assert many.peak_bytes >= few.peak_bytes + 99_996 * largest
