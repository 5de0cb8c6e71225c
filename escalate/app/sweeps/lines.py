"""lines: where in a TOML file each key and each element of a list stands."""

import re

Path = tuple[str | int, ...]

TOKEN = re.compile(
    r"(?P<skip>[ \t\r]+|\#[^\n]*)"
    r'|(?P<string>"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<newline>\n)"
    r"|(?P<mark>[\[\]{}=,])"
    r"|(?P<bare>[^\s\[\]{}=,\#\"']+)",
    re.DOTALL,
)


def line_table(text: str) -> dict[Path, int]:
    """The line, from 1, of every key and list element of a legal TOML file.

    Examples
    --------
    >>> found = line_table("seed = 1\\n[set.scnn]\\npe_rows = [\\n  4,\\n  8,\\n]\\n")
    >>> found["set", "scnn", "pe_rows"], found["set", "scnn", "pe_rows", 1]
    (3, 5)
    """
    return _Scan(text).lines


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest thing around it that has one."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


class _Scan:
    """One pass over the tokens; tables within values stand where their key stands."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._tokens = [
            (match.lastgroup or "", match.group(), text.count("\n", 0, match.start()) + 1)
            for match in TOKEN.finditer(text)
            if match.lastgroup != "skip"
        ]
        self._table: Path = ()
        self._at = 0
        while self._at < len(self._tokens):
            self._statement()

    def _statement(self) -> None:
        """A heading, a key with its value, or an empty line."""
        kind, text, line = self._tokens[self._at]
        if kind == "newline":
            self._at += 1
        elif text == "[":
            self._table = self._key(until="]")
            self.lines[self._table] = line
            self._skip_line()
        else:
            path = self._table + self._key(until="=")
            self.lines[path] = line
            self._value(path)

    def _key(self, until: str) -> Path:
        """The parts of a dotted key, read up to a mark."""
        parts: list[str] = []
        while self._at < len(self._tokens):
            kind, text, _ = self._tokens[self._at]
            self._at += 1
            if kind == "mark" and text == until:
                break
            if kind == "string":
                parts.append(text.strip("\"'"))
            elif kind == "bare":
                parts += [part for part in text.split(".") if part]
        return tuple(parts)

    def _skip_line(self) -> None:
        while self._at < len(self._tokens) and self._tokens[self._at][0] != "newline":
            self._at += 1

    def _value(self, path: Path) -> None:
        """A value up to the end of its line, with the lines of a list's elements."""
        depth, index, wanted = 0, 0, False
        listed = self._at < len(self._tokens) and self._tokens[self._at][1] == "["
        while self._at < len(self._tokens):
            kind, text, line = self._tokens[self._at]
            self._at += 1
            if kind == "newline":
                if depth == 0:
                    return
                continue
            if listed and wanted and depth == 1 and text != "]":
                self.lines[*path, index] = line
                wanted = False
            if kind == "mark" and text in "[{":
                depth += 1
                wanted = wanted or depth == 1
            elif kind == "mark" and text in "]}":
                depth -= 1
            elif kind == "mark" and text == "," and depth == 1:
                index, wanted = index + 1, True
