"""deploy/ray: what can be seen of it without Kubernetes and without AWS."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.framework.cli.utils import _split_params

from chest_cancer.parameters.blocks import Parameters
from conftest import PROJECT

FOLDER = PROJECT / "deploy/ray"
JOB: dict[str, Any] = yaml.safe_load((FOLDER / "batch.yaml").read_text())
CLUSTER: dict[str, Any] = yaml.safe_load((FOLDER / "aws.yaml").read_text())
RAY = JOB["spec"]["rayClusterSpec"]
[WORKERS] = RAY["workerGroupSpecs"]
PODS = {
    "submitter": JOB["spec"]["submitterPodTemplate"],
    "head": RAY["headGroupSpec"]["template"],
    "worker": WORKERS["template"],
}
PAGE = (PROJECT / "docs/scale.md").read_text()
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def test_the_job_asks_for_a_batch_that_a_run_would_take() -> None:
    command = JOB["spec"]["entrypoint"]
    options = re.fullmatch(
        r"env --chdir=/srv/chest-cancer kedro run --pipelines batch_inference --params (\S+)", command
    )
    assert options
    batch = Parameters.model_validate(_split_params(None, None, options[1])).batch_inference

    assert batch.engine == "ray"
    # Fewer would leave machines without work; a cluster that has begun small has fewer cores than it may get.
    assert batch.workers == WORKERS["maxReplicas"]
    assert 1 <= WORKERS["minReplicas"] == WORKERS["replicas"] < WORKERS["maxReplicas"]
    assert RAY["enableInTreeAutoscaling"]
    assert RAY["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("pod", PODS)
def test_no_pod_is_root_or_may_take_more_than_it_asks_for(pod: str) -> None:
    spec = PODS[pod]["spec"]
    user = re.search(r"^USER (\d+):(\d+)\n(?!.*^USER)", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert user

    assert spec["securityContext"]["runAsNonRoot"]
    assert [spec["securityContext"][name] for name in ("runAsUser", "runAsGroup")] == [int(user[1]), int(user[2])]
    for container in containers(PODS[pod]):
        assert container["image"] == "chest-cancer:ray"
        assert container["resources"]["limits"] == container["resources"]["requests"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        # The head keeps the record of its run in the project's folder.
        assert container["securityContext"].get("readOnlyRootFilesystem", False) == (pod != "head")
        assert {"/tmp", "/dev/shm"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= {volume["name"] for volume in spec["volumes"]}
    assert [container["resources"]["limits"]["cpu"] for container in WORKERS["template"]["spec"]["containers"]] == ["1"]


def test_secrets_are_the_heads_alone_and_files_that_kedro_sees() -> None:
    for name, pod in PODS.items():
        text = yaml.safe_dump(pod)
        assert ("secretName" in text) == ("secretRef" in text) == (name == "head")
    for container in containers(PODS["head"]):
        local = [mount for mount in container["volumeMounts"] if mount["name"] == "local"]
        assert {mount["subPath"] for mount in local} == {"patient_key", "credentials.yml", "catalog.yml"}
        assert all(mount["mountPath"] == f"/srv/chest-cancer/conf/local/{mount['subPath']}" for mount in local)
    assert RAY["authOptions"] == {"mode": "token"}


def test_commands_and_folders_are_those_of_the_image() -> None:
    image = (PROJECT / "Dockerfile").read_text()
    [model] = PODS["head"]["spec"]["initContainers"]

    assert "WORKDIR /srv/chest-cancer\n" in image
    assert "PATH=/opt/venv/bin:" in image
    assert model["command"][0] == "python"
    assert f"!{model['command'][1]}\n" in (PROJECT / ".dockerignore").read_text()
    assert (PROJECT / model["command"][1]).is_file()


def test_the_image_has_the_versions_that_are_tested() -> None:
    tested = (PROJECT / "requirements/dev.txt").read_text()
    asked = dict(re.findall(r'[ "]([\w-]+)(?:\[\w+\])?==([\d.]+)', DOCKERFILE))

    assert asked.keys() == {"ray", "s3fs", "boto3"}
    assert all(f"\n{name}=={version} " in tested for name, version in asked.items())
    assert RAY["rayVersion"] == asked["ray"]


def test_the_image_has_the_programs_by_which_ray_starts_machines() -> None:
    from ray.autoscaler._private import command_runner

    called = set(re.findall(r'\["(\w+)"', Path(command_runner.__file__).read_text()))
    packages = {"ssh": "openssh-client", "rsync": "rsync"}
    [installed] = re.findall(r"apt-get install --yes --no-install-recommends (.+) \\", DOCKERFILE)

    assert called >= packages.keys()  # Ray still does it so
    assert {"wget", *packages.values()} == set(installed.split())


def test_ray_understands_the_cluster_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.autoscaler._private.util import fillout_defaults, validate_config

    whole = fillout_defaults(CLUSTER)

    validate_config(whole)
    assert whole["setup_commands"] == []
    assert sum(kind.get("max_workers", 0) for kind in whole["available_node_types"].values()) >= whole["max_workers"]
    with pytest.raises(Exception, match="Additional properties are not allowed"):
        validate_config(whole | {"pineapple": 1})


def test_the_documented_run_on_aws_uses_all_cores_that_may_come() -> None:
    options = re.search(r"^\$ ray exec .* --params (\S+)\"$", PAGE, re.MULTILINE)
    assert options
    batch = Parameters.model_validate(_split_params(None, None, options[1])).batch_inference
    workers = CLUSTER["available_node_types"]["workers"]

    assert batch.engine == "ray"
    assert batch.workers == workers["max_workers"] * workers["resources"]["CPU"]


def test_documented_names_are_in_the_manifests() -> None:
    for secret in ("chest-cancer-local", "chest-cancer-environment"):
        assert secret in PAGE
        assert secret in (FOLDER / "batch.yaml").read_text()
    assert all(Path(PROJECT / path).is_file() for path in re.findall(r"deploy/ray/\w+(?:\.yaml)?", PAGE))
