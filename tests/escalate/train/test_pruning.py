"""Pruning: masks exact, survivors trained straight through, the dropped stay 0, all is stored."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.nn import functional

from escalate.compressors.compressor import Task
from escalate.compressors.layers import changed, kept
from escalate.compressors.registry import compressor
from escalate.errors import CheckpointError, DecompositionError
from escalate.integers.integer import predict
from escalate.recipe.compression import byte_budget, compress
from escalate.recipe.options import compress_options
from escalate.recipe.trials import quantized
from escalate.store import model_file
from escalate.store.footprint import footprint, sizes
from escalate.train.calibrate import calibrate
from escalate.train.convolutions import Int8Convolution
from escalate.train.modules import GraphModule, float_module
from escalate.train.pruning import PrunedConvolution, Pruning, drop_weights, strengths, strongest
from escalate.train.retrain import Lesson, RetrainOptions, accuracy, density, retrain, silence_idle
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


# Plain twins: sort everything, count, compare.


def plain_strengths(magnitudes):
    flat = magnitudes.ravel().tolist()
    found = [w**2 / (sum(v**2 for v in flat if v >= w) or 1.0) for w in flat]
    return np.array(found).reshape(magnitudes.shape)


def plain_strongest(values, count):
    ranked = [(-v, i, j) for i, array in enumerate(values) for j, v in enumerate(array.ravel())]
    masks = [np.zeros(array.size, bool) for array in values]
    for _, i, j in sorted(ranked)[:count]:
        masks[i][j] = True
    return [mask.reshape(array.shape) for mask, array in zip(masks, values, strict=True)]


FEW = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
    elements=st.integers(0, 5).map(float),
)


@given(values=st.lists(FEW, min_size=1, max_size=4), share=st.floats(0, 1))
def test_the_strongest_are_exactly_so_many_and_of_equals_the_first(values, share):
    count = round(share * sum(array.size for array in values))
    found, wanted = strongest(values, count), plain_strongest(values, count)
    assert sum(int(mask.sum()) for mask in found) == count
    for left, right in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(left, right)


@given(magnitudes=FEW)
def test_strength_is_the_share_of_what_larger_weights_leave(magnitudes):
    found = strengths(magnitudes)
    np.testing.assert_allclose(found, plain_strengths(magnitudes), rtol=1e-12)
    order = np.argsort(magnitudes, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()


def pruned_module(rules, seed=0, importance=None, bits=8):
    network = with_random_weights(tiny(), seed)
    parts = {}
    for node in network.graph.convs:
        arrays = (node.layer, network.weights[node.name], network.biases[node.name])
        rule = rules.get(node.name)
        if rule is None:
            parts[node.name] = Int8Convolution(*arrays)
        else:
            weighted = None if importance is None else importance[node.name]
            parts[node.name] = PrunedConvolution(*arrays, rule, bits, importance=weighted)
    return GraphModule(network.graph, parts), network


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_global_mask_is_that_of_plain_numpy(share, weighted):
    rule = Pruning(share)
    random = np.random.default_rng(5)
    moments = {"middle": random.random(6), "last": random.random(8)} if weighted else None
    module, network = pruned_module({"middle": rule, "last": rule}, importance=moments)
    drop_weights(module)
    ranks = []
    for name in ("middle", "last"):
        magnitude = np.abs(network.weights[name].astype(np.float64))
        if moments is not None:
            magnitude *= np.sqrt(moments[name])[None, :, None, None]
        ranks.append(plain_strengths(magnitude))
    count = round(share * sum(rank.size for rank in ranks))
    wanted = plain_strongest(ranks, count)
    for name, mask in zip(("middle", "last"), wanted, strict=True):
        np.testing.assert_array_equal(module.convolution(name).mask.numpy(), mask)
        codes = module.convolution(name).integers().weights.weights
        assert not codes[~mask].any()
    assert sum(int(mask.sum()) for mask in wanted) == count


def test_a_density_of_each_layer_is_met_by_each_layer():
    rules = {"middle": Pruning(0.25, "layer"), "last": Pruning(0.5, "layer")}
    module, network = pruned_module(rules)
    drop_weights(module)
    for name, rule in rules.items():
        magnitude = np.abs(network.weights[name])
        (wanted,) = plain_strongest([magnitude], round(rule.density * magnitude.size))
        np.testing.assert_array_equal(module.convolution(name).mask.numpy(), wanted)


def test_of_equal_weights_the_first_survive():
    layer = ConvLayer("a", C=4, K=2, H=3, W=3)
    weights = np.full((2, 4, 1, 1), -0.5, np.float32)
    convolution = PrunedConvolution(layer, weights, np.zeros(2, np.float32), Pruning(0.625))
    drop_weights(convolution)
    assert convolution.mask.ravel().tolist() == [True] * 5 + [False] * 3


def test_one_weight_stays_at_least():
    layer = ConvLayer("a", C=2, K=2, H=3, W=3)
    weights = np.zeros((2, 2, 1, 1), np.float32)
    convolution = PrunedConvolution(layer, weights, np.zeros(2, np.float32), Pruning(0.01))
    drop_weights(convolution)
    assert int(convolution.mask.sum()) == 1
    assert not convolution.integers().weights.weights.any()


def test_a_mask_only_loses_members_while_the_density_falls():
    rule = Pruning(0.2)
    module, _ = pruned_module({"middle": rule, "last": rule})
    convolution, total = module.convolution("middle"), 8 * 6 * 9 + 3 * 8
    before, wanted = convolution.mask.clone(), total
    for ease in (1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.5):
        with torch.no_grad():  # as retraining moves them, the dropped ones too
            convolution.weights.copy_(torch.randn_like(convolution.weights))
        drop_weights(module, ease)
        assert not (convolution.mask & ~before).any()
        before = convolution.mask.clone()
        left = sum(int(module.convolution(n).mask.sum()) for n in ("middle", "last"))
        wanted = min(wanted, round((0.2 + 0.8 * ease**3) * total))
        assert left == wanted
    assert wanted == round(0.2 * total)


def test_the_gradient_is_zero_for_the_dropped_and_straight_through_for_the_rest():
    module, network = pruned_module({"middle": Pruning(0.3)})
    drop_weights(module)
    convolution = module.convolution("middle")
    random = torch.Generator().manual_seed(0)
    inputs = torch.randn((3, 6, 4, 4), generator=random)
    outputs = convolution(inputs)
    weighted = torch.randn(outputs.shape, generator=random)
    (outputs * weighted).sum().backward()
    plain = torch.tensor(network.weights["middle"], requires_grad=True)
    (functional.conv2d(inputs, plain, stride=2) * weighted).sum().backward()
    wanted = torch.where(convolution.mask, plain.grad, torch.zeros_like(plain))
    torch.testing.assert_close(convolution.weights.grad, wanted)
    assert (convolution.weights.grad[~convolution.mask] == 0).all()
    assert (convolution.weights.grad[convolution.mask] != 0).any()


def test_the_weights_are_those_of_an_int8_layer_with_zeros():
    module, network = pruned_module({"middle": Pruning(0.3)}, bits=5)
    drop_weights(module)
    convolution = module.convolution("middle")
    masked = network.weights["middle"] * convolution.mask.numpy()
    twin = Int8Convolution(convolution.layer, masked, network.biases["middle"], 5)
    torch.testing.assert_close(convolution.weight(), twin.weight(), rtol=0, atol=0)
    ours, theirs = convolution.integers(), twin.integers()
    np.testing.assert_array_equal(ours.weights.weights, theirs.weights.weights)
    np.testing.assert_array_equal(ours.scales, theirs.scales)
    assert np.abs(ours.weights.weights).max() == 15
    survivors = convolution.survivors().numpy()
    np.testing.assert_array_equal(survivors, ours.weights.weights != 0)


# Retraining.


def student(rule=None, seed=2):
    rule = rule or Pruning(0.4)
    module, _ = pruned_module({"middle": rule, "last": rule}, seed)
    return module.with_ranges(calibrate(module, IMAGE, PIXELS, "max"))


def run(module, options, **rest):
    retrain(module, LESSON, options, **rest)
    return {name: values.clone() for name, values in module.state_dict().items()}


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_it_learns_and_what_was_dropped_stays_zero(optimizer):
    module = student()
    drop_weights(module)
    mask = module.convolution("middle").mask.clone()
    before, reports = accuracy(module, IMAGE, PIXELS, LABELS), []
    rate = 0.05 if optimizer == "adam" else 0.1
    run(module, RetrainOptions(6, rate, batch=16, optimizer=optimizer), progress=reports.append)
    assert accuracy(module, IMAGE, PIXELS, LABELS) > max(0.95, before)
    assert torch.equal(module.convolution("middle").mask, mask)
    assert not module.convolution("middle").integers().weights.weights[~mask.numpy()].any()
    assert reports[-1].density == density(module)
    assert reports[-1].density == pytest.approx(0.4, abs=0.01)


def test_a_ramp_drops_weights_step_by_step():
    module, densities = student(), []
    options = RetrainOptions(4, 0.01, batch=32, ramp=0.75)
    run(module, options, progress=lambda report: densities.append(report.density))
    assert densities[0] > densities[1] > densities[2] == densities[3]
    assert densities[3] == pytest.approx(0.4, abs=0.01)
    assert all(each > 0.3 for each in densities)


class Killed(RuntimeError):
    pass


def kill_after(epoch):
    def progress(report):
        if report.epoch == epoch:
            raise Killed

    return progress


@pytest.mark.parametrize("ramp", [0.0, 0.75])
def test_a_killed_run_ends_with_the_weights_of_a_whole_one(tmp_path, ramp):
    options = RetrainOptions(4, 0.05, batch=32, ramp=ramp)
    whole = run(student(), options)
    checkpoint = tmp_path / "retrain.ckpt"
    with pytest.raises(Killed):
        run(student(), options, checkpoint=checkpoint, progress=kill_after(2))
    resumed = run(student(), options, checkpoint=checkpoint)
    assert whole.keys() == resumed.keys()
    for name in whole:
        assert torch.equal(whole[name], resumed[name]), name


def test_a_checkpoint_of_another_density_is_refused(tmp_path):
    options = RetrainOptions(2, 0.05, batch=32, ramp=1.0)
    checkpoint = tmp_path / "retrain.ckpt"
    run(student(), options, checkpoint=checkpoint)
    with pytest.raises(CheckpointError, match="belongs to another run"):
        run(student(Pruning(0.3)), options, checkpoint=checkpoint)


def test_a_filter_without_weights_is_silenced():
    module = student()
    middle = module.convolution("middle")
    with torch.no_grad():
        middle.mask[[2, 5]] = False
        middle.bias.fill_(0.3)
    silence_idle(module)
    assert middle.bias.tolist() == [0.0 if k in (2, 5) else pytest.approx(0.3) for k in range(8)]


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


OPTIONS = compress_options(
    method="prune", density=0.3, epochs=4, batch=16, learning_rate=0.03, remove=False
)


def test_compress_prunes_and_keeps_the_accuracy(network):
    reports = []
    model = compress(network, OPTIONS, PIXELS, LABELS, TINY_SETTINGS, progress=reports.append)
    assert len(reports) == 4
    assert all(layer.weights is not None for layer in model.weights.values())
    assert np.count_nonzero(model.convs["first"].weights.weights) > 0.95 * 54
    pruned = [model.convs[name].weights.weights for name in ("middle", "last")]
    total = sum(array.size for array in pruned)
    left = sum(int(np.count_nonzero(array)) for array in pruned)
    assert left <= round(0.3 * total)
    assert left >= round(0.3 * total) - 2  # but for survivors that were rounded to 0
    logits = execute(model, quantize_images(model.image, PIXELS), convolve)["last"]
    right = (logits.reshape(len(PIXELS), -1).argmax(axis=1) == LABELS).mean()
    assert right > 0.9
    np.testing.assert_array_equal(predict(model, PIXELS), logits.reshape(len(PIXELS), -1))


def test_a_pruned_model_is_read_back_bit_for_bit_and_its_bytes_are_counted(network, tmp_path):
    model = compress(network, OPTIONS, PIXELS, LABELS, TINY_SETTINGS)
    model_file.save(model, tmp_path)
    found = model_file.load(tmp_path)
    assert found.graph == model.graph
    for name, layer in model.weights.items():
        np.testing.assert_array_equal(found.convs[name].weights.weights, layer.weights, strict=True)
    np.testing.assert_array_equal(predict(found, PIXELS), predict(model, PIXELS))
    on_disk = sum((tmp_path / f).stat().st_size for f in (model_file.TENSORS, model_file.MANIFEST))
    assert sizes(model).on_disk == model_file.bytes_on_disk(tmp_path) == on_disk
    rows = {each.name: each for each in footprint(found)}
    assert {each.form for each in rows.values()} == {"8 bit"}
    assert rows["middle"].nonzeros == np.count_nonzero(model.convs["middle"].weights.weights)
    assert model_file.load_provenance(tmp_path)["method"] == "prune"


def test_filters_without_weights_are_removed_and_no_logit_moves(network):
    few = replace(network, weights={**network.weights})
    few.weights["middle"] = network.weights["middle"].copy()
    few.weights["middle"][[1, 6]] *= 1e-5  # which pruning drops whole
    fields = OPTIONS.model_dump() | {"epochs": 1, "density": 0.5}
    whole, small = (
        compress(few, compress_options(**fields | {"remove": each}), PIXELS, LABELS, TINY_SETTINGS)
        for each in (False, True)
    )
    assert whole.graph["middle"].layer.K == 8
    assert small.graph["middle"].layer.K == small.graph["last"].layer.C == 6
    assert small.provenance["removed"] == "2 of 17 filters and 0 of 0 basis kernels"
    np.testing.assert_array_equal(predict(whole, PIXELS), predict(small, PIXELS))


def test_the_same_call_gives_the_same_bits_and_a_killed_one_resumes(network, tmp_path):
    options = compress_options(**OPTIONS.model_dump() | {"ramp": 0.5, "distillation": 0.5})
    arguments = (network, options, PIXELS, LABELS, TINY_SETTINGS)
    with pytest.raises(Killed):
        compress(*arguments, checkpoint=tmp_path / "c.pt", progress=kill_after(2))
    models = [compress(*arguments), compress(*arguments, checkpoint=tmp_path / "c.pt")]
    for name in ("first", "middle", "last"):
        left, right = (model.convs[name].weights.weights for model in models)
        np.testing.assert_array_equal(left, right)
    np.testing.assert_array_equal(*(predict(model, PIXELS) for model in models))


def test_every_operator_goes_through_and_the_first_and_depthwise_layers_are_kept():
    start = with_random_weights(every_operator())
    pixels = random_pixels(start.graph, 24)
    options = compress_options(method="prune", density=0.2, epochs=0, weighting="inputs")
    assert kept(start.graph, options) == {"c1", "dw"}
    assert changed(start.graph, compressor("prune"), options) == ("c2", "c3", "fc")
    module = quantized(
        Task(start, SETTINGS.quantizer(pixels), pixels, float_module(start)), options
    )
    assert density(module) == pytest.approx(0.2, abs=0.01)
    model = compress(start, options, pixels, None, SETTINGS)
    assert predict(model, pixels).shape == (24, 5)


@pytest.mark.parametrize(
    ("density_given", "fields"),
    [({"middle": 0.25, "last": 0.5}, {}), (0.4, {"scope": "layer"})],
)
def test_densities_by_layer(network, density_given, fields):
    options = compress_options(method="prune", density=density_given, epochs=0, **fields)
    module = quantized(Task(network, IMAGE, PIXELS, float_module(network)), options)
    for name in ("middle", "last"):
        share = density_given[name] if isinstance(density_given, dict) else density_given
        mask = module.convolution(name).mask
        assert int(mask.sum()) == round(share * mask.numel())


def test_kept_and_narrow_layers_are_honoured(network):
    options = compress_options(
        method="prune", epochs=0, keep_int8=("middle",), weight_bits={"first": 4, "middle": 5}
    )
    module = quantized(Task(network, IMAGE, PIXELS, float_module(network)), options)
    kinds = {n.name: type(module.convolution(n.name)) for n in network.graph.convs}
    assert kinds == {
        "first": PrunedConvolution,
        "middle": Int8Convolution,
        "last": PrunedConvolution,
    }
    limits = {name: module.convolution(name).limit for name in kinds}
    assert limits == {"first": 7, "middle": 15, "last": 127}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"density": {"middle": 0.1}}, "last: the density table has no entry for the layer"),
        (
            {"density": {"first": 0.1, "middle": 0.1, "last": 0.1}},
            "first: the density table names it, but tiny has no such pruned layer",
        ),
        ({"weight_bits": {"ghost": 4}}, "ghost: weight_bits names it"),
        ({"keep_int8": ("ghost",)}, "ghost: keep_int8 names it, but tiny has no such layer"),
    ],
)
def test_tables_that_do_not_fit_are_refused(network, fields, message):
    options = compress_options(method="prune", epochs=0, **fields)
    with pytest.raises(DecompositionError, match=message):
        compress(network, options, PIXELS, None, TINY_SETTINGS)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"basis": 3}, "basis has no meaning for method prune"),
        ({"error": 0.1}, "error has no meaning"),
        ({"ratio": 9.0, "density": 0.5}, "ratio and density are both given"),
        ({"mixed": True}, "mixed has no meaning"),
        ({"threshold": 0.1}, "threshold has no meaning"),
        ({"scales": "layer"}, "scales has no meaning"),
        ({"l1": 0.1}, "l1 has no meaning"),
        ({"updates": "alternating"}, "updates has no meaning"),
        ({"storage": "bitmap"}, "storage has no meaning"),
        ({"scope": "filter"}, "scope"),
        ({"scope": "layer", "density": {"a": 0.1}}, "scope and a density table are both given"),
        ({"density": 0.0}, "density"),
    ],
)
def test_options_without_meaning_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        compress_options(method="prune", **fields)


def test_a_scope_without_pruning_is_refused():
    with pytest.raises(ValueError, match="scope has no meaning for method escalate"):
        compress_options(scope="layer")


@pytest.mark.parametrize("share", [0.0, 1.5, -0.1])
def test_a_density_out_of_range_is_refused(share):
    with pytest.raises(DecompositionError, match=r"density is .*, wanted a number in \(0, 1\]"):
        Pruning(share)


@pytest.mark.parametrize("ramp", [0.0, 0.5])
def test_a_budget_is_met_before_and_after_retraining(ramp):
    network = with_random_weights(tiny(), seed=4)
    full = compress(
        network, compress_options(method="prune", epochs=0), PIXELS, LABELS, TINY_SETTINGS
    )
    ratio = 4 * network.original_parameters / (model_file.packed_size(full) + 0.5)
    fields = {"method": "prune", "ratio": ratio, "ramp": ramp, "batch": 32, "distillation": 0.0}
    for epochs in (0, 2):
        options = compress_options(**fields, epochs=epochs)
        model = compress(network, options, PIXELS, LABELS, TINY_SETTINGS)
        size = model_file.packed_size(model)
        assert 0.9 * byte_budget(network, ratio) <= size <= byte_budget(network, ratio)
        chosen = model.provenance["options"]
        assert "ratio" not in chosen
        assert 0.2 < chosen["density"] < 0.4  # near the 0.3 that made the budget
