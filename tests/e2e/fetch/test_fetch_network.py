# SPDX-License-Identifier: Apache-2.0
"""TLS, tokens, proxies, mirrors, names: with real third parties (tinyproxy, nginx, olah, dnsmasq) on loopback or in
network namespaces that the test makes itself."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import certificates
import hub_server
import pytest
from world import HANG_LIMIT, ROOT, missing
from hub_server import Hub, one_repo
from models import COMMIT, bert_files
from fetching import BIG, complete_or_absent
from network import Running, free_port, need, nginx, tinyproxy

TOKEN = "hf_" + "t0ken" * 7


# TLS

def test_tls_with_a_private_ca(fetcher, tls):
    ca, server = tls
    with Hub(one_repo({**bert_files(), "big.safetensors": BIG}), tls=server) as hub:
        result = fetcher.write(hub.url, fetch=f"ca_bundle = {ca}\n").fetch()
        assert result.status == 0, result
    assert complete_or_absent(fetcher, {**bert_files(), "big.safetensors": BIG})


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_by_the_libraries_variables(fetcher, tls, variable):
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        assert fetcher.write(hub.url).fetch(env={variable: str(tls[0])}).status == 0


def test_a_ca_that_is_not_trusted_is_named(fetcher, tls, tmp_path):
    other, _ = certificates.make(tmp_path / "other", "another CA")
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        result = fetcher.write(hub.url, fetch=f"ca_bundle = {other}").fetch()
        assert result.status == 69, result
        message = result.finding("fetch.tls")["message"]
        assert "issued by 'aweigh test CA'" in message and str(other) in message and "fetch.ca_bundle" in message
        assert not hub.requests


def test_another_name_is_refused(fetcher, tls):
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        url = hub.url.replace("127.0.0.1", "127.0.0.1.nip.invalid")
        hosts = fetcher.write(hub.url.replace("127.0.0.1", "ip6-localhost"), fetch=f"ca_bundle = {tls[0]}")
        assert hosts.fetch().status in (69, 75) and not hub.requests, url


@pytest.mark.parametrize("option", ["verify_tls = no", "insecure = yes", "ssl_verify = no"])
def test_verification_cannot_be_switched_off(fetcher, option):
    assert fetcher.write("https://127.0.0.1:1", fetch=option).fetch().status == 78


def test_old_tls_is_refused(fetcher, tls):
    port = free_port()
    with Running([need("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", tls[1], "-key", tls[1], "-www", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], port):
        result = fetcher.write(f"https://127.0.0.1:{port}", fetch=f"ca_bundle = {tls[0]}").fetch()
    assert result.status == 69 and "no TLS connection" in result.finding("fetch.tls")["message"], result


def test_a_missing_bundle_is_said_before_anything(fetcher):
    result = fetcher.write("https://127.0.0.1:1", fetch="ca_bundle = /nowhere/ca.pem").fetch()
    assert result.status == 78 and "/nowhere/ca.pem" in result.finding("fetch.settings")["message"]


def test_http_wants_to_be_allowed(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.world.policy(f"[policy]\nmode = auto\nhub_cache = {fetcher.hub}\n[model m]\nrepo = org/m\n[fetch]\nendpoint = {hub.url}\n")
        result = fetcher.fetch()
        assert result.status == 78 and "allow_http" in result.finding("fetch.settings")["message"] and not hub.requests


def test_no_way_down_from_https(fetcher, tls):
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub, Hub(one_repo(bert_files())) as plain:
        hub.fault("resolve.*config", status=302, headers={"Location": plain.url.replace(plain.url.rsplit(":", 1)[1], hub.url.rsplit(":", 1)[1]) + "/x"})
        fetcher.world.policy(f"[policy]\nmode = auto\nhub_cache = {fetcher.hub}\n[model m]\nrepo = org/m\n[fetch]\nendpoint = {hub.url}\nca_bundle = {tls[0]}\n")
        result = fetcher.fetch()
        assert result.status == 69 and "plain http is not allowed" in result.finding("fetch.protocol")["message"], result


# Tokens

def authorizations(hub):
    return {seen["server"]: seen.get("authorization") for seen in hub.seen}


@pytest.mark.parametrize("how", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "token_file", "HF_TOKEN_PATH", "HF_HOME"])
def test_a_token_reaches_the_hub_and_no_other(fetcher, tmp_path, how):
    file, env, fetch = tmp_path / "token", {}, ""
    if how == "HF_HOME":
        file = Path(fetcher.world.env["HF_HOME"]) / "token"
    file.write_text(f"  {TOKEN}\r\n")
    file.chmod(0o600)
    if how == "token_file":
        fetch = f"token_file = {file}"
    elif how == "HF_TOKEN_PATH":
        env = {how: str(file)}
    elif how != "HF_HOME":
        env = {how: TOKEN + "\n"}
    with Hub(one_repo(bert_files()), token=TOKEN) as hub:
        result = fetcher.write(hub.url, fetch=fetch).fetch("-v", env=env)
        assert result.status == 0, result
        assert authorizations(hub) == {"127.0.0.1": f"Bearer {TOKEN}", "127.0.0.2": None}
    assert TOKEN not in result.out + result.err
    assert TOKEN not in fetcher.world.run("explain", "-p", str(fetcher.world.policy_file), env=env).out


def test_the_order_of_tokens(fetcher, tmp_path):
    """A variable wins over the file; an empty one is none; the implicit token can be switched off."""
    (Path(fetcher.world.env["HF_HOME"]) / "token").write_text("hf_from_the_file")
    (Path(fetcher.world.env["HF_HOME"]) / "token").chmod(0o600)
    for env, expected in (({"HF_TOKEN": "hf_a"}, "Bearer hf_a"), ({"HF_TOKEN": "", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, "Bearer hf_b"),
                          ({"HF_TOKEN": "  "}, "Bearer hf_from_the_file"), ({"HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_TOKEN": "hf_a"}, None)):
        with Hub(one_repo(bert_files())) as hub:
            shutil.rmtree(fetcher.hub)
            assert fetcher.write(hub.url).fetch(env=env).status == 0
            assert authorizations(hub)["127.0.0.1"] == expected, env


@pytest.mark.parametrize("address", ["127.9.8.7", "::1"])
def test_a_token_goes_to_each_address_of_loopback(fetcher, address):
    with Hub(one_repo(bert_files()), lfs=(".never",), token=TOKEN) as hub:
        server = type("Server", (hub_server.Server,), {"address_family": socket.AF_INET6 if ":" in address else socket.AF_INET})((address, 0), hub.handler())
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        host = f"[{address}]" if ":" in address else address
        result = fetcher.write(f"http://{host}:{server.server_address[1]}").fetch(env={"HF_TOKEN": TOKEN})
        server.shutdown()
        server.server_close()
    assert result.status == 0, result


@pytest.mark.parametrize("token", ["hf_with blank", "hf_\x01control", "x" * 2000])
def test_a_malformed_token_is_not_printed(fetcher, token):
    result = fetcher.write("http://127.0.0.1:9").fetch(env={"HF_TOKEN": token})
    assert result.status == 78 and "HF_TOKEN" in result.finding("fetch.settings")["message"]
    assert token not in result.out + result.err


def hub_at(there, files, fault=""):
    """A hub at 10.99.0.2, started by the prefix `there`; closing its standard input makes it print the authorizations that it saw."""
    script = (f"import sys, threading; sys.path.insert(0, {str(ROOT / 'tests/support')!r})\nimport hub_server\nfrom models import *\n"
              f"hub = hub_server.Hub(hub_server.one_repo({files}), lfs=('.never',))\n{fault}\n"
              "server = hub_server.Server(('10.99.0.2', 8099), hub.handler())\nthreading.Thread(target=server.serve_forever, daemon=True).start()\n"
              "print('up', flush=True); sys.stdin.read()\nprint([s.get('authorization') for s in hub.seen], flush=True)\n")
    server = subprocess.Popen([*there, "python3", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout.readline() == "up\n"
    return server


def test_a_token_is_not_sent_in_the_clear(fetcher, need_root):
    """Plain http beyond loopback: allowed by the policy, but never with a token. The host is another machine."""
    with two_machines(need("ip")) as net:
        server = hub_at(net.there, "bert_files()")
        result = fetcher.write("http://10.99.0.2:8099").fetch(env={"HF_TOKEN": TOKEN}, prefix=net.here)
        out, _ = server.communicate("", timeout=HANG_LIMIT)
    assert result.status == 0, result
    assert set(eval(out)) == {None}


def test_explain_says_what_a_fetch_would_use(fetcher, tls):
    env = {"HF_ENDPOINT": "https://hub.example/", "HF_TOKEN": TOKEN, "HTTPS_PROXY": "http://user:secret-word@proxy.example:3128", "SSL_CERT_FILE": str(tls[0])}
    fetcher.world.policy(f"[policy]\nmode = auto\nhub_cache = {fetcher.hub}\n[model m]\nrepo = org/m\n")
    out = fetcher.world.run("explain", "-p", str(fetcher.world.policy_file), env=env).out
    for words in ("https://hub.example   (HF_ENDPOINT)", f"{tls[0]}   (SSL_CERT_FILE)", "(HF_TOKEN)", "proxy.example:3128"):
        assert words in out, out
    assert TOKEN not in out and "secret-word" not in out
    assert re.search(r"nothing +HF_ENDPOINT", fetcher.world.run("explain", "-p", str(fetcher.world.policy_file), env={"HF_ENDPOINT": "http://hub.example"}).out)


def test_gated(fetcher):
    with Hub(one_repo(bert_files()), token=TOKEN) as hub:
        result = fetcher.write(hub.url).fetch()
        finding = result.finding("fetch.unauthorized")
        assert result.status == 69 and "gated" in finding["message"] and "HF_TOKEN" in finding["fix"], result
        result = fetcher.fetch(env={"HF_TOKEN": "hf_wrong"})
        assert result.status == 69 and "hf_wrong" not in result.out + result.err


# Proxies

@pytest.mark.parametrize("how", ["policy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_with_authentication(fetcher, tls, tmp_path, how):
    port, proxy = tinyproxy(tmp_path, "user")
    address = f"http://user:secret-word@127.0.0.1:{port}"
    with proxy, Hub(one_repo({**bert_files(), "big.safetensors": BIG}), tls=tls[1]) as hub:
        fetch = f"ca_bundle = {tls[0]}\n" + (f"proxy = {address}" if how == "policy" else "")
        result = fetcher.write(hub.url, fetch=fetch).fetch(env={} if how == "policy" else {how: address})
        assert result.status == 0, result
    assert "CONNECT 127.0.0.1" in (tmp_path / "proxy.log").read_text() and "secret-word" not in result.out + result.err
    explained = fetcher.world.run("explain", "-p", str(fetcher.world.policy_file)).out
    assert "secret-word" not in explained


def test_a_proxy_that_wants_authentication(fetcher, tls, tmp_path):
    port, proxy = tinyproxy(tmp_path, "user")
    with proxy, Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        for credentials in ("", "user:wrong-word@"):
            result = fetcher.write(hub.url, fetch=f"ca_bundle = {tls[0]}\nproxy = http://{credentials}127.0.0.1:{port}").fetch()
            message = result.finding("fetch.proxy")["message"]
            assert result.status == 69 and "40" in message and "wrong-word" not in result.out + result.err, result
        assert not hub.requests


def test_plain_http_through_a_proxy(fetcher, tmp_path):
    port, proxy = tinyproxy(tmp_path)
    with proxy, Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url).fetch(env={"HTTP_PROXY": f"http://127.0.0.1:{port}"}).status == 0
    assert "GET http://127.0.0.1" in (tmp_path / "proxy.log").read_text()


@pytest.mark.parametrize("how", ["policy", "HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_token_is_not_sent_through_a_proxy_in_the_clear(fetcher, tmp_path, how):
    """It would read it: a hub on this machine gets it when it is asked directly."""
    port, proxy = tinyproxy(tmp_path)
    address = f"http://127.0.0.1:{port}"
    with proxy, Hub(one_repo(bert_files()), token=TOKEN) as hub:
        env = {"HF_TOKEN": TOKEN, **({} if how == "policy" else {how: address})}
        result = fetcher.write(hub.url, fetch=f"proxy = {address}" if how == "policy" else "").fetch(env=env)
        assert result.status == 69 and "a proxy would read it" in result.finding("fetch.unauthorized")["message"], result
        for beside in ("example.com,*", "*,example.com"):   # * is all only where it is alone (libcurl)
            assert fetcher.fetch(env={**env, "NO_PROXY": beside}).status == 69
        assert set(authorizations(hub).values()) == {None} and "GET http://127.0.0.1" in (tmp_path / "proxy.log").read_text()
        assert fetcher.fetch(env={**env, "NO_PROXY": "127.0.0.1,127.0.0.2"}).status == 0
        assert authorizations(hub) == {"127.0.0.1": f"Bearer {TOKEN}", "127.0.0.2": None}


@pytest.mark.parametrize("how", ["policy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_of_a_scheme_that_nobody_knows(fetcher, how):
    address = "gopher://user:secret-word@127.0.0.1:9"
    result = fetcher.write("https://hub.invalid", fetch=f"proxy = {address}" if how == "policy" else "").fetch(env={} if how == "policy" else {how: address})
    message = result.finding("policy.value" if how == "policy" else "fetch.settings")["message"]
    assert result.status == 78 and ("https://" if how == "policy" else "socks5h") in message and "secret-word" not in result.out + result.err, result


PASSWORDS = {
    "HF_ENDPOINT": dict(env={"HF_ENDPOINT": "https://user:secret-word@hub.invalid"}),
    "HF_ENDPOINT in the clear": dict(env={"HF_ENDPOINT": "http://user:secret-word@127.0.0.1:9"}),
    "fetch.endpoint": dict(fetch="endpoint = https://user:secret-word@hub.invalid"),
    "fetch.endpoint in the clear": dict(fetch="endpoint = http://user:secret-word@hub.invalid"),
    "fetch.mirror": dict(fetch="endpoint = https://127.0.0.1:9\nmirror = https://user:secret-word@hub.invalid/{repo}/{commit}/{path}"),
    "fetch.mirror in the clear": dict(fetch="endpoint = https://127.0.0.1:9\nmirror = http://user:secret-word@hub.invalid/{repo}/{commit}/{path}"),
    "a proxy": dict(env={"HTTPS_PROXY": "http://user:secret-word@proxy.invalid:9"}),
    "a proxy without a scheme": dict(env={"HTTPS_PROXY": "user:secret-word@127.0.0.1:9"}),
}


@pytest.mark.parametrize("where", PASSWORDS)
def test_no_password_is_printed(fetcher, where):
    """Of an address ://user:password@, by whichever way it comes and whatever is wrong with it."""
    env, fetch = PASSWORDS[where].get("env", {}), PASSWORDS[where].get("fetch", "endpoint = https://hub.invalid" if "proxy" in where else "")
    fetcher.world.policy(f"[policy]\nmode = auto\nhub_cache = {fetcher.hub}\n[model m]\nrepo = org/m\n[fetch]\nretries = 0\nconnect_timeout = 1s\n{fetch}\n")
    results = [fetcher.fetch("-v", env=env), *(fetcher.world.run(command, "-v", "-p", str(fetcher.world.policy_file), env=env) for command in ("fetch", "check", "explain"))]
    assert all(result.status != 0 for result in results[:3]) and not any("secret-word" in result.out + result.err for result in results), results


@pytest.mark.parametrize("no_proxy", ["127.0.0.1,127.0.0.2", "127.0.0.0/8", "*"])
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy(fetcher, no_proxy, name):
    with Hub(one_repo(bert_files())) as hub:
        env = {"http_proxy": "http://127.0.0.1:9", name: no_proxy}
        assert fetcher.write(hub.url).fetch(env=env).status == 0


def test_a_proxy_that_is_not_there(fetcher, tls):
    result = fetcher.write("https://hub.invalid", fetch=f"ca_bundle = {tls[0]}\nproxy = http://127.0.0.1:9").fetch()
    assert result.status in (69, 75) and "127.0.0.1" in str(result.report["findings"]), result


# Endpoints and mirrors

def test_an_endpoint_with_a_path(fetcher):
    with Hub(one_repo(bert_files()), prefix="/artifactory/api/huggingfaceml/remote", bare=True) as hub:
        assert fetcher.write(hub.url + "/").fetch().status == 0
        assert all(path.startswith(("/artifactory/", "/cdn/")) for path in hub.paths())


def test_the_endpoint_of_the_environment(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url)
        text = fetcher.world.policy_file.read_text().replace(f"endpoint = {hub.url}", "")
        fetcher.world.policy_file.write_text(text)
        assert fetcher.fetch(env={"HF_ENDPOINT": hub.url + "//"}).status == 0


def test_a_mirror_without_listings(fetcher):
    """Neither tree nor query parameters: siblings of the revision, sizes and digests from each file's headers."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/tree/", status=404)
        hub.fault("blobs=true", status=404, times=0)
        assert fetcher.write(hub.url).fetch().status == 0
        assert hub.paths("blobs=true")
    assert complete_or_absent(fetcher, bert_files())


def test_failover_to_the_next_endpoint(fetcher):
    with Hub(one_repo(bert_files())) as hub, Hub({}) as empty:
        result = fetcher.write(f"http://127.0.0.1:9, {empty.url}, {hub.url}", fetch="connect_timeout = 1s").fetch()
        assert result.status == 0, result
        assert hub.paths("resolve")


def test_failover_in_the_middle(fetcher):
    with Hub(one_repo(bert_files())) as hub, Hub(one_repo(bert_files())) as broken:
        broken.fault("/cdn/", status=500)
        broken.fault("/cdn/", wrong=300)
        result = fetcher.write(f"{broken.url}, {hub.url}").fetch()
        assert result.status == 0, result
        assert len(hub.paths("resolve")) == 1


def test_failover_of_many_parts_tries_each_endpoint(fetcher):
    """Eight parts fail at the first endpoint at once: the second one is asked all the same, not skipped."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as first, Hub(one_repo(files)) as second, Hub(one_repo({})) as third:
        first.fault("/cdn/.*big", after=1, status=500)
        first.fault("/cdn/.*big", rate=4_000_000)
        result = fetcher.write(f"{first.url}, {second.url}, {third.url}").fetch()
        assert result.status == 0, result
        assert second.paths("resolve.*big") and not third.paths("resolve")


def test_a_static_mirror(fetcher, tls, tmp_path):
    """nginx over a folder: with a manifest that is there, no hub API is asked at all."""
    files = {**bert_files(), "big.safetensors": BIG, "sub dir/x.json": b"{}"}
    for name, data in files.items():
        path = tmp_path / "www" / "org/m" / COMMIT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    with Hub(one_repo(files)) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        manifest = (fetcher.repo / "trees" / f"{COMMIT}.json").read_bytes()
    shutil.rmtree(fetcher.repo)
    (fetcher.repo / "trees").mkdir(parents=True)
    (fetcher.repo / "trees" / f"{COMMIT}.json").write_bytes(manifest)
    port, server = nginx(tmp_path, tmp_path / "www", tls)
    with server:
        fetcher.write("https://127.0.0.1:9", model=f"repo = org/m\nrevision = {COMMIT}",
                      fetch=f"ca_bundle = {tls[0]}\nmirror = https://127.0.0.1:{port}/{{repo}}/{{commit}}/{{path}}")
        result = fetcher.fetch()
        assert result.status == 0, result
    assert {name: (fetcher.snapshot / name).read_bytes() for name in files} == files


@pytest.mark.parametrize("template", ["https://mirror.invalid/{foo}/{path}", "https://mirror.invalid/files"])
def test_a_mirror_is_a_template(fetcher, template):
    """Of three words: another stands for nothing, and without {path} all files are one."""
    with Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, fetch=f"mirror = {template}").fetch()
        assert result.status == 78 and "template with {path}" in result.finding("fetch.settings")["message"] and not hub.requests, result


def test_a_plain_mirror_is_refused_and_not_passed_over(fetcher):
    """As a plain endpoint is: nobody is asked in its place."""
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url, fetch=f"mirror = {hub.url}/mirror/{{repo}}/{{commit}}/{{path}}")
        text = fetcher.world.policy_file.read_text().replace(f"endpoint = {hub.url}\nallow_http = yes\n", "")
        fetcher.world.policy_file.write_text(text)
        result = fetcher.fetch()
        assert result.status == 78 and "allow_http" in result.finding("fetch.settings")["message"] and hub.paths() == [], result


def test_a_mirror_before_the_hub(fetcher, tmp_path):
    """Sizes and digests from the hub, bytes from the mirror, and from the hub where the mirror lacks them or lies."""
    www = tmp_path / "www" / "org/m" / COMMIT
    www.mkdir(parents=True)
    (www / "config.json").write_bytes(bert_files()["config.json"])
    (www / "tokenizer.json").write_bytes(bert_files()["tokenizer.json"].replace(b"1.0", b"9.9"))
    port, server = nginx(tmp_path, tmp_path / "www")
    with server, Hub(one_repo(bert_files())) as hub:
        result = fetcher.write(hub.url, fetch=f"mirror = http://127.0.0.1:{port}/{{repo}}/{{commit}}/{{path}}").fetch(env={"HF_TOKEN": TOKEN})
        assert result.status == 0, result
        assert not hub.paths("resolve.*config") and hub.paths("resolve.*tokenizer") and hub.paths("resolve.*model")
    assert TOKEN not in (tmp_path / "access.log").read_text()
    assert complete_or_absent(fetcher, bert_files())


def test_olah_in_between(fetcher, tmp_path):
    """A self-hosted mirror of the hub from PyPI: the files come through it, and again when the hub is gone."""
    olah = ROOT / "build/venv-mirror/bin/olah-cli"
    if not olah.exists():
        missing("olah from PyPI")
    port = free_port()
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as hub:
        netloc, cdn = hub.root.split("//")[1], hub.cdn.split("//")[1]
        command = [olah, "--host", "127.0.0.1", "--port", port, "--hf-scheme", "http", "--hf-netloc", netloc, "--hf-lfs-netloc", cdn, "--mirror-scheme", "http",
                   "--mirror-netloc", f"127.0.0.1:{port}", "--mirror-lfs-netloc", f"127.0.0.1:{port}", "--repos-path", tmp_path / "repos", "--log-path", tmp_path / "logs"]
        with Running(command, port, cwd=tmp_path, env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)}):
            result = fetcher.write(f"http://127.0.0.1:{port}").fetch()
            assert result.status == 0, result
            assert hub.requests
    assert complete_or_absent(fetcher, files)


# Names and networks

class two_machines:
    """Two network namespaces with a cable between them: 10.99.0.1 is `here`, 10.99.0.2 is `there`."""

    def __init__(self, ip):
        self.ip, self.names = ip, [f"aweigh{os.getpid()}-{side}" for side in ("here", "there")]

    def run(self, *args, check=True):
        return subprocess.run([self.ip, *args], check=check, capture_output=True)

    def inside(self, name):
        return [self.ip, "netns", "exec", name]

    def plug(self, state):
        self.run("-n", self.names[0], "link", "set", "cable", state)

    def __enter__(self):
        here, there = self.names
        for name in self.names:
            if self.run("netns", "add", name, check=False).returncode != 0:
                missing("network namespaces")
        self.run("-n", here, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", there)
        for number, name in enumerate(self.names, 1):
            self.run("-n", name, "addr", "add", f"10.99.0.{number}/24", "dev", "cable")
            self.run("-n", name, "link", "set", "cable", "up")
            self.run("-n", name, "link", "set", "lo", "up")
        self.here, self.there = self.inside(here), self.inside(there)
        return self

    def __exit__(self, *_):
        for name in self.names:
            self.run("netns", "del", name, check=False)


def test_the_hub_is_cut_off_for_a_while(fetcher, need_root):
    """The network goes away in the middle of a file, and comes back: the fetch goes on where it was."""
    with two_machines(need("ip")) as net:
        server = hub_at(net.there, "{**bert_files(), 'big.safetensors': safetensors({'w': 5_000_000})}", "hub.fault('big', rate=1_000_000)")
        fetcher.write("http://10.99.0.2:8099", fetch="stall_timeout = 1s\nconnect_timeout = 1s\nconnections = 4\nretry_max_delay = 1s")
        text = fetcher.world.policy_file.read_text().replace("retries = 2", "retries = 30")
        fetcher.world.policy_file.write_text(text)
        ours = subprocess.Popen([*net.here, fetcher.world.binary, "fetch", "-p", str(fetcher.world.policy_file)], env=fetcher.world.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        limit = time.monotonic() + HANG_LIMIT
        while not fetcher.partials():
            assert time.monotonic() < limit
            time.sleep(0.05)
        time.sleep(1)
        net.plug("down")
        time.sleep(4)
        net.plug("up")
        out, _ = ours.communicate(timeout=HANG_LIMIT)
        server.communicate("", timeout=HANG_LIMIT)
    assert ours.returncode == 0, out.decode()
    assert complete_or_absent(fetcher, {"big.safetensors": BIG})


DNSMASQ = "dnsmasq --keep-in-foreground --no-resolv --no-hosts --listen-address=127.0.0.1 --bind-interfaces --pid-file= --user=root "


def in_namespace_with_dns(binary, policy, env, server, tmp_path, url_port, resolv="options timeout:1 attempts:2\n", hub=""):
    """Runs a fetch in a network and mount namespace whose only name server is the command `server` on 127.0.0.1; `hub`: arguments of Hub."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\n" + resolv)
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    script = (f"ip link set lo up && mount --bind {tmp_path}/resolv.conf /etc/resolv.conf && mount --bind {tmp_path}/hosts /etc/hosts && "
              f"{{ {server} & "
              f"DNS=$!; PYTHONPATH={ROOT}/tests/support python3 -c \"\nimport hub_server, sys\nfrom models import *\n"
              f"hub = hub_server.Hub(hub_server.one_repo(bert_files()), lfs=('.never',){hub})\nserver = hub_server.Server(('127.0.0.1', {url_port}), hub.handler())\n"
              f"server.serve_forever()\" & HUB=$!; sleep 1; {binary} fetch -p {policy} --format json; S=$?; kill $DNS $HUB; exit $S; }}")
    return subprocess.run(["unshare", "--net", "--mount", "sh", "-c", script], env=env, capture_output=True, text=True, timeout=HANG_LIMIT)


@pytest.mark.parametrize("name,options", [
    ("without_aaaa", "--host-record=hub.test,127.0.0.1"),
    ("dead_first", " ".join(f"--host-record=hub.test,127.0.1.{i}" for i in range(1, 6)) + " --host-record=hub.test,127.0.0.1"),
    ("many", " ".join(f"--host-record=hub.test,127.0.{i // 250 + 2}.{i % 250 + 1}" for i in range(120)) + " --host-record=hub.test,127.0.0.1"),
])
def test_names_resolve(fetcher, tmp_path, need_root, name, options):
    """Dead first addresses, an answer of 121 addresses that fits into TCP only, a name without AAAA."""
    need("dnsmasq"), need("unshare")
    port = free_port()
    fetcher.write(f"http://hub.test:{port}")
    started = time.monotonic()
    result = in_namespace_with_dns(fetcher.world.binary, fetcher.world.policy_file, {**fetcher.world.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}, DNSMASQ + options, tmp_path, port)
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - started < HANG_LIMIT / 2


@pytest.mark.parametrize("code", [5, 2], ids=["REFUSED", "SERVFAIL"])
def test_a_name_server_that_refuses_aaaa(fetcher, tmp_path, need_root, code):
    port = free_port()
    fetcher.write(f"http://hub.test:{port}")
    result = in_namespace_with_dns(fetcher.world.binary, fetcher.world.policy_file, {**fetcher.world.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
                                   f"python3 {ROOT}/tests/support/dns_server.py {code}", tmp_path, port)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_name_that_is_not_there(fetcher, tmp_path, need_root):
    need("dnsmasq")
    port = free_port()
    fetcher.write(f"http://absent.test:{port}")
    result = in_namespace_with_dns(fetcher.world.binary, fetcher.world.policy_file, {**fetcher.world.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
                                   DNSMASQ + "--address=/absent.test/", tmp_path, port)
    assert result.returncode == 75 and "fetch.dns" in result.stdout and "absent.test" in result.stdout, result.stdout + result.stderr


def fetch_by_name(fetcher, tmp_path, host, server, search="", hub=""):
    """A fetch from `host` with dns_server.py and resolv.conf as a cluster writes it; `search`: its domains."""
    port = free_port()
    fetcher.write(f"http://{host}:{port}")
    resolv = (f"search {search}\noptions ndots:5\n" if search else "") + "options timeout:1 attempts:2\n"
    return in_namespace_with_dns(fetcher.world.binary, fetcher.world.policy_file, {**fetcher.world.env, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"},
                                 f"python3 {ROOT}/tests/support/dns_server.py {server}", tmp_path, port, resolv, hub)


@pytest.mark.parametrize("host, search, there, code", [
    ("hub.test", "broken.example", "hub.test", 2),
    ("hub.test", "broken.example", "hub.test", 5),
    ("hub.test", "broken.example", "hub.test", "drop"),
    ("hub.test", "broken.example good.example", "hub.test.good.example", 2),
    ("hub", "broken.example good.example", "hub.good.example", 2),
    ("hub.test", "good.example broken.example", "hub.test.good.example", 2),
], ids=["as it stands-SERVFAIL", "as it stands-REFUSED", "as it stands-silent", "in the second", "of one word", "in the first"])
def test_a_search_domain_that_fails(fetcher, tmp_path, need_root, host, search, there, code):
    """As glibc does it (resolv/res_query.c): on SERVFAIL it goes on with the next domain, and after any failure with the name as it stands."""
    result = fetch_by_name(fetcher, tmp_path, host, f"0 {there}=ok broken.example={code} =3", search)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_name_server_that_drops_aaaa(fetcher, tmp_path, need_root):
    """Its silence is waited for within the first try: no try is lost for it."""
    result = fetch_by_name(fetcher, tmp_path, "hub.test", "drop")
    assert result.returncode == 0 and "retry" not in result.stderr, result.stdout + result.stderr


@pytest.mark.parametrize("host, sent", [("localhost", True), ("127.evil.example", False), ("localhost.evil.example", False), ("127.0.0.1.evil.example", False)])
def test_a_name_that_looks_like_loopback(fetcher, tmp_path, need_root, host, sent):
    """A token goes in the clear to 127/8, ::1 and localhost alone: other names are anybody's, wherever they lead today."""
    fetcher.world.env["HF_TOKEN"] = TOKEN
    result = fetch_by_name(fetcher, tmp_path, host, "0", hub=f", token={TOKEN!r}")
    if sent:
        assert result.returncode == 0, result.stdout + result.stderr
    else:
        assert result.returncode == 69 and "was not sent" in result.stdout, result.stdout + result.stderr
    assert TOKEN not in result.stdout + result.stderr


def test_a_name_that_no_domain_has(fetcher, tmp_path, need_root):
    """Where one of them fails, too: it is said of the name, and costs no more than the tries."""
    result = fetch_by_name(fetcher, tmp_path, "hub.test", "0 broken.example=2 =3", "broken.example good.example")
    assert result.returncode == 75 and "fetch.dns" in result.stdout and "hub.test" in result.stdout, result.stdout + result.stderr


# What is redirected elsewhere, and what is waited for

def test_an_object_store_on_another_port(fetcher):
    """A hub of one's own that sends to its store at :9000: refused with the key that lets it, and let where the policy names the port."""
    files = {**bert_files(), "big.safetensors": BIG}
    with Hub(one_repo(files)) as store, Hub(one_repo(files)) as hub:
        hub.cdn, hub.secret = store.cdn, store.secret
        port = store.cdn.rsplit(":", 1)[1]
        result = fetcher.write(hub.url).fetch()
        message = result.finding("fetch.protocol")["message"]
        assert result.status == 69 and f":{port}" in message and "fetch.redirect_ports" in message, result
        assert not store.requests
        result = fetcher.write(hub.url, fetch=f"redirect_ports = 9, {port}").fetch()
        assert result.status == 0 and store.paths("/cdn/"), result
    assert complete_or_absent(fetcher, files)


@pytest.mark.parametrize("value", ["0", "65536", "http", "", "1,2,3,4,5,6,7,8,9"])
def test_redirect_ports_that_are_none(fetcher, value):
    assert fetcher.write("http://127.0.0.1:1", fetch=f"redirect_ports = {value}").fetch().status == 78


@pytest.mark.parametrize("style", ["json", "human"])
def test_each_wait_is_told(fetcher, style):
    """A hub that is down for three tries: what is waited for, how long and why, and no line of it that a name could forge."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/api/", status=503, times=2)
        result = fetcher.write(hub.url).world.run("fetch", "-p", str(fetcher.world.policy_file), "--format", style)
    assert result.status == 0, result
    told = [line for line in result.err.splitlines() if "retry" in line]
    assert len(told) == 2, result.err
    if style == "json":
        lines = [json.loads(line) for line in told]
        assert [line["try"] for line in lines] == [2, 3] and all("503" in line["reason"] and line["model"] == "m" and line["wait_ms"] < 1000 for line in lines)
    else:
        assert "status=retry try=2" in told[0] and "answers 503" in told[0]
