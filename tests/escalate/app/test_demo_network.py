"""The demo's network: every kind of layer, the stated size, and it learns."""

import torch

from escalate.app.demo_network import demo_network, train
from escalate.capture.export import capture


def test_the_network_has_every_kind_of_layer_and_the_stated_size():
    module = demo_network(0)
    network = capture(module, torch.zeros(2, 1, 8, 8), "digits_cnn")
    layers = [node.layer for node in network.graph.convs]
    assert network.original_parameters == 184_042
    assert sum(layer.R == 3 and layer.groups == 1 for layer in layers) >= 3
    assert any(layer.stride == 2 for layer in layers)
    assert any(layer.is_depthwise for layer in layers)
    assert any(layer.R == 1 and layer.H > 1 for layer in layers)
    assert layers[-1].H == layers[-1].W == 1
    assert any(node.op == "add" for node in network.graph.nodes)


def test_the_seed_settles_the_weights_and_the_global_generator_is_left_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    first, second, other = demo_network(1), demo_network(1), demo_network(2)
    assert torch.equal(torch.rand(3), wanted)
    assert torch.equal(first.stem[0].weight, second.stem[0].weight)
    assert not torch.equal(first.stem[0].weight, other.stem[0].weight)


def test_training_lowers_the_loss_and_repeats_itself():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    images = torch.randn(64, 1, 8, 8, generator=generator) * 0.3 + labels[:, None, None, None]
    results = []
    for _ in range(2):
        module, losses = demo_network(0), []
        train(module, images, labels, 4, 0, lambda epoch, loss, seen=losses: seen.append(loss))
        assert not module.training
        assert losses[-1] < losses[0]
        results.append(losses)
    assert results[0] == results[1]
