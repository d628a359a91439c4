"""What NannyML's CBPE expects of each chunk, in an environment of its own: run by bench_quality.py.

python quality_peer.py FOLDER: FOLDER holds reference.parquet and current.parquet with the columns p0, p1, ..., y (index
of the true class; of `current` it is not looked at) and chunk. The last line is {"accuracy": [...], "seconds": x}.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path

import nannyml as nml
import pandas as pd

warnings.filterwarnings("ignore")


def main() -> None:
    """Estimate, and print."""
    nml.disable_usage_logging()
    folder = Path(sys.argv[1])
    reference, current = (pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "current"))
    classes = sum(name.startswith("p") for name in reference.columns)
    names = [f"c{place}" for place in range(classes)]
    frames = []
    for frame in (reference, current):
        table = frame[[f"p{place}" for place in range(classes)]]
        made = table.set_axis([f"proba_{name}" for name in names], axis=1)
        made["predicted"] = [names[place] for place in table.to_numpy().argmax(axis=1)]
        made["truth"] = [names[place] for place in frame["y"]]
        if classes == 2:
            made["predicted"] = (made["predicted"] == names[1]).astype(int)
            made["truth"] = (made["truth"] == names[1]).astype(int)
        frames.append(made)
    sizes = current.groupby("chunk").size()
    assert sizes.min() == sizes.max(), "chunks of one size"
    began = time.perf_counter()
    estimator = nml.CBPE(
        problem_type="classification_binary" if classes == 2 else "classification_multiclass",
        y_pred_proba=f"proba_{names[1]}" if classes == 2 else {name: f"proba_{name}" for name in names},
        y_pred="predicted",
        y_true="truth",
        metrics=["accuracy"],
        chunk_size=int(sizes.iloc[0]),
    )
    estimator.fit(frames[0])
    found = estimator.estimate(frames[1].drop(columns="truth"))
    values = found.filter(period="analysis").to_df()["accuracy"]["value"].tolist()
    print(json.dumps({"accuracy": values, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
