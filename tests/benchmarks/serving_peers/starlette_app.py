"""Bare Starlette and orjson: nothing is checked, nothing is logged, anybody may ask. `uvicorn starlette_app:app`."""

import by_hand
import orjson
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

model = by_hand.Onnx()


async def readyz(request):
    return Response(b'{"status":"ready"}', media_type="application/json")


async def predict(request):
    answer = model.answer(orjson.loads(await request.body())["image"])
    return Response(orjson.dumps(answer), media_type="application/json")


app = Starlette(routes=[Route("/readyz", readyz), Route("/predict", predict, methods=["POST"])])
