"""Retraining: it learns, repeats itself to the bit, and resumes as if never killed."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from escalate.errors import CheckpointError, DataError, DecompositionError
from escalate.integers.lower import lower
from escalate.integers.removal import remove_idle
from escalate.ternary.survival import Survival
from escalate.train.activation_range import Range
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import DecomposedConvolution, Int8Convolution, TernaryConvolution
from escalate.train.modules import GraphModule, float_module
from escalate.train.retrain import (
    Lesson,
    RetrainOptions,
    accuracy,
    density,
    retrain,
    silence_idle,
    surprise,
)
from tests.escalate.small_networks import (
    TINY_SETTINGS,
    bright_corner,
    tiny,
    with_random_weights,
)

PIXELS, LABELS = bright_corner(192)
IMAGE = TINY_SETTINGS.quantizer(PIXELS)
LESSON = Lesson(IMAGE, PIXELS, LABELS)
RULE = Survival(density=0.5)
OPTIONS = RetrainOptions(epochs=4, learning_rate=0.05, batch=32)


def teacher(seed=0):
    return float_module(with_random_weights(tiny(), seed))


def student(seed=0):
    network = with_random_weights(tiny(), seed)
    arrays = [(n.layer, network.weights[n.name], network.biases[n.name]) for n in tiny().convs]
    parts = {
        "first": Int8Convolution(*arrays[0]),
        "middle": DecomposedConvolution(*arrays[1], RULE, 4),
        "last": TernaryConvolution(*arrays[2], RULE),
    }
    module = GraphModule(network.graph, parts)
    return module.with_ranges(calibrate(module, IMAGE, PIXELS, "max"))


def run(module, options=OPTIONS, **rest):
    retrain(module, LESSON, options, **rest)
    return {name: values.clone() for name, values in module.state_dict().items()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.05), ("sgd", 0.1)])
def test_it_learns_and_keeps_the_density(optimizer, rate):
    module, reports = student(), []
    before = accuracy(module, IMAGE, PIXELS, LABELS)
    options = RetrainOptions(
        6, rate, batch=16, seed=2 if optimizer == "adam" else 0, optimizer=optimizer
    )
    run(module, options, progress=reports.append)
    assert accuracy(module, IMAGE, PIXELS, LABELS) > max(0.95, before)
    assert [(r.epoch, r.epochs) for r in reports] == [(n, 6) for n in range(1, 7)]
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].density == pytest.approx(0.5, abs=0.01) == density(module)
    assert reports[-1].accuracy > 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    first, second = run(student()), run(student())
    assert_same(first, second)
    other = run(student(), RetrainOptions(epochs=4, learning_rate=0.05, batch=32, seed=1))
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_distillation_alone_approaches_the_teacher():
    guide = teacher(seed=3)
    run(guide, RetrainOptions(epochs=8, learning_rate=0.03, batch=16))
    assert accuracy(guide, IMAGE, PIXELS, LABELS) > 0.95
    module = student(seed=3)
    shuffled = np.random.default_rng(0).permutation(LABELS)  # labels say nothing: weight 0
    options = RetrainOptions(epochs=8, learning_rate=0.05, batch=16, distillation=1.0)
    retrain(module, Lesson(IMAGE, PIXELS, shuffled), options, teacher=guide)
    assert accuracy(module, IMAGE, PIXELS, LABELS) > 0.9


class Killed(RuntimeError):
    pass


def kill_after(epoch):
    def progress(report):
        if report.epoch == epoch:
            raise Killed

    return progress


def test_a_killed_run_ends_with_the_weights_of_a_whole_one(tmp_path):
    whole = run(student())
    checkpoint = tmp_path / "retrain.ckpt"
    with pytest.raises(Killed):
        run(student(), checkpoint=checkpoint, progress=kill_after(2))
    reports = []
    resumed = run(student(), checkpoint=checkpoint, progress=reports.append)
    assert [r.epoch for r in reports] == [3, 4]
    assert_same(whole, resumed)
    assert [path.name for path in tmp_path.iterdir()] == ["retrain.ckpt"]


def test_a_finished_run_is_not_repeated(tmp_path):
    checkpoint = tmp_path / "retrain.ckpt"
    whole = run(student(), checkpoint=checkpoint)
    assert_same(whole, run(student(), checkpoint=checkpoint, progress=kill_after(1)))


@pytest.mark.parametrize(
    ("options", "seed", "labels"),
    [
        (RetrainOptions(epochs=5, learning_rate=0.05, batch=32), 0, LABELS),
        (OPTIONS, 1, LABELS),
        (OPTIONS, 0, LABELS[::-1].copy()),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, options, seed, labels):
    checkpoint = tmp_path / "retrain.ckpt"
    run(student(), checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match=r"retrain\.ckpt: .* belongs to another run"):
        retrain(student(seed), Lesson(IMAGE, PIXELS, labels), options, checkpoint=checkpoint)


@pytest.mark.parametrize("content", [b"", b"rubbish", b"PK\x03\x04torn"])
def test_a_torn_checkpoint_is_refused(tmp_path, content):
    checkpoint = tmp_path / "retrain.ckpt"
    checkpoint.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"retrain\.ckpt: no checkpoint of a training"):
        run(student(), checkpoint=checkpoint)


def test_a_foreign_checkpoint_is_refused(tmp_path):
    checkpoint = tmp_path / "retrain.ckpt"
    save_file({"weights": torch.zeros(3)}, checkpoint)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run(student(), checkpoint=checkpoint)


def test_no_epochs_change_nothing():
    module = student()
    before = {name: values.clone() for name, values in module.state_dict().items()}
    assert_same(before, run(module, RetrainOptions(epochs=0)))


def test_accuracy_of_a_module_without_ternary_layers():
    module = teacher()
    assert density(module) == 1.0
    logits = accuracy(module, IMAGE, PIXELS, LABELS, batch=7)
    assert logits == accuracy(module, IMAGE, PIXELS, LABELS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("inf")),
        ("batch", 0),
        ("seed", -1),
        ("distillation", 1.5),
    ],
)
def test_options_out_of_range_are_refused(field, value):
    with pytest.raises(DecompositionError, match=f"retraining: {field} is {value}"):
        RetrainOptions(**{"epochs": 1, field: value})


def test_distillation_without_a_teacher_is_refused():
    with pytest.raises(DecompositionError, match="there is no teacher"):
        run(student(), RetrainOptions(epochs=1, distillation=0.5))


@pytest.mark.parametrize("labels", [LABELS[:-1], LABELS.astype(np.float32), LABELS[:, None]])
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(DataError, match=r"labels are .*, wanted integers \(192,\)"):
        Lesson(IMAGE, PIXELS, labels)


def test_a_loss_that_explodes_is_named():
    module = student()
    with torch.no_grad():
        module.convolution("last").bias.fill_(float("nan"))
    with pytest.raises(DecompositionError, match="the loss of epoch 1 is not finite"):
        run(module)


def test_ranges_belong_to_a_runs_identity(tmp_path):
    checkpoint = tmp_path / "retrain.ckpt"
    run(student(), checkpoint=checkpoint)
    module = student()
    ranges = {**module.ranges, "first": Range(1.0, 0, 255)}
    with pytest.raises(CheckpointError, match="another run"):
        run(module.with_ranges(ranges), checkpoint=checkpoint)


# What else a retraining can be told.


def state_of(module):
    return {name: values.clone() for name, values in module.state_dict().items()}


def test_updates_in_turn_leave_the_others_alone():
    module = student()
    states = [state_of(module)]
    options = RetrainOptions(2, 0.05, batch=32, updates="alternating")
    run(module, options, progress=lambda report: states.append(state_of(module)))
    for before, after, trained in ((*states[:2], True), (*states[1:3], False)):
        for name in before:
            kind = name.rpartition(".")[2]
            if kind in ("thresholds", "gains", "share"):
                continue
            moved = not torch.equal(before[name], after[name])
            assert moved == ((kind in ("latent", "weights")) == trained), name


def test_a_penalty_shrinks_the_coefficients():
    def size(l1):
        module = student()
        run(module, RetrainOptions(3, 0.05, batch=32, l1=l1))
        return float(module.convolution("middle").latent.detach().abs().mean())

    assert size(5.0) < 0.8 * size(0.0)


def test_a_ramp_drops_coefficients_step_by_step():
    module, densities = student(), []
    options = RetrainOptions(4, 0.01, batch=32, ramp=0.75)
    run(module, options, progress=lambda report: densities.append(report.density))
    assert densities[0] > densities[1] > densities[2] == densities[3]
    assert densities[3] == pytest.approx(0.5, abs=0.01)


def test_the_teacher_alone_needs_no_labels():
    lesson = Lesson(IMAGE, PIXELS, None)
    module, reports = student(), []
    options = RetrainOptions(1, 0.01, batch=32, distillation=1.0)
    retrain(module, lesson, options, teacher=teacher(), progress=reports.append)
    assert reports[0].accuracy is None
    with pytest.raises(DataError, match="there are no labels; give them, or distillation = 1"):
        retrain(student(), lesson, OPTIONS)


def test_bfloat16_learns_too_and_resumes(tmp_path):
    options = RetrainOptions(3, 0.05, batch=32, precision="bfloat16", augment="crop")
    whole = run(student(), options)
    checkpoint = tmp_path / "retrain.ckpt"
    with pytest.raises(Killed):
        run(student(), options, checkpoint=checkpoint, progress=kill_after(1))
    assert_same(whole, run(student(), options, checkpoint=checkpoint))
    plain = run(student(), RetrainOptions(3, 0.05, batch=32))
    assert any(not torch.equal(whole[name], plain[name]) for name in whole)


def test_mixtures_are_learned_by_both_their_labels():
    module = student()
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.0]], requires_grad=True)
    shares = torch.tensor([0.75, 0.5])
    found = surprise(logits, torch.tensor([0, 1]), shares)
    chances = logits.detach().softmax(dim=1)
    wanted = torch.tensor([[0.75, 0.25], [0.5, 0.5]])
    expected = -(wanted * chances.log()).sum(dim=1).mean()
    torch.testing.assert_close(found.detach(), expected)
    gradient = torch.autograd.grad(found, logits)[0]
    torch.testing.assert_close(gradient, (chances - wanted) / 2)
    options = RetrainOptions(2, 0.05, batch=32, augment="mix")
    assert_same(run(module, options), run(student(), options))


def test_coefficients_thinned_for_a_budget_stay_thinned_when_a_killed_run_goes_on(tmp_path):
    def thin(module):
        for convolution in module.modules():
            if isinstance(convolution, TernaryConvolution):
                convolution.thin(0.9)

    densities = []
    whole = run(student(), fit=thin, progress=lambda report: densities.append(report.density))
    assert densities[0] > densities[1] > densities[2]
    checkpoint = tmp_path / "retrain.ckpt"
    with pytest.raises(Killed):
        run(student(), fit=thin, checkpoint=checkpoint, progress=kill_after(1))
    assert_same(whole, run(student(), fit=thin, checkpoint=checkpoint))


def test_an_epoch_tells_what_was_held_out_and_how_large_the_model_is():
    held_out = (PIXELS[:50], LABELS[:50])
    reports = []
    module = student()
    retrain(
        module,
        Lesson(IMAGE, PIXELS[50:], LABELS[50:], held_out),
        RetrainOptions(1, 0.01),
        progress=reports.append,
        measure=lambda each: 1234,
    )
    assert reports[0].held_out == accuracy(module, IMAGE, *held_out)
    assert reports[0].stored_bytes == 1234
    assert reports[0].seconds > 0


def test_a_checkpoint_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"gone/c\.ckpt: cannot be written: No such file"):
        run(student(), checkpoint=tmp_path / "gone" / "c.ckpt")


def test_a_filter_without_coefficients_is_silenced_and_then_removed():
    module = student()
    middle = module.convolution("middle")
    with torch.no_grad():
        middle.latent[[2, 5]] *= 1e-6
        middle.rule = Survival(threshold=0.0)
        middle.update_thresholds()
        middle.thresholds[[2, 5]] = 1.0
        middle.bias.fill_(0.3)
    silence_idle(module)
    wanted = [0.0 if k in (2, 5) else pytest.approx(0.3) for k in range(8)]
    assert middle.bias.tolist() == wanted
    small = remove_idle(lower(module, IMAGE, {}))
    assert small.graph["middle"].layer.K == small.graph["last"].layer.C == 6
