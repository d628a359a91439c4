"""A notebook that is interrupted while it trains, and goes on."""

import sys
from pathlib import Path

from lepton_nb import data, training
from lepton_nb.workspace import Workspace


def main(home):
    ws = Workspace(Path(home))
    table = data.load(ws, "breast_cancer")

    def report(event):
        print(event.kind, flush=True)

    run = training.train(ws, "mlp", table, training.Fit(100000, 64, 0, 0), report=report)
    heavy = {"torch", "pytorch_lightning"} & set(sys.modules)
    print("status", run.status, (run.path / "weights.safetensors").is_file(), sorted(heavy), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
