"""Every tutorial runs as it is, in a folder of its own, tells what it promises, and stops what it starts."""

import itertools
import re
import tempfile
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(900)
TUTORIALS = sorted((ROOT / "notebooks" / "tutorials").glob("*.ipynb"))
# What the outputs of a tutorial must hold, in this order.
TOLD = {
    "closed_loop": (
        r"watch-machines running: watching",
        r"right in (8[5-9]|9\d)% of the answers",
        r"began .*\n.* triggered .*\n.* froze .*\n.* retrained .*\n.* passed .*accuracy 0\.\d+ -> 0\.\d+",
        r"shadow done .*\n.* canary done .*\n.* promoted .*\n.* kept .*nothing went worse",
        r"'challenger\.accuracy': 0\.\d+",
        r"[89]\d% before, [4-8]\d% at worst, [89]\d% with the new model; failed requests: 0",
        r"stopped",
        r"status +stopped",
    ),
    "customer_service": (
        r"2297 messages, of which 1427 one matter",
        r"training sorter\nstatus +finished",
        r"accuracy +0\.(8[2-9]|9)\d*\n",
        r"right: network (8[2-9]|9\d)\.\d%, TF-IDF with logistic regression 8[5-9]\.\d%, nobody can expect .* 89\.8%",
        r"in passing +(0\.[89]\d*|1\.0+) +(0\.9\d*|1\.0+) +1\.0+ +90\n",
        r"sorts [6-9]\d% of the messages alone, (8[6-9]|9\d)\.\d% .* of the others [1-6]\d% would be right",
        r"hesitates between",
        r"label +probability\n-+ +-+\nbilling +0\.",
        r"[2-6] of 6 go to a person",
        r"row 1, field 'text': expected text of one token at least",
        r"ordinary day: warning because 1 of \d+ requests were refused[^;\n]*\n",
        r"with German post: drifting\n(.*\n)*text\.",
        r"F1 over all labels 0\.(8[5-9]|9)\d*; all teams of a message right in [7-9]\d%",
        r"of 68 messages with two matters, both teams are told in [3-9]\d%",
        r"0 +0\.[7-9]\d* +0\.[7-9]\d* +0\.0\d* ",
        r"status +stopped",
    ),
    "fraud": (
        r"16000 payments, 1\.40% of them fraud",
        r"rows +train 8800, validation 3200, test 4000",
        r"training plain\nstatus +finished",
        r"training weighted\nstatus +finished",
        r"plain +0\.[4-8]\d* +0\.[5-9]\d* +0\.9\d* +0\.9\d*\n",
        r"plain +[3-9]\d\.\d +49",
        r"weighted +[2-9]\d\d\.\d +49",
        r"weighted, corrected +[2-7]\d\.\d +49",
        r"without calls the test weeks cost 5,652 euros",
        r"saves [2-5],\d\d\d of 5,652 euros in the test weeks, with \d+ calls, of which [1-4]\d are about a fraud",
        r"0 +18\.4 .* False\n1 +890\.0 .* True\n",
        r"healthy; AUC 0\.9\d+ from 4000 labels",
        r"drifting\n(.*\n)*entry: PSI 0\.[1-9]",
        r"euros went through by the new way",
        r"status +stopped",
    ),
    "marketing": (
        r"no +\d+ +0\.1[34]\d*\nyes +\d+ +0\.1[678]\d*",
        r"training with-letter\nstatus +finished",
        r"training without-letter\nstatus +finished",
        r"buyers told from others: AUC 0\.[67]\d+",
        r"'likely buyers': .* chosen: (one network|two networks)",
        r"two networks +0\.[2-9]\d* +0\.[3-9]\d*\none network +0\.[2-9]\d* +0\.[3-9]\d*\nlikely buyers +-0\.",
        r"\n1 +600\.0 +\d\d\.\d +\d+\.\d +1\d\.\d .*\n2 +600\.0 ",
        r"everybody +6000 +-",
        r"largest effect +1800 .* [2-5]\d\.\d\n",
        r"if all were known +\d+ .* 5\d\.\d\n",
        r"brings \d+ euros more per 100 customers .* \([1-9]\d* to \d+\); in truth [4-9]\d\n",
        r"letters\.csv: \d+ customers of 1000; expected [2-9]\d\d euros, in truth [2-9]\d\d",
        r"healthy",
        r"one-network +stopped|with-letter +stopped",
    ),
    "machine_faults": (
        r"20,160 readings of 70 days, 2\.4% of them of a faulty pump",
        r"epoch 8 .*val_auc 0\.9",
        r"area under the ROC curve: 0\.(8[3-9]|9)\d+",
        r"label +faulty +healthy\n0 +(faulty|healthy) +0\.\d+ +0\.\d+",
        r"autoencoder isolation forest a limit per reading\nfalse alarms a week +[0-2]\.\d+ ",
        r"faults seen +[56] of 6 +[0-3] of 6 +[0-5] of 6\nminutes of warning, median +[23]\d\d\.",
        r"(9[5-9]|100)% of the readings above the alarm\n+the reading that moved most: pressure",
        r"drift: drifting",
        r"status +stopped",
        r"epoch 8 .*val_coverage 0\.\d+",
        r"wrong by 1\.\d\d degrees, as yesterday by [34]\.\d\d\n+(7\d|8\d|90)% of the true temperatures",
        r"\['quantile_0\.1', 'quantile_0\.5', 'quantile_0\.9'\]",
        r"limit 5\d\.\d degrees: \d+ of \d+ stretches announced, \d+ of \d+ announced for nothing",
        r"status +stopped",
    ),
    "maze": (
        r"planes: \(3, 9, 9\) shortest way: \d+ steps",
        r"epoch 3 .*val_solved",
        r"solved (9\d|100)% of the mazes",
        r"episode 17179869189 of maze:4x4, played by run",
        r"\d+ of 30 larger mazes solved",
        r"label +",
        r"reached after \d+ steps; the shortest way takes \d+",
        r"status +stopped",
    ),
    "medical_images": (
        r"check of fields \(1200 rows\)\nno problems found",
        r"train 600, validation 240, test 360\ninputs +array 3 x 32 x 32",
        r"training varied\nstatus +finished",
        r"plain +sensitivity +\d+\.\d%",
        r"weighted +sensitivity +([5-9]\d|100)\.\d% +specificity +(9\d|100)\.\d%",
        r"varied +sensitivity +([6-9]\d|100)\.\d% +specificity +([89]\d|100)\.\d%",
        r"accuracy +(0\.[89]\d+|1)",
        r"threshold 0\.\d+: (2[5-9]|3\d) of 36 found \(\d+% to \d+%\), \d+ of 360 fields",
        r"deployment microscope\nstatus +running",
        r"\d+ of 300 fields are sent on, with (2\d|30) of 30 bodies",
        r"microscope: healthy",
        r"microscope: drifting",
        r"moved +input\.(mean|q\d) \(PSI [1-9]",
        r"under the old lamp \d+ of 600 fields",
        r"status +stopped",
    ),
    "monitoring": (
        r"healthy 1200",
        r"drifting\nage +PSI +0\.\d+ .*drifted: True",
        r"labelled +0 of 2400 predictions\nexpected accuracy .*an estimate",
        r"labels +2,?400",
        r"failing right in [5-7]\d%, the model card says 8\d%",
        r"older firing - psi\(age\) > 0\.2",
        r"people are older than in training",
        r"http://127\.0\.0\.1:\d+/\n",
        r"shop\.html",
        r"status +stopped",
    ),
    "pipelines": (
        r"layer +step +needs",
        r"fit-3 +completed +run .*\nchoose +completed +run .*\ndraw +completed +run",
        r"fit-3 +completed +cached .*\nchoose +completed +cached .*\ndraw +completed +cached",
        r"fit-3 +completed +cached .*\nchoose +completed +run .*\ndraw +completed +cached",
        r"draw +skipped .*its condition does not hold: choose.error <= limit",
        r"step 'choose' failed in cell 3 of .*choose.ipynb: NameError: .*next: mend",
        r"going on with run .*: 4 of 6 steps are done",
        r"fit-3 +completed +cached .*\nchoose +completed +run 2 times",
        r"report.html",
        r" s: 11 \[secret:CURVE_KEY\]\n+False",
        r"would remove 8 cache entries, 5 pipeline runs older than 0m",
    ),
    "recommendations": (
        r"9,428 loans of 120 books by 400 readers",
        r"a tenth of the books has 3\d% of the loans",
        r"epoch \d .*val_recall_at_10 0\.[23]",
        r"among the first ten in (2[4-9]|3\d)\.\d% of the test loans",
        r"two towers +0\.[45]\d+ +0\.[67]\d+ +0\.[78]\d+\nbest known +0\.[23]\d+ +0\.4\d+ ",
        r"TruncatedSVD, \d+ dimensions +0\.\d+ +0\.[56]\d+",
        r"borrowed next, 6\d\.\d% stand in the ten places, 4\d\.\d% with the best known ones",
        r"is shown [a-z]+ \d\d",
        r"new readers, two towers: 3[3-9]\.\d% .*\n+new readers, best known: (2\d|3[01])\.\d%",
        r"20% of those who asked are readers that training has not seen",
        r"status +stopped",
    ),
    "serving": (
        r"'card\.json',\n 'golden\.json',\n 'heldout\.json',\n 'manifest\.json',\n 'model\.onnx',\n 'reference\.json'",
        r"'sbom\.json'",
        r"shop running",
        r"id label +no +yes\n0 +[0-9a-f-]{36} +(no|yes)",
        r"True yes\n422 row 0, field 'visits': expected a number or null, got \"9\"\n422 row 0: field 'visits' is",
        r"3000 \['id', 'label', 'probabilities'\]\n\{'name': 'probabilities', 'datatype': 'FP32', 'shape': \[-1, 2\]\}",
        r"'accepted': 1",
        r"shop_client\.py",
        r"offers-b:\S+ answers 25% of the keys in shop",
        r"(1\d|2\d|3\d)% of the keys are answered by the challenger",
        r"True",
        r"True",
        r"requests/s +p95 ms",
        r"rows +3,000",
        r"deployment\.yaml",
        r"status +stopped",
    ),
    "training": (
        r"epoch 12 ",
        r"training first\nstatus +finished",
        r"training from-loaders\nstatus +finished",
        r"right on 9\d\.\d% of all rows",
        r"training in-yaml\nstatus +finished: best epoch 6: val_loss",
        r"long running",
        r"long +running +Digits",
        r"long stopped",
        r"goes on behind batch \d+, in epoch \d+",
        r"True stopped",
        r"the loss is nan at step 1, in epoch 1; .* layer 'layers\.2' \(Log\) gives the first such value",
        r"step +\n199",
        r"param net\.hidden +8 +32 +128",
        r"Digits 9610",
    ),
    "transfer": (
        r"training known-digits\nstatus +finished",
        r"network\.head +Linear +5 ",
        r"train 100, validation 25, test 771",
        r"weights of run known-digits: 36 tensors are taken over; new: network\.head\.weight, network\.head\.bias; not used",
        r"weights of known-digits\.safetensors: 36 tensors are taken over",
        r"from scratch +\d+\.\d% of 771 images\nfrom the known digits +\d+\.\d% of 771",
        r"steps +5 +10 +20\nfrom scratch +[1-4]\d\.\d% .*\nfrom the known digits +[4-8]\d\.\d% .* [89]\d\.\d%",
        r"of 1000 images \d+ are wrong from scratch",
        r"flowers: TrainingError: run .*no weights of run flowers fit CNN; expected network\.block1\.skip\.0\.weight \(32, 1, 1, 1\)",
        r"pickled\.bin: FormatError: pickled\.bin holds no safetensors",
        r"timm:resnet18\.a1_in1k: NotFoundError: weights .* were not fetched",
        r"accuracy +0\.\d+",
        r"9: +\d+\.\d% of 155 read right",
        r"status +stopped",
    ),
    "tuning": (
        r"study screening finished: 6 of 6 trials.* best val_loss 0\.\d+",
        r"\d +finished best +0\.\d+ .*\n",
        r"screening@best \{'lr': ",
        r"\('screening', '\d', 'finished'\)",
        r"6 8 True",
        r"\(0, '(finished|pruned)', [123]\)",
        r"study pareto finished|\d+ (4|32|\[128, 128\]) \[[01]\.\d+, \d+\.0, \d",
        r"column 8: 0 has no logarithm",
        r"did you mean 'hidden'\?",
        r"hidden 0 is not allowed",
        r"pareto +finished",
    ),
}


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_the_tutorial_runs_as_it_tells_and_leaves_nothing_running(path, tmp_path, monkeypatch) -> None:
    home = str(tmp_path / ".lepton")
    monkeypatch.setenv("LEPTON_HOME", home)
    # Where notebooks make folders of their own; sockets in them need a short name.
    with tempfile.TemporaryDirectory(prefix="t-", ignore_cleanup_errors=True) as place:
        monkeypatch.setenv("TMPDIR", place)
        papermill.execute_notebook(str(path), str(tmp_path / "out.ipynb"), cwd=str(tmp_path), progress_bar=False)
        told, at = texts(tmp_path / "out.ipynb"), 0
        own = [home, place, *re.findall(r"/\S+(?=/\.lepton/pipelines)", told)]
        left = [process for process in psutil.process_iter() if any(one in traces(process) for one in own)]
    for promised in TOLD.get(path.stem, ()):
        found = re.search(promised, told[at:])
        assert found, f"{promised}\n{told[at:]}"
        at += found.end()
    assert left == []


def texts(path):
    """What the cells of an executed notebook show, as text.

    A kernel sends what is printed in pieces, cut where it happened to be flushed: pieces of one stream are one text.
    """
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    pieces = ((number, output) for number, cell in enumerate(cells) for output in cell.outputs)
    told = []
    for _, group in itertools.groupby(pieces, key=lambda one: (one[0], one[1].get("name") or id(one[1]))):
        shown = [output.get("text") or output.get("data", {}).get("text/plain", "") for _, output in group]
        told.append("".join(shown))
    return "\n".join(told)


def traces(process):
    """Where a process works and what it was called with, as far as that may be known."""
    try:
        return " ".join([process.cwd(), *process.cmdline()])
    except psutil.Error:
        return ""


def test_there_are_tutorials_and_none_holds_an_output() -> None:
    assert TUTORIALS
    for path in (ROOT / "notebooks").rglob("*.ipynb"):
        if ".ipynb_checkpoints" not in path.parts:
            assert '"outputs": []' in path.read_text() or '"cell_type": "code"' not in path.read_text()
            assert '"output_type"' not in path.read_text(), path
