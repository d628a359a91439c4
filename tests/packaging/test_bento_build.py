"""A Bento is built into the store that is meant, whatever its process has known before."""

import json
import os
import subprocess
import sys

SERVICE = """
import bentoml


@bentoml.service
class Model:
    @bentoml.api
    def say(self) -> str:
        return "yes"
"""
BUILD = """
import os, sys
from pathlib import Path
from bentoml._internal.configuration.containers import BentoMLContainer
from lepton_nb.packaging.bento_build import main

first, second, plan = sys.argv[1:]
os.environ["BENTOML_HOME"] = first
assert BentoMLContainer.bentoml_home.get() == first
os.environ["BENTOML_HOME"] = second
main(Path(plan))
"""


def test_a_store_that_was_used_before_in_the_same_process_gets_nothing(tmp_path):
    source, first, second = (tmp_path / name for name in ("source", "first", "second"))
    source.mkdir()
    (source / "service.py").write_text(SERVICE)
    plan = {"service": "service:Model", "name": "tiny", "version": "1", "include": ["*.py"], "build_ctx": str(source)}
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    words = [sys.executable, "-c", BUILD, str(first), str(second), str(tmp_path / "plan.json")]
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True"}
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (second / "bentos" / "tiny" / "1" / "bento.yaml").is_file()
    assert list(first.glob("bentos/*")) == []
    assert not list(source.rglob("__pycache__"))
