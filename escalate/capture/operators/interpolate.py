"""interpolate in exported graphs: bilinear resizing."""

from escalate.capture.aten import Aten, Call, plane_of


def _bilinear(call: Call) -> str:
    source = call.source("input" if "input" in call.arguments else "self")
    _, rows, columns = plane_of(call, call.node)
    corners = int(bool(call.arguments["align_corners"]))
    return call.add("interpolate", (source,), {"size": [rows, columns], "corners": corners})


ATEN = {"upsample_bilinear2d": Aten(_bilinear)}
