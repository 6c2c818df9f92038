"""docs/security.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from ops.cli.app import COMMANDS
from ops.security.roles import roles_table
from ops.settings import Settings
from ops.settings.names import valid_names

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security.md"


def test_the_table_of_roles_is_the_one_in_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    shown = re.search(r"<!-- roles:.*?-->\n(.*)\n<!-- end of roles -->", text, re.DOTALL)
    assert shown is not None
    assert shown.group(1) == roles_table(), "run `python -m ops.security.roles` and put its table there"


def test_every_command_and_setting_it_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for command in re.findall(r"(?:`|^    )bands ([a-z]+)", text, re.MULTILINE):
        assert command in COMMANDS, command
    known = set(valid_names(Settings))
    for section, body in re.findall(r"^    \[(\w+)\]\n((?:    \w+ = .*\n)+)", text, re.MULTILINE):
        for name in re.findall(r"^    (\w+) =", body, re.MULTILINE):
            assert f"{section}.{name}" in known
