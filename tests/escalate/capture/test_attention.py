"""Are transformers' blocks read, from torch and from files, and do all machines' integers agree?"""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from escalate.app.compress import compress
from escalate.app.data import Data
from escalate.capture.export import capture
from escalate.capture.onnx_module import OnnxModule
from escalate.errors import CaptureError
from escalate.integers import integer
from escalate.store.model_file import load
from escalate.train.modules import float_module
from tests.architectures.test_architectures import exported
from workloads.convolve import convolve
from workloads.execute import execute, quantize_images

WIDTH, HEADS = 16, 4


class Spelled(nn.Module):
    """Queries, keys and values by one layer, the products written out."""

    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        n, t, d = x.shape
        parts = self.qkv(x).reshape(n, t, 3, HEADS, d // HEADS)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        scores = (q * (d // HEADS) ** -0.5) @ k.transpose(-2, -1)
        return self.proj((scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, d))


class Fused(Spelled):
    def forward(self, x):
        n, t, d = x.shape
        parts = self.qkv(x).reshape(n, t, 3, HEADS, d // HEADS).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        return self.proj(mixed.transpose(1, 2).reshape(n, t, d))


class Own(nn.Module):
    """torch's own module."""

    def __init__(self, **options):
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True, **options)

    def forward(self, x):
        return self.inner(x, x, x, need_weights=False)[0]


class Crossed(Own):
    def forward(self, x):
        return self.inner(x, x * 2, x + 1)[0]


class Summed(Spelled):
    """By Einstein's sums."""

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(x).reshape(n, t, HEADS, -1).chunk(3, 3)
        scores = torch.einsum("bihd,bjhd->bhij", q, k) * 0.5
        return self.proj(torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v).reshape(n, t, d))


class Transformer(nn.Module):
    """Patches, a class token, positions, blocks."""

    def __init__(self, attention, layers=2, channels=3):
        super().__init__()
        self.patches = nn.Conv2d(channels, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, WIDTH))
        self.places = nn.Parameter(torch.randn(1, 5, WIDTH) * 0.3)
        self.attentions = nn.ModuleList(attention() for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2 * layers))
        self.mixers = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, 24), nn.GELU(), nn.Linear(24, WIDTH))
            for _ in range(layers)
        )
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.places
        for n, (attend, mix) in enumerate(zip(self.attentions, self.mixers, strict=True)):
            x = x + attend(self.norms[2 * n](x))
            x = x + mix(self.norms[2 * n + 1](x))
        return self.head(x[:, 0])


class Layers(nn.Module):
    """torch's own layers of transformers."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, 4)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 24, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, 5)

    def forward(self, x):
        return self.head(self.layers(self.patches(x).flatten(2).transpose(1, 2)).mean(1))


MODULES = {
    "spelled": lambda: Transformer(Spelled),
    "fused": lambda: Transformer(Fused),
    "own": lambda: Transformer(Own),
    "of three tensors": lambda: Transformer(Crossed, 1),
    "of other widths": lambda: Transformer(lambda: Own(kdim=WIDTH, vdim=WIDTH, bias=False), 1),
    "einsum": lambda: Transformer(Summed, 1),
    "layers": Layers,
}


@pytest.mark.parametrize("name", MODULES)
def test_a_transformer_is_read(name):
    torch.manual_seed(2)
    module, images = MODULES[name]().eval(), torch.randn(2, 3, 8, 8)
    network = capture(module, images[:1], "net")
    with torch.no_grad():
        found, wanted = float_module(network)(images), module(images)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    assert network.original_parameters == sum(each.numel() for each in module.parameters())
    assert {"matmul", "softmax"} <= {node.op for node in network.graph.nodes}
    heads = [node.shape[0] for node in network.graph.nodes if node.op == "matmul"]
    assert set(heads) == {HEADS}


@pytest.mark.parametrize("name", ["spelled", "fused"])
def test_a_transformer_s_file_is_read(name, tmp_path):
    torch.manual_seed(2)
    module, images = MODULES[name]().eval(), torch.randn(2, 3, 8, 8)
    path = exported(module, images[:1], tmp_path / "net.onnx", dynamo=False, opset=17)
    read = OnnxModule(path)
    with torch.no_grad():
        wanted = module(images)
        found = float_module(capture(read, images[:1], "net"))(images)
        torch.testing.assert_close(read(images), wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_in_8_bits_it_answers_alike(tmp_path):
    torch.manual_seed(3)
    module = Transformer(Fused, channels=1)
    module.places = nn.Parameter(torch.randn(1, 5, WIDTH) * 0.3)
    made = compress(
        module, data=Data("digits", limit=128), out=tmp_path / "out", method="int8", name="net"
    )
    assert made.int8.sqnr_db > 20
    assert made.int8.agreement > 0.85
    model = load(made.folder)
    pixels = np.random.default_rng(0).integers(0, 17, (3, 1, 8, 8)).astype(np.uint8)
    inputs = quantize_images(model.image, pixels)
    ours, theirs = execute(model, inputs, convolve), integer.run(model, inputs)
    for name, each in theirs.items():
        np.testing.assert_array_equal(ours[name], each.numpy(), err_msg=name)


class Masked(Own):
    def forward(self, x):
        mask = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()
        return self.inner(x, x, x, attn_mask=mask)[0]


class Causal(Spelled):
    def forward(self, x):
        return functional.scaled_dot_product_attention(
            x[:, None], x[:, None], x[:, None], is_causal=True
        )[:, 0]


class LastFirst(Own):
    def __init__(self):
        super().__init__()
        self.inner.batch_first = False


class Alone(Spelled):
    def forward(self, x):
        return torch.einsum("bij,bkj->bi", x, x)[..., None]


class Left(Spelled):
    def forward(self, x):
        return torch.ones(5, 5) @ x


REFUSED = {
    "a mask": (Masked, "MultiheadAttention: with a mask, wanted one that sees all"),
    "a causal mask": (Causal, r"scaled_dot_product_attention at attentions.*: with a mask"),
    "images second": (LastFirst, "MultiheadAttention: wanted batch_first = True"),
    "a sum of one tensor": (
        Alone,
        "einsum at attentions.*: bij,bkj->bi: sums over a",
    ),
    "a constant first": (
        Left,
        "matmul at attentions.*: a constant times a tensor, wanted",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case):
    attention, message = REFUSED[case]
    with pytest.raises(CaptureError, match=message) as caught:
        capture(Transformer(attention, 1), torch.zeros(1, 3, 8, 8), "net")
    assert "\n" not in str(caught.value)
