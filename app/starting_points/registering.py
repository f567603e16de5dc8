"""Adds what is new to its table: an import, and a line at the end of the list.

The table is a file that people write, so it is touched only where it looks as it was made: a list with one
entry a line. Where it does not, the lines are said instead.
"""

import ast
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """`name` of `module`, to be added to the list that the table's file calls `table`."""

    table: str
    module: str
    name: str

    @property
    def import_line(self) -> str:
        return f"from {self.module} import {self.name}"


def registered(source: str, entry: Entry) -> str | None:
    """The file with the entry. None: it has no such list, or one that is written otherwise."""
    tree = ast.parse(source)
    found = _list_of(tree, entry.table)
    if found is None or not found.elts:
        return None
    lines = source.splitlines(keepends=True)
    last = found.elts[-1]
    line = lines[(last.end_lineno or last.lineno) - 1]
    if not line.endswith(",\n") or line[: last.col_offset].strip():
        return None
    lines.insert(last.end_lineno or last.lineno, f"{line[: last.col_offset]}{entry.name},\n")
    lines.insert(_end_of_imports(tree), f"{entry.import_line}\n")
    return "".join(lines)


def _list_of(tree: ast.Module, table: str) -> ast.List | None:
    """The list that `table` is, or that it is made of: `X: T = [...]`, `X: T = Catalog([...])`."""
    for node in tree.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.List() as found) if name == table:
                return found
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Call(args=[ast.List() as found])) if (
                name == table
            ):
                return found
    return None


def _end_of_imports(tree: ast.Module) -> int:
    """After how many lines. The formatter puts the new one in its place."""
    return max((node.end_lineno or 0 for node in tree.body if isinstance(node, ast.ImportFrom)), default=0)
