"""Findings: every code that the reader can give stands in the documentation with its severity."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
WEIGHTS = ROOT / "registry" / "weights"
DOCUMENT = ROOT / "docs" / "inspect.md"
SEVERITIES = ("error", "warning", "info")
# Given by a name put together at run time.
PUT_TOGETHER = {"zip_inside": "error", "tar_inside": "error", "pickle_inside": "error"}


def severity_of(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and node.value in SEVERITIES:
        return str(node.value)
    return node.id.lower() if isinstance(node, ast.Name) and node.id.lower() in SEVERITIES else None


def given() -> dict[str, str]:
    """Code -> severity of every finding in the source: `Finding(code, severity, ...)`, a tuple that begins
    so, or a row of a table of severities.
    """
    found = dict(PUT_TOGETHER)
    for path in WEIGHTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            pairs: list[tuple[ast.expr | None, ast.expr]] = []
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") == "Finding"
                and len(node.args) == 3
            ):
                pairs = [(node.args[0], node.args[1])]
            elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
                pairs = [(node.elts[0], node.elts[1])]
            elif isinstance(node, ast.Dict):
                pairs = list(zip(node.keys, node.values, strict=True))
            for code, severity in pairs:
                told = severity_of(severity)
                named = str(code.value) if isinstance(code, ast.Constant) else ""
                if told and named not in SEVERITIES and re.fullmatch(r"[a-z_]+", named):
                    found[named] = told
    return found


def test_every_finding_is_documented_with_its_severity() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (error|warning|info) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert dict(rows) == given()
