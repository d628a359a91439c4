"""FastAPI by hand: a pydantic model checks the request, ONNX Runtime answers. `uvicorn fastapi_app:app`."""

import by_hand
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = by_hand.Onnx()


class Image(BaseModel):
    image: list[list[list[float]]]


class Answer(BaseModel):
    label: str
    probabilities: list[float]


@app.get("/readyz")
async def readyz() -> dict:
    return {"status": "ready"}


@app.post("/predict")
async def predict(request: Image) -> Answer:
    return Answer(**model.answer(request.image))
