//! What S3 and `CloudTrail` send through EventBridge.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html>
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/cloudtrail-logging-s3-info.html>

use serde::Deserialize;
use serde_json::Value;

use super::error::{EventError, parse};
use super::notice::{Notice, object, plain_key};

const FORM: &str = "an event of S3 through EventBridge";
const CALL_FORM: &str = "an API call through CloudTrail and EventBridge";
const CREATED: &str = "Object Created";
/// An archived object can be read from now on.
const RESTORED: &str = "Object Restore Completed";
const CALL: &str = "AWS API Call via CloudTrail";
/// The calls that make an object.
const WRITES: [&str; 4] = ["PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"];

#[derive(Deserialize)]
struct Event<T> {
    detail: T,
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
#[serde(rename_all = "kebab-case")]
struct Created {
    key: String,
    version_id: Option<String>,
    etag: Option<String>,
    sequencer: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Call {
    event_name: String,
    error_code: Option<String>,
    request_parameters: Option<Value>,
    response_elements: Option<Response>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    bucket_name: String,
    key: String,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "x-amz-version-id")]
    version_id: Option<String>,
}

/// Whether `event` comes from S3 through EventBridge.
pub(super) fn is_of_s3(event: &Value) -> bool {
    event["source"] == "aws.s3"
}

/// The object that was created or restored.
pub(super) fn read(event: Value) -> Result<Notice, EventError> {
    let kind = event["detail-type"].as_str().unwrap_or_default().to_owned();
    let restored = kind == RESTORED;
    if kind == CALL {
        return read_call(event);
    }
    if !restored && kind != CREATED {
        return Ok(Notice::leave_out(&kind));
    }
    let Event { detail: S3 { bucket, object: created } } = parse(event, FORM)?;
    // The sequencer orders creations and deletions alone.
    let sequencer = created.sequencer.filter(|_| !restored);
    let key = plain_key(created.key)?;
    object(bucket.name, key, created.version_id, created.etag, sequencer).map(Notice::of)
}

/// The object that the call wrote. `CloudTrail` gives neither its tag nor a sequencer.
fn read_call(event: Value) -> Result<Notice, EventError> {
    let Event::<Call> { detail } = parse(event, CALL_FORM)?;
    let written = WRITES.contains(&detail.event_name.as_str()) && detail.error_code.is_none();
    if !written {
        return Ok(Notice::leave_out(&detail.event_name));
    }
    let request = detail.request_parameters.ok_or(EventError::Malformed(CALL_FORM))?;
    let Request { bucket_name, key } = parse(request, CALL_FORM)?;
    let version_id = detail.response_elements.and_then(|response| response.version_id);
    object(bucket_name, plain_key(key)?, version_id, None, None).map(Notice::of)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::Object;
    use crate::sequencer::Sequencer;

    fn event(kind: &str) -> Value {
        json!({"source": "aws.s3", "detail-type": kind, "detail": {
            "bucket": {"name": "pictures"},
            "object": {"key": "a+b%2B.jpg", "etag": "0123", "version-id": "v1", "sequencer": "00A1"}
        }})
    }

    fn call(name: &str) -> Value {
        json!({"source": "aws.s3", "detail-type": CALL, "detail": {
            "eventName": name, "responseElements": {"x-amz-version-id": "v1"},
            "requestParameters": {"bucketName": "pictures", "key": "a+b%2B.jpg"}
        }})
    }

    /// The key is written as it is.
    fn expected() -> Object {
        Object {
            bucket: "pictures".into(),
            key: "a+b%2B.jpg".into(),
            version_id: Some("v1".into()),
            etag: Some("0123".into()),
            sequencer: Some(Sequencer::parse("00A1").unwrap()),
        }
    }

    #[test]
    fn created_and_restored_objects_are_named() {
        assert_eq!(read(event("Object Created")), Ok(Notice::of(expected())));
        let restored = Object { sequencer: None, ..expected() };
        assert_eq!(read(event("Object Restore Completed")), Ok(Notice::of(restored)));
    }

    #[test]
    fn calls_that_write_name_their_object() {
        let written = Object { etag: None, sequencer: None, ..expected() };
        for name in WRITES {
            assert_eq!(read(call(name)), Ok(Notice::of(written.clone())), "{name}");
        }
    }

    #[test]
    fn other_events_calls_and_failed_calls_are_left_out_by_name() {
        for kind in ["Object Deleted", "Object Restore Initiated", "Object Tags Added"] {
            assert_eq!(read(event(kind)), Ok(Notice::leave_out(kind)));
        }
        for name in ["GetObject", "UploadPart", "RestoreObject", "PutBucketPolicy"] {
            assert_eq!(read(call(name)), Ok(Notice::leave_out(name)));
        }
        let mut denied = call("PutObject");
        denied["detail"]["errorCode"] = json!("AccessDenied");
        assert_eq!(read(denied), Ok(Notice::leave_out("PutObject")));
    }

    #[test]
    fn what_is_not_as_documented_is_refused() {
        let mut empty = event("Object Created");
        empty["detail"] = json!({});
        assert_eq!(read(empty), Err(EventError::Malformed(FORM)));
        let mut nameless = event("Object Created");
        nameless["detail"]["bucket"]["name"] = json!("");
        assert_eq!(read(nameless), Err(EventError::NoBucket));
        let mut keyless = call("PutObject");
        keyless["detail"]["requestParameters"] = json!({"bucketName": "pictures"});
        assert_eq!(read(keyless), Err(EventError::Malformed(CALL_FORM)));
    }
}
