# SPDX-License-Identifier: Apache-2.0
"""What hubs, mirrors, filters and proxies answer, word for word as their standards let them, and what is said about it."""

import contextlib
import email.utils
import itertools
import json
import re
import socket
import subprocess
import time
from urllib.parse import quote

import certificates
import pytest
from fetching import complete_or_absent
from hub_server import Hub, one_repo
from models import COMMIT, bert_files
from network import need

FORMS = {"today's": "%a, %d %b %Y %H:%M:%S GMT", "RFC 850's": "%A, %d-%b-%y %H:%M:%S GMT", "asctime's": "%a %b %d %H:%M:%S %Y"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_until_a_date(fetcher, form, status):
    """RFC 9110, 10.2.3 and 5.6.7."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/revision/", times=1, status=status, headers={"Retry-After": time.strftime(FORMS[form], time.gmtime(time.time() + 4))})
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0, result
    waits = [line for line in result.err.splitlines() if '"status": "retry"' in line]
    assert len(waits) == 1 and 2000 < int(waits[0].split('"wait_ms": ')[1].split(",")[0]) < 7000, waits


def test_a_date_that_has_passed_is_no_pause(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/revision/", times=1, status=503, headers={"Retry-After": email.utils.formatdate(time.time() - 4000, usegmt=True)})
        assert fetcher.write(hub.url).fetch().status == 0


@pytest.mark.parametrize("coding, refused", [("gzip", "gzip"), ("br", "br"), ("aws-chunked,gzip", "gzip"), ("identity", None), ("", None), ("aws-chunked", None), ("none", None)])
@pytest.mark.parametrize("of", ["/revision/", "/tree/", "resolve.*config"])
def test_a_content_encoding(fetcher, coding, refused, of):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault(of, headers={"Content-Encoding": coding})
        result = fetcher.write(hub.url).fetch()
    if refused is None:
        assert result.status == 0, result
    else:
        assert result.status == 69 and f"Content-Encoding: {refused}" in result.finding("fetch.protocol")["message"], result


PAGES = {
    "a page": b"<html><head><style>b{c:d}</style><title>Zscaler</title></head><body><p>Access is blocked</p></body></html>",
    "with a mark and lines before it": b"\xef\xbb\xbf\r\n <!-- x --><html><title>Zscaler</title><body>Access is blocked</body></html>",
    "XML": b"<?xml version='1.0'?><block><a>Zscaler</a> <b>Access is blocked</b></block>",
    "plain": b"Zscaler: Access is blocked",
    "behind a long style": b"<!doctype html><html><head><style>b{c:d}" + b"x" * 1200 + b"</style></head><body>Zscaler: Access is blocked</body></html>",
}


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_page_of_a_filter(fetcher, kind, status):
    with Hub(one_repo(bert_files()), bare=True) as hub:
        hub.fault("/revision/", status=status, body=PAGES[kind], headers={"Server": "FilterX", **({} if kind == "plain" else {"X-Request-Id": "of-envoy"})})
        result = fetcher.write(hub.url).fetch()
    message = result.finding("fetch.proxy")["message"]
    assert result.status == 69 and "Zscaler" in message and "Access is blocked" in message and "FilterX" in message and "b{c:d}" not in message, message


@pytest.mark.parametrize("body", [b"", b"Denied", b'{"error": "no"}'])
def test_407_is_the_proxys(fetcher, body):
    with Hub(one_repo(bert_files()), bare=True) as hub:
        hub.fault("/revision/", status=407, body=body, headers={"Proxy-Authenticate": "Basic"})
        result = fetcher.write(hub.url).fetch()
    assert result.status == 69 and "wants authentication" in result.finding("fetch.proxy")["message"], result


def test_a_hubs_own_reason_is_told(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/revision/", status=403, headers={"X-Error-Code": "GatedRepo"}, body=rb'{"error": "\"org/m\" is gated.\nYou must be approved"}')
        assert '"org/m" is gated. You must be approved' in fetcher.write(hub.url).fetch().finding("fetch.unauthorized")["message"]
    for act in (dict(headers={"X-Error-Code": "GatedRepo", "X-Error-Message": "réservé aux membres".encode().decode("latin-1")}), dict(body=b'{"error": "awaiting a review"}')):
        with Hub(one_repo(bert_files())) as hub:
            hub.fault("/revision/", status=403, **act)
            message = fetcher.write(hub.url).fetch().finding("fetch.unauthorized")["message"]
            assert "réservé aux membres" in message or "awaiting a review" in message, message


def test_a_misspelt_repository_is_first_a_question_of_its_spelling(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fix = fetcher.write(hub.url, model="repo = org/mm").fetch().finding("fetch.unauthorized")["fix"]
    assert fix.index("spelling") < fix.index("token")


# Certificates

def test_the_certificate_of_another_host(fetcher, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    subprocess.run([need("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "k", "-out", folder / "c", "-subj", "/CN=x", "-days", "2",
                    "-addext", "subjectAltName=DNS:elsewhere.example"], check=True, capture_output=True)
    (folder / "both").write_bytes((folder / "k").read_bytes() + (folder / "c").read_bytes())
    with Hub(one_repo(bert_files()), tls=folder / "both") as hub:
        finding = fetcher.write(hub.url, fetch=f"ca_bundle = {folder / 'c'}").fetch().finding("fetch.tls")
    assert "another host's" in finding["message"] and "not trusted" not in finding["message"] and "fetch.endpoint" in finding["fix"]


@pytest.mark.parametrize("days, words", [((-30, -2), "has expired: it was valid until"), ((2, 30), "is not yet valid: it is from")], ids=["expired", "not yet valid"])
def test_a_certificate_out_of_its_time(fetcher, tmp_path, days, words):
    ca, server = certificates.make(tmp_path / "ca", days=days)
    with Hub(one_repo(bert_files()), tls=server) as hub:
        result = fetcher.write(hub.url, fetch=f"ca_bundle = {ca}").fetch()
        finding = result.finding("fetch.tls")
        at = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 86400 * days[days[0] < 0]))
        assert result.status == 69 and f"{words} {at}" in finding["message"] and "this machine's clock says" in finding["message"], finding
        assert "clock" in finding["fix"] and "not trusted" not in finding["message"] and not hub.requests


@pytest.mark.parametrize("made", ["directory", "empty", "garbage"])
def test_a_bundle_that_holds_nothing(fetcher, tls, tmp_path, made):
    bundle = tmp_path / "bundle"
    if made == "directory":
        bundle.mkdir()
        (bundle / "ca.pem").write_bytes(tls[0].read_bytes())
    else:
        bundle.write_text("" if made == "empty" else "garbage\n")
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        finding = fetcher.write(hub.url, fetch=f"ca_bundle = {bundle}").fetch().finding("fetch.tls")
        assert str(bundle) in finding["message"] and ("rehash" if made == "directory" else "PEM") in finding["fix"], finding
        if made == "directory":
            subprocess.run([need("openssl"), "rehash", bundle], check=True)
            assert fetcher.fetch().status == 0


def test_directories_of_certificates(fetcher, tls, tmp_path):
    """SSL_CERT_DIR, one or several with colons: what is said of them is true of all."""
    bare, hashed = tmp_path / "bare", tmp_path / "hashed"
    for folder in (bare, hashed):
        folder.mkdir()
    (bare / "ca.pem").write_bytes(tls[0].read_bytes())
    (hashed / "00000000.0").write_bytes(b"")   # of another authority
    with Hub(one_repo(bert_files()), tls=tls[1]) as hub:
        fetcher.write(hub.url)
        for value, words in ((tmp_path / "nowhere", "is not there"), (bare, "under the name of its hash"), (hashed, "the trusted certificates are those in"), (f"{bare}:{hashed}", "are those in")):
            message = fetcher.fetch(env={"SSL_CERT_DIR": str(value), "SSL_CERT_FILE": None}).finding("fetch.tls")["message"]
            assert words in message and f"{value} (from SSL_CERT_DIR)" in message, message
        subprocess.run([need("openssl"), "rehash", bare], check=True)
        assert fetcher.fetch(env={"SSL_CERT_DIR": f"{hashed}:{bare}", "SSL_CERT_FILE": None}).status == 0


# Lists

@pytest.mark.parametrize("rel", ["rel=next", 'rel = "next"', 'rel="prev next"', 'title=x; rel=next', 'REL="Next"', 'title="a, b"; rel="next"'])
def test_a_link_to_the_next_page(fetcher, rel):
    """RFC 8288: quotes are a matter of taste, and a list that ends early is a model that is not whole."""
    files = {**bert_files(), **{f"n/{i:02}.json": b"{}" for i in range(30)}}
    rel = rel.replace(" = ", "=")
    with Hub(one_repo(files), page=10) as hub:
        for start in range(10, 40, 10):
            hub.fault(f"tree/[^?]*\\?.*expand=false{'' if start == 10 else f'&cursor={start - 10}'}$",
                      headers={"Link": f'<{hub.url}/api/models/org/m/tree/{COMMIT}>; rel="first", <{hub.url}/api/models/org/m/tree/{COMMIT}?recursive=true&expand=false&cursor={start}>; {rel}'})
        assert fetcher.write(hub.url).fetch().status == 0
        assert len(hub.paths("/tree/")) == 4
    assert complete_or_absent(fetcher, files) and len(list(fetcher.snapshot.rglob("n/*.json"))) == 30


@pytest.mark.parametrize("link", ["{url}/api/models/org/m/tree/x?cursor=" + "y" * 9000, ""], ids=["too long", "empty"])
def test_a_next_page_that_cannot_be_asked_for(fetcher, link):
    """The list is not over because its next page has no address here: the files are asked for in another way."""
    files = {**bert_files(), **{f"n/{i:02}.json": b"{}" for i in range(30)}}
    with Hub(one_repo(files), page=10) as hub:
        hub.fault("/tree/", headers={"Link": f'<{link.format(url=hub.url)}>; rel="next"'})
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0 and hub.paths("blobs=true"), result
    assert complete_or_absent(fetcher, files) and len(list(fetcher.snapshot.rglob("n/*.json"))) == 30


@pytest.mark.parametrize("next_of_second", ["cursor=0", "cursor=10&again=1"])
def test_pages_that_go_in_a_circle(fetcher, next_of_second):
    files = {**bert_files(), **{f"n/{i:02}.json": b"{}" for i in range(30)}}
    with Hub(one_repo(files), page=10) as hub:
        hub.fault("cursor=10", headers={"Link": f'<{hub.url}/api/models/org/m/tree/{COMMIT}?recursive=true&expand=false&{next_of_second}>; rel="next"'})
        assert fetcher.write(hub.url).fetch().status == 0
        assert len(hub.paths("/tree/")) <= 4 and hub.paths("blobs=true")
    assert complete_or_absent(fetcher, files)


def test_pages_that_repeat_with_something_new(fetcher):
    """Other bytes, the same names: no list by pages."""
    count = itertools.count()
    files = bert_files()
    with Hub(one_repo(files)) as hub:
        answer, entries = hub.actions, [hub.entry(path, data) for path, data in files.items()]
        hub.actions = lambda path: {"status": 200, "body": json.dumps([{**entry, "lastCommit": {"id": str(next(count))}} for entry in entries]).encode(),
                                    "headers": {"Link": f'<{hub.url}/api/models/org/m/tree/{COMMIT}?cursor={next(count)}>; rel="next"'}} if "/tree/" in path else answer(path)
        assert fetcher.write(hub.url).fetch().status == 0 and len(hub.paths("/tree/")) <= 3
    assert complete_or_absent(fetcher, files)


@pytest.mark.parametrize("odd", [{"path": "a\tb"}, {"path": "x", "xetHash": ""}, {"path": "x", "xetHash": "zz"}, {"path": "x", "size": None}, {"path": "x", "size": 12.0},
                                 {"path": "d", "type": "directory", "size": None}])
def test_an_odd_entry_that_nobody_wants(fetcher, odd):
    with Hub(one_repo(bert_files())) as hub:
        hub.repos["org/m"]["tree"] = [hub.entry(path, data) for path, data in bert_files().items()] + [{"type": "file", "size": 1, "oid": "a" * 40, **odd}]
        result = fetcher.write(hub.url, model="repo = org/m\nfiles = *.json, *.safetensors, *.txt").fetch()
    assert result.status == 0, result


def test_a_list_of_what_nobody_wants_leaves_the_disk_as_free_as_it_was_to_be(fetcher, tmp_path, need_root):
    volume = tmp_path / "volume"
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "none", volume], check=True)
    try:
        fetcher.hub = volume / "hub"
        with Hub(one_repo(bert_files()), page=10**6) as hub:
            hub.repos["org/m"]["tree"] = [hub.entry("config.json", b"{}")] + [{"type": "file", "path": f"x/{i:0200}", "size": 1, "oid": "a" * 40} for i in range(60_000)]
            result = fetcher.write(hub.url, model="repo = org/m\nfiles = config.json", fetch="keep_free = 34M").fetch()
        assert result.status == 74 and "No space left" in result.finding("fetch.disk")["message"]
        assert sum(path.stat().st_size for path in volume.rglob("*") if path.is_file()) < 1_000_000
    finally:
        subprocess.run(["umount", volume], check=True)


def test_a_renamed_repository_whose_sizes_are_asked_for(fetcher):
    """The new name is an absolute address on the same server: no file's bytes are there yet."""
    with Hub({**one_repo(bert_files(), repo="new/m"), **one_repo(bert_files())}) as hub:
        hub.fault("/tree/", status=404)
        hub.fault("/revision/.*blobs=true", status=404)
        for name in bert_files():
            hub.fault(f"^/org/m/resolve/{COMMIT}/{name}$", status=307, headers={"Location": f"{hub.url}/new/m/resolve/{COMMIT}/{name}"})
        assert fetcher.write(hub.url).fetch().status == 0
    assert complete_or_absent(fetcher, bert_files())


UTF8 = "/modèles/é/config.json"
LOCATIONS = {   # of a redirect to UTF8 on another server, the same one, or beside
    "absolute": "{root}" + quote(UTF8),
    "absolute, raw UTF-8": "{root}" + UTF8,
    "absolute path": quote(UTF8),
    "absolute path, raw UTF-8": UTF8,
    "relative": "../../../.." + quote(UTF8),
    "relative, raw UTF-8": "../../../.." + UTF8,
    "without a scheme": "//{host}" + quote(UTF8),
}


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_where_a_redirect_leads(fetcher, location, status):
    with Hub(one_repo(bert_files())) as hub:
        answer = hub.actions
        there = LOCATIONS[location].format(root=hub.root, host=hub.root.split("//")[1]).encode().decode("latin-1")
        hub.fault(f"^/org/m/resolve/{COMMIT}/config.json$", status=status, headers={"Location": there})
        hub.actions = lambda path: {"status": 200, "body": bert_files()["config.json"]} if path == quote(UTF8) else answer(path)
        result = fetcher.write(hub.url).fetch()
        assert result.status == 0 and len(hub.paths(re.escape(quote(UTF8)))) == 1, (result, hub.paths())
    assert complete_or_absent(fetcher, bert_files())


@pytest.mark.parametrize("etag", ['"0123456789abcdef0123456789abcdef"', 'W/"0123456789abcdef"', '"0123456789abcdef0123456789abcdef-12"', '""', "W/", '"sha256:x"', f'"{"a" * 40}"', f'W/"{"b" * 64}"'],
                         ids=["MD5", "weak", "multipart", "empty", "of nothing", "with a name", "SHA-1", "weak SHA-256"])
@pytest.mark.parametrize("commit", ["with the commit", "without"])
def test_an_etag_that_is_no_digest(fetcher, etag, commit):
    """As S3, nginx and others give it, by a hub or by a mirror: nothing is made of it."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("resolve|/cdn/", headers={"ETag": etag}, omit=["X-Linked-ETag"] + ["X-Repo-Commit"] * (commit == "without"))
        assert fetcher.write(hub.url).fetch().status == 0
    assert complete_or_absent(fetcher, bert_files())


@pytest.mark.parametrize("etag", ['"0123456789abcdef0123456789abcdef"', 'W/"0123456789abcdef"', '"0123456789abcdef0123456789abcdef-12"'], ids=["MD5", "weak", "multipart"])
def test_a_digest_that_nobody_states(fetcher, etag):
    """Neither list nor headers have one: an ETag is not taken for it, and nothing is fetched."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("/tree/|blobs=true", status=404)
        hub.fault("resolve", headers={"ETag": etag}, omit=["X-Linked-ETag", "X-Repo-Commit"])
        result = fetcher.write(hub.url).fetch()
        assert result.status == 69 and "size and digest" in result.finding("fetch.protocol")["message"], result
    assert not list(fetcher.repo.glob("blobs/*")) and not fetcher.snapshot.exists()


@pytest.mark.parametrize("etag", ["a" * 40, "b" * 64])
def test_an_etag_of_nobody_knows_what(fetcher, etag):
    """Not the hub's: it proves nothing, and refuses nothing."""
    with Hub(one_repo(bert_files())) as hub:
        hub.fault("resolve", headers={"ETag": f'"{etag}"'}, omit=["X-Repo-Commit", "X-Linked-ETag"])
        assert fetcher.write(hub.url).fetch().status == 0
    assert complete_or_absent(fetcher, bert_files())


def test_a_commit_that_is_gone(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        assert fetcher.write(hub.url).fetch().status == 0
        (fetcher.snapshot / "config.json").resolve().unlink()
        (fetcher.snapshot / "config.json").unlink()
        hub.fault("resolve", status=404, headers={"X-Error-Code": "RevisionNotFound"})
        assert "mode = online" in fetcher.fetch().finding("fetch.not-found")["fix"]


def test_a_commit_that_was_squashed_away(fetcher):
    """The cache's ref names it, and nothing else of it is left: its list is gone from the hub, too."""
    with Hub(one_repo(bert_files())) as hub:
        (fetcher.repo / "refs").mkdir(parents=True)
        (fetcher.repo / "refs/main").write_text("0" * 40)
        result = fetcher.write(hub.url).fetch()
        message = result.finding("fetch.not-found")["message"]
        assert result.status == 69 and "refs/main" in message and "mode = online" in message, result
        assert fetcher.write(hub.url, mode="online").fetch().status == 0
    assert complete_or_absent(fetcher, bert_files()) and (fetcher.repo / "refs/main").read_text() == COMMIT


# Endpoints

@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429])
def test_an_endpoint_that_is_ill_is_asked_last(fetcher, status):
    with Hub(one_repo(bert_files())) as hub, Hub(one_repo(bert_files())) as ill:
        ill.fault("", status=status)
        result = fetcher.write(f"{ill.url}, {hub.url}").fetch()
        assert result.status == 0, result
        assert len(ill.requests) <= 2


def test_an_endpoint_that_hangs_is_tried_once(fetcher):
    """It takes connections and is silent: with the usual stall_timeout of 30 s the next one is asked after 10 s, and this one no more."""
    with Hub(one_repo(bert_files())) as hub, socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        silent.setblocking(False)
        result = fetcher.write(f"http://127.0.0.1:{silent.getsockname()[1]}, {hub.url}").fetch()
        taken = []
        with contextlib.suppress(BlockingIOError):
            while True:
                taken.append(silent.accept())
        for connection, _ in taken:
            connection.close()
        assert result.status == 0 and len(taken) == 1, (len(taken), result)


def test_a_name_that_is_not_there_waits_no_eternity(fetcher):
    result = fetcher.write("https://nosuch-host.invalid").fetch()
    assert result.status == 75 and all(int(wait) < 100_000 for wait in re.findall(r'"wait_ms": (\d+)', result.err)), result.err


def test_a_pause_of_one_endpoint_is_none_of_the_other(fetcher):
    with Hub(one_repo(bert_files())) as hub, Hub(one_repo(bert_files())) as busy:
        busy.fault("", status=503, headers={"Retry-After": "3000"})
        started = time.monotonic()
        assert fetcher.write(f"{busy.url}, {hub.url}").fetch().status == 0
        assert time.monotonic() - started < 300


def test_ref_names_the_pinned_commit(fetcher):
    with Hub(one_repo(bert_files())) as hub:
        fetcher.write(hub.url, model=f"repo = org/m\nrevision = {COMMIT}")
        assert fetcher.fetch().status == 0 and not (fetcher.repo / "refs/main").exists()
        fetcher.write(hub.url, model=f"repo = org/m\nrevision = {COMMIT}\nref = main\nexport = M")
        result = fetcher.fetch()                                     # nothing is missing but the name
        assert result.status == 0 and (fetcher.repo / "refs/main").read_text() == COMMIT, result
        assert not {"model.no-main", "model.stale-ref"} & set(result.codes())
        (fetcher.repo / "refs/main").write_text("0" * 40)
        assert fetcher.fetch().status == 0 and (fetcher.repo / "refs/main").read_text() == COMMIT
