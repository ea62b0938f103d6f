"""The permissions and steps of docs/deploy-aws.md: the real AWS command line, against Moto, which enforces them.

The server checks nothing until it is told to; then each request is checked against its sender's policies.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from conftest import PROJECT
from ship.host import Host
from ship.workflows import steps

Credentials = dict[str, str]

AWS = PROJECT / "deploy/aws"
ACCOUNT = "123456789012"
LOGIN_URI = f"{ACCOUNT}.dkr.ecr.eu-west-1.amazonaws.com"
SETTINGS = {
    "AWS_REGION": "eu-west-1",
    "AWS_ACCOUNT_ID": ACCOUNT,
    "ECR_REPOSITORY_NAME": "chest-cancer",
    "GITHUB_REPOSITORY": "octocat@123456/chest-cancer@456789",
}
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "administrator", "AWS_SECRET_ACCESS_KEY": "administrator"}


class Cloud:
    """An account of AWS, on this machine."""

    def __init__(self, url: str, path: str) -> None:
        self._url = url
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
            "PATH": path,
            "AWS_ENDPOINT_URL": url,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            # In real regions the command line takes it from AWS_REGION; its version 1 does not.
            "AWS_DEFAULT_REGION": SETTINGS["AWS_REGION"],
        }

    def environment(self, sender: Credentials, **more: str) -> dict[str, str]:
        return self._environment | SETTINGS | sender | more

    def run(
        self, script: str, sender: Credentials, folder: Path = PROJECT, **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a script as GitHub's runner does."""
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        environment = self.environment(sender, **more)
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)

    def ask(self, arguments: str, sender: Credentials = ADMINISTRATOR) -> str:
        done = self.run(f"aws {arguments}", sender)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def enforce(self, yes: bool) -> None:
        """Check permissions from now on, or no longer."""
        body = b"0" if yes else b"1000000000"
        urllib.request.urlopen(
            urllib.request.Request(f"{self._url}/moto-api/reset-auth", body, {"Content-Type": "text/plain"})
        ).close()


def blocks(heading: str) -> list[str]:
    """The commands under a heading of the page."""
    page = (PROJECT / "docs/deploy-aws.md").read_text()
    section = re.split(rf"^#+ {heading}$", page, flags=re.MULTILINE)[1]
    section = re.split(r"^#+ ", re.sub(r"^# ", "\0", section, flags=re.MULTILINE), maxsplit=1, flags=re.MULTILINE)[0]
    return [block.replace("\0", "# ") for block in re.findall(r"```bash\n(.*?)```", section, re.DOTALL)]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], Path]) -> Iterator[Cloud]:
    """An account in which somebody did what the page says, by hand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bin_folder = tool("aws").parent
    log = (tmp_path_factory.mktemp("moto") / "log").open("wb")
    server = subprocess.Popen(
        [bin_folder / "python", PROJECT / "tests/ship/moto_server.py", "--port", str(port)], stdout=log, stderr=log
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/moto-api/")
        cloud = Cloud(url, f"{bin_folder}:{os.environ['PATH']}")
        for block in blocks("By hand"):
            done = cloud.run(block, ADMINISTRATOR)
            assert done.returncode == 0, done.stderr
        yield cloud
    finally:
        server.terminate()
        server.wait()
        log.close()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(url).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)  # there is nothing to wait on but the port
        else:
            return


@pytest.fixture(scope="module")
def pusher(cloud: Cloud) -> Credentials:
    """The key of the user that pushes."""
    key = json.loads(cloud.ask("iam create-access-key --user-name chest-cancer-push"))["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


@pytest.fixture(scope="module")
def host_role(cloud: Cloud) -> Credentials:
    """What the host gets for its role."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/chest-cancer-host"
    answer = cloud.ask(f"sts assume-role --role-arn {arn} --role-session-name host")
    key = json.loads(answer)["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
        "AWS_SESSION_TOKEN": key["SessionToken"],
    }


@pytest.fixture
def enforced(cloud: Cloud) -> Iterator[None]:
    cloud.enforce(True)
    yield
    cloud.enforce(False)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.clear()


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with what the workflow's steps need, and one commit."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(PROJECT / "deploy", folder / "deploy")
    shutil.copy(PROJECT / "Dockerfile", folder)
    git(folder, "init", "--quiet")
    commit(folder, "first")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


class Pushes:
    """The step `Build and push` of the CD workflow, run in a clone, with the key that may push."""

    def __init__(self, cloud: Cloud, host: Host, clone: Path, pusher: Credentials) -> None:
        self._cloud, self._host, self._clone, self._pusher = cloud, host, clone, pusher

    def __call__(self) -> tuple[int, str, str]:
        """Return the status, the output `digest`, and what was said."""
        output = self._clone.parent / "github-output"
        output.write_text("")
        path = f"{self._host.folder / 'bin'}:{self._cloud.environment({})['PATH']}"
        done = self._cloud.run(
            steps()["Build and push"],
            self._pusher,
            self._clone,
            PATH=path,
            DOCKER_STAND_IN=str(self._host.docker),
            GITHUB_OUTPUT=str(output),
            AWS_ECR_LOGIN_URI=LOGIN_URI,
        )
        return done.returncode, output.read_text().strip().removeprefix("digest="), done.stderr

    def built(self) -> int:
        log = self._host.docker / "calls.log"
        return sum(json.loads(line)[0] == "build" for line in log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def push(cloud: Cloud, host: Host, clone: Path, pusher: Credentials, enforced: None) -> Pushes:
    return Pushes(cloud, host, clone, pusher)


def tags(cloud: Cloud, digest: str) -> set[str]:
    cloud.enforce(False)
    images = json.loads(cloud.ask("ecr list-images --repository-name chest-cancer"))["imageIds"]
    cloud.enforce(True)
    return {image["imageTag"] for image in images if image["imageDigest"] == digest}


def test_the_repository_scans_and_keeps_its_tags(cloud: Cloud) -> None:
    [repository] = json.loads(cloud.ask("ecr describe-repositories"))["repositories"]
    assert repository["imageTagMutability"] == "IMMUTABLE"
    assert repository["imageScanningConfiguration"] == {"scanOnPush": True}
    policy = cloud.ask(
        "ecr get-lifecycle-policy --repository-name chest-cancer --query lifecyclePolicyText --output text"
    )
    assert json.loads(policy) == json.loads((AWS / "lifecycle.json").read_text())


def test_a_commit_is_built_once_and_a_version_is_added_to_it(push: Pushes, cloud: Cloud, clone: Path) -> None:
    head = commit(clone, "second")
    before = push.built()
    status, digest, said = push()
    assert status == 0, said
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", digest)
    assert tags(cloud, digest) == {head}

    assert push()[:2] == (0, digest)  # the workflow is run again
    git(clone, "tag", "v1.0.0")
    assert push()[:2] == (0, digest)
    assert push()[:2] == (0, digest)
    assert tags(cloud, digest) == {head, "v1.0.0"}
    assert push.built() == before + 1


def test_a_version_is_one_commit_for_ever(push: Pushes, cloud: Cloud, clone: Path) -> None:
    commit(clone, "third")
    git(clone, "tag", "v2.0.0")
    status, digest, said = push()
    assert status == 0, said
    commit(clone, "fourth")
    git(clone, "tag", "--force", "v2.0.0")
    status, output, said = push()
    assert status != 0
    assert output == ""
    assert f"v2.0.0 is another commit's image, {digest}" in said
    assert "v2.0.0" in tags(cloud, digest)


REPOSITORY = "--repository-name chest-cancer"
DENIED = "not authorized to perform"


@pytest.mark.usefixtures("enforced")
@pytest.mark.parametrize(
    "request_of",
    [
        f"ecr delete-repository {REPOSITORY} --force",
        f"ecr batch-delete-image {REPOSITORY} --image-ids imageTag=v1.0.0",
        f"ecr put-lifecycle-policy {REPOSITORY} --lifecycle-policy-text file://deploy/aws/lifecycle.json",
        "ecr put-image --repository-name another --image-tag v1 --image-manifest {}",
        "ecr create-repository --repository-name another",
        "iam list-users",
        "iam create-access-key",
        "ec2 describe-instances",
    ],
)
def test_who_pushes_may_do_nothing_else(cloud: Cloud, pusher: Credentials, request_of: str) -> None:
    done = cloud.run(f"aws {request_of}", pusher)
    assert done.returncode != 0
    assert DENIED in done.stderr


@pytest.mark.usefixtures("enforced")
@pytest.mark.parametrize(
    ("request_of", "permitted"),
    [
        ("ecr get-login-password", True),
        (f"ecr batch-get-image {REPOSITORY} --image-ids imageTag=latest", True),
        (f"ecr put-image {REPOSITORY} --image-tag v9 --image-manifest {{}}", False),
        (f"ecr initiate-layer-upload {REPOSITORY}", False),
        (f"ecr batch-delete-image {REPOSITORY} --image-ids imageTag=v1.0.0", False),
        ("ecr batch-get-image --repository-name another --image-ids imageTag=latest", False),
        ("iam list-users", False),
    ],
)
def test_the_host_may_pull_and_no_more(cloud: Cloud, host_role: Credentials, request_of: str, permitted: bool) -> None:
    done = cloud.run(f"aws {request_of}", host_role)
    assert (done.returncode == 0) is permitted
    assert permitted or DENIED in done.stderr


@pytest.mark.usefixtures("enforced")
def test_a_wrong_key_is_refused(cloud: Cloud, pusher: Credentials) -> None:
    done = cloud.run("aws ecr get-login-password", pusher | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert done.returncode != 0
    assert done.stdout == ""


@pytest.mark.usefixtures("enforced")
def test_the_step_deploy_deploys(cloud: Cloud, host: Host, host_role: Credentials) -> None:
    _, digest = host.publish(7).split("@")
    arguments = {"AWS_ECR_LOGIN_URI": LOGIN_URI, "DIGEST": digest}
    path = f"{host.folder / 'bin'}:{cloud.environment({})['PATH']}"
    settings = {name: host.environment[name] for name in host.environment if name.startswith(("CHEST_", "DOCKER_"))}
    done = cloud.run(steps()["Deploy"], host_role, PROJECT, PATH=path, **settings, **arguments)
    assert done.returncode == 0, done.stderr
    assert f"serves {LOGIN_URI}/chest-cancer@{digest}" in done.stderr


def test_the_template_says_what_the_single_files_say(tool: Callable[[str], Path]) -> None:
    lint = subprocess.run([tool("cfn-lint"), AWS / "template.yaml"], capture_output=True, text=True)
    assert lint.returncode == 0, lint.stdout
    template = (AWS / "template.yaml").read_text()
    resources = yaml.load(template, Loader=_TemplateLoader)["Resources"]  # noqa: S506  # a SafeLoader, see below
    text = resources["Repository"]["Properties"]["LifecyclePolicy"]["LifecyclePolicyText"]
    assert json.loads(text) == json.loads((AWS / "lifecycle.json").read_text())
    for role, trust, policy in (("PushRole", "github", "push"), ("HostRole", "host", "pull")):
        properties = resources[role]["Properties"]
        assert _actions(properties["Policies"][0]["PolicyDocument"]) == _actions(_read(f"{policy}-policy"))
        assert _conditions(properties["AssumeRolePolicyDocument"]) == _conditions(_read(f"{trust}-trust"))


class _TemplateLoader(yaml.SafeLoader):
    """Reads `!Sub text` as the text, and other functions as their arguments."""


def _construct(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    return loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else loader.construct_mapping(node)


_TemplateLoader.add_multi_constructor("!", _construct)


def _read(name: str) -> dict:
    return json.loads((AWS / f"{name}.json").read_text())


def _actions(policy: dict) -> list[tuple[str, object]]:
    return [(statement["Sid"], statement["Action"]) for statement in policy["Statement"]]


def _conditions(policy: dict) -> list[str]:
    text = [json.dumps([statement["Action"], statement.get("Condition")]) for statement in policy["Statement"]]
    return [one.replace("GitHubRepository", "GITHUB_REPOSITORY") for one in text]


def test_everything_made_by_hand_goes_away_again(cloud: Cloud) -> None:
    """The last test: the account is empty afterwards."""
    cloud.ask("iam delete-user-policy --user-name chest-cancer-push --policy-name push")
    for block in blocks("Tear down"):
        done = cloud.run(block, ADMINISTRATOR)
        assert done.returncode == 0, done.stderr
    assert json.loads(cloud.ask("ecr describe-repositories"))["repositories"] == []
    assert json.loads(cloud.ask("iam list-roles"))["Roles"] == []
