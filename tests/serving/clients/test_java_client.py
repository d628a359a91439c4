"""The generated Java client is compiled and asks a really served deployment, and a server that follows a script."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lepton_nb.processes import free_port
from lepton_nb.runtime import uuid7
from lepton_nb.serving.clients import make_client

pytestmark = pytest.mark.skipif(
    shutil.which("javac") is None, reason="no JDK: apt-get install default-jdk-headless (make test does, as root)"
)

# Each line: what is done, the exit of `shown`. The rows go over the wire as they come.
CHECK = r"""
import java.time.Duration;
import java.util.List;
import nasty_client.Client;

public class Check {
    public static void main(String[] args) {
        Client client = new Client(args[0], System.getenv("LEPTON_TOKEN"), Duration.ofSeconds(20), 4);
        for (int i = 1; i < args.length; i++) {
            try {
                Client.Row row = Client.Row.example();
                switch (args[i]) {
                    case "example" -> { }
                    case "missing" -> row.age(null).color(null);
                    case "integer" -> row.age(2).pixels(new double[][] {{1, 2, 3}, {4, 5, 6.5}});
                    case "shape" -> row.pixels(new double[][] {{1}});
                    case "infinite" -> row.age(Double.POSITIVE_INFINITY);
                    case "nan" -> row.age(Double.NaN);
                    case "empty" -> row = new Client.Row();
                    case "signature" -> {
                        List<?> classes = (List<?>) client.signature().get("classes");
                        System.out.println(classes.equals(Client.CLASSES) + " " + client.signature().get("format"));
                        continue;
                    }
                    case "told" -> {
                        Client.Prediction told = client.predict(List.of(row)).predictions().get(0);
                        client.feedback(told.id(), told.label());
                        System.out.println("accepted");
                        continue;
                    }
                    case "at" -> {
                        client = new Client(args[++i], System.getenv("LEPTON_TOKEN"), Duration.ofMillis(700), 2);
                        continue;
                    }
                    case "feedback" -> {
                        client.feedback(args[++i], Client.CLASSES.get(1));
                        System.out.println("accepted");
                        continue;
                    }
                    default -> throw new IllegalStateException(args[i]);
                }
                Client.Answer answer = client.predict(List.of(Client.Row.example(), row));
                Client.Prediction last = answer.predictions().get(answer.predictions().size() - 1);
                System.out.println(answer.version() + " " + last.id() + " " + last.probabilities() + " "
                    + Client.CLASSES.indexOf(last.label()));
            } catch (Client.ServiceException error) {
                System.out.println(error.status() + " " + error.code() + " " + error.row() + " "
                    + error.getMessage().replace('\n', ' '));
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def compiled(served, tmp_path_factory):
    """Folder of the classes: the client's, compiled with every warning an error, and those of the check above."""
    folder = tmp_path_factory.mktemp("java")
    (source,) = make_client(served, "java", folder).files
    assert source == folder / "nasty_client" / "Client.java"
    check = folder / "Check.java"
    check.write_text(CHECK)
    command = [
        "javac",
        "-J-XX:TieredStopAtLevel=1",
        "-J-XX:+UseSerialGC",
        "--release",
        "17",
        "-Xlint:all",
        "-Werror",
        "-d",
        str(folder),
        str(source),
        str(check),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(compiled, url, *words, token="", cwd="."):
    """The lines that the check prints."""
    env = {**os.environ, "LEPTON_TOKEN": token}
    command = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", str(compiled), "Check", url, *words]
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    # A text may hold other characters that end a line.
    return done.stdout.rstrip("\n").split("\n")


def test_rows_of_any_columns_and_texts_are_answered_and_logged_under_their_true_names(
    compiled, served, nasty, logged, tmp_path
):
    words = ("example", "missing", "integer", "nan", "signature", "told")
    lines = run(compiled, served.url, *words, token=served.token_file.read_text(), cwd=tmp_path)
    answers = [line.split(" ", 2) for line in lines[:4]]
    assert [one[0] for one in answers] == ["nasty:v1"] * 4
    rows = [logged()[one[1]]["inputs"] for one in answers]
    example = {one.name: one.categories[0] for one in nasty.inputs if one.kind == "category"}
    assert rows[0] == {"age": 1.0, "pixels": [[0.0] * 3] * 2, **example}
    assert rows[1] == {**rows[0], "age": None, "color": None}
    assert rows[2] == {**rows[0], "age": 2.0, "pixels": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]]}
    assert rows[3] == {**rows[0], "age": None}
    assert answers[1][2] == answers[3][2] == "[0.5, 0.5] 0"
    assert lines[4:] == ["true 1.0", "accepted"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_is_an_exception_with_status_code_row_and_message(compiled, served, nasty):
    token = served.token_file.read_text()
    shape, infinite, empty = run(compiled, served.url, "shape", "infinite", "empty", token=token)
    assert shape.startswith("422 invalid_row 1 row 1, field 'pixels': expected nested lists of shape [2, 3]")
    assert infinite.startswith("0 invalid_row null ")
    assert empty.startswith("422 invalid_row 1 row 1: field ")
    (unknown,) = run(compiled, served.url, "example")
    assert unknown.startswith("401 unauthorized null ")


def test_it_is_asked_again_only_where_that_helps(compiled, scripted, nasty):
    busy, tried = scripted(429, 502, "broken")
    hopeless, asked = scripted(500, 408, (503, {"Retry-After": "3600"}), "slow")
    nobody, label = f"http://127.0.0.1:{free_port()}", uuid7()
    words = ("example", "feedback", label, "at", hopeless, *["example"] * 4, "at", nobody, "example")
    lines = run(compiled, busy, *words, token="t")
    assert lines[0].startswith("m:1 p1 [0.25, 0.75]")
    assert [path for path, _, _ in tried] == ["/predict"] * 4 + ["/feedback"]
    assert len({body for _, _, body in tried[:4]}) == 1
    assert tried[0][1]["Authorization"] == "Bearer t"
    assert lines[1] == "accepted"
    assert json.loads(tried[4][2]) == {"id": label, "label": nasty.classes[1]}
    assert [line.split(" ")[:3] for line in lines[2:]] == [
        ["500", "told", "2"],
        ["408", "told", "2"],
        ["503", "told", "2"],
        ["0", "timeout", "null"],
        ["0", "unreachable", "null"],
    ]
    assert len(asked) == 4


@pytest.mark.nightly
def test_the_file_run_as_a_program_asks_for_its_example(compiled, served):
    env = {**os.environ, "LEPTON_TOKEN": served.token_file.read_text()}
    done = subprocess.run(["java", compiled / "nasty_client/Client.java"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Answer[version=nasty:v1, ")


def test_it_needs_nothing_but_java_itself(compiled):
    text = (Path(compiled) / "nasty_client" / "Client.java").read_text()
    imports = [line.split()[1] for line in text.splitlines() if line.startswith("import ")]
    assert imports
    assert all(name.startswith("java.") for name in imports)
    assert text.isascii()
