"""A Bento service as its tutorial has it: torch, eagerly. `bentoml serve eager_bento:Digits`."""

import bentoml
import by_hand
import numpy as np


@bentoml.service(workers=1)
class Digits:
    def __init__(self) -> None:
        self.network = by_hand.network()

    @bentoml.api
    def predict(self, image: np.ndarray) -> dict:
        return by_hand.answer_of(self.network, by_hand.normalised(image))
