"""LitServe as its tutorial has it: torch, eagerly, one worker. `python litserve_app.py PORT`."""

import sys

import by_hand
import litserve


class Digits(litserve.LitAPI):
    def setup(self, device):
        self.network = by_hand.network()

    def decode_request(self, request):
        return by_hand.normalised(request["image"])

    def predict(self, features):
        return by_hand.answer_of(self.network, features)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Digits(), accelerator="cpu", workers_per_device=1, healthcheck_path="/readyz")
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, log_level="warning", generate_client_file=False
    )
