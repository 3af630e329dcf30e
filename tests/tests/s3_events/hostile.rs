//! Events that nobody should send: read or refused, without a panic.

use glimpse_s3_events::event::Event;
use glimpse_s3_events::{Sequencer, decode_key};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::event::{Created, encoded, messages, task};
use crate::function::{sample, samples};

/// Any JSON, with the members of the known shapes in unexpected places.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![
            Just("aws:sqs"),
            Just("aws:s3"),
            Just("aws.s3"),
            Just("s3:TestEvent"),
            Just("aws:sns"),
            Just("Notification"),
            Just("AWS API Call via CloudTrail"),
            Just("PutObject")
        ]
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "Records",
        "eventSource",
        "eventName",
        "s3",
        "bucket",
        "name",
        "object",
        "key",
        "eTag",
        "sequencer",
        "messageId",
        "body",
        "source",
        "detail-type",
        "detail",
        "tasks",
        "job",
        "invocationSchemaVersion",
        "invocationId",
        "taskId",
        "s3Key",
        "s3Bucket",
        "Event",
        "EventSource",
        "Sns",
        "Message",
        "Type",
        "TopicArn",
        "eventName",
        "requestParameters",
        "bucketName",
    ]);
    leaf.prop_recursive(5, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names.clone(), inner, 0..6).prop_map(|members| {
                Value::Object(members.into_iter().map(|(n, v)| (n.to_owned(), v)).collect())
            }),
        ]
    })
}

/// Put `new` in the place of one member of `event`, counted from its root.
fn replace(event: &mut Value, place: &mut usize, new: &Value) {
    if *place == 0 {
        *event = new.clone();
    }
    *place = place.wrapping_sub(1);
    match event {
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, place, new)),
        Value::Object(members) => members.values_mut().for_each(|item| replace(item, place, new)),
        _ => {}
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(event in anything(), body in anything()) {
        let _ = Event::read(event);
        let _ = Event::read(messages([("m", body.to_string())]));
    }

    #[test]
    fn a_sample_with_one_member_replaced_is_read_or_refused(
        which in any::<prop::sample::Index>(), mut place in 0..60_usize, new in anything(),
    ) {
        let samples = samples();
        let mut event = sample(&samples[which.index(samples.len())]);
        replace(&mut event, &mut place, &new);
        let _ = Event::read(event);
    }

    #[test]
    fn every_key_comes_through_every_trigger(key in "\\PC{1,60}", sequencer in any::<u64>()) {
        prop_assert_eq!(decode_key(&encoded(&key)), Ok(key.clone()));
        let created =
            Created { bucket: "b".into(), key: key.clone(), etag: "e".into(), sequencer };
        let Ok(Event::Notification(notice)) = Event::read(created.notification()) else {
            return Err(TestCaseError::fail("no notification"));
        };
        prop_assert_eq!(&notice.objects[0].key, &key);
        let Ok(Event::Batch(job)) = Event::read(task("b", &key)) else {
            return Err(TestCaseError::fail("no tasks"));
        };
        prop_assert_eq!(&job.tasks[0].object.as_ref().unwrap().key, &key);
        let bridged = json!({ "source": "aws.s3", "detail-type": "Object Created", "detail": {
            "bucket": { "name": "b" }, "object": { "key": key, "etag": "e" } } });
        let Ok(Event::Notification(notice)) = Event::read(bridged) else {
            return Err(TestCaseError::fail("no event"));
        };
        prop_assert_eq!(&notice.objects[0].key, &key);
    }

    #[test]
    fn any_text_is_a_key_or_refused(text in any::<String>()) {
        let _ = decode_key(&text);
    }

    /// As numbers: hexadecimal fractions, which is what padding on the right makes of them.
    #[test]
    fn sequencers_are_ordered_as_fractions(a in "[0-9a-fA-F]{1,16}", b in "[0-9a-fA-F]{1,16}") {
        let fraction = |text: &str| u64::from_str_radix(&format!("{text:0<16}"), 16).unwrap();
        let order = Sequencer::parse(&a).unwrap().cmp(&Sequencer::parse(&b).unwrap());
        prop_assert_eq!(order, fraction(&a).cmp(&fraction(&b)));
    }
}
