"""Files that steps read and make: where they may be, and what they say about the order."""

import pytest

from lepton_nb.errors import PipelineError
from lepton_nb.pipelines.planning import load, plan
from lepton_nb.workspace import Workspace


@pytest.fixture
def project(notebook, tmp_path, monkeypatch):
    """A project whose pipeline lies in a folder of it, beside one outside."""
    root = tmp_path / "project"
    (root / ".lepton").mkdir(parents=True)
    (root / "data.csv").touch()
    (tmp_path / "outside.csv").touch()
    (root / "link.csv").symlink_to(tmp_path / "outside.csv")
    (root / "inner.csv").symlink_to(root / "data.csv")
    monkeypatch.delenv("LEPTON_HOME", raising=False)
    notebook("project/pipelines/a", "# parameters\nn = 1", "n")

    def planned(text, **given):
        (root / "pipelines/p.yml").write_text(text)
        return plan(load(root / "pipelines/p.yml"), given)

    planned.root = root
    return planned


FLOW = """
parameters: {name: raw, files: [data.csv, inner.csv]}
steps:
  score: {notebook: a.ipynb, foreach: {n: [1, 2]}, inputs: "out/{name}-{n}.csv", writes: "out/{name}/{n}.txt"}
  part: {notebook: a.ipynb, foreach: {n: [1, 2]}, inputs: "{files}", writes: ["out/{name}-{n}.csv"]}
  whole: {notebook: a.ipynb, inputs: [out]}
  other: {notebook: a.ipynb, inputs: out/raw/1.txt}
"""


def test_a_step_waits_for_those_that_make_what_it_reads(project):
    todo = project(FLOW)
    assert todo.needs == {
        "score-1": ("part-1",),
        "score-2": ("part-2",),
        "part-1": (),
        "part-2": (),
        "whole": ("score-1", "score-2", "part-1", "part-2"),
        "other": ("score-1",),
    }
    steps = {step.name: step for step in todo.order}
    assert steps["part-1"].inputs == (project.root / "data.csv",), "a link and its file are one"
    assert steps["score-2"].writes == (project.root / "out/raw/2.txt",)
    with pytest.raises(PipelineError, match=r"'other' reads .*raw/1\.txt, which does not exist; next: make the file"):
        project(FLOW, name="new")


def test_the_workspace_named_by_the_environment_is_the_project_when_it_holds_the_file(project, monkeypatch, tmp_path):
    text = "steps: {a: {notebook: a.ipynb, inputs: ../outside.csv}}"
    with pytest.raises(PipelineError, match="expected a file inside of"):
        project(text)
    monkeypatch.setenv("LEPTON_HOME", str(Workspace(tmp_path / ".lepton").home))
    assert project("steps: {a: {notebook: a.ipynb, inputs: outside.csv}}").order[0].inputs == (
        tmp_path / "outside.csv",
    )
    monkeypatch.setenv("LEPTON_HOME", str(tmp_path / "elsewhere/.lepton"))
    with pytest.raises(PipelineError, match="expected a file inside of"):
        project(text)


A = "notebook: a.ipynb"
FAULTS = {
    "a file outside": ("inputs: ../outside.csv", "'a': inputs: '../outside.csv'; expected a file inside of"),
    "an absolute file outside": ("inputs: /etc/passwd", "expected a file inside of"),
    "a link that leads outside": ("inputs: link.csv", "outside.csv"),
    "a made file outside": ("writes: /tmp/x", "'a': writes: '/tmp/x'; expected a file inside of"),
    "the project itself": ("inputs: .", "expected a file inside of"),
    "a name of another folder by a parameter": ("writes: 'out/{up}'", "expected a file inside of"),
    "what is kept of runs": ("writes: .lepton/x", "expected a file outside of .lepton"),
    "a step's own notebook": ("writes: pipelines/a.ipynb", "holds the notebook of step 'a'"),
    "the folder of the pipeline": ("writes: pipelines", "holds the pipeline file itself"),
    "a file that is not there": ("inputs: gone.csv", "reads"),
    "a file of its own": ("inputs: out/x.csv, writes: out", "which it makes itself"),
    "what is not known before": ("writes: 'out/{a.x}'", "refers to {a.x}"),
    "no name of a file": ("inputs: '{up} {flag}', writes: '{flag}'", "expected names of files; got True"),
    "a long name": (f"writes: {'x/' * 3000}y", "writes"),
}


@pytest.mark.parametrize(("keys", "says"), FAULTS.values(), ids=FAULTS)
def test_a_file_that_no_step_may_have_is_refused_in_one_line(keys, says, project):
    with pytest.raises(PipelineError) as caught:
        project(f"parameters: {{up: ../../../x, flag: true}}\nsteps: {{a: {{{A}, {keys}}}}}")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(project.root / "pipelines/p.yml") in str(caught.value)


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        (f"{{a: {{{A}, writes: x.csv}}, b: {{{A}, writes: ./x.csv}}}}", "steps 'a' and 'b' both write"),
        (f"{{a: {{{A}, writes: out}}, b: {{{A}, writes: out/x.csv}}}}", "steps 'b' and 'a' write .*, which holds it"),
        (f"{{a: {{{A}, writes: out/x.csv}}, b: {{{A}, writes: out}}}}", "steps 'a' and 'b' write .*, which holds it"),
        (f"{{a: {{{A}, foreach: {{n: [1, 2]}}, writes: x.csv}}}}", "'a-1' and 'a-2' both write .*x.csv"),
        (f"{{a: {{{A}, foreach: {{n: [1, 1]}}, writes: 'x{{n}}.csv'}}}}", "give them different names"),
        (f"{{a: {{{A}, inputs: x, writes: y}}, b: {{{A}, inputs: y, writes: x}}}}", "has a cycle"),
    ],
)
def test_two_steps_that_make_one_file_are_refused_before_anything_runs(steps, says, project):
    with pytest.raises(PipelineError, match=says):
        project(f"steps: {steps}")


def test_a_step_that_reads_what_the_end_makes_is_refused(project):
    with pytest.raises(PipelineError, match="step 'a' needs 'b', which stands under `finally`"):
        project(f"finally: b\nsteps: {{a: {{{A}, inputs: x.csv}}, b: {{{A}, writes: x.csv}}}}")
