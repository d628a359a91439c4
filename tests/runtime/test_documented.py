"""Every request that the document allows, and many that it does not, is answered as the document says."""

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def test_no_request_is_answered_by_what_is_not_documented(tmp_path, make_source, start_server, uvicorn_command):
    source = make_source(tmp_path / "bento")
    server = start_server(uvicorn_command, source, tmp_path / "log", {"LEPTON_TOKEN": "the-token"})
    headers = {"authorization": "Bearer the-token"}
    with server.client() as client:
        document = client.get("/docs.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert {one.path for one in operations} >= {"/predict", "/feedback", "/v2/models/tiny/infer"}
    asked = 0
    for operation in operations:
        takes_a_body = operation.method.upper() == "POST"
        examples = 60 if takes_a_body else 1
        # What takes nothing cannot be asked wrongly.
        for mode in MODES[: 1 + takes_a_body]:
            cases = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=examples,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.explicit, Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=cases)
            def ask(case):
                nonlocal asked
                asked += 1
                case.call_and_validate(base_url=server.url, headers=headers, checks=CHECKS, timeout=20)

            ask()
    assert asked > 150
    text = server.output.read_text()
    assert "Traceback" not in text
