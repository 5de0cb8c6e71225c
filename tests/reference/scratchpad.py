"""What a systolic step touches and fetches, as explicit sets of input pixels and channels.

Plain loops over every tap; the judge of the intervals that the fast plan counts with.
"""


def pixel_tap(layer, m, r, s):
    """(row, column, flat number of the image's first pixel) that output m reads at tap r, s."""
    image, at = divmod(m, layer.P * layer.Q)
    p, q = divmod(at, layer.Q)
    row = p * layer.strides[0] - layer.padding[0] + r * layer.dilations[0]
    column = q * layer.strides[1] - layer.padding[2] + s * layer.dilations[1]
    return row, column, image * layer.H * layer.W


def touched(layer, m_range, k_range):
    """The (pixel, channel) pairs that outputs x taps really use; padding left out."""
    found = set()
    for k in range(*k_range):
        c, rs = divmod(k, layer.R * layer.S)
        r, s = divmod(rs, layer.S)
        for m in range(*m_range):
            row, column, base = pixel_tap(layer, m, r, s)
            if 0 <= row < layer.H and 0 <= column < layer.W:
                found.add((base + row * layer.W + column, c))
    return found


def lines(layer, images, m_range):
    """Pixels of the whole input lines from the first to the last under a tile of outputs.

    A kernel row in the padding stands for the nearest line of the image.
    """
    rows = []
    for m in range(*m_range):
        for r in range(layer.R):
            row, _, base = pixel_tap(layer, m, r, 0)
            rows.append(base // layer.W + min(max(row, 0), layer.H - 1))
    return set(range(min(rows) * layer.W, (max(rows) + 1) * layer.W))


def strips(layer, images, m_range):
    """Pixels under a tile of outputs: one strip per kernel row, without gaps."""
    flats = []
    for m in range(*m_range):
        for s in range(layer.S):
            row, column, base = pixel_tap(layer, m, 0, s)
            flats.append(base + row * layer.W + min(max(column, 0), layer.W - 1))
    pixels = set()
    for r in range(layer.R):
        shift = r * layer.dilations[0] * layer.W
        pixels.update(range(min(flats) + shift, max(flats) + 1 + shift))
    return {pixel for pixel in pixels if 0 <= pixel < images * layer.H * layer.W}
