"""A Bento service for one row of a table: scikit-learn prepares it, torch answers. `bentoml serve table_bento:Rows`."""

import bentoml
import by_hand
import joblib
import numpy as np
import pandas as pd
import torch


@bentoml.service(workers=1)
class Rows:
    def __init__(self) -> None:
        self.network = by_hand.network()
        self.preparation = joblib.load(by_hand.FOLDER / "preparation.joblib")

    @bentoml.api
    def predict(self, row: dict) -> dict:
        prepared = np.asarray(self.preparation.transform(pd.DataFrame([row])), dtype=np.float32)
        return by_hand.answer_of(self.network, torch.from_numpy(prepared))
