//! What S3 itself sends, and what it sends through EventBridge.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>

use serde::Deserialize;
use serde_json::Value;

use super::{EventError, given, typed};
use crate::key::{InvalidKey, decode_key};
use crate::object::Object;
use crate::sequencer::Sequencer;

const CREATED: &str = "ObjectCreated:";

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Created,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

/// The same members under S3's names and under EventBridge's.
#[derive(Deserialize)]
struct Created {
    key: String,
    #[serde(alias = "versionId", alias = "version-id")]
    version_id: Option<String>,
    #[serde(alias = "eTag")]
    etag: Option<String>,
    sequencer: Option<String>,
}

#[derive(Deserialize)]
struct Bridged {
    detail: Entity,
}

/// The objects that were created; other events, and the one by which S3 tries its way out, name none.
///
/// # Errors
/// When it is no such event.
pub fn read(event: Value) -> Result<Vec<Object>, EventError> {
    if event["Event"] == "s3:TestEvent" {
        return Ok(Vec::new());
    }
    if event["source"] == "aws.s3" {
        return bridged(event);
    }
    if event.get("Records").is_none() {
        return Err(EventError::Unknown);
    }
    let Notification { records } = typed(event, "an S3 notification")?;
    let created = |record: &Record| {
        let name = &record.event_name;
        name.strip_prefix("s3:").unwrap_or(name).starts_with(CREATED)
    };
    let created = records.into_iter().filter(created);
    created.map(|Record { s3, .. }| object(s3, decode_key)).collect()
}

fn bridged(event: Value) -> Result<Vec<Object>, EventError> {
    if event["detail-type"] != "Object Created" {
        return Ok(Vec::new());
    }
    let Bridged { detail } = typed(event, "an event of EventBridge")?;
    // Here a key is written as it is.
    let plain = |key: &str| match key.is_empty() {
        true => Err(InvalidKey),
        false => Ok(key.to_owned()),
    };
    Ok(vec![object(detail, plain)?])
}

fn object(
    entity: Entity,
    key: impl Fn(&str) -> Result<String, InvalidKey>,
) -> Result<Object, EventError> {
    let Entity { bucket, object } = entity;
    let sequencer = given(object.sequencer).as_deref().map(Sequencer::parse).transpose()?;
    Ok(Object {
        bucket: bucket.name,
        key: key(&object.key)?,
        version_id: given(object.version_id),
        etag: given(object.etag).map(|tag| tag.trim_matches('"').to_owned()),
        sequencer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record(name: &str) -> Value {
        json!({"Records": [{"eventName": name, "s3": {
            "bucket": {"name": "pictures"},
            "object": {"key": "a+b%2B.jpg", "eTag": "0123", "versionId": "v1", "sequencer": "00A1"}
        }}]})
    }

    fn expected(key: &str) -> Object {
        Object {
            bucket: "pictures".into(),
            key: key.into(),
            version_id: Some("v1".into()),
            etag: Some("0123".into()),
            sequencer: Some(Sequencer::parse("00A1").unwrap()),
        }
    }

    #[test]
    fn s3_encodes_keys_and_eventbridge_does_not() {
        for name in ["ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"] {
            assert_eq!(read(record(name)), Ok(vec![expected("a b+.jpg")]));
        }
        let event = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {
            "bucket": {"name": "pictures"},
            "object": {"key": "a+b%2B.jpg", "etag": "0123", "version-id": "v1", "sequencer": "00A1"}
        }});
        assert_eq!(read(event), Ok(vec![expected("a+b%2B.jpg")]));
    }

    #[test]
    fn other_events_name_no_objects() {
        assert_eq!(read(json!({"Service": "Amazon S3", "Event": "s3:TestEvent"})), Ok(vec![]));
        assert_eq!(read(record("ObjectRemoved:Delete")), Ok(vec![]));
        let deleted = json!({"source": "aws.s3", "detail-type": "Object Deleted", "detail": {}});
        assert_eq!(read(deleted), Ok(vec![]));
        assert_eq!(read(json!({"Records": []})), Ok(vec![]));
    }

    #[test]
    fn what_is_not_as_documented_is_refused() {
        assert_eq!(read(json!({})), Err(EventError::Unknown));
        assert_eq!(read(json!([1])), Err(EventError::Unknown));
        let malformed = Err(EventError::Malformed("an S3 notification"));
        assert_eq!(read(json!({"Records": [{}]})), malformed);
        assert_eq!(read(json!({"Records": "no"})), malformed);
        let mut sequencer = record("ObjectCreated:Put");
        sequencer["Records"][0]["s3"]["object"]["sequencer"] = json!("later");
        assert!(matches!(read(sequencer), Err(EventError::Sequencer(_))));
        let mut key = record("ObjectCreated:Put");
        key["Records"][0]["s3"]["object"]["key"] = json!("%ff");
        assert!(matches!(read(key), Err(EventError::Key(_))));
    }
}
