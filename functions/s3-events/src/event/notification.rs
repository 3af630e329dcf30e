//! What S3 itself sends.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>

use serde::Deserialize;
use serde_json::Value;

use super::error::{EventError, parse};
use super::notice::{Notice, object};
use crate::key::decode_key;

const FORM: &str = "an S3 notification";
const CREATED: &str = "ObjectCreated:";
/// An archived object can be read from now on.
const RESTORED: &str = "ObjectRestore:Completed";

#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    event_name: String,
    s3: Option<S3>,
}

#[derive(Deserialize)]
struct S3 {
    bucket: Bucket,
    object: Created,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    key: String,
    version_id: Option<String>,
    e_tag: Option<String>,
    sequencer: Option<String>,
}

/// Whether `event` is what S3 sends once to try a destination.
pub(super) fn is_test(event: &Value) -> bool {
    event["Event"] == "s3:TestEvent"
}

/// The objects that were created or restored.
pub(super) fn read(event: Value) -> Result<Notice, EventError> {
    if is_test(&event) {
        return Ok(Notice::leave_out("s3:TestEvent"));
    }
    let Notification { records } = parse(event, FORM)?;
    records.into_iter().map(read_record).try_fold(Notice::default(), |all, one| Ok(all.and(one?)))
}

fn read_record(record: Record) -> Result<Notice, EventError> {
    let Record { event_name, s3 } = record;
    let name = event_name.strip_prefix("s3:").unwrap_or(&event_name);
    let restored = name == RESTORED;
    if !restored && !name.starts_with(CREATED) {
        return Ok(Notice::leave_out(name));
    }
    let S3 { bucket, object: created } = s3.ok_or(EventError::Malformed(FORM))?;
    let key = decode_key(&created.key)?;
    // The sequencer orders creations and deletions alone.
    let sequencer = created.sequencer.filter(|_| !restored);
    object(bucket.name, key, created.version_id, created.e_tag, sequencer).map(Notice::of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Object;
    use crate::sequencer::Sequencer;

    fn record(name: &str) -> Value {
        json!({"Records": [{"eventName": name, "s3": {
            "bucket": {"name": "pictures"},
            "object": {"key": "a+b%2B.jpg", "eTag": "0123", "versionId": "v1", "sequencer": "00A1"}
        }}]})
    }

    fn expected() -> Object {
        Object {
            bucket: "pictures".into(),
            key: "a b+.jpg".into(),
            version_id: Some("v1".into()),
            etag: Some("0123".into()),
            sequencer: Some(Sequencer::parse("00A1").unwrap()),
        }
    }

    #[test]
    fn created_objects_are_named_and_their_keys_decoded() {
        for name in ["ObjectCreated:Put", "s3:ObjectCreated:CompleteMultipartUpload"] {
            assert_eq!(read(record(name)), Ok(Notice::of(expected())));
        }
    }

    #[test]
    fn a_restored_object_is_named_without_a_sequencer() {
        let restored = Object { sequencer: None, ..expected() };
        assert_eq!(read(record("ObjectRestore:Completed")), Ok(Notice::of(restored)));
    }

    #[test]
    fn other_events_are_left_out_by_name() {
        for name in ["ObjectRemoved:Delete", "ObjectRestore:Post", "ObjectTagging:Put"] {
            assert_eq!(read(record(name)), Ok(Notice::leave_out(name)));
        }
        // Names that nobody documents are not repeated.
        assert_eq!(read(record("<b>\n")), Ok(Notice::leave_out("unknown")));
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent"});
        assert_eq!(read(test), Ok(Notice::leave_out("s3:TestEvent")));
        assert_eq!(read(json!({"Records": []})), Ok(Notice::default()));
        // An event about a bucket's settings names no object.
        let other = json!({"Records": [{"eventName": "LifecycleTransition"}]});
        assert_eq!(read(other), Ok(Notice::leave_out("LifecycleTransition")));
    }

    #[test]
    fn what_is_not_as_documented_is_refused() {
        let malformed = Err(EventError::Malformed(FORM));
        assert_eq!(read(json!({"Records": [{}]})), malformed);
        assert_eq!(read(json!({"Records": "no"})), malformed);
        assert_eq!(read(json!({"Records": [{"eventName": "ObjectCreated:Put"}]})), malformed);
        let mut sequencer = record("ObjectCreated:Put");
        sequencer["Records"][0]["s3"]["object"]["sequencer"] = json!("later");
        assert!(matches!(read(sequencer), Err(EventError::Sequencer(_))));
        let mut bucket = record("ObjectCreated:Put");
        bucket["Records"][0]["s3"]["bucket"]["name"] = json!("");
        assert_eq!(read(bucket), Err(EventError::NoBucket));
        let mut key = record("ObjectCreated:Put");
        key["Records"][0]["s3"]["object"]["key"] = json!("%ff");
        assert!(matches!(read(key), Err(EventError::Key(_))));
    }
}
