"""Are the sizes of a layer those of the convolution, and impossible ones refused by name?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workloads.errors import WorkloadError
from workloads.layer import ConvLayer


@given(
    side=st.integers(1, 20),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
)
def test_output_counts_the_places_where_the_kernel_fits(
    side, kernel, stride, dilation, before, after
):
    """Rows and columns alike: walk every start of the kernel on the padded input."""
    reach = dilation * (kernel - 1)
    places = sum(
        1
        for start in range(side + before + after)
        if start % stride == 0 and start + reach < side + before + after
    )
    bounds = {"stride": stride, "dilation": dilation}
    rows = {"H": side, "W": 1, "R": kernel, "padding": (before, after, 0, 0)}
    columns = {"H": 1, "W": side, "S": kernel, "padding": (0, 0, before, after)}
    if places == 0:
        with pytest.raises(WorkloadError, match="exceeds the padded"):
            ConvLayer("rows", C=1, K=1, **rows, **bounds)
        return
    assert places == ConvLayer("rows", C=1, K=1, **rows, **bounds).P
    assert places == ConvLayer("columns", C=1, K=1, **columns, **bounds).Q


def test_each_direction_has_its_own_steps():
    layer = ConvLayer("c", C=1, K=1, H=9, W=12, R=3, S=2, stride=(2, 3), dilation=(1, 4))
    assert (layer.P, layer.Q) == (4, 3)
    assert (layer.strides, layer.dilations, layer.reach) == ((2, 3), (1, 4), (3, 5))


def test_two_equal_steps_are_one():
    """Layers that are the same are equal, however they were written."""
    two = ConvLayer("c", C=1, K=1, H=9, W=9, R=2, S=2, stride=(2, 2), dilation=(3, 3))
    one = ConvLayer("c", C=1, K=1, H=9, W=9, R=2, S=2, stride=2, dilation=3)
    assert two == one
    assert hash(two) == hash(one)
    assert (two.stride, two.dilation, two.strides, two.dilations) == (2, 3, (2, 2), (3, 3))


@pytest.mark.parametrize("field", ["stride", "dilation"])
@pytest.mark.parametrize("value", [(1,), (1, 2, 3), (1, 0), (True, 2), (1, 2.0), [1, 2], "12"])
def test_steps_are_one_number_or_two(field, value):
    message = rf"odd: {field} is .*, wanted an integer 1 to 16777216 or two, \(down, across\)"
    with pytest.raises(WorkloadError, match=message):
        ConvLayer("odd", C=1, K=1, H=4, W=4, **{field: value})


def test_derived_counts():
    layer = ConvLayer("conv", C=6, K=4, H=5, W=7, R=3, S=2, groups=2)
    assert (layer.P, layer.Q) == (3, 6)
    assert layer.channels_per_group == 3
    assert layer.weight_shape == (4, 3, 3, 2)
    assert layer.macs == 4 * 3 * 6 * 3 * 3 * 2


@pytest.mark.parametrize(
    ("c", "groups", "depthwise"), [(4, 4, True), (4, 2, False), (1, 1, False), (2, 1, False)]
)
def test_depthwise_layers(c, groups, depthwise):
    assert ConvLayer("conv", C=c, K=4, H=1, W=1, groups=groups).is_depthwise == depthwise


@pytest.mark.parametrize("field", ["C", "K", "H", "W", "R", "S", "stride", "dilation", "groups"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, None, (1 << 24) + 1, 1 << 31])
def test_bounds_are_positive_integers(field, value):
    bounds = {"C": 1, "K": 1, "H": 4, "W": 4} | {field: value}
    message = f"odd: {field} is {value!r}, wanted an integer 1 to 16777216"
    with pytest.raises(WorkloadError, match=message):
        ConvLayer("odd", **bounds)


@pytest.mark.parametrize("padding", [(1, 1), (0, 0, 0, -1), (0, 0, 0, 0.5), (0, 0, 0, 65537)])
def test_padding_is_four_integers(padding):
    with pytest.raises(WorkloadError, match=r"odd: padding is .*, wanted \(top, bottom, left, ri"):
        ConvLayer("odd", C=1, K=1, H=4, W=4, padding=padding)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (
            {"H": 1 << 17, "W": 1 << 15},
            "odd: 4294967296 values of input, wanted at most 2147483648",
        ),
        ({"C": 1 << 16, "K": 1 << 16}, "odd: 4294967296 values of weights, wanted"),
        ({"K": 1 << 16, "H": 1 << 16}, "odd: 4294967296 values of output, wanted"),
        ({"padding": (1 << 16,) * 4}, r"odd: 171\d+ values of input, wanted"),
        (
            {"C": 1 << 10, "K": 1 << 10, "H": 1 << 20, "R": 1 << 11},
            r"odd: \d+ multiply-accum.* at most 10",
        ),
    ],
)
def test_layers_that_no_machine_holds_are_refused(bounds, message):
    bounds = {"C": 1, "K": 1, "H": 1, "W": 1} | bounds
    with pytest.raises(WorkloadError, match=message):
        ConvLayer("odd", **bounds)


@pytest.mark.parametrize("field", ["C", "K"])
def test_groups_divide_the_channels(field):
    bounds = {"C": 4, "K": 4, "H": 1, "W": 1, "groups": 2} | {field: 3}
    with pytest.raises(WorkloadError, match=f"odd: {field} is 3, wanted a multiple of groups = 2"):
        ConvLayer("odd", **bounds)


def test_a_kernel_that_does_not_fit_is_refused():
    message = "odd: the output is 0x2, wanted at least 1x1; the 3x1 kernel exceeds the padded 2x2"
    with pytest.raises(WorkloadError, match=message):
        ConvLayer("odd", C=1, K=1, H=2, W=2, R=3)
