"""Every `bands` line of every page is one the command line takes: command, options, values."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import ROOT, SHELLS, TESTED_BY, Block, blocks, name_of, pages, prose
from tests.docs.shell import refusal, simple_commands

SHOWN = [block for block in blocks(*SHELLS) if "bands" in block.body]


@pytest.mark.parametrize("block", SHOWN, ids=lambda block: block.where)
def test_every_line_is_taken_by_the_real_parser(block: Block) -> None:
    for line in block.commands:
        for words in simple_commands(line):
            if words[0] == "bands":
                assert refusal(words) is None, refusal(words)


def test_commands_in_the_text_exist() -> None:
    """`bands promote` in a sentence: the command must be there; options in it too."""
    for page in pages():
        for told in re.findall(r"`(bands [^`\n]+)`", prose(page)):
            if re.search(r"\bCOMMAND\b|…|\.\.\.", told) or told.split()[1].startswith("."):
                continue
            words = next(iter(simple_commands(told)))
            problem = refusal(words)
            # A sentence may leave out what is required; it may not name what does not exist.
            lacks = problem is None or re.search("[Mm]issing|requires an argument", problem)
            assert lacks, f"{name_of(page)}: {problem}"


@pytest.mark.parametrize("block", blocks(*SHELLS), ids=lambda block: block.where)
def test_what_is_not_run_says_why(block: Block) -> None:
    if block.told("not run") is not None:
        assert len(block.told("not run") or "") > 10, f"{block.where}: expected a reason after `not run:`"


def test_pages_tested_elsewhere_name_tests_that_exist() -> None:
    for page, test in TESTED_BY.items():
        assert not (ROOT / page).exists() or (ROOT / test).exists(), f"{page}: expected {test}"
