//! Forms of events beside S3's own: SNS, `CloudTrail`, restored objects, and events without work.

use glimpse_s3_events::HandlerError;
use glimpse_tests::s3::Fault;
use serde_json::{Value, json};

use crate::common::api::block_on;
use crate::event::{Created, messages, task};
use crate::world::{PICTURES, RED, World, colour, send};

const ALWAYS: usize = 10_000;

fn failed(answer: &Value) -> Vec<&str> {
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures.map(|failure| failure["itemIdentifier"].as_str().unwrap()).collect()
}

fn sns(message: &str) -> Value {
    json!({ "Type": "Notification", "MessageId": "m", "Message": message,
            "TopicArn": "arn:aws:sns:eu-west-1:123456789012:uploads" })
}

fn sns_delivery(message: &str) -> Value {
    json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns(message) }] })
}

fn cloudtrail(call: &str, key: &str) -> Value {
    json!({ "version": "0", "detail-type": "AWS API Call via CloudTrail", "source": "aws.s3",
            "detail": { "eventSource": "s3.amazonaws.com", "eventName": call,
                        "requestParameters": { "bucketName": PICTURES, "key": key } } })
}

fn test_event() -> String {
    json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": PICTURES }).to_string()
}

#[test]
fn a_notification_in_snss_envelope_or_delivered_raw_is_that_notification() {
    let world = World::toy();
    let handler = world.handler();
    let picture = |key: &str| world.put(key, colour(RED), 1).notification().to_string();
    let queued = messages([
        ("envelope", sns(&picture("a b+.png")).to_string()),
        ("raw", picture("raw.png")),
        ("test", sns(&test_event()).to_string()),
        ("raw-test", test_event()),
        ("poison", sns("{").to_string()),
        ("foreign", sns(r#"{"hello": "world"}"#).to_string()),
    ]);
    block_on(async {
        let answer = send(&handler, queued).await.unwrap();
        assert_eq!(failed(&answer), ["poison", "foreign"]);
        let direct = sns_delivery(&picture("direct.png"));
        assert_eq!(send(&handler, direct).await.unwrap(), Value::Null);
        assert_eq!(send(&handler, sns_delivery(&test_event())).await.unwrap(), Value::Null);
        for key in ["a b+.png", "raw.png", "direct.png"] {
            assert_eq!(world.result_json(key).await["label"], "red", "{key}");
        }
        // SNS tries again what the function fails.
        let error = send(&handler, sns_delivery("{")).await.unwrap_err();
        assert!(matches!(error, HandlerError::Event(_)), "{error}");
    });
}

#[test]
fn a_call_that_cloudtrail_recorded_names_the_object_that_it_wrote() {
    let world = World::toy();
    let handler = world.handler();
    block_on(async {
        for call in ["PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"] {
            let key = format!("{call} +%41.png");
            world.put(&key, colour(RED), 1);
            assert_eq!(send(&handler, cloudtrail(call, &key)).await.unwrap(), Value::Null);
            assert_eq!(world.result_json(&key).await["label"], "red", "{call}");
        }
        for call in ["GetObject", "DeleteObject", "UploadPart", "RestoreObject"] {
            world.put("other.png", colour(RED), 1);
            assert_eq!(send(&handler, cloudtrail(call, "other.png")).await.unwrap(), Value::Null);
            assert_eq!(world.result("other.png").await, None, "{call}");
        }
    });
}

#[test]
fn an_archived_object_is_classified_once_it_is_restored() {
    let world = World::toy();
    let handler = world.handler();
    let created = world.put("archived.png", colour(RED), 7);
    let restored = |name: &str| {
        let mut event = created.notification();
        event["Records"][0]["eventName"] = json!(name);
        event
    };
    world.server.faults().plan("/archived.png", Fault::Archived, ALWAYS);
    block_on(async {
        let error = send(&handler, created.notification()).await.unwrap_err();
        assert!(error.to_string().contains("archived; restore it first"), "{error}");
        send(&handler, restored("ObjectRestore:Post")).await.unwrap();
        world.server.faults().clear();
        send(&handler, restored("ObjectRestore:Post")).await.unwrap();
        assert_eq!(world.result("archived.png").await, None);
        send(&handler, restored("ObjectRestore:Completed")).await.unwrap();
        assert_eq!(world.result_json("archived.png").await["label"], "red");
    });
}

/// Buckets that no object can be read from: the code, and what the answer says.
const NO_BUCKETS: [(&str, &str, &str); 2] = [
    ("pictuers", "no_such_bucket", "the bucket `pictuers` does not exist"),
    (
        "pictures--use1-az4--x-s3",
        "directory_bucket",
        "directory buckets (S3 Express One Zone) are not supported",
    ),
];

#[test]
fn a_bucket_that_cannot_be_read_is_a_failure_that_names_it_and_not_a_record() {
    let world = World::toy();
    let handler = world.handler();
    for (bucket, code, text) in NO_BUCKETS {
        let created = Created {
            bucket: bucket.to_owned(),
            key: "red.png".to_owned(),
            etag: "0123".to_owned(),
            sequencer: 1,
        };
        block_on(async {
            let answer = send(&handler, task(bucket, "red.png")).await.unwrap();
            let result = &answer["results"][0];
            assert_eq!(result["resultCode"], "PermanentFailure", "{answer}");
            let string = result["resultString"].as_str().unwrap();
            assert!(string.starts_with(code), "{string}");
            assert!(string.contains(text) && string.contains(bucket), "{string}");
            let queued = messages([("m", created.notification().to_string())]);
            assert_eq!(failed(&send(&handler, queued).await.unwrap()), ["m"]);
            let error = send(&handler, created.notification()).await.unwrap_err();
            assert!(error.to_string().contains(bucket), "{error}");
        });
    }
    assert!(world.server.faults().requests(".json").iter().all(|line| line.starts_with("GET")));
}

#[test]
fn an_event_that_keeps_the_function_warm_loads_the_model_and_is_not_an_error() {
    let world = World::toy();
    let absent = world.handler_with(world.store_of("/nonexistent".as_ref()));
    block_on(async {
        for event in [
            json!({ "version": "0", "detail-type": "Scheduled Event", "source": "aws.events",
                    "resources": [], "detail": {} }),
            json!({ "source": "serverless-plugin-warmup" }),
            json!({ "key1": "value1", "key2": "value2", "key3": "value3" }),
            json!({ "key1": "value1" }),
        ] {
            let cold = world.store_of(&world.bundle_path());
            assert!(cold.ready().is_none());
            let answer = send(&world.handler_with(cold.clone()), event.clone()).await.unwrap();
            assert_eq!(answer["model_ready"], true, "{event}");
            assert!(cold.ready().is_some(), "{event}");
            assert_eq!(send(&absent, event).await.unwrap()["model_ready"], false);
        }
    });
}
