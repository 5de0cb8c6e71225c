"""Hypothesis strategies shared by the machines' tests: small layers of every kind."""

from hypothesis import strategies as st

from workloads.layer import ConvLayer


def up_to(most):
    """Sides from the least that leaves an output up to ``most``, or that least one."""
    return lambda least: st.integers(least, max(least, most))


TAPS, CHANNELS, FILTERS, SIDE = st.integers(1, 3), st.integers(1, 4), st.integers(1, 6), up_to(6)
GROUPS = (1, 1, 1, 2, 3)
NEVER = st.just(False)


@st.composite
def steps(draw, most):
    """A stride or a dilation (down, across) up to ``most``: often 1, mostly equal."""
    down = draw(st.sampled_from((1, *range(1, most + 1))))
    return down, draw(st.sampled_from((down, *range(1, most + 1))))


@st.composite
def small_layers(
    draw,
    *,
    channels=CHANNELS,
    filters=FILTERS,
    S=TAPS,
    height=SIDE,
    width=SIDE,
    groups=GROUPS,
    pointwise=NEVER,
):
    """Any strides, uneven padding, dilations and groups.

    channels, filters : of one group
    height, width : the least side -> strategy of sides
    pointwise : where True is drawn, a 1x1 kernel without padding
    """
    R, columns = draw(TAPS), draw(S)
    down, across = draw(steps(2))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(4))
    if draw(pointwise):
        R, columns, padding = 1, 1, (0, 0, 0, 0)
    least_h = max(1, down * (R - 1) + 1 - padding[0] - padding[1])
    least_w = max(1, across * (columns - 1) + 1 - padding[2] - padding[3])
    count = draw(st.sampled_from(groups))
    return ConvLayer(
        "layer",
        C=count * draw(channels),
        K=count * draw(filters),
        H=draw(height(least_h)),
        W=draw(width(least_w)),
        R=R,
        S=columns,
        stride=draw(steps(3)),
        padding=padding,
        dilation=(down, across),
        groups=count,
    )
