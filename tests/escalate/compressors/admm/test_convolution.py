"""ADMM: exactly k blocks stay, levels without a zero, a penalty that pulls, resumed to the byte."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from escalate.compressors.admm.convolution import LEVELS, MASKED, STRUCTURE, AdmmConvolution, Target
from escalate.compressors.admm.projections import Structure, nearest_levels
from escalate.compressors.layers import changed as changed_layers
from escalate.compressors.registry import compressor
from escalate.errors import CheckpointError, DecompositionError
from escalate.integers.integer import predict
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options
from escalate.recipe.trim import trim
from escalate.store import model_file
from escalate.store.footprint import footprint, sizes
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import Int8Convolution
from escalate.train.modules import GraphModule, float_module
from escalate.train.retrain import Lesson, RetrainOptions, accuracy, density, retrain
from tests.escalate.small_networks import (
    SETTINGS,
    TINY_SETTINGS,
    bright_corner,
    every_operator,
    random_pixels,
    tiny,
    with_random_weights,
)
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images
from workloads.layer import ConvLayer

PIXELS, LABELS = bright_corner(192)
IMAGE = TINY_SETTINGS.quantizer(PIXELS)
LESSON = Lesson(IMAGE, PIXELS, LABELS)
TARGET = Target(Structure(), 0.4, rho=0.01)
KINDS = ("rows", "columns", "tiles")


def layer_and_weights(seed=0, groups=1):
    layer = ConvLayer("a", C=4 * groups, K=6 * groups, H=5, W=5, R=3, S=3, groups=groups)
    weights = np.random.default_rng(seed).normal(size=layer.weight_shape).astype(np.float32)
    return layer, weights * np.arange(1, layer.K + 1, dtype=np.float32)[:, None, None, None]


def convolution(target=TARGET, *, seed=0, groups=1, trained=True):
    layer, weights = layer_and_weights(seed, groups)
    return AdmmConvolution(layer, weights, np.zeros(layer.K, np.float32), target, trained=trained)


def plain_blocks(weights, structure, groups=1):
    """Index of the block of each weight, by loops over groups, filters and taps."""
    filters, taps = len(weights) // groups, weights[0].size
    found = np.zeros((len(weights), taps), object)
    for k in range(len(weights)):
        for tap in range(taps):
            found[k, tap] = {
                "rows": (k,),
                "columns": (k // filters, tap),
                "tiles": (
                    k // filters,
                    k % filters // structure.tile[1],
                    tap // structure.tile[0],
                ),
            }[structure.kind]
    return found


def blocks_left(codes, structure, groups=1):
    """Which blocks hold a level, and how many there are."""
    found = plain_blocks(codes, structure, groups)
    return set(found[codes.reshape(len(codes), -1) != 0]), len(set(found.ravel()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 1.0])
def test_exactly_k_blocks_stay_the_strongest(kind, groups, share):
    structure = Structure(kind, (8, 4))
    found = convolution(Target(structure, share), groups=groups, trained=False)
    codes = found.integers().weights.weights
    left, total = blocks_left(codes, structure, groups)
    assert len(left) == max(1, round(share * total))
    _, weights = layer_and_weights(groups=groups)
    sizes_ = np.sqrt((weights.astype(np.float64) ** 2).mean(axis=(1, 2, 3)))
    even = weights if kind == "rows" else weights / sizes_[:, None, None, None]
    names, norms = plain_blocks(weights, structure, groups), {}
    for name, value in zip(names.ravel(), even.ravel(), strict=True):
        norms[name] = norms.get(name, 0.0) + float(value) ** 2
    assert left == set(sorted(norms, key=norms.__getitem__, reverse=True)[: len(left)])
    inside = np.isin([hash(name) for name in names.ravel()], [hash(name) for name in left])
    np.testing.assert_array_equal(codes.ravel() != 0, inside)  # no level is 0 among the kept
    np.testing.assert_array_equal(found.survivors().numpy().ravel(), inside)


@pytest.mark.parametrize("bits", [2, 4, 7])
def test_levels_fit_their_bits_and_are_what_is_computed(bits):
    found = convolution(Target(Structure(), 0.5, bits), trained=False)
    integers = found.integers()
    codes = integers.weights.weights
    assert codes.dtype == np.int8
    assert np.abs(codes).max() <= 1 << (bits - 1)
    dense = codes * integers.scales[:, None, None, None]
    np.testing.assert_allclose(found.weight().detach().numpy(), dense, rtol=1e-6)
    np.testing.assert_allclose(found.steps().numpy(), integers.scales, rtol=1e-6)


def test_integers_are_mapped_at_any_stage():
    """Weights stay as they are, then lose what is masked, then are on levels."""
    found = convolution()
    _, weights = layer_and_weights()
    np.testing.assert_allclose(found.weight().detach().numpy(), weights, rtol=1e-5)
    seen = []
    for done in (0.0, 0.3, 0.5, 0.6, 0.75, 0.9, 1.0):
        found.advance(done)
        seen.append(int(found.stage))
        integers, dense = found.integers(), found.weight().detach().numpy()
        codes = integers.weights.weights
        left, total = blocks_left(codes, TARGET.structure)
        assert len(left) == round(0.4 * total)
        if found.stage != STRUCTURE:
            np.testing.assert_array_equal(codes != 0, dense != 0)
        if found.stage == LEVELS:
            mapped = codes * integers.scales[:, None, None, None]
            np.testing.assert_allclose(dense, mapped, rtol=1e-6)
        else:
            np.testing.assert_allclose(dense[codes != 0], weights[codes != 0], rtol=1e-5)
    assert seen == [STRUCTURE] * 2 + [MASKED] * 2 + [LEVELS] * 3


@given(st.integers(0, 999), st.integers(2, 7))
def test_levels_in_training_are_the_nearest_ones(seed, bits):
    found = convolution(Target(Structure(), 0.7, bits), seed=seed, trained=False)
    codes = found.integers().weights.weights
    for values, step, levels in zip(found.latent(), found.level_steps, codes, strict=True):
        values = values.detach().double().numpy()
        wanted = nearest_levels(values, float(step), bits)
        clear = np.abs(np.abs(values / float(step)) % 1 - 0.5) > 1e-5  # of ties in float32
        np.testing.assert_array_equal(levels[clear], wanted[clear])


def test_without_a_ramp_the_structure_stays_from_the_start():
    found = convolution(replace(TARGET, ramp=0.0))
    assert found.stage == MASKED
    assert density(found) == pytest.approx(0.4, abs=0.02)


def test_zeros_stay_and_empty_filters_have_no_scale():
    layer, weights = layer_and_weights()
    weights[2] = 0
    weights[0, 0] = 0
    found = AdmmConvolution(layer, weights, np.zeros(6, np.float32), replace(TARGET, density=1.0))
    found.advance(1.0)
    integers = found.integers()
    np.testing.assert_array_equal(integers.weights.weights == 0, weights == 0)
    assert integers.scales[2] == found.steps()[2] == 0
    assert not found.survivors()[2].any()


# The loop.


@pytest.mark.parametrize("stage", [STRUCTURE, LEVELS])
def test_the_gradient_of_the_penalty_is_rho_times_the_distance(stage):
    found = convolution()
    for done in (0.0, 0.2) if stage == STRUCTURE else (0.8, 0.9):
        found.advance(done)
        with torch.no_grad():  # as training moves them
            found.weights.add_(torch.randn_like(found.weights))
    assert found.stage == stage
    penalty = found.penalty()
    gap = found.latent() - found.towards + found.dual
    torch.testing.assert_close(penalty, 0.01 / 2 * gap.square().sum())
    penalty.backward()
    torch.testing.assert_close(found.weights.grad, 0.01 * gap.detach() * found.mask)
    assert found.scales.grad is None


def test_the_gradient_of_the_network_passes_straight_through_the_levels():
    found = convolution(trained=False)
    weighted = torch.randn(found.weights.shape)
    (found.weight() * weighted).sum().backward()
    scales = found.scales.detach()[:, None, None, None]
    torch.testing.assert_close(found.weights.grad, weighted * scales * found.mask)
    mapped = found.weight().detach() / scales
    torch.testing.assert_close(found.scales.grad, (weighted * mapped).sum(dim=(1, 2, 3)))


def test_z_and_u_follow_the_weights_ten_times():
    """What is not kept piles up in U until it is kept; nothing moves before it is time."""
    found = convolution(replace(TARGET, structure=Structure("tiles", (5, 4))))
    assert not found.dual.any()
    weights, dual, kept, renewals = found.weights.detach().double().numpy(), 0.0, set(), 0
    for step in range(40):  # of the first stage, half of the whole
        if step % 4 == 0 and step > 0:
            moved = weights + dual
            places, norms = plain_blocks(moved, found.rule.structure), {}
            for place, value in zip(places.ravel(), moved.ravel(), strict=True):
                norms[place] = norms.get(place, 0.0) + value**2
            strong = sorted(norms, key=norms.__getitem__, reverse=True)[: round(0.4 * len(norms))]
            mask = np.array([place in strong for place in places.ravel()]).reshape(moved.shape)
            towards, dual, renewals = moved * mask, moved * ~mask, renewals + 1
            kept.add(tuple(sorted(strong)))
        for _ in range(2):  # the end of an epoch is the start of the next
            found.advance(step / 80)
        if renewals:
            np.testing.assert_allclose(found.towards.numpy(), towards, rtol=1e-5)
            np.testing.assert_allclose(found.dual.numpy(), dual, rtol=1e-5)
    assert renewals == 9  # and one at the start
    assert len(kept) > 1


def test_masked_weights_have_no_penalty():
    found = convolution()
    found.advance(0.5)
    assert found.penalty() is None
    assert not found.dual.any()


def tamed(target=TARGET, seed=2):
    """``tiny`` with two such layers, calibrated."""
    network = with_random_weights(tiny(), seed)
    arrays = [(n.layer, network.weights[n.name], network.biases[n.name]) for n in tiny().convs]
    parts = {
        "first": Int8Convolution(*arrays[0]),
        "middle": AdmmConvolution(*arrays[1], target),
        "last": AdmmConvolution(*arrays[2], target),
    }
    module = GraphModule(network.graph, parts)
    return module.with_ranges(calibrate(module, IMAGE, PIXELS, "max"))


def test_the_weights_come_to_what_is_allowed():
    """The primal residual, how far weights are from what is allowed, falls in both loops."""
    module, gaps, stages = tamed(), [], []
    middle = module.convolution("middle")

    def gap():
        weights = middle.latent().detach()
        if middle.stage == LEVELS:
            return float((weights - middle._on_levels(weights)).square().mean())
        return float((weights * ~middle._strongest(weights)).square().mean())

    def look(report):
        gaps.append(gap())
        stages.append(int(middle.stage))

    before = gap()
    options = RetrainOptions(16, 0.03, batch=16, ramp=0.5)
    retrain(module, LESSON, options, progress=look)
    assert stages == [STRUCTURE] * 7 + [MASKED] * 4 + [LEVELS] * 5
    assert gaps[6] < 0.25 * before
    assert gaps[15] < gaps[11]
    assert accuracy(module, IMAGE, PIXELS, LABELS) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_and_ends_on_levels(kind):
    target = Target(Structure(kind, (12, 4)), 0.5, rho=0.01)
    module = tamed(target)
    retrain(module, LESSON, RetrainOptions(8, 0.03, batch=16, ramp=0.5))
    for name in ("middle", "last"):
        part = module.convolution(name)
        left, total = blocks_left(part.integers().weights.weights, target.structure)
        assert len(left) == max(1, round(0.5 * total))
    if kind != "rows":  # which takes classes away
        assert accuracy(module, IMAGE, PIXELS, LABELS) > 0.9


def test_the_loss_that_is_told_is_that_of_the_images():
    """Not of the penalty, which changes with the stage; hardly anything is trained here."""

    def losses(rho):
        reports, target = [], Target(Structure(), 0.4, rho=rho)
        options = RetrainOptions(2, 1e-9, batch=96, ramp=1.0)
        retrain(tamed(target), LESSON, options, progress=reports.append)
        return [report.loss for report in reports]

    assert losses(100.0) == pytest.approx(losses(1e-9), rel=1e-4)


class Killed(RuntimeError):
    pass


def kill_after(epoch):
    def progress(report):
        if report.epoch == epoch:
            raise Killed

    return progress


@pytest.mark.parametrize("epoch", [1, 3, 5, 6, 7])
def test_a_killed_run_ends_with_the_weights_of_a_whole_one(tmp_path, epoch):
    """Killed in every stage, at its edges, and between thinnings."""

    def run(module, **rest):
        def fit(module):
            module.convolution("middle").thin(0.9)
            return 0

        retrain(module, LESSON, RetrainOptions(8, 0.03, batch=48, ramp=0.5), fit=fit, **rest)
        return {name: values.clone() for name, values in module.state_dict().items()}

    whole, checkpoint = run(tamed()), tmp_path / "retrain.ckpt"
    with pytest.raises(Killed):
        run(tamed(), checkpoint=checkpoint, progress=kill_after(epoch))
    resumed = run(tamed(), checkpoint=checkpoint)
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_a_checkpoint_of_another_target_is_refused(tmp_path):
    options, checkpoint = RetrainOptions(1, 0.05, batch=32, ramp=0.5), tmp_path / "retrain.ckpt"
    retrain(tamed(), LESSON, options, checkpoint=checkpoint)
    for other in (replace(TARGET, rho=0.02), replace(TARGET, bits=5)):
        with pytest.raises(CheckpointError, match="belongs to another run"):
            retrain(tamed(other), LESSON, options, checkpoint=checkpoint)


# Budgets.


@pytest.mark.parametrize("done", [0.1, 0.6, 0.8, 1.0])
def test_fewer_blocks_stay_for_good(done):
    found = convolution()
    found.advance(done)
    before = found.integers().weights.weights != 0
    found.thin(0.5)
    found.advance(done)
    after = found.integers().weights.weights != 0
    assert not (after & ~before).any()
    left, total = blocks_left(after, TARGET.structure)
    assert len(left) == round(0.2 * total)
    found.advance(1.0)
    np.testing.assert_array_equal(found.integers().weights.weights != 0, after)


def test_coarse_blocks_are_trimmed_too():
    """Each layer has few tiles, which go only after the share has fallen by far more than asked."""
    module = tamed(Target(Structure("tiles", (27, 8)), 1.0))

    def size():
        return sum(
            len(blocks_left(c.integers().weights.weights, c.rule.structure)[0]) for c in mapped
        )

    mapped = [module.convolution(name) for name in ("middle", "last")]
    assert size() == 2 + 1
    trim(module, 2, size)
    assert size() == 2
    with pytest.raises(DecompositionError, match="the model in training takes 2 bytes, wanted 1"):
        trim(module, 1, size)


# The whole way: compress, remove, store, read back.


@pytest.fixture(scope="module")
def network():
    """``tiny``, trained in floats."""
    start = with_random_weights(tiny(), seed=4)
    module = float_module(start)
    retrain(module, LESSON, RetrainOptions(8, learning_rate=0.03, batch=16))
    parts = {node.name: module.convolution(node.name) for node in start.graph.convs}
    return replace(
        start,
        weights={name: part.weights.detach().numpy().copy() for name, part in parts.items()},
        biases={name: part.bias.detach().numpy().copy() for name, part in parts.items()},
    )


FIELDS = {
    "method": "admm",
    "density": 0.5,
    "epochs": 6,
    "batch": 16,
    "learning_rate": 0.03,
    "rho": 0.01,
    "remove": False,
}


def made(network, **fields):
    return compress(network, compress_options(**FIELDS | fields), PIXELS, LABELS, TINY_SETTINGS)


@pytest.fixture(scope="module")
def model(network):
    return made(network)


def test_compress_maps_and_keeps_the_accuracy(model):
    for name in ("middle", "last"):
        codes = model.convs[name].weights.weights
        left, total = blocks_left(codes, Structure())
        assert len(left) == round(0.5 * total)
        assert np.abs(codes).max() <= 8
        assert np.count_nonzero(codes) == len(left) * len(codes)
    assert np.abs(model.convs["first"].weights.weights).max() == 127  # kept at eight bits
    logits = execute(model, quantize_images(model.image, PIXELS), convolve)["last"]
    right = (logits.reshape(len(PIXELS), -1).argmax(axis=1) == LABELS).mean()
    assert right > 0.9
    np.testing.assert_array_equal(predict(model, PIXELS), logits.reshape(len(PIXELS), -1))


def test_a_mapped_model_is_read_back_bit_for_bit_and_its_bytes_are_counted(model, tmp_path):
    model_file.save(model, tmp_path)
    found = model_file.load(tmp_path)
    for name, layer in model.weights.items():
        np.testing.assert_array_equal(found.convs[name].weights.weights, layer.weights, strict=True)
    np.testing.assert_array_equal(predict(found, PIXELS), predict(model, PIXELS))
    on_disk = sum((tmp_path / f).stat().st_size for f in (model_file.TENSORS, model_file.MANIFEST))
    assert sizes(model).on_disk == model_file.bytes_on_disk(tmp_path) == on_disk
    rows = {each.name: each for each in footprint(found)}
    # Half of 432, so few that they are packed with five bits, one for each column, and a head.
    assert rows["middle"].coefficient_bytes == (216 * 5 // 8 + 2) + (-(-54 // 8) + 2) + 3
    told = model_file.load_provenance(tmp_path)
    assert (told["method"], told["options"]["ramp"]) == ("admm", 0.5)


def test_the_same_call_gives_the_same_bytes(network, model, tmp_path):
    for name, each in (("one", model), ("two", made(network))):
        model_file.save(each, tmp_path / name)
    for file in (model_file.TENSORS, model_file.MANIFEST):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("epochs", [0, 4])
def test_a_budget_is_met(network, epochs):
    size = model_file.packed_size(made(network, epochs=0, density=0.6))
    ratio = 4 * network.original_parameters / (size + 0.5)
    found = made(network, ratio=ratio, density=None, epochs=epochs)
    assert model_file.packed_size(found) <= byte_budget(network, ratio)
    assert found.provenance["asked"]["ratio"] == ratio
    assert 0.45 < found.provenance["options"]["density"] < 0.7


def test_a_budget_that_nothing_meets_is_refused(network):
    with pytest.raises(DecompositionError, match=r"budget: the smallest density makes \d+ bytes"):
        made(network, ratio=50, density=None)


def test_every_operator_goes_through():
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    for kind in KINDS:
        options = compress_options(method="admm", structure=kind, tile=(16, 4), epochs=0)
        model = compress(start, options, pixels, None, SETTINGS)
        assert predict(model, pixels).shape == (24, 5)


# Options.


def test_rows_leave_the_answers_whole():
    """A class without its row is never answered."""
    graph = tiny()
    for kind, changed in (("rows", ("middle",)), ("columns", ("middle", "last"))):
        options = compress_options(method="admm", structure=kind)
        assert changed_layers(graph, compressor("admm"), options) == changed


def test_densities_by_layer(network):
    model = made(network, epochs=0, density={"middle": 0.25, "last": 0.5})
    for name, share in (("middle", 0.25), ("last", 0.5)):
        left, total = blocks_left(model.convs[name].weights.weights, Structure())
        assert len(left) == round(share * total)
    with pytest.raises(DecompositionError, match="last: the density table has no entry for the la"):
        made(network, epochs=0, density={"middle": 0.25})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"structure": "filters"}, "Input should be 'rows', 'columns' or 'tiles'"),
        ({"tile": (0, 4)}, "greater than or equal to 1"),
        ({"level_bits": 1}, "greater than or equal to 2"),
        ({"level_bits": 8}, "less than or equal to 7"),
        ({"density": 0.0}, "greater than 0"),
        ({"rho": 0.0}, "greater than 0"),
        ({"ratio": 9.0}, "ratio and density are both given"),
        ({"clusters": 4}, "clusters has no meaning for method admm"),
        ({"weighting": "inputs"}, "weighting has no meaning"),
        ({"method": "prune", "rho": 0.1}, "rho has no meaning for method prune"),
    ],
)
def test_options_without_meaning_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        compress_options(**FIELDS | fields)


@pytest.mark.parametrize(
    ("field", "value"), [("density", 0.0), ("bits", 8), ("rho", float("nan")), ("ramp", 1.5)]
)
def test_targets_out_of_range_are_refused(field, value):
    with pytest.raises(DecompositionError, match=f"mapping: {field} is {value}"):
        replace(TARGET, **{field: value})
