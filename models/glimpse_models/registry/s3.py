"""Published bundles in S3: `s3://BUCKET/PREFIX/VERSION/` and the pointer `PREFIX/current`.

The pointer is a small JSON object: the current version, the hash of its `bundle.json`, and the
versions that were current before, which is what a rollback goes back to.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any

from glimpse_models.bundle.names import POINTER
from glimpse_models.errors import UserError

# Before each try of a conditional write: where two meet, S3 asks to try again.
PAUSES_S = (0, 0.1, 0.5, 2)


@dataclass(frozen=True)
class Current:
    """The pointer's content; `etag` is that of the object it was read from."""

    version: str
    sha256: str
    history: tuple[tuple[str, str], ...] = ()
    etag: str | None = None

    def to_json(self) -> bytes:
        """As stored."""
        content = {
            "version": self.version,
            "bundle_sha256": self.sha256,
            "history": [{"version": v, "bundle_sha256": s} for v, s in self.history],
        }
        return f"{json.dumps(content, indent=2)}\n".encode()

    @classmethod
    def from_json(cls, stored: bytes, etag: str) -> Current:
        """From what `to_json` made; a ValueError says what else it is."""
        match json.loads(stored):
            case {"history": list(past), **newest}:
                (version, sha256), *history = map(_pair, [newest, *past])
                return cls(version, sha256, tuple(history), etag)
        raise ValueError("it has no history")


def _pair(entry: Any) -> tuple[str, str]:
    match entry:
        case {"version": str(version), "bundle_sha256": str(sha256)}:
            return version, sha256
    raise ValueError("version or bundle_sha256 is missing, or no text")


@dataclass(frozen=True)
class Repository:
    """All versions of one model below a prefix; `client` is boto3's."""

    client: Any
    bucket: str
    prefix: str

    @classmethod
    def open(cls, uri: str, endpoint: str | None = None) -> Repository:
        """`s3://bucket/prefix`, at AWS or at any endpoint (as AWS_ENDPOINT_URL_S3 does too)."""
        import boto3
        from botocore.config import Config

        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        prefix = prefix.strip("/")
        if not uri.startswith("s3://") or not bucket or not prefix:
            raise UserError(
                f"{uri} is not of the form s3://BUCKET/PREFIX; the prefix names the model, as s3://models/resnet50"
            )
        endpoint = (
            endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        )
        # Servers other than AWS are often reached by address, where a bucket cannot be a host name.
        style = "path" if endpoint else "auto"
        config = Config(
            s3={"addressing_style": style}, retries={"mode": "standard", "max_attempts": 5}
        )
        try:
            client = boto3.client("s3", endpoint_url=endpoint, config=config)
        except Exception as error:  # botocore's exceptions about the configuration are many
            raise UserError(
                f"no S3 client: {error}; set AWS_REGION and credentials, or AWS_PROFILE"
            ) from error
        return cls(client, bucket, prefix)

    def uri(self, key: str) -> str:
        """Where a key is; of a version, what `GLIMPSE_MODEL_URI` is set to."""
        return f"s3://{self.bucket}/{self.prefix}/{key}"

    def put_new(self, key: str, body: bytes, content_type: str) -> bool:
        """Write an object that must not exist yet; says whether it was written."""
        return self._put(key, body, content_type, {"IfNoneMatch": "*"})

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Content and ETag, or nothing."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self.client.get_object(Bucket=self.bucket, Key=f"{self.prefix}/{key}")
            return answer["Body"].read(), answer["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise self._user_error(error) from error
        except BotoCoreError as error:
            raise self._user_error(error) from error

    def current(self) -> Current | None:
        """The pointer, or nothing when no version was ever made current."""
        found = self.get(POINTER)
        if found is None:
            return None
        try:
            return Current.from_json(*found)
        except ValueError as error:
            raise UserError(
                f"{self.uri(POINTER)} is not what publish writes: {error}; delete it, then say which version "
                "is current with rollback --to VERSION"
            ) from error

    def point(self, to: Current, read: Current | None) -> None:
        """Move the pointer, unless someone else has moved it since it was `read`."""
        condition = {"IfNoneMatch": "*"} if read is None else {"IfMatch": read.etag}
        if not self._put(POINTER, to.to_json(), "application/json", condition):
            raise UserError(
                f"{self.prefix}/{POINTER} was changed by someone else in the meantime; look with list, then try again"
            )

    def versions(self) -> list[str]:
        """The complete ones: `bundle.json` is uploaded last."""
        return sorted(
            key.split("/")[0]
            for key in self.keys()
            if key.count("/") == 1 and key.endswith("/bundle.json")
        )

    def keys(self) -> list[str]:
        """Everything below the prefix, without the prefix."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}/"
            )
            objects = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        except (ClientError, BotoCoreError) as error:
            raise self._user_error(error) from error
        return [key.removeprefix(f"{self.prefix}/") for key in objects]

    def _put(self, key: str, body: bytes, content_type: str, condition: dict[str, Any]) -> bool:
        """Write an object if the condition holds; says whether it did."""
        from botocore.exceptions import BotoCoreError, ClientError

        for pause in PAUSES_S:
            time.sleep(pause)
            try:
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=f"{self.prefix}/{key}",
                    Body=body,
                    ContentType=content_type,
                    ChecksumAlgorithm="SHA256",
                    **condition,
                )
                return True
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code == "PreconditionFailed":
                    return False
                if code != "ConditionalRequestConflict":
                    raise self._user_error(error) from error
            except BotoCoreError as error:
                raise self._user_error(error) from error
        raise UserError(
            f"{self.uri(key)} is being written by someone else, after {len(PAUSES_S)} tries still; try again later"
        )

    def _user_error(self, error: Exception) -> UserError:
        return UserError(
            f"S3 bucket {self.bucket}: {error}; check its name, the region, the endpoint and the credentials' rights"
        )
