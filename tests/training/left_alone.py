"""A notebook that starts a training, says which, and waits to be killed."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from networks import Plain, Rows

from lepton_nb import training
from lepton_nb.workspace import Workspace

if __name__ == "__main__":
    job = training.Fit(10**6, 16, 0, 0)
    print(training.train(Workspace(Path(sys.argv[1])), Plain, Rows(), job, detach=True, name="alone").id, flush=True)
    input()
