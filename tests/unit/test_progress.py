"""Bars on a terminal, lines without one, and what is foreseen of a search."""

import math
import os
import pty
import subprocess
import sys

import pytest

from interfem.critical import Trial, foreseen

SCRIPT = """
import logging
from interfem.progress import reporting, set_up_logging
set_up_logging(0)
with reporting(1, first="reading") as progress:
    for n in range(21):
        progress(n / 20, f"part {n}")
    logging.getLogger("interfem").info("a remark")
print("done")
"""


def test_a_bar_on_a_terminal():
    above, below = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SCRIPT], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=below,
                               env=os.environ | {"TERM": "xterm", "COLUMNS": "100"})  # fmt: skip
    out = process.communicate(timeout=60)[0]
    os.close(below)
    told = b""
    while True:
        try:
            found = os.read(above, 4096)
        except OSError:  # the terminal is closed and empty
            break
        if not found:
            break
        told += found
    os.close(above)
    text = told.decode()
    assert out == b"done\n" and "━" in text and "part 20" in text and "a remark" in text and "5 %" not in text


def test_lines_without_a_terminal():
    done = subprocess.run([sys.executable, "-c", SCRIPT], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    lines = done.stderr.splitlines()
    assert done.stdout == "done\n" and "━" not in done.stderr
    assert len(lines) == 11 and lines[0].endswith(" 10 %  part 2") and lines[-2].endswith("100 %  part 20")


@pytest.mark.parametrize("passed, failed, trials", [(10.0, 20.0, 4), (10.0, 11.0, 1), (10.0, 10.4, 1)])
def test_trials_of_a_search_areforeseen(passed, failed, trials):
    """Halvings of the bracket in the logarithm until it is within 5 %."""
    found = foreseen([Trial(passed, ""), Trial(failed, "voltage")], 0.05)
    ratio, n = failed / passed, 0
    while ratio > 1.05:
        ratio, n = math.sqrt(ratio), n + 1
    assert found == max(n, 1) == trials
    assert foreseen([Trial(passed, "")], 0.05) > 4, "a bracket is still to be found"
