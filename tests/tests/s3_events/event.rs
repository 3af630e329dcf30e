//! Events as S3 and the services between make them.

use serde_json::{Value, json};

/// One creation of one object.
#[derive(Debug, Clone)]
pub struct Created {
    pub bucket: String,
    pub key: String,
    pub etag: String,
    pub sequencer: u64,
}

impl Created {
    pub fn notification(&self) -> Value {
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "eu-west-1",
            "eventTime": "2026-11-01T12:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": { "name": self.bucket, "arn": format!("arn:aws:s3:::{}", self.bucket) },
                "object": { "key": encoded(&self.key), "size": 1, "eTag": self.etag,
                            "sequencer": format!("{:016X}", self.sequencer) }
            }
        }]})
    }
}

/// Messages of SQS by their ids.
pub fn messages<'a>(messages: impl IntoIterator<Item = (&'a str, String)>) -> Value {
    let message = |(id, body)| json!({ "messageId": id, "eventSource": "aws:sqs", "body": body });
    json!({ "Records": messages.into_iter().map(message).collect::<Vec<_>>() })
}

/// One task of S3 Batch Operations, schema 2.0.
pub fn task(bucket: &str, key: &str) -> Value {
    json!({
        "invocationSchemaVersion": "2.0",
        "invocationId": "invocation-1",
        "job": { "id": "job-1", "userArguments": { "asked": "by a test" } },
        "tasks": [{ "taskId": "task-1", "s3Key": encoded(key), "s3VersionId": null,
                    "s3Bucket": bucket }]
    })
}

/// A key as S3 writes it into events: as in a form, slashes apart.
pub fn encoded(key: &str) -> String {
    let byte = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        b'/' | b'-' | b'_' | b'.' | b'*' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    key.bytes().map(byte).collect()
}
