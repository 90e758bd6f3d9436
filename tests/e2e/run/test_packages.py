# SPDX-License-Identifier: Apache-2.0
"""What `make release` gives: Debian packages, an image for COPY --from, checksums and a bill of materials."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import pytest
from test_docker import docker, engine  # noqa: F401, a fixture
from world import ROOT, missing

VERSION = (ROOT / "include/version.h").read_text().split('"')[1]


def make(folder, *targets):
    subprocess.run(["make", "-s", *targets, f"RELEASE={folder}"], cwd=ROOT, check=True, capture_output=True, env={**os.environ, "MAKEFLAGS": ""})
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make(tmp_path_factory.mktemp("release"), "release")


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir()) if path.suffix in (".deb", ".tar", ".json")}


def test_two_builds_are_the_same(files, tmp_path):
    assert sums(files) == sums(make(tmp_path, "release")) and len(sums(files)) == 7


def test_the_checksums_fit(files):
    subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=files, check=True)


ARCHES = {"amd64": "x86_64", "arm64": "aarch64"}


def start(architecture, program, *args):
    """By the emulator where it is another architecture's; it is static, and so a root directory of its own is nothing to it."""
    emulator = [] if os.uname().machine == ARCHES[architecture] else [f"qemu-{ARCHES[architecture]}-static"]
    return subprocess.run([*emulator, program, *args], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("architecture", ARCHES)
@pytest.mark.parametrize("package", ["aweigh", "aweigh-nofetch"])
def test_a_package_in_an_empty_root(files, tmp_path, package, architecture, need_root):
    root = tmp_path / "root"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    deb = files / f"{package}_{VERSION}_{architecture}.deb"
    root.chmod(0o755)
    subprocess.run(["dpkg", f"--root={root}", "--log=/dev/null", "--force-architecture", "-i", deb], check=True, capture_output=True)
    assert root.stat().st_mode & 0o777 == 0o755
    name = package if os.uname().machine == ARCHES[architecture] else f"{package}:{architecture}"
    assert subprocess.run(["dpkg", f"--root={root}", "-V", name], check=True, capture_output=True, text=True).stdout == ""
    assert start(architecture, root / "usr/bin/aweigh", "--version").startswith(f"aweigh {VERSION}\n")
    assert not (root / "etc/aweigh").exists(), "a policy there would be that of every container"
    share = root / "usr/share"
    assert (share / f"doc/{package}/examples/ci-cache/policy.ini").exists() and b".TH" in gzip.open(share / "man/man1/aweigh.1.gz").read(4000)
    for path in root.glob("usr/**/*"):
        assert path.lstat().st_uid == 0 and path.stat().st_mode & 0o022 == 0, path
    fields = subprocess.run(["dpkg-deb", "-f", deb], check=True, capture_output=True, text=True).stdout
    assert "Depends:" not in fields and "Static-Built-Using: openssl (= " in fields and ("curl (= " in fields) == (package == "aweigh"), fields


@pytest.mark.parametrize("package", ["aweigh", "aweigh-nofetch"])
def test_what_debians_own_judge_says_of_a_package(files, package):
    if not shutil.which("lintian"):
        missing("lintian")
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", files / f"{package}_{VERSION}_amd64.deb"], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout == "", said


def test_the_image_is_a_layout(files, tmp_path):
    with tarfile.open(files / "aweigh-image.tar") as archive:
        archive.extractall(tmp_path, filter="data")

    def blob(entry):
        data = (tmp_path / "blobs/sha256" / entry["digest"].removeprefix("sha256:")).read_bytes()
        assert len(data) == entry["size"] and hashlib.sha256(data).hexdigest() == entry["digest"].removeprefix("sha256:")
        return data

    index = json.loads(blob(json.loads((tmp_path / "index.json").read_text())["manifests"][0]))
    assert {entry["platform"]["architecture"] for entry in index["manifests"]} == set(ARCHES)
    for entry in index["manifests"]:
        manifest = json.loads(blob(entry))
        config = json.loads(blob(manifest["config"]))
        assert entry["platform"] == {"architecture": config["architecture"], "os": "linux"}
        assert config["config"]["Labels"]["org.opencontainers.image.version"] == VERSION
        layer = tmp_path / "layer.tar"
        layer.write_bytes(blob(manifest["layers"][0]))
        assert hashlib.sha256(layer.read_bytes()).hexdigest() == config["rootfs"]["diff_ids"][0].removeprefix("sha256:")
        with tarfile.open(layer) as archive:
            assert {m.name for m in archive if m.isfile()} == {"./aweigh", "./nofetch/aweigh"} and all(m.mode == 0o755 and m.uid == 0 for m in archive)
            archive.extractall(tmp_path / config["architecture"], filter="tar")
        assert start(config["architecture"], tmp_path / config["architecture"] / "nofetch/aweigh", "--version").startswith(f"aweigh {VERSION}\n")


def test_copy_from_the_image(files, tmp_path, engine):  # noqa: F811
    docker("load", "-i", files / "aweigh-image.tar")
    try:
        assert docker("run", "--rm", f"aweigh:{VERSION}", "--version").stdout.startswith(f"aweigh {VERSION}")
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\nCOPY --from=aweigh:{VERSION} /aweigh /aweigh\nCOPY --from=aweigh:{VERSION} /nofetch/aweigh /small\nENTRYPOINT [\"/small\"]\n")
        name = f"aweigh-copy-{os.getpid()}"
        engine.images.append(name)
        docker("build", "-q", "-t", name, tmp_path)
        assert "without network code" in docker("run", "--rm", name, "--version").stdout
    finally:
        docker("rmi", "-f", f"aweigh:{VERSION}", f"aweigh:{VERSION}-arm64", check=False)


@pytest.mark.parametrize("architecture", ARCHES)
def test_the_image_by_skopeo(files, tmp_path, architecture):
    if not shutil.which("skopeo"):
        missing("skopeo")
    subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "--override-arch", architecture, f"oci-archive:{files / 'aweigh-image.tar'}", f"dir:{tmp_path / 'copy'}"], check=True)
    manifest = json.loads((tmp_path / "copy/manifest.json").read_text())
    config = json.loads((tmp_path / "copy" / manifest["config"]["digest"].removeprefix("sha256:")).read_text())
    assert config["architecture"] == architecture


def test_the_image_in_containerd(files, tmp_path, need_root):
    if not shutil.which("containerd") or not shutil.which("ctr"):
        missing("containerd")
    from test_kubernetes import CONFIG
    from network import Running
    (tmp_path / "config.toml").write_text(CONFIG.replace("{folder}", str(tmp_path)))
    with Running(["containerd", "-c", tmp_path / "config.toml"], stdout=subprocess.DEVNULL):
        from waiting import wait_for
        wait_for(lambda: (tmp_path / "s").exists())
        ctr = ["ctr", "-a", str(tmp_path / "s")]
        subprocess.run([*ctr, "images", "import", "--no-unpack", files / "aweigh-image.tar"], check=True, capture_output=True)
        assert f"docker.io/library/aweigh:{VERSION}" in subprocess.run([*ctr, "images", "ls"], check=True, capture_output=True, text=True).stdout


def test_the_bill_of_materials(files):
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation import make_schemabased_validator
    text = (files / "aweigh_amd64.cdx.json").read_text()
    assert make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    assert {c["name"] for c in bom["components"]} == {line.split()[0] for line in (ROOT / "build/deps/out/VERSIONS").read_text().splitlines()}
    assert bom["metadata"]["component"]["hashes"][0]["content"] == hashlib.sha256((ROOT / "build/aweigh").read_bytes()).hexdigest()
