# SPDX-License-Identifier: Apache-2.0
"""[confine]: the service has the capabilities, privileges, limits and umask that the policy says, as it sees them itself."""

import json
import os
import resource

import pytest

NET_BIND, CHOWN, SETUID = 10, 0, 7


def confined(world, payload, confine, user=None, prefix=(), **options):
    world.policy(f"[policy]\n{f'user = {user}' if user else ''}\n[confine]\n{confine}\n")
    result = world.start(payload, "0", prefix=prefix, **options)
    assert result.status == 0, result
    return json.loads(result.out)


def capabilities(seen):
    return {name[3:].lower(): int(value, 16) for name, value in seen["status"].items() if name.startswith("Cap")}


@pytest.mark.parametrize("user", [None, "0:0", "1000:1000", "12345"])
@pytest.mark.parametrize("words, mask", [("none", 0), ("net_bind_service", 1 << NET_BIND), ("CAP_NET_BIND_SERVICE, chown", 1 << NET_BIND | 1 << CHOWN)])
def test_exactly_these_capabilities(world, payload, need_root, user, words, mask):
    """After its own exec, as root and as another: no more and no less in any set."""
    seen = confined(world, payload, f"capabilities = {words}", user)
    assert capabilities(seen) == {"inh": mask, "prm": mask, "eff": mask, "bnd": mask, "amb": mask}
    assert seen["uid"] == int((user or "0").split(":")[0])


def test_kept_as_they_are(world, payload, need_root):
    plain = confined(world, payload, "")
    assert capabilities(confined(world, payload, "capabilities = keep")) == capabilities(plain)
    assert plain["status"]["NoNewPrivs"] == "0"


def test_a_grandchild_cannot_regain_any(world, payload, need_root):
    """Through a shell: what the service starts has them too, and nothing beyond."""
    world.policy("[policy]\nuser = 1000:1000\n[confine]\ncapabilities = net_bind_service\n")
    result = world.start("/bin/sh", "-c", f'"{payload}" 0')
    assert capabilities(json.loads(result.out))["eff"] == 1 << NET_BIND


def test_without_the_right_to_take_any(world, payload, need_root):
    """Started as the wanted user, without a capability: succeeds, and nothing can be gained at exec."""
    seen = confined(world, payload, "capabilities = none", user="1000:1000",
                    prefix=["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all"])
    caps = capabilities(seen)
    assert caps["prm"] == caps["eff"] == caps["amb"] == caps["inh"] == 0 and seen["status"]["NoNewPrivs"] == "1"


def test_a_capability_that_is_not_to_be_had(world, payload, need_root):
    world.policy("[policy]\nuser = 1000:1000\n[confine]\ncapabilities = sys_admin\n")
    result = world.start(payload, "0", prefix=["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
    assert result.status == 77 and "capabilities" in result.err, result


@pytest.mark.parametrize("words", ["net_bind", "none, chown", "cap_", "all", "chown chown"])
def test_what_is_no_capability(world, words):
    result = world.policy(f"[confine]\ncapabilities = {words}\n").check()
    assert result.status == 78 and "expected none, keep, or names" in result.finding("policy.value")["message"]


def test_no_new_privileges(world, payload):
    assert confined(world, payload, "no_new_privileges = yes")["status"]["NoNewPrivs"] == "1"
    assert confined(world, payload, "no_new_privileges = no")["status"]["NoNewPrivs"] == "0"


def test_umask(world, payload):
    assert confined(world, payload, "umask = 0027", preexec_fn=lambda: os.umask(0o077))["umask"] == "0027"
    assert confined(world, payload, "umask = 0", preexec_fn=lambda: os.umask(0o077))["umask"] == "0000"
    assert confined(world, payload, "", preexec_fn=lambda: os.umask(0o071))["umask"] == "0071"


def test_nofile(world, payload):
    assert confined(world, payload, "nofile = 200")["limits"][resource.RLIMIT_NOFILE] == "200/200"


def test_nofile_beyond_the_limit(world, payload, need_root):
    """Raised with the right to, refused without."""
    world.policy("[confine]\nnofile = 5000\n")
    result = world.start(payload, "0", prefix=["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--inh-caps=-all"],
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)))
    assert result.status == 77 and "nofile" in result.err, result


def test_a_refusal_starts_nothing(world, payload, need_root):
    marker = world.path / "started"
    world.policy("[policy]\nuser = 1000:1000\n[confine]\ncapabilities = net_bind_service\n[service]\nworking_directory = /no/such\n")
    assert world.start("/bin/sh", "-c", f"touch {marker}").status == 77 and not marker.exists()
