"""The installed package, on a bare Debian without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from box import Box
from conftest import ARCH, EDGE

LIB = "/usr/local/lib/glimpse"
# What systemd, dpkg and the test itself write besides.
PASSING = (
    r"^/(proc|sys|dev|run|tmp|packages|pictures|var/(log|cache/ldconfig|lib/(systemd|dpkg)))(/|$)"
)


def install(box: Box, version: str = "1.0.0", arguments: str = "") -> str:
    name = f"glimpse-{version}-{ARCH}-linux"
    return box.shell(
        f"cd /tmp; tar -xzf /packages/{name}.tar.gz; {name}/install.sh {arguments} 2>&1"
    )


def label(box: Box, port: int = 8080) -> str:
    return str(json.loads(box.request("/predict", "coffee.png", port))["label"])


def files(box: Box) -> set[str]:
    """Every path that is not in passing, and who is in the password file."""
    found = box.shell(f"find / -xdev | grep -vE '{PASSING}'; cut -d: -f1 /etc/passwd /etc/group")
    # useradd and systemd-sysusers leave copies of what they changed, and the range of ids.
    return {
        line
        for line in found.splitlines()
        if not line.endswith("-") and "/etc/.pwd.lock" not in line
    }


def test_an_installed_package_classifies_without_a_network(box: Box) -> None:
    interfaces = box.run("cat", "/proc/net/dev").splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces] == ["lo"]
    install(box)
    # Type=notify: started means that the model answered.
    assert box.run("systemctl", "is-active", "glimpse") == "active"
    assert box.run("systemctl", "is-enabled", "glimpse") == "enabled"
    assert label(box) == "espresso"
    classify = "runuser -u nobody -- glimpse classify --json /pictures/coffee.png"
    assert '"espresso"' in box.shell(f"cd /; {classify}")


def test_the_service_can_do_little(box: Box) -> None:
    install(box)
    pid = box.main_pid()
    status = dict(
        line.split(":\t", 1) for line in box.run("cat", f"/proc/{pid}/status").splitlines()
    )
    assert status["Uid"].split()[0] == box.run("id", "--user", "glimpse") != "0"
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    # Even root, where the service is, finds the system read-only.
    within = f"nsenter --target={pid} --mount --"
    for path in ("/usr/local/lib/glimpse/model/x", "/etc/x", "/opt/x"):
        refused = box.shell(f"{within} touch {path} 2>&1 || true")
        assert "Read-only file system" in refused, path
    box.shell(f"{within} touch /var/cache/glimpse/x")
    assert box.shell(f"{within} ls /home 2>&1 || true") == ""
    # 2.0 of 10, the most exposed being 10.
    box.run("systemd-analyze", "security", "glimpse", "--threshold=20", "--no-pager")


def test_the_confined_service_runs_its_model_by_the_provider(box: Box, provider: str) -> None:
    install(box)
    unpacked = f"cd /tmp; tar -xzf /packages/{provider}.tar.gz"
    box.shell(f"{unpacked}; {provider}/install.sh 2>&1")
    box.wait(box.answers, "the service with the provider")
    # It offers devices of Intel's processors alone; elsewhere the CPU provider runs the model.
    intel = "GenuineIntel" in Path("/proc/cpuinfo").read_text()
    assert json.loads(box.request("/model"))["provider"] == ("openvino" if intel else "cpu")
    assert label(box) == "espresso"
    status = box.shell(f"cat /proc/{box.main_pid()}/status")
    assert "Seccomp:\t2" in status
    box.shell(f"/tmp/{provider}/install.sh --uninstall")
    box.wait(box.answers, "the service without it")
    assert json.loads(box.request("/model"))["provider"] == "cpu"


def test_a_killed_or_hanging_service_is_started_again(box: Box) -> None:
    install(box, arguments="--no-start")
    box.shell("mkdir -p /etc/systemd/system/glimpse.service.d")
    box.shell(
        "printf '[Service]\\nWatchdogSec=2\\n' >/etc/systemd/system/glimpse.service.d/quick.conf"
    )
    box.shell("systemctl daemon-reload; systemctl start glimpse")
    for signal in ("KILL", "STOP"):
        before = box.main_pid()
        box.shell(f"kill -{signal} {before}")
        box.wait(
            lambda was=before: box.main_pid() not in ("0", was) and box.answers(), "a new process"
        )
        assert label(box) == "espresso"


def test_an_upgrade_keeps_the_configuration_and_installing_twice_changes_nothing(box: Box) -> None:
    install(box)
    box.shell("sed -i s/8080/8088/ /etc/glimpse/glimpse.env")
    install(box, "1.1.0")
    assert label(box, 8088) == "espresso"
    bill = json.loads(box.shell(f"cat {LIB}/sbom.cdx.json"))
    assert bill["metadata"]["component"]["version"] == "1.1.0"
    assert "8080" in box.shell("cat /etc/glimpse/glimpse.env.example")
    state = f"find {LIB} /etc/glimpse -type f | sort | xargs sha256sum"
    before = box.shell(state)
    install(box, "1.1.0")
    assert box.shell(state) == before
    assert label(box, 8088) == "espresso"


def test_a_removed_package_leaves_the_configuration_and_a_purged_one_nothing(box: Box) -> None:
    before = files(box)
    install(box)
    box.run(f"{LIB}/install.sh", "--uninstall")
    kept = {path for path in files(box) - before if path.startswith("/")}
    assert "/etc/glimpse/glimpse.env" in kept
    assert kept <= {
        *("/etc/glimpse", "/etc/glimpse/glimpse.env"),
        *("/var/lib/glimpse", "/var/cache/glimpse"),
    }
    assert not box.answers()
    install(box)
    box.run(f"{LIB}/install.sh", "--uninstall", "--purge")
    assert files(box) == before


def test_a_damaged_package_is_refused_before_anything_is_installed(box: Box) -> None:
    name = f"glimpse-1.0.0-{ARCH}-linux"
    box.shell(f"cd /tmp; tar -xzf /packages/{name}.tar.gz; printf x >>{name}/model/labels.txt")
    said = box.shell(f"/tmp/{name}/install.sh 2>&1 || true")
    assert "the package is damaged" in said
    assert box.shell(f"ls {LIB} /etc/glimpse 2>/dev/null || true") == ""


def test_an_image_is_made_without_touching_the_system_that_makes_it(box: Box) -> None:
    before = files(box)
    name = f"glimpse-1.0.0-{ARCH}-linux"
    box.shell(
        f"cd /tmp; tar -xzf /packages/{name}.tar.gz; DESTDIR=/tmp/image PREFIX=/usr {name}/install.sh"
    )
    assert files(box) == before
    assert "ExecStart=/usr/lib/glimpse/bin/glimpse serve" in box.shell(
        "cat /tmp/image/etc/systemd/system/glimpse.service"
    )
    assert '"espresso"' in box.run(
        "/tmp/image/usr/bin/glimpse", "classify", "--json", "/pictures/coffee.png"
    )


def test_the_deb_installs_upgrades_and_is_removed(box: Box, debs: list[str]) -> None:
    before = files(box)
    old, new = debs
    box.shell(f"dpkg --install /packages/{old}")
    assert label(box) == "espresso"
    assert '"espresso"' in box.run("glimpse", "classify", "--json", "/pictures/coffee.png")
    box.shell("sed -i s/8080/8088/ /etc/glimpse/glimpse.env")
    box.shell(f"dpkg --install /packages/{new}")
    box.wait(lambda: box.answers(8088), "the upgraded service")
    assert label(box, 8088) == "espresso"
    box.shell("dpkg --remove glimpse")
    assert not box.answers(8088)
    assert "/etc/glimpse/glimpse.env" in files(box) - before
    box.shell("dpkg --purge glimpse")
    assert {path for path in files(box) - before if "glimpse" in path and "/" in path} == set()


def test_greengrass_runs_what_the_recipe_says(box: Box, packages: Path) -> None:
    recipe = yaml.safe_load((packages / f"glimpse-1.0.0-{ARCH}-linux/recipe.yaml").read_text())
    wanted = {"x86_64": "amd64"}.get(ARCH, ARCH)
    manifest = next(m for m in recipe["Manifests"] if m["Platform"]["architecture"] == wanted)
    words = {"{artifacts:path}": "/packages", "{work:path}": "/tmp/work"}
    for name, value in recipe["ComponentConfiguration"]["DefaultConfiguration"].items():
        words[f"{{configuration:/{name}}}"] = value

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    lifecycle = manifest["Lifecycle"]
    box.shell("mkdir /tmp/work; chown nobody /tmp/work")
    box.run("runuser", "-u", "nobody", "--", "sh", "-c", filled(lifecycle["Install"]["Script"]))
    run = ["systemd-run", "--uid=nobody", "--unit=greengrass"]
    run += [
        f"--setenv={name}={filled(value)}" for name, value in lifecycle["Run"]["Setenv"].items()
    ]
    box.run(*run, "sh", "-c", filled(lifecycle["Run"]["Script"]))
    box.wait(box.answers, "the component")
    assert label(box) == "espresso"


@pytest.mark.parametrize("argument", ["--purge", "--what"])
def test_arguments_that_make_no_sense_are_refused(box: Box, argument: str) -> None:
    install(box, arguments="--no-start")
    said = box.shell(
        f"/tmp/glimpse-1.0.0-{ARCH}-linux/install.sh {argument} 2>&1 && echo done || true"
    )
    assert said
    assert not said.endswith("done")


def test_the_containers_root_holds_all_that_the_program_needs(box: Box) -> None:
    name = f"glimpse-1.0.0-{ARCH}-linux"
    # The step that gathers the root, without the engine that would run it.
    steps = (EDGE / "Containerfile").read_text().replace("\\\n", "").splitlines()
    step = next(line for line in steps if line.startswith("RUN "))
    box.shell(f"cd /tmp; tar -xzf /packages/{name}.tar.gz; mv {name} /package")
    box.shell(step.removeprefix("RUN "))
    assert box.shell("ls /root-fs/bin /root-fs/usr/bin 2>/dev/null || true") == ""
    box.shell("cp /pictures/coffee.png /root-fs/opt/")
    # Every engine gives a container this.
    box.shell("mkdir /root-fs/proc; mount -t proc proc /root-fs/proc")
    run = "chroot --userspec=65532:65532 /root-fs /opt/glimpse/bin/glimpse classify --json"
    assert '"espresso"' in box.shell(f"{run} /opt/coffee.png")
