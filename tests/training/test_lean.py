"""What Lightning does at each batch is done as it would do it itself, only faster."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from traced import CASES

TRACED = Path(__file__).with_name("traced.py")


@pytest.fixture(scope="module")
def traced():
    def run(way):
        command = [sys.executable, str(TRACED), way]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return {way: run(way) for way in ("stock", "lean")}


@pytest.mark.parametrize("case", CASES)
def test_what_is_called_logged_counted_and_learned_is_what_lightning_itself_would(traced, case):
    stock, lean = traced["stock"][case], traced["lean"][case]
    assert len(stock["trace"]) > 30
    for number, (expected, found) in enumerate(zip(stock["trace"], lean["trace"], strict=False)):
        assert found == expected, f"entry {number}"
    assert len(lean["trace"]) == len(stock["trace"])
    assert lean["counts"] == stock["counts"]
    assert lean["weights"] == stock["weights"]
