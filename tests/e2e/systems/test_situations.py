# SPDX-License-Identifier: Apache-2.0
"""The examples of policies/ and docs/ that are of a platform or an engine: by the platform's own judges, and read by aweigh."""

import json
import re
import subprocess

import pytest
import yaml
from models import onnx
from network import need
from world import ROOT

POLICIES = ROOT / "policies"


def explained(world, path):
    result = world.run("explain", "-p", str(path))
    assert result.status == 0, result
    return result.out


@pytest.mark.parametrize("name, model", [("kubernetes", "minilm"), ("systemd-service", "minilm"), ("kserve", "served")])
def test_the_policy_is_read(world, name, model):
    assert f"[model {model}]" in explained(world, POLICIES / name / "policy.ini")


def cloud_run(name):
    spec = yaml.safe_load((POLICIES / f"bucket-on-cloud-run/{name}.yaml").read_text())["spec"]["template"]["spec"]
    return spec if name == "service" else spec["template"]["spec"]


@pytest.mark.parametrize("name", ["service", "prefill"])
def test_cloud_run_gives_what_the_policy_wants(world, name):
    """The variables that it requires, the bucket beneath the cache, and more time than it takes."""
    spec = cloud_run(name)
    (container,) = spec["containers"]
    env = {row["name"]: row["value"] for row in container["env"]}
    result = world.run("explain", "-p", str(POLICIES / "bucket-on-cloud-run/policy.ini"), "--format", "json", env={"HF_HOME": None, **env})
    assert result.status == 0, result
    rows = {(row["section"], row["name"]): row["value"] for row in json.loads(result.out)}
    assert env["HF_HOME"] + "/hub" == rows["[policy]", "hub_cache"]
    (mount,), (volume,) = container["volumeMounts"], spec["volumes"]
    assert env["HF_HOME"].startswith(mount["mountPath"] + "/") and mount["name"] == volume["name"] and volume["csi"]["driver"] == "gcsfuse.run.googleapis.com"
    assert set(re.findall(r"^(\w+) +=$", (POLICIES / "bucket-on-cloud-run/policy.ini").read_text(), re.M)) <= set(env)
    probe = container.get("startupProbe")
    budget = probe["timeoutSeconds"] * probe["failureThreshold"] if probe else int(spec["timeoutSeconds"])
    assert seconds(rows["[policy]", "deadline"]) < budget, "the platform would end it first"


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m|h)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[unit]


def test_kserves_container(tmp_path):
    runtime = yaml.safe_load((POLICIES / "kserve/servingruntime.yaml").read_text())
    (container,) = runtime["spec"]["containers"]
    assert runtime["kind"] == "ServingRuntime" and container["name"] == "kserve-container" and container["command"][0] == "/aweigh" and container["command"][-1] == "--"
    # KServe merges it into a pod: what it has must be a pod's.
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump(pod))
    judged = subprocess.run([ROOT / "build/venv/bin/kubernetes-validate", "-k", "1.37", "--strict", tmp_path / "pod.yaml"], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    probe = container["startupProbe"]
    assert seconds(re.search(r"ready_within = (\w+)", (POLICIES / "kserve/policy.ini").read_text())[1]) <= probe["periodSeconds"] * probe["failureThreshold"]


def test_kustomize_builds_what_kubernetes_takes(tmp_path):
    built = subprocess.run([need("kubectl"), "kustomize", POLICIES / "kubernetes"], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    objects = list(yaml.safe_load_all(built.stdout))
    assert {o["kind"] for o in objects} == {"ConfigMap", "PersistentVolumeClaim", "Job", "Deployment"}
    name = next(o["metadata"]["name"] for o in objects if o["kind"] == "ConfigMap")
    assert re.fullmatch(r"aweigh-policy-\w+", name) and built.stdout.count(f"name: {name}") == 3, "each pod gets the ConfigMap of this content"
    (tmp_path / "all.yaml").write_text(built.stdout)
    judged = subprocess.run([ROOT / "build/venv/bin/kubernetes-validate", "-k", "1.37", "--strict", tmp_path / "all.yaml"], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_pod_is_restricted():
    """The restricted profile of Pod Security Standards."""
    for name in ("deployment", "prefill"):
        spec = yaml.safe_load((POLICIES / f"kubernetes/{name}.yaml").read_text())["spec"]["template"]["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for container in spec["containers"] + spec.get("initContainers", []):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["capabilities"]["drop"] == ["ALL"] and context["readOnlyRootFilesystem"]


def test_the_unit(tmp_path):
    need("systemd-analyze")
    unit = tmp_path / "embeddings.service"
    unit.write_text((POLICIES / "systemd-service/embeddings.service").read_text().replace("/usr/bin/aweigh", "/bin/true"))
    judged = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True)
    said = [line for line in judged.stderr.splitlines() if "embeddings.service" in line]
    assert not said, said
    limit = re.search(r"TimeoutStartSec=(\d+)min", unit.read_text())[1]
    deadline = re.search(r"deadline\s*=\s*(\d+)m", (POLICIES / "systemd-service/policy.ini").read_text())[1]
    assert int(deadline) < int(limit)


BLOCKS = re.findall(r"^## ([^\n]+)\n.*?```ini\n(.*?)```", (ROOT / "docs/engines.md").read_text(), re.M | re.S)


@pytest.mark.parametrize("engine, text", BLOCKS, ids=[engine for engine, _ in BLOCKS])
def test_each_engines_rows_are_a_policy(world, engine, text):
    world.policy(text)
    out = explained(world, world.policy_file)
    assert "[model " in out
    result = world.check()
    assert not [f for f in result.report["findings"] if f["code"].startswith("policy.")] and result.status in (65, 66), result


def test_all_engines_are_there():
    assert len(BLOCKS) >= 5


README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("text", re.findall(r"```ini\n(.*?)```", README, re.S))
def test_the_readmes_policies_are_read(world, text):
    world.policy(text)
    assert "[model minilm]" in explained(world, world.policy_file)


def test_the_readmes_pod(tmp_path):
    _, spec = yaml.safe_load_all(re.search(r"^```yaml\n(.*?)^```", README, re.M | re.S)[1])
    (tmp_path / "pod.yaml").write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": spec}))
    judged = subprocess.run([ROOT / "build/venv/bin/kubernetes-validate", "-k", "1.37", "--strict", tmp_path / "pod.yaml"], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    fetching, = spec["initContainers"]
    assert fetching["args"] == ["fetch"] and "readOnly" not in fetching["volumeMounts"][0] and spec["containers"][0]["volumeMounts"][0]["readOnly"]


def test_tritons_configuration_is_no_unknown_format(world):
    """As docs/engines.md has it: nobody is told to remove what the engine needs."""
    folder = world.path / "models" / "m1"
    (folder / "1").mkdir(parents=True)
    (folder / "config.pbtxt").write_text('name: "m1"\n')
    (folder / "1" / "model.onnx").write_bytes(onnx())
    world.policy(next(text for engine, text in BLOCKS if engine == "Triton").replace("= /models", f"= {world.path}/models"))
    assert world.check().status == 0 and "model.format" not in world.check().codes()
