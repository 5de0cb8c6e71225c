"""read_pool: a pool of an exported graph as the attributes of ours."""

from escalate.capture.aten import Call, plane_of


def read_pool(
    call: Call, op: str, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]
) -> str:
    """Add a pool; the padding below and right grows where ``ceil_mode`` lets windows hang over."""
    source = call.source()
    call.require_planes()
    _, *sides = call.draft.nodes[source].shape
    plane = plane_of(call, call.node)
    padding = []
    for axis in (0, 1):
        overhang = (plane[1 + axis] - 1) * stride[axis] + kernel[axis] - sides[axis] - pad[axis]
        padding += [pad[axis], max(pad[axis], overhang)]
    if op == "avg_pool" and padding != [pad[0], pad[0], pad[1], pad[1]]:
        call.fail("ceil_mode averages over windows that hang over the edge")
    attributes = {"kernel": [*kernel], "stride": [*stride], "padding": padding}
    return call.add(op, (source,), attributes)
