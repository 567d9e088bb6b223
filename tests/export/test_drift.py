"""`fleet plan --against`: what a cluster has is held against the file, key by key, with its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from fleet.cli import root
from tests.export.exporting import EVERYTHING, export

Live = dict[tuple[str, str], dict[str, Any]]


def cluster(folder: Path) -> Live:
    """As the API server gives back what was exported: with labels, defaults and a status."""
    export(folder, "kubernetes", EVERYTHING)
    found: Live = {}
    for path in sorted((folder / "out").glob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text()):
            if path.name in ("kustomization.yaml", "secret.example.yaml"):
                continue
            each["metadata"].update(uid="1", resourceVersion="7")
            each["metadata"].setdefault("labels", {})["app.kubernetes.io/part-of"] = "big-shop"
            each["status"] = {"observedGeneration": 3}
            found[each["kind"], each["metadata"]["name"]] = each
    for each in found.values():
        if "template" in each["spec"]:
            each["spec"]["template"]["spec"]["dnsPolicy"] = "ClusterFirst"
            each["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "Always"
    return found


def against(folder: Path, live: Live) -> Result:
    path = folder / "live.json"
    path.write_text(json.dumps({"kind": "List", "items": list(live.values())}))
    command = [
        "plan",
        "-f",
        str(folder / "fleet.toml"),
        "--against",
        str(path),
        "--detailed-exitcode",
        "--json",
    ]
    return CliRunner().invoke(root, command, standalone_mode=False, env={})


def changes(folder: Path, live: Live) -> list[tuple[str, str]]:
    ran = against(folder, live)
    found = json.loads(ran.stdout)["changes"]
    assert ran.return_value == (2 if found else 0)
    assert all(each["line"] > 0 for each in found)
    return [(each["path"], each["message"]) for each in found]


def test_what_was_exported_and_applied_has_not_drifted(tmp_path: Path) -> None:
    assert changes(tmp_path, cluster(tmp_path)) == []


def pod(each: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = each["spec"]["template"]["spec"]
    return found


IMAGES = ("Deployment", "big-shop-images")
HTTP = ("Deployment", "big-shop-http")


@pytest.mark.parametrize(
    ("which", "change", "path"),
    [
        (IMAGES, lambda each: each["spec"].update(replicas=7), "workers.images.replicas"),
        (IMAGES, lambda each: each["spec"].update(minReadySeconds=0), "rollout.min_ready"),
        (
            IMAGES,
            lambda each: pod(each).update(terminationGracePeriodSeconds=30),
            "workers.images.grace_period",
        ),
        (IMAGES, lambda each: pod(each)["securityContext"].pop("runAsUser"), "workers.images.user"),
        (
            IMAGES,
            lambda each: pod(each)["containers"][0]["resources"]["requests"].update(cpu="2"),
            "workers.images.concurrency",
        ),
        (
            HTTP,
            lambda each: pod(each)["containers"][0]["env"].append({"name": "X", "value": "1"}),
            "workers.http.env",
        ),
        (HTTP, lambda each: pod(each).update(nodeSelector={"a": "b"}), "workers.http"),
        (
            ("ScaledObject", "big-shop-http"),
            lambda each: each["spec"].update(maxReplicaCount=9),
            "workers.http.replicas",
        ),
    ],
)
def test_each_key_that_somebody_changed_is_named_with_the_file_s(
    tmp_path: Path, which: tuple[str, str], change: Callable[[dict[str, Any]], object], path: str
) -> None:
    live = cluster(tmp_path)
    change(live[which])
    found = changes(tmp_path, live)
    assert len(found) == 1, found
    assert found[0][0].startswith(path)


def test_quantities_that_mean_the_same_are_the_same(tmp_path: Path) -> None:
    live = cluster(tmp_path)
    resources = pod(live[IMAGES])["containers"][0]["resources"]
    resources["requests"].update(cpu="4000m", memory=str(int(resources["requests"]["memory"][:-2]) * 2**20))
    assert changes(tmp_path, live) == []


def test_what_is_missing_and_what_is_too_much_is_said(tmp_path: Path) -> None:
    live = cluster(tmp_path)
    old = json.loads(json.dumps(live.pop(IMAGES)))
    old["metadata"]["name"] = "big-shop-gone"
    live["Deployment", "big-shop-gone"] = old
    found = dict(changes(tmp_path, live))
    assert "Deployment big-shop-images is not in the cluster" in found["workers.images"]
    assert "Deployment big-shop-gone is in the cluster, and not in the file" in found["workers"]


def test_other_fleets_are_none_of_ours(tmp_path: Path) -> None:
    live = cluster(tmp_path)
    other = json.loads(json.dumps(live[IMAGES]))
    other["metadata"].update(name="other-images", labels={"app.kubernetes.io/part-of": "other"})
    live["Deployment", "other-images"] = other
    assert changes(tmp_path, live) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"items": 3}'])
def test_a_file_that_kubectl_has_not_written_is_refused(tmp_path: Path, text: str) -> None:
    cluster(tmp_path)
    (tmp_path / "live.json").write_text(text)
    command = ["plan", "-f", str(tmp_path / "fleet.toml"), "--against", str(tmp_path / "live.json")]
    ran = CliRunner().invoke(root, command, standalone_mode=False)
    assert ran.exit_code != 0
    assert "kubectl get -o json" in str(getattr(ran.exception, "message", ""))
