//! Reading and writing over the real S3 protocol, and what each error of it means.

// Helpers fail like the tests that call them.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use bytes::BytesMut;
use futures::TryStreamExt as _;
use glimpse_objects::{Condition, Location, NewObject, ObjectError, Objects, Version};
use glimpse_tests::s3::{Fault, S3Server};

const BUCKET: &str = "pictures";
const LIMIT: u64 = 64 << 10;
const PART: usize = 4 << 20;

struct Scene {
    server: S3Server,
    objects: Objects,
}

impl Scene {
    fn new() -> Self {
        // The server blocks while it starts, which a test's own runtime does not allow.
        let server = std::thread::spawn(|| S3Server::start(&[BUCKET])).join().unwrap();
        let client = server.client().config().to_builder().retry_config(RetryConfig::disabled());
        let objects = Objects::with_client(Client::from_conf(client.build()));
        Self { server, objects }
    }

    fn put(&self, key: &str, content: &[u8]) -> Location {
        self.server.put(BUCKET, key, content.to_vec());
        Location::new(BUCKET, key)
    }

    async fn get(&self, location: &Location) -> Result<Vec<u8>, ObjectError> {
        let object = self.objects.get(location, &Version::default(), LIMIT).await?;
        Ok(object.bytes)
    }
}

fn json(text: &str) -> NewObject {
    NewObject { content_type: "application/json", bytes: text.into() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_with_its_version() {
    let scene = Scene::new();
    let location = scene.put("cat.jpg", b"cat");
    let object = scene.objects.get(&location, &Version::default(), LIMIT).await.unwrap();
    assert_eq!(object.bytes, b"cat");
    // The MD5 of `cat`, as S3 has it for objects that were put in one piece.
    assert_eq!(object.version.etag.as_deref(), Some("d077f244def8a70e5ea758bd8352fcd8"));
    assert_eq!(scene.objects.head(&location).await.unwrap(), object.version);
    // Held to the version that was found, it is read again.
    assert_eq!(scene.objects.get(&location, &object.version, LIMIT).await.unwrap(), object);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_than_asked_for_has_changed() {
    let scene = Scene::new();
    let location = scene.put("cat.jpg", b"cat");
    let version = scene.objects.head(&location).await.unwrap();
    scene.put("cat.jpg", b"dog");
    let error = scene.objects.get(&location, &version, LIMIT).await.unwrap_err();
    assert!(matches!(error, ObjectError::Changed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_over_the_limit_is_refused_with_its_size_and_version() {
    let scene = Scene::new();
    let location = scene.put("long", &[0; 100]);
    let version = scene.objects.head(&location).await.unwrap();
    assert_eq!(
        scene.objects.get(&location, &Version::default(), 100).await.unwrap().bytes.len(),
        100
    );
    let error = scene.objects.get(&location, &Version::default(), 99).await.unwrap_err();
    let ObjectError::TooLarge { limit: 99, bytes: 100, found } = error else { panic!("{error}") };
    assert_eq!(found, version);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_error_of_s3_has_one_meaning_and_keeps_what_s3_said() {
    let scene = Scene::new();
    let location = scene.put("cat.jpg", b"cat");
    let absent = Location::new(BUCKET, "absent");
    let error = scene.get(&absent).await.unwrap_err();
    assert!(matches!(error, ObjectError::NotFound { .. }), "{error}");
    assert_eq!(error.cause().and_then(glimpse_objects::Cause::code), Some("NoSuchKey"));
    let error = scene.get(&Location::new(BUCKET, "")).await.unwrap_err();
    assert!(matches!(error, ObjectError::InvalidName { .. }), "{error}");
    let error = scene.objects.head(&absent).await.unwrap_err();
    assert!(matches!(error, ObjectError::NotFound { .. }), "{error}");
    scene.server.faults().plan("cat.jpg", Fault::SlowDown, 1);
    let error = scene.get(&location).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error}");
    assert!(error.to_string().contains("SlowDown: Please reduce your request rate."), "{error}");
    assert!(error.source().and_then(Error::source).is_some(), "the SDK's error is kept");
    scene.server.faults().plan("cat.jpg", Fault::Archived, 1);
    let error = scene.get(&location).await.unwrap_err();
    assert!(matches!(error, ObjectError::Archived { .. }), "{error}");
    scene.server.faults().plan("cat.jpg", Fault::Truncate(1), 1);
    let error = scene.get(&location).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_does_not_exist_is_not_a_missing_object() {
    let scene = Scene::new();
    let error = scene.get(&Location::new("pictuers", "cat.jpg")).await.unwrap_err();
    assert!(matches!(error, ObjectError::NoSuchBucket { .. }), "{error}");
    let location = Location::new("pictuers", "cat.json");
    let error = scene.objects.put(&location, json("{}"), Condition::Absent).await.unwrap_err();
    assert!(matches!(error, ObjectError::NoSuchBucket { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_unavailable() {
    let scene = Scene::new();
    let location = scene.put("cat.jpg", b"cat");
    let Scene { server, objects } = scene;
    drop(server);
    let error = objects.get(&location, &Version::default(), LIMIT).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable { .. }), "{error}");
    assert_eq!(error.cause().and_then(glimpse_objects::Cause::status), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_needs_its_condition() {
    let scene = Scene::new();
    let location = Location::new(BUCKET, "result.json");
    scene.objects.put(&location, json("1"), Condition::Absent).await.unwrap();
    let again = scene.objects.put(&location, json("2"), Condition::Absent).await.unwrap_err();
    assert!(matches!(again, ObjectError::Changed { .. }), "{again}");
    let etag = scene.objects.head(&location).await.unwrap().etag.unwrap();
    scene.objects.put(&location, json("3"), Condition::Etag(&etag)).await.unwrap();
    let stale = scene.objects.put(&location, json("4"), Condition::Etag(&etag)).await.unwrap_err();
    assert!(matches!(stale, ObjectError::Changed { .. }), "{stale}");
    let deleted = Location::new(BUCKET, "deleted.json");
    let gone = scene.objects.put(&deleted, json("5"), Condition::Etag(&etag)).await.unwrap_err();
    assert!(matches!(gone, ObjectError::Changed { .. }), "{gone}");
    assert_eq!(scene.get(&location).await.unwrap(), b"3");
}

/// Bytes that differ from part to part.
fn large() -> Vec<u8> {
    (0..2 * PART + 1000).map(|n| u8::try_from(n % 251).unwrap()).collect()
}

async fn download(scene: &Scene, location: &Location) -> Result<Vec<u8>, ObjectError> {
    let download = scene.objects.download(location.clone(), 3 * PART as u64).await?;
    assert_eq!(download.total(), large().len() as u64);
    let pieces: Vec<BytesMut> = download.pieces().try_collect().await?;
    let address = pieces[0].as_ptr();
    let mut whole = BytesMut::new();
    pieces.into_iter().for_each(|piece| whole.unsplit(piece));
    assert_eq!(whole.as_ptr(), address, "the pieces are joined in place");
    Ok(whole.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_comes_in_parts_that_are_resumed_where_they_broke_off() {
    let scene = Scene::new();
    let location = scene.put("model.onnx", &large());
    assert!(download(&scene, &location).await.unwrap() == large());
    scene.server.faults().plan("model.onnx", Fault::Truncate(1000), 2);
    assert!(download(&scene, &location).await.unwrap() == large());
    let requests = scene.server.faults().requests("model.onnx");
    assert!(requests.iter().any(|line| line.contains("bytes=1000-")), "{requests:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_changes_during_its_download_is_not_mixed() {
    let scene = Scene::new();
    let location = scene.put("model.onnx", &large());
    let begun = scene.objects.download(location.clone(), 3 * PART as u64).await.unwrap();
    scene.put("model.onnx", &vec![1; 2 * PART + 1000]);
    let error = begun.pieces().try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error, ObjectError::Changed { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_object_over_the_limit_is_refused_before_it_is_read() {
    let scene = Scene::new();
    let location = scene.put("model.onnx", &large());
    let error = scene.objects.download(location, PART as u64).await.err().expect("refused");
    let total = large().len() as u64;
    assert!(matches!(error, ObjectError::TooLarge { bytes, .. } if bytes == total), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_presigned_address_takes_what_it_was_signed_for() {
    let scene = Scene::new();
    let location = Location::new(BUCKET, "uploads/1");
    let valid = Duration::from_secs(60);
    let put = scene.objects.presign_put(&location, "image/png", 3, valid).await.unwrap();
    assert!(put.url.contains("/pictures/uploads/1?"), "{}", put.url);
    assert!(put.url.contains("X-Amz-Expires=60"), "{}", put.url);
    let signed = "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost";
    assert!(put.url.contains(signed), "{}", put.url);
    let weeks = Duration::from_secs(8 * 24 * 3600);
    let error = scene.objects.presign_put(&location, "image/png", 3, weeks).await.unwrap_err();
    assert!(matches!(error, ObjectError::Refused { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_listed_by_prefix() {
    let scene = Scene::new();
    for key in ["a/1.png", "a/2.png", "b/1.png"] {
        scene.put(key, b"x");
    }
    let page = scene.objects.list(BUCKET, "a/", None).await.unwrap();
    assert_eq!((page.keys, page.next), (vec!["a/1.png".to_owned(), "a/2.png".to_owned()], None));
    let error = scene.objects.list("pictuers", "", None).await.unwrap_err();
    assert!(matches!(error, ObjectError::NoSuchBucket { .. }), "{error}");
}
