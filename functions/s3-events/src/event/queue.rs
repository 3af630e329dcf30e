//! Messages of SQS, each of which holds a notification.

use serde::Deserialize;
use serde_json::{Value, json};

use super::error::{EventError, parse};
use super::message;
use super::notice::Notice;

/// A message, and what it says.
#[derive(Debug)]
pub struct Message {
    /// Names the message in the answer.
    pub id: String,
    /// What it reports.
    pub notice: Result<Notice, EventError>,
}

#[derive(Deserialize)]
struct Received {
    #[serde(rename = "Records")]
    records: Vec<Sent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sent {
    message_id: String,
    #[serde(default)]
    body: String,
}

pub(super) fn read(event: Value) -> Result<Vec<Message>, EventError> {
    let Received { records } = parse(event, "messages of SQS")?;
    let message = |sent: Sent| Message { id: sent.message_id, notice: message::read(&sent.body) };
    Ok(records.into_iter().map(message).collect())
}

/// The answer by which SQS keeps the messages with these ids, and deletes the others.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>
#[must_use]
pub fn answer<'a>(failed: impl IntoIterator<Item = &'a str>) -> Value {
    let failed = failed.into_iter().map(|id| json!({ "itemIdentifier": id }));
    json!({ "batchItemFailures": failed.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_cannot_be_read_fails_alone() {
        let good = json!({"Records": [{"eventName": "ObjectCreated:Put", "s3": {
            "bucket": {"name": "pictures"}, "object": {"key": "a.jpg"}
        }}]});
        let bodies = [good.to_string(), "not JSON".into(), "{}".into(), "[]".into()];
        let records = bodies.iter().enumerate().map(
            |(n, body)| json!({"messageId": n.to_string(), "eventSource": "aws:sqs", "body": body}),
        );
        let messages = read(json!({ "Records": records.collect::<Vec<_>>() })).unwrap();
        assert_eq!(messages[0].notice.as_ref().unwrap().objects[0].key, "a.jpg");
        assert_eq!(messages[1].notice, Err(EventError::NotJson));
        assert_eq!(messages[2].notice, Err(EventError::Unsupported));
        assert_eq!(messages[3].notice, Err(EventError::Unsupported));
    }
}
