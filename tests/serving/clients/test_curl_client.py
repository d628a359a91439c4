"""The generated shell script asks a really served deployment, and a server that follows a script."""

import json
import os
import subprocess

import pytest

from lepton_nb.processes import free_port
from lepton_nb.serving.clients import make_client


@pytest.fixture(scope="module")
def script(served, tmp_path_factory):
    written = make_client(served, "curl", tmp_path_factory.mktemp("it's a folder"))
    assert [path.name for path in written.files] == ["client.sh", "example.json"]
    return written.files[0]


def run(script, *words, token="", url=None, text=None, timeout="10", cwd=None):
    env = {**os.environ, "LEPTON_TOKEN": token, "LEPTON_TIMEOUT": timeout, **({"LEPTON_URL": url} if url else {})}
    return subprocess.run([script, *words], env=env, input=text, cwd=cwd, capture_output=True, text=True)


def test_the_example_row_is_answered_and_logged_and_nothing_of_it_runs(script, served, nasty, logged, tmp_path):
    done = run(script, "predict", token=served.token_file.read_text(), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    example = {one.name: one.categories[0] for one in nasty.inputs if one.kind == "category"}
    wanted = {"age": 1.0, "pixels": [[0.0] * 3] * 2, **example}
    assert logged()[answer["predictions"][0]["id"]]["inputs"] == wanted
    assert list(tmp_path.iterdir()) == []
    assert list(script.parent.glob("pwned")) == []


def test_rows_may_come_from_a_file_or_from_standard_input(script, served, tmp_path):
    token, rows = served.token_file.read_text(), json.loads((script.parent / "example.json").read_text())
    rows = json.dumps({"rows": rows["rows"] * 2})
    (tmp_path / "-rows 1.json").write_text(rows)
    for words, text in ((["-rows 1.json"], None), (["-"], rows)):
        done = run(script, "predict", *words, token=token, text=text, cwd=tmp_path)
        assert len(json.loads(done.stdout)["predictions"]) == 2


def test_a_label_is_accepted(script, served, nasty):
    token = served.token_file.read_text()
    identifier = json.loads(run(script, "predict", token=token).stdout)["predictions"][0]["id"]
    told = json.dumps({"id": identifier, "label": nasty.classes[1]})
    done = run(script, "feedback", "-", token=token, text=told)
    assert (json.loads(done.stdout), done.stderr) == ({"accepted": 1}, "")


def test_what_is_refused_is_told_on_standard_error(script, served, tmp_path):
    done = run(script, "predict")
    assert (done.returncode, done.stdout) == (1, "")
    assert json.loads(done.stderr)["error"]["code"] == "unauthorized"
    done = run(script, "predict", "-", token=served.token_file.read_text(), text='{"rows": [{}]}')
    assert json.loads(done.stderr)["error"]["row"] == 0
    done = run(script, "signature", token=served.token_file.read_text())
    assert json.loads(done.stdout)["version"] == "nasty:v1"
    assert run(script).returncode == 2


def test_it_is_asked_again_only_where_that_helps(script, scripted):
    busy, asked = scripted(429, "broken")
    done = run(script, "predict", url=busy, token="t")
    assert json.loads(done.stdout)["version"] == "m:1", done.stderr
    assert len(asked) == 3
    assert len({body for _, _, body in asked}) == 1
    assert asked[0][1]["Authorization"] == "Bearer t"
    for step in (500, (503, {"Retry-After": "3600"})):
        hopeless, asked = scripted(step)
        assert run(script, "predict", url=hopeless).returncode == 1
        assert len(asked) == 1
    slow, asked = scripted("slow")
    done = run(script, "predict", url=slow, timeout="0.5")
    assert (done.returncode, len(asked)) == (1, 1)
    assert "timed out" in done.stderr
    done = run(script, "signature", url=f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert "curl: (7)" in done.stderr
