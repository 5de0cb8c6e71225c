"""mutate: values, bytes, texts and trees made worse, the same way for the same generator."""

import copy
import json

WORDS = (
    "",
    " ",
    "x",
    "true",
    "None",
    "nan",
    "1_0",
    "٣",
    "0x10",
    "-",
    "..",
    "/dev/null",
    "a" * 3000,
)
NUMBERS = (
    0, -1, 1, 2, 3, 7, 255, 256, 65536, 2**31 - 1, 2**31, 2**32, 2**40, 2**53 + 1, 2**63 - 1, 2**63,
    2**64, -(2**31), -(2**63), 10**9, 10**30, 0.5, -0.5, 1e-300, 1e9, 1e30, 1e308, float("inf"),
    float("-inf"), float("nan"),
)  # fmt: skip
THINGS = (None, True, False, [], {}, [1, 2], [[1]], {"a": 1}, ["x"] * 300)
SPOTS = 3  # of a file that are changed at most


def word(rng):
    """A word that nobody expects."""
    return WORDS[rng.integers(len(WORDS))]


def number(rng):
    """A number at or beyond some edge."""
    return NUMBERS[rng.integers(len(NUMBERS))]


def value(rng):
    """Any of these, or something of another type."""
    kind = rng.integers(4)
    if kind == 0:
        return word(rng)
    return THINGS[rng.integers(len(THINGS))] if kind == 1 else number(rng)


def near(old, rng):
    """The text of a value beside one that was: such as planners and models have to work with."""
    if old.startswith("[") and old.endswith("]"):
        entries = old[1:-1].split(",")
        n = rng.integers(len(entries))
        entries[n] = near(entries[n].strip(), rng)
        return f"[{', '.join(entries)}]"
    try:
        was = int(old)
    except ValueError:
        try:
            return repr(float(old) * (0.01, 0.5, 2.0, 0.999)[rng.integers(4)])
        except ValueError:
            return old
    return str((was + 1, was - 1, was * 2, was // 2, was * 7, was // 10, 1)[rng.integers(7)])


def literal(rng):
    """A value as TOML or JSON might have it, or not."""
    found = value(rng)
    if isinstance(found, float):
        return repr(found)
    return json.dumps(found, ensure_ascii=False)


def damaged(content, rng):
    """Bytes of which some were changed, lost, repeated or cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, SPOTS + 1)):
        at = int(rng.integers(len(data))) if data else 0
        length = int(rng.integers(1, 9))
        kind = rng.integers(6)
        if kind == 0 and data:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + length] = rng.bytes(length)
        elif kind == 2:
            del data[at : at + length]
        elif kind == 3:
            data[at:at] = data[at : at + length * 8]
        elif kind == 4:
            data[at : at + length] = bytes([(0, 255)[rng.integers(2)]]) * length
        else:
            del data[at:]
    return bytes(data)


def places(tree, above=()):
    """The path of every value in a tree of dictionaries and lists."""
    found = [above] if above else []
    if isinstance(tree, dict | list):
        pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
        for key, entry in pairs:
            found += places(entry, (*above, key))
    return found


def bent(tree, rng):
    """A tree in which some values were replaced, removed, scaled or moved."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.integers(1, SPOTS + 1)):
        paths = places(tree)
        if not paths:
            return tree
        path = paths[rng.integers(len(paths))]
        parent = tree
        for key in path[:-1]:
            parent = parent[key]
        old, kind = parent[path[-1]], rng.integers(5)
        if kind == 0:
            del parent[path[-1]]
        elif kind == 1 and isinstance(old, int | float):
            parent[path[-1]] = old * (-1, 2, 0.5, 1000, 0)[rng.integers(5)]
        elif kind == 2 and isinstance(parent, dict):
            parent[word(rng)] = old
        elif kind == 2:
            parent.insert(path[-1], old)
        elif kind == 3:
            other = paths[rng.integers(len(paths))]
            parent[path[-1]] = copy.deepcopy(at(tree, other))
        else:
            parent[path[-1]] = value(rng)
    return tree


def at(tree, path):
    """What lies at a path; None where it is gone."""
    try:
        for key in path:
            tree = tree[key]
    except (KeyError, IndexError, TypeError):
        return None
    return tree


def edited(text, rng):
    """A text of ``name = value`` lines in which some values, names or lines were changed."""
    lines = text.splitlines()
    for _ in range(rng.integers(1, SPOTS + 1)):
        n = int(rng.integers(len(lines)))
        name, equals, old = lines[n].partition("=")
        kind = rng.integers(16)
        if kind == 0:
            del lines[n]
        elif kind == 1:
            lines.insert(n, lines[n])
        elif kind == 2:
            lines[n] = f"{word(rng)} = {literal(rng)}"
        elif equals and kind > 7:
            lines[n] = f"{name}= {near(old.strip(), rng)}"
        elif equals:
            lines[n] = f"{name}= {literal(rng)}"
        if not lines:
            break
    return "\n".join(lines) + "\n"
