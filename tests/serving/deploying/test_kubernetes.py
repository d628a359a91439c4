"""The manifests against Kubernetes' own schemas, against each other, and run as a pod would run them."""

import json
import re

import kubernetes_validate
import pytest
import yaml

from lepton_nb.runtime import CHAMPION, Slot, slots_object
from lepton_nb.runtime.settings import Settings
from lepton_nb.serving.deploying import deploy

KINDS = {
    "deployment.yaml": "Deployment",
    "service.yaml": "Service",
    "autoscaler.yaml": "HorizontalPodAutoscaler",
    "disruption.yaml": "PodDisruptionBudget",
    "network.yaml": "NetworkPolicy",
}


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.fixture(scope="module")
def folder(deployable, tmp_path_factory):
    place = tmp_path_factory.mktemp("kubernetes")
    return deploy(deployable(), "kubernetes", place, image="registry.example:5000/team/tiny", replicas=3).folder


@pytest.fixture(scope="module")
def pod(folder):
    return read(folder / "deployment.yaml")["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (one,) = pod["containers"]
    return one


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", KINDS)
def test_each_object_is_what_kubernetes_takes(folder, name, version):
    value = read(folder / name)
    assert value["kind"] == KINDS[name]
    assert kubernetes_validate.validate(value, version, strict=True)


def test_the_validation_refuses_what_is_wrong(folder):
    value = read(folder / "deployment.yaml")
    value["spec"]["template"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFileSystem"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(value, "1.30", strict=True)


def test_one_command_applies_all_but_what_needs_an_operator(folder):
    kustomization = read(folder / "kustomization.yaml")
    assert (kustomization["apiVersion"], kustomization["kind"]) == ("kustomize.config.k8s.io/v1beta1", "Kustomization")
    assert sorted(kustomization["resources"]) == sorted(KINDS)
    assert (folder / "servicemonitor.yaml").is_file()


def test_the_objects_mean_the_same_pods(folder, container):
    deployment = read(folder / "deployment.yaml")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    service, network, monitor = (read(folder / f"{one}.yaml") for one in ("service", "network", "servicemonitor"))
    selectors = [
        deployment["spec"]["selector"]["matchLabels"],
        service["spec"]["selector"],
        read(folder / "disruption.yaml")["spec"]["selector"]["matchLabels"],
        network["spec"]["podSelector"]["matchLabels"],
    ]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert all("app.kubernetes.io/version" not in selector for selector in selectors)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (port,) = container["ports"]
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    assert network["spec"]["ingress"][0]["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}]


def test_the_number_of_pods_is_the_autoscalers_alone(folder):
    deployment, scaler = read(folder / "deployment.yaml"), read(folder / "autoscaler.yaml")["spec"]
    assert "replicas" not in deployment["spec"]
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": deployment["metadata"]["name"]}
    assert scaler["scaleTargetRef"] == target
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 12)
    assert read(folder / "disruption.yaml")["spec"]["maxUnavailable"] == 1


def test_the_pod_has_no_more_rights_than_it_needs(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}
    assert int(container["resources"]["requests"]["memory"][:-2]) >= 256


def test_what_the_server_writes_and_reads_is_mounted(pod, container):
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    env = {one["name"]: one.get("value", "") for one in container["env"]}
    volumes = {one["name"]: one for one in pod["volumes"]}
    assert "emptyDir" in volumes[mounts[env["LEPTON_LOG_DIR"]]]
    secret = volumes[mounts[env["LEPTON_TOKEN_FILE"].rpartition("/")[0]]]["secret"]
    assert secret["secretName"] == "tiny-token"
    assert env["LEPTON_TOKEN_FILE"].rpartition("/")[2] == "token"
    assert "LEPTON_TOKEN" not in env


def test_the_probes_ask_what_stays_open(container):
    assert container["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_prometheus_asks_with_the_token(folder):
    monitor = read(folder / "servicemonitor.yaml")
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint.keys() == {"port", "path", "interval", "authorization"}
    assert endpoint["port"] == read(folder / "service.yaml")["spec"]["ports"][0]["name"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "tiny-token", "key": "token"}}


@pytest.fixture
def environment(container):
    """The variables as the kubelet sets them: what was told before may be named."""
    told = {"POD_NAMESPACE": "shop", "POD_IP": "10.1.2.3"}
    found = {}
    for one in container["env"]:
        text = one["value"] if "value" in one else told[one["name"]]
        found[one["name"]] = re.sub(r"\$\((\w+)\)", lambda name: found[name[1]], text)
    return found


def test_the_names_of_the_service_and_the_address_that_prometheus_asks_are_answered(environment, deployable, tmp_path):
    slots = tmp_path / "slots.json"
    slots.write_text(json.dumps(slots_object({CHAMPION: Slot("tiny:v1", deployable().model)})))
    (tmp_path / "token").write_text("t")
    own = {"LEPTON_SLOTS": str(slots), "LEPTON_TOKEN_FILE": str(tmp_path / "token")}
    hosts = Settings.from_environment({**environment, **own}).hosts
    names = {"tiny", "tiny.shop", "tiny.shop.svc", "tiny.shop.svc.cluster.local", "10.1.2.3", "[10.1.2.3]"}
    assert hosts == names | {"127.0.0.1", "localhost", "[::1]"}


@pytest.mark.nightly
def test_the_pod_answers_by_each_name_of_its_service_and_to_prometheus(environment, container, deployable, started):
    with started(container["command"], deployable().path / "src", environment) as client:
        for name in ("tiny", "tiny.shop", "tiny.shop.svc", "tiny.shop.svc.cluster.local", "10.1.2.3"):
            assert client.get("/signature", headers={"Host": name}).status_code == 200, name
        assert client.get("/metrics", headers={"Host": "10.1.2.3:3000"}).status_code == 200
        assert client.get("/signature", headers={"Host": "tiny.other"}).status_code == 403
        assert client.get("/readyz", headers={"Host": "10.9.9.9:3000"}).status_code == 200


@pytest.mark.parametrize(
    ("tag", "name", "image"),
    [
        ("tiny:v1", "tiny", "tiny:v1"),
        ("0.9_beta..net-:v1.-", "model-0-9-beta-net", "model-0-9-beta-net:v1"),
        ("a" * 63 + ":1", "a" * 50, "a" * 50 + ":1"),
    ],
)
def test_any_name_of_a_bento_becomes_one_that_the_cluster_takes(deployable, tag, name, image, tmp_path):
    written = deploy(deployable(tag), "kubernetes", tmp_path)
    for file in KINDS:
        value = read(written.folder / file)
        assert value["metadata"]["name"] == name
        labels = value["metadata"]["labels"].values()
        assert all(re.fullmatch(r"[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?", label) for label in labels)
    container = read(written.folder / "deployment.yaml")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == image
