"""The slow front end of Bit-Tactical, slot by slot, and how many bits activations need.

A slot holds (weight, channel, row tap, column tap) or None; no masks.
"""


def up(number, unit):
    """``number`` in whole units, rounded up."""
    return (number + unit - 1) // unit


def ceil_log2(number):
    """Bits that tell ``number`` things apart."""
    bits = 0
    while 2**bits < number:
        bits += 1
    return bits


# --- front end -------------------------------------------------------------------------------


def filter_sets(layer, lanes, filters):
    """[(block, [filters])]: what a tile works on together, and groups per block."""
    per_group, channels = layer.K // layer.groups, layer.C // layer.groups
    together = 1
    while (
        together < layer.groups
        and (together + 1) * channels <= lanes
        and (together + 1) * per_group <= filters
    ):
        together += 1
    sets = []
    for block, first in enumerate(range(0, layer.groups, together)):
        groups = range(first, min(first + together, layer.groups))
        members = [g * per_group + f for g in groups for f in range(per_group)]
        for low in range(0, len(members), filters):
            sets.append((block, members[low : low + filters]))
    return sets, together


def block_channels(layer, block, together):
    """Channels of a block of groups."""
    size = together * (layer.C // layer.groups)
    return list(range(block * size, min((block + 1) * size, layer.C)))


def grid(layer, weights, members, channels, width, lanes, everything):
    """The dense steps of a set: grid[step][row][lane].

    ``width`` channels of a full block lie chunk by chunk; a filter uses those of its group.
    """
    per_group, own = layer.K // layer.groups, layer.C // layer.groups
    steps = []
    for r in range(layer.R):
        for s in range(layer.S):
            for low in range(0, width, lanes):
                step = [[None] * lanes for _ in members]
                for row, k in enumerate(members):
                    group = k // per_group
                    for lane in range(lanes):
                        if low + lane >= len(channels):
                            continue
                        c = channels[low + lane]
                        if c // own != group:
                            continue
                        weight = int(weights[k, c % own, r, s])
                        if weight != 0 or everything:
                            step[row][lane] = (weight, c, r, s)
                steps.append(step)
    return steps


def search_places(lookahead, lookaside, shape):
    """(steps ahead, lanes aside) in the order in which they are tried."""
    places = [(h, 0) for h in range(1, lookahead + 1)]
    if shape == "L":
        places += [(1, -d) for d in range(1, lookaside + 1)]
    else:
        ahead, aside = 1, 1
        while len(places) < lookahead + lookaside:
            places.append((ahead, aside))
            if len(places) < lookahead + lookaside:
                places.append((ahead, -aside))
            aside += 1
            ahead = ahead + 1 if ahead < lookahead else 1
    return sorted(places)


def front_end(steps, lookahead, places, lanes):
    """[(dense step, rows, moves)] of the steps left; ``steps`` is emptied.

    ``moves`` maps (row, lane) to the place that a slot was filled from.
    """
    left, skipped = [], 0
    for t, step in enumerate(steps):
        if skipped < lookahead and all(slot is None for row in step for slot in row):
            skipped += 1
            continue
        skipped = 0
        moves = {}
        for row in range(len(step)):
            while True:
                offers = {}
                for lane in range(lanes):
                    if step[row][lane] is not None:
                        continue
                    there = [
                        (t + ahead, (lane + aside) % lanes)
                        for ahead, aside in places
                        if t + ahead < len(steps)
                    ]
                    number = [n for n, (at, la) in enumerate(there) if steps[at][row][la]]
                    # places are sorted by step, so those beyond the end are the last
                    if number:
                        offers[lane] = (len(number), number[0], there[number[0]])
                if not offers:
                    break
                most = max(count for count, _, _ in offers.values())
                lane = min(lane for lane in offers if offers[lane][0] == most)
                _, number, (at, other) = offers[lane]
                step[row][lane] = steps[at][row][other]
                steps[at][row][other] = None
                moves[row, lane] = number
        left.append((t, [list(row) for row in step], moves))
    return left


# --- what activations cost -------------------------------------------------------------------


def bits_needed(values, trailing):
    """Bits of the narrowest words that hold all values; without common trailing zeros."""
    wide = 1
    if any(value < 0 for value in values):
        while not all(-(2 ** (wide - 1)) <= value < 2 ** (wide - 1) for value in values):
            wide += 1
    else:
        while not all(value < 2**wide for value in values):
            wide += 1
    zeros = 0
    if trailing and any(values):
        while all(value % 2 ** (zeros + 1) == 0 for value in values):
            zeros += 1
    return max(wide - zeros, 1)


def terms(value, kind):
    """Signed digits, or ones of the absolute value."""
    if kind == "ones":
        return bin(abs(value)).count("1")
    count = 0
    while value != 0:
        if value % 2:
            value -= 2 - value % 4  # +1 or -1, whichever leaves two zeros
            count += 1
        value //= 2
    return count
