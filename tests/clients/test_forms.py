"""Bodies as curl and Python's requests make them of themselves."""

import gzip
import json
import subprocess
import zlib

import pytest
import requests

from conftest import PICTURE


@pytest.mark.parametrize(
    "arguments",
    [
        ["-F", f"file=@{PICTURE}"],
        ["-F", f"image=@{PICTURE};type=application/octet-stream"],
        ["-F", f"file=@{PICTURE}", "-F", "top_k=3"],
        # curl calls it a form that is urlencoded.
        ["--data-binary", f"@{PICTURE}"],
        ["-H", "content-type:", "--data-binary", f"@{PICTURE}"],
        ["-H", "content-type: application/octet-stream", "--data-binary", f"@{PICTURE}"],
        ["-H", "expect: 100-continue", "-T", str(PICTURE), "-X", "POST"],
        ["--data-urlencode", "image_data@{base64}"],
    ],
)
def test_curl(server, text, expected, tmp_path, arguments):
    (tmp_path / "base64").write_text(text)
    arguments = [argument.replace("{base64}", str(tmp_path / "base64")) for argument in arguments]
    command = ["curl", "-sS", "--fail-with-body", *arguments, f"{server}/predict?top_k=3"]
    answer = json.loads(subprocess.check_output(command))
    assert answer["predictions"] == expected


def test_curl_with_several_files(server, expected):
    files = ["-F", f"a=@{PICTURE}", "-F", f"b=@{PICTURE}"]
    command = ["curl", "-sS", "--fail-with-body", *files, f"{server}/predict?top_k=3"]
    results = json.loads(subprocess.check_output(command))["results"]
    assert [result["predictions"] for result in results] == [expected, expected]


def test_requests(server, picture, text, expected):
    for options in (
        {"data": picture},
        {"files": {"file": picture}},
        {"files": {"file": ("a.jpg", picture, "image/jpeg")}, "data": {"top_k": 3}},
        {"data": {"image_data": text}},
        {"data": gzip.compress(picture), "headers": {"content-encoding": "gzip"}},
        {
            "data": zlib.compress(json.dumps({"image_data": text}).encode()),
            "headers": {"content-encoding": "deflate", "content-type": "application/json"},
        },
        {
            "data": b"\xef\xbb\xbf" + json.dumps({"image_data": text}).encode(),
            "headers": {"content-type": "application/json"},
        },
    ):
        answer = requests.post(f"{server}/predict?top_k=3", timeout=60, **options)
        assert answer.status_code == 200, answer.text
        assert answer.json()["predictions"] == expected


def test_an_unescaped_form_is_refused_and_not_read_as_another_picture(server, text):
    assert "+" in text
    headers = {"content-type": "application/x-www-form-urlencoded"}
    body = f"image_data={text}"
    answer = requests.post(f"{server}/predict", data=body, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_base64")
