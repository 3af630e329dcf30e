//! Events of AWS: objects of S3, and requests.

use futures::executor::block_on;
use glimpse_s3_events::Object;
use glimpse_s3_events::event::{Event, EventError, Notice};
use http_body_util::BodyExt as _;

use crate::ALLOCATIONS;
use crate::requests::posted;

const SLACK: u64 = 2 << 20;
/// Bytes for each byte of an event: a list of small numbers takes most, and is copied once.
const PER_BYTE: u64 = 128;

/// S3's own events, and those through SQS, SNS, EventBridge and S3 Batch Operations.
pub fn of_s3(data: &[u8]) {
    let (_, held) = ALLOCATIONS.peak_of(|| {
        let Ok(event) = serde_json::from_slice(data) else { return };
        match Event::read(event) {
            Ok(Event::Notification(notice)) => check(&Ok(notice)),
            Ok(Event::Queue(messages)) => messages.iter().for_each(|one| check(&one.notice)),
            Ok(Event::Batch(job)) => {
                assert!(job.tasks.iter().flat_map(|task| &task.object).all(is_named));
            }
            Err(_) => {}
        }
    });
    assert!(held <= SLACK + PER_BYTE * data.len() as u64, "{} bytes took {held}", data.len());
}

fn check(notice: &Result<Notice, EventError>) {
    let Ok(notice) = notice else { return };
    assert!(notice.objects.iter().all(is_named));
    assert!(notice.left_out.iter().all(|name| (1..=64).contains(&name.to_string().len())));
}

fn is_named(object: &Object) -> bool {
    !object.bucket.is_empty() && !object.key.is_empty()
}

/// Requests of API Gateway, function URLs and load balancers; then as requests to `/predict`.
pub fn of_http(data: &[u8]) {
    let (request, held) = ALLOCATIONS.peak_of(|| glimpse_http_api::read(data));
    assert!(held <= SLACK + PER_BYTE * data.len() as u64, "{} bytes took {held}", data.len());
    let Some(request) = request else { return };
    let (parts, body) = request.into_parts();
    assert!(parts.uri.path().starts_with('/'), "{}", parts.uri);
    let Ok(body) = block_on(body.collect()) else { return };
    posted(parts.uri.query(), &parts.headers, &body.to_bytes());
}
