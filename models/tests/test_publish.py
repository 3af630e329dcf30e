"""Publishing: immutable versions, one pointer, and a way back, against a local S3 server."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from conftest import ok, refused, s3_client

from glimpse_models.errors import UserError
from glimpse_models.registry.s3 import Current, Repository

PLACE = "s3://models/colours"


def client(s3: dict[str, str]) -> Any:
    return s3_client(s3["AWS_ENDPOINT_URL_S3"])


@pytest.fixture
def versions(bundle: Path, tmp_path: Path) -> dict[str, Path]:
    """The same model as three versions."""
    found = {}
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        folder = tmp_path / version
        shutil.copytree(bundle, folder)
        manifest = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").write_text(json.dumps({**manifest, "version": version}))
        found[version] = folder
    return found


def current(s3: dict[str, str]) -> str:
    body = client(s3).get_object(Bucket="models", Key="colours/current")["Body"].read()
    version: str = json.loads(body)["version"]
    return version


def test_a_published_bundle_lies_under_its_version(s3: dict[str, str], bundle: Path) -> None:
    said = ok("publish", "--bundle", bundle, "--to", PLACE, **s3)
    digest = hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()
    assert "GLIMPSE_MODEL_URI=s3://models/colours/1.0.0" in said
    assert f"GLIMPSE_MODEL_SHA256={digest}" in said
    parameters = f"ModelPrefix=colours/1.0.0 ModelSha256={digest}"
    assert f"sam deploy --parameter-overrides {parameters}" in said
    for name in ("bundle.json", "labels.txt", "model.cpu.onnx", "model.onnx"):
        stored = client(s3).get_object(Bucket="models", Key=f"colours/1.0.0/{name}")
        assert stored["Body"].read() == (bundle / name).read_bytes()
    pointer = client(s3).get_object(Bucket="models", Key="colours/current")["Body"].read()
    assert json.loads(pointer) == {"version": "1.0.0", "bundle_sha256": digest, "history": []}


def test_a_bundle_without_a_graph_for_the_cpu_is_completed(
    s3: dict[str, str], bundle: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(bundle, plain)
    (plain / "model.cpu.onnx").unlink()
    manifest = json.loads((plain / "bundle.json").read_text())
    del manifest["files"]["model.cpu.onnx"], manifest["cpu_graph"]
    (plain / "bundle.json").write_text(json.dumps(manifest))
    before = (plain / "bundle.json").read_bytes()
    words = ("publish", "--bundle", plain, "--to", PLACE)
    # Cut off before the pointer was moved: the same bytes are made again.
    ok(*words, "--no-current", **s3)
    said = ok(*words, **s3)
    stored = client(s3).get_object(Bucket="models", Key="colours/1.0.0/bundle.json")["Body"].read()
    assert json.loads(stored) == json.loads((bundle / "bundle.json").read_bytes())
    assert f"GLIMPSE_MODEL_SHA256={hashlib.sha256(stored).hexdigest()}" in said
    graph = client(s3).get_object(Bucket="models", Key="colours/1.0.0/model.cpu.onnx")
    assert graph["Body"].read() == (bundle / "model.cpu.onnx").read_bytes()
    assert (plain / "bundle.json").read_bytes() == before
    ok("publish", "--bundle", plain, "--to", "s3://models/plain", "--no-cpu-graph", **s3)
    stored = client(s3).get_object(Bucket="models", Key="plain/1.0.0/bundle.json")["Body"].read()
    assert stored == before


def test_a_version_is_never_overwritten(s3: dict[str, str], bundle: Path) -> None:
    ok("publish", "--bundle", bundle, "--to", PLACE, **s3)
    assert "a version never changes" in refused("publish", "--bundle", bundle, "--to", PLACE, **s3)


def test_a_cut_off_upload_can_be_finished_but_not_mixed(
    s3: dict[str, str], versions: dict[str, Path]
) -> None:
    put = client(s3).put_object
    put(
        Bucket="models",
        Key="colours/1.0.0/model.onnx",
        Body=(versions["1.0.0"] / "model.onnx").read_bytes(),
    )
    put(Bucket="models", Key="colours/1.1.0/model.onnx", Body=b"another model")
    assert "nothing is published" in ok("list", "--of", PLACE, **s3)
    ok("publish", "--bundle", versions["1.0.0"], "--to", PLACE, **s3)
    said = refused("publish", "--bundle", versions["1.1.0"], "--to", PLACE, **s3)
    assert "other content" in said
    assert current(s3) == "1.0.0"


def test_rollback_goes_back_step_by_step_and_by_name(
    s3: dict[str, str], versions: dict[str, Path]
) -> None:
    for folder in versions.values():
        ok("publish", "--bundle", folder, "--to", PLACE, **s3)
    assert current(s3) == "2.0.0"
    assert "current is 1.1.0, was 2.0.0" in ok("rollback", "--of", PLACE, **s3)
    said = ok("rollback", "--of", PLACE, **s3)
    assert "current is 1.0.0, was 1.1.0" in said
    digest = hashlib.sha256((versions["1.0.0"] / "bundle.json").read_bytes()).hexdigest()
    assert f"ModelPrefix=colours/1.0.0 ModelSha256={digest}" in said
    assert "--to VERSION" in refused("rollback", "--of", PLACE, **s3)
    ok("rollback", "--of", PLACE, "--to", "2.0.0", **s3)
    assert current(s3) == "2.0.0"
    said = refused("rollback", "--of", PLACE, "--to", "3.0.0", **s3)
    assert "1.0.0, 1.1.0, 2.0.0" in said
    listed = ok("list", "--of", PLACE, **s3).splitlines()
    assert [line.split()[0] for line in listed] == ["1.0.0", "1.1.0", "*"]
    assert "top-1" in listed[0]


def test_an_upload_need_not_become_current(s3: dict[str, str], versions: dict[str, Path]) -> None:
    ok("publish", "--bundle", versions["1.0.0"], "--to", PLACE, **s3)
    ok("publish", "--bundle", versions["1.1.0"], "--to", PLACE, "--no-current", **s3)
    assert current(s3) == "1.0.0"
    # As after an upload that was cut off before the pointer was moved.
    ok("publish", "--bundle", versions["1.1.0"], "--to", PLACE, **s3)
    assert current(s3) == "1.1.0"
    ok("rollback", "--of", PLACE, "--to", "1.0.0", **s3)
    ok("rollback", "--of", PLACE, "--to", "1.1.0", **s3)
    assert current(s3) == "1.1.0"


def test_two_who_publish_at_once_do_not_undo_each_other(s3: dict[str, str]) -> None:
    with mock.patch.dict("os.environ", s3):
        repository = Repository.open(PLACE)
        repository.point(Current("1", "a"), None)
        read = repository.current()
        repository.point(Current("2", "b", (("1", "a"),)), read)
        with pytest.raises(UserError, match="someone else"):
            repository.point(Current("3", "c", (("1", "a"),)), read)
        with pytest.raises(UserError, match="someone else"):
            repository.point(Current("3", "c"), None)
        found = repository.current()
    assert found is not None
    assert (found.version, found.history) == ("2", (("1", "a"),))


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"version": "1.0.0", "bundle_sha256": "a"}',
        '{"version": 1, "bundle_sha256": "a", "history": []}',
        '{"version": "1.0.0", "bundle_sha256": "a", "history": ["0.9.0"]}',
    ],
)
def test_a_malformed_pointer_is_refused_and_can_be_made_anew(
    s3: dict[str, str], bundle: Path, text: str
) -> None:
    ok("publish", "--bundle", bundle, "--to", PLACE, "--no-current", **s3)
    place = {"Bucket": "models", "Key": "colours/current"}
    client(s3).put_object(**place, Body=text.encode())
    for words in (("list", "--of"), ("rollback", "--of"), ("publish", "--bundle", bundle, "--to")):
        assert f"{PLACE}/current is not what publish writes" in refused(*words, PLACE, **s3)
    client(s3).delete_object(**place)
    ok("rollback", "--of", PLACE, "--to", "1.0.0", **s3)
    assert current(s3) == "1.0.0"


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"files": {}}', '{"files": {"model.onnx": 1}}'])
def test_a_damaged_version_does_not_hide_the_others(
    s3: dict[str, str], bundle: Path, text: str
) -> None:
    ok("publish", "--bundle", bundle, "--to", PLACE, **s3)
    client(s3).put_object(Bucket="models", Key="colours/0.9.0/bundle.json", Body=text.encode())
    damaged, whole = ok("list", "--of", PLACE, **s3).splitlines()
    assert "0.9.0  its bundle.json is damaged" in damaged
    assert "* 1.0.0" in whole
    assert "top-1" in whole


def test_a_write_that_meets_another_is_tried_again(s3: dict[str, str]) -> None:
    conflict = ClientError({"Error": {"Code": "ConditionalRequestConflict"}}, "PutObject")
    with mock.patch.dict("os.environ", s3):
        repository = Repository.open(PLACE)
    put = repository.client.put_object

    def met(times: int) -> Any:
        answers = [conflict] * times + [mock.DEFAULT] * 2
        return mock.patch.object(repository.client, "put_object", side_effect=answers, wraps=put)

    with mock.patch("glimpse_models.registry.s3.PAUSES_S", (0, 0, 0)):
        with met(2) as tried:
            assert repository.put_new("1/labels.txt", b"a", "text/plain")
        assert tried.call_count == 3
        with met(1):
            assert not repository.put_new("1/labels.txt", b"b", "text/plain"), "the other was first"
        with met(1):
            repository.point(Current("1", "a"), None)
        with met(3), pytest.raises(UserError, match=r"2/labels\.txt is being written by"):
            repository.put_new("2/labels.txt", b"a", "text/plain")
    assert repository.keys() == ["1/labels.txt", "current"]


def test_publish_refuses(s3: dict[str, str], versions: dict[str, Path], tmp_path: Path) -> None:
    folder = versions["1.0.0"]
    assert "s3://BUCKET/PREFIX" in refused(
        "publish", "--bundle", folder, "--to", "models/colours", **s3
    )
    assert "s3://BUCKET/PREFIX" in refused(
        "publish", "--bundle", folder, "--to", "s3://models", **s3
    )
    assert "check its name" in refused(
        "publish", "--bundle", folder, "--to", "s3://nowhere/colours", **s3
    )
    assert "holds no bundle.json" in refused("publish", "--bundle", tmp_path, "--to", PLACE, **s3)
    manifest = json.loads((folder / "bundle.json").read_text())
    for version in ("current", "a/b", ""):
        (folder / "bundle.json").write_text(json.dumps({**manifest, "version": version}))
        assert "cannot name a folder" in refused("publish", "--bundle", folder, "--to", PLACE, **s3)
    (folder / "bundle.json").write_text(json.dumps({**manifest, "schema_version": 3}))
    assert "schema version 3" in refused("publish", "--bundle", folder, "--to", PLACE, **s3)
    with (versions["1.1.0"] / "labels.txt").open("a") as file:
        file.write("one more\n")
    said = refused("publish", "--bundle", versions["1.1.0"], "--to", PLACE, **s3)
    assert "not the file that bundle.json names" in said
    assert "nothing is published" in ok("list", "--of", PLACE, **s3)
