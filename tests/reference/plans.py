"""How a machine chooses among plans, slowly: each is priced on a DRAM that serves in order."""

from itertools import pairwise


def up(a, b):
    """Whole b in a, rounded up."""
    return -(-a // b)


def finish(steps, spec):
    """Cycles of steps (load sizes, store sizes, length): lists of bytes, one run each."""
    latency = up(spec.dram_latency_ns * spec.clock_hz, 10**9)
    ended, loaded, stored = {}, {}, {}
    server = 0

    def serve(sizes, earliest):
        nonlocal server
        size = sum(up(one, spec.dram_burst_bytes) * spec.dram_burst_bytes for one in sizes)
        if not size:
            return earliest
        transfer = up(size * spec.clock_hz, spec.dram_bandwidth_bytes_per_s)
        server = max(server, earliest) + latency + transfer
        return server

    for n in (0, 1):
        if n < len(steps):
            loaded[n] = serve(steps[n][0], 0)
    for n, (_, stores, length) in enumerate(steps):
        ended[n] = max(ended.get(n - 1, 0), loaded[n], stored.get(n - 2, 0)) + length
        stored[n] = serve(stores, ended[n])
        if n + 2 < len(steps):
            loaded[n + 2] = serve(steps[n + 2][0], ended[n])
    return max([0, *ended.values(), *stored.values()])


def dram_bytes(steps, spec):
    """Bytes of all runs, whole bursts."""
    runs = [size for loads, stores, _ in steps for size in (*loads, *stores)]
    return sum(up(size, spec.dram_burst_bytes) * spec.dram_burst_bytes for size in runs)


def cost(steps, spec):
    """Cycles, then bytes."""
    return finish(steps, spec), dram_bytes(steps, spec)


def part_counts(total):
    """Numbers of parts that make the largest part smaller than one part fewer does."""
    return [n for n in range(1, total + 1) if n == 1 or up(total, n) < up(total, n - 1)]


def few_counts(total):
    """1, 2, 3, 4, 6, 8, 12 and so on below ``total``, and that."""
    powers = {base * 2**n for base in (1, 3) for n in range(total)}
    return [*sorted(n for n in powers if n < total), total]


def cut(things, count):
    """A list in so many parts, as even as can be."""
    edges = [i * len(things) // count for i in range(count + 1)]
    return [things[low:high] for low, high in pairwise(edges)]


def one_by_one(runs):
    """Steps of several runs; two empty steps let all of a run leave before the next begins."""
    found = []
    for run in runs:
        if found:
            found += [([], [], 0)] * 2
        found += run
    return found


def together_or_alone(alone, together, least, spec):
    """Runs of single images, or of all together if that costs no more and moves no more than must.

    ``alone`` are (cost, run) of each image, ``together`` those of all plans of all images.
    """
    if len(alone) == 1:
        return [alone[0][1]]
    whole = tuple(sum(price[way] for price, _ in alone) for way in (0, 1))
    allowed = [(price, run) for price, run in together if price[1] <= least]
    best = min(allowed, key=lambda entry: entry[0], default=None)
    if best is not None and best[0] <= whole:
        return [best[1]]
    return [run for _, run in alone]
