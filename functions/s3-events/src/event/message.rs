//! What one message holds, whichever service delivers it: a notification, or one in SNS's envelope.
//!
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>

use serde::Deserialize;
use serde_json::Value;

use super::error::{EventError, parse};
use super::notice::Notice;
use super::{eventbridge, notification};

const SNS_FORM: &str = "messages of SNS";

/// SNS's envelope, as it stands in a message of SQS and, under `Sns`, in an event for a function.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delivery {
    records: Vec<Delivered>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delivered {
    sns: Envelope,
}

/// Read the text of a message of SQS, with SNS's envelope or (SNS's raw delivery) without one.
pub(super) fn read(text: &str) -> Result<Notice, EventError> {
    let content: Value = serde_json::from_str(text).map_err(|_| EventError::NotJson)?;
    if content["Type"] == "Notification" && content.get("TopicArn").is_some() {
        let Envelope { message } = parse(content, SNS_FORM)?;
        return read_content(serde_json::from_str(&message).map_err(|_| EventError::NotJson)?);
    }
    read_content(content)
}

/// Whether SNS invoked the function.
pub(super) fn is_of_sns(event: &Value) -> bool {
    event["Records"][0]["EventSource"] == "aws:sns"
}

/// Read the messages with which SNS invoked the function.
pub(super) fn read_sns(event: Value) -> Result<Notice, EventError> {
    let Delivery { records } = parse(event, SNS_FORM)?;
    records.into_iter().try_fold(Notice::default(), |all, Delivered { sns }| {
        let content = serde_json::from_str(&sns.message).map_err(|_| EventError::NotJson)?;
        Ok(all.and(read_content(content)?))
    })
}

/// Read a notification of S3, or an event of EventBridge.
pub(super) fn read_content(event: Value) -> Result<Notice, EventError> {
    if eventbridge::is_of_s3(&event) {
        return eventbridge::read(event);
    }
    if notification::is_test(&event) || event.get("Records").is_some() {
        return notification::read(event);
    }
    Err(EventError::Unsupported)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn created() -> Value {
        json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
            "bucket": {"name": "pictures"}, "object": {"key": "a+b.jpg"}
        }}]})
    }

    fn bridged() -> Value {
        json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {
            "bucket": {"name": "pictures"}, "object": {"key": "a b.jpg"}
        }})
    }

    fn envelope(message: &str) -> Value {
        json!({"Type": "Notification", "MessageId": "m", "Message": message,
               "TopicArn": "arn:aws:sns:eu-west-1:123456789012:uploads"})
    }

    fn delivery(messages: &[&str]) -> Value {
        let record = |message| json!({"EventSource": "aws:sns", "Sns": envelope(message)});
        json!({"Records": messages.iter().copied().map(record).collect::<Vec<_>>()})
    }

    #[test]
    fn an_envelope_of_sns_holds_what_a_plain_message_holds() {
        for content in [created().to_string(), bridged().to_string()] {
            let plain = read(&content).unwrap();
            assert_eq!(plain.objects[0].key, "a b.jpg");
            assert_eq!(read(&envelope(&content).to_string()).as_ref(), Ok(&plain));
            assert_eq!(read_sns(delivery(&[&content])), Ok(plain));
        }
    }

    #[test]
    fn several_messages_of_sns_are_one_notice() {
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent"}).to_string();
        let notice = read_sns(delivery(&[&created().to_string(), &test])).unwrap();
        assert_eq!((notice.objects.len(), notice.left_out.len()), (1, 1));
    }

    #[test]
    fn an_envelope_in_an_envelope_or_around_something_else_is_refused() {
        let twice = envelope(&envelope(&created().to_string()).to_string());
        assert_eq!(read(&twice.to_string()), Err(EventError::Unsupported));
        assert_eq!(read(&envelope("hello").to_string()), Err(EventError::NotJson));
        assert_eq!(read(&envelope("{}").to_string()), Err(EventError::Unsupported));
        assert_eq!(read_sns(delivery(&["[1]"])), Err(EventError::Unsupported));
        let nothing = json!({"Records": [{"EventSource": "aws:sns"}]});
        assert_eq!(read_sns(nothing), Err(EventError::Malformed(SNS_FORM)));
    }
}
