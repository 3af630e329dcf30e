//! What goes wrong between the service and its bundle: the documented error, never a wrong answer,
//! and the next request after the fault is gone succeeds.

use std::fs;
use std::path::Path;
use std::time::Duration;

use glimpse_model_store::{Sha256Digest, StoreConfig};
use glimpse_tests::s3::Fault;

use crate::common::answer::without_timing;
use crate::common::api::{Api, cat, expected};
use crate::scene::{Scene, bundle_digest};

/// More often than anything is tried again.
const ALWAYS: usize = 10_000;
const FILES: [&str; 3] = ["model.onnx", "labels.txt", "bundle.json"];

#[track_caller]
fn unavailable(api: &Api) {
    api.predict(&cat()).problem(503, "model_unavailable");
}

#[track_caller]
fn right(api: &Api) {
    assert_eq!(without_timing(api.predict(&cat()).ok()), expected(&cat(), 5));
}

/// The same process meets the fault, then sees it gone.
fn unavailable_then_right(scene: &Scene, api: &Api) {
    unavailable(api);
    scene.server.faults().clear();
    right(api);
}

#[test]
fn a_503_from_s3_is_model_unavailable_until_it_ends() {
    let scene = Scene::new();
    scene.server.faults().plan("", Fault::SlowDown, ALWAYS);
    unavailable_then_right(&scene, &scene.start());
}

#[test]
fn a_503_from_s3_that_ends_soon_is_not_noticed() {
    for file in FILES {
        let scene = Scene::new();
        scene.server.faults().plan(file, Fault::SlowDown, 1);
        right(&scene.start());
    }
}

#[test]
fn a_body_that_always_ends_early_is_never_served() {
    let scene = Scene::new();
    for file in FILES {
        scene.server.faults().plan(file, Fault::Truncate(1), ALWAYS);
        unavailable_then_right(&scene, &scene.start_with(uncached(&scene)));
    }
}

#[test]
fn a_body_that_ends_early_once_is_taken_up_again() {
    for (file, bytes) in
        [("model.onnx", 0), ("model.onnx", 5_000_000), ("labels.txt", 10), ("bundle.json", 0)]
    {
        let scene = Scene::new();
        scene.server.faults().plan(file, Fault::Truncate(bytes), 1);
        right(&scene.start());
    }
}

#[test]
fn a_wrong_byte_is_model_unavailable_and_the_next_request_succeeds() {
    for file in ["model.onnx", "labels.txt"] {
        let scene = Scene::new();
        scene.server.faults().plan(file, Fault::FlipBit, 1);
        let api = scene.start();
        unavailable(&api);
        right(&api);
    }
}

#[test]
fn a_wrong_byte_in_a_pinned_description_is_model_unavailable() {
    let scene = Scene::new();
    scene.server.faults().plan("bundle.json", Fault::FlipBit, 1);
    let api =
        scene.start_with(StoreConfig { expected_digest: Some(bundle_digest()), ..scene.config() });
    unavailable(&api);
    right(&api);
}

#[test]
fn a_wrong_pin_is_model_unavailable_and_the_right_one_serves() {
    let scene = Scene::new();
    let wrong = Some(Sha256Digest::of(b"another bundle"));
    let api = scene.start_with(StoreConfig { expected_digest: wrong, ..scene.config() });
    unavailable(&api);
    unavailable(&api);
    right(
        &scene.start_with(StoreConfig { expected_digest: Some(bundle_digest()), ..scene.config() }),
    );
}

#[test]
fn a_missing_bundle_is_model_unavailable_until_it_is_published() {
    let scene = Scene::unpublished();
    let api = scene.start();
    unavailable(&api);
    scene.publish();
    right(&api);
}

#[test]
fn a_bundle_with_a_file_missing_is_model_unavailable() {
    let scene = Scene::unpublished();
    let api = scene.start();
    let folder = glimpse_tests::workspace::default_bundle();
    for file in ["bundle.json", "model.onnx", "labels.txt"] {
        unavailable(&api);
        let content = fs::read(folder.join(file)).unwrap();
        scene.server.put(crate::scene::MODELS, &format!("resnet50/1/{file}"), content);
    }
    right(&api);
}

#[test]
fn s3_that_does_not_answer_in_time_is_model_unavailable() {
    let scene = Scene::new();
    scene.server.faults().plan("model.onnx", Fault::Delay(Duration::from_secs(60)), ALWAYS);
    let load_deadline = Duration::from_millis(500);
    let api = scene.start_with(StoreConfig { load_deadline, ..scene.config() });
    unavailable(&api);
    // A load of the whole model takes longer than that on a busy machine.
    scene.server.faults().clear();
    right(&scene.start());
}

/// A name, and what it does to a file.
type Damage = (&'static str, fn(&Path));

/// How a disk spoils a file of a cache entry.
const DAMAGES: [Damage; 6] = [
    ("a flipped bit", |file| {
        let mut content = fs::read(file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        fs::write(file, content).unwrap();
    }),
    ("half of it", |file| {
        let content = fs::read(file).unwrap();
        fs::write(file, &content[..content.len() / 2]).unwrap();
    }),
    ("nothing in it", |file| fs::write(file, b"").unwrap()),
    ("too much", |file| {
        let content = fs::read(file).unwrap();
        fs::write(file, [content, b"x".to_vec()].concat()).unwrap();
    }),
    ("gone", |file| fs::remove_file(file).unwrap()),
    ("a folder", |file| {
        fs::remove_file(file).unwrap();
        fs::create_dir(file).unwrap();
    }),
];

#[test]
fn a_corrupt_cache_entry_is_fetched_again_and_never_served() {
    let scene = Scene::new();
    right(&scene.start());
    let mut downloads = scene.model_downloads();
    for file in FILES {
        for (name, damage) in DAMAGES {
            println!("{file}: {name}");
            damage(&scene.cache_entry().join(file));
            right(&scene.start());
            downloads += 1;
            assert_eq!(scene.model_downloads(), downloads, "{file}: {name}");
            settled(&scene);
        }
    }
}

#[test]
fn a_corrupt_cache_entry_is_not_served_even_while_s3_is_out_of_reach() {
    for expected_digest in [None, Some(bundle_digest())] {
        let scene = Scene::new();
        let config = StoreConfig { expected_digest, ..scene.config() };
        right(&scene.start_with(config.clone()));
        DAMAGES[0].1(&scene.cache_entry().join("model.onnx"));
        scene.server.faults().plan("", Fault::SlowDown, ALWAYS);
        unavailable_then_right(&scene, &scene.start_with(config));
    }
}

#[test]
fn a_cache_that_cannot_be_written_costs_nothing_but_the_next_download() {
    let scene = Scene::new();
    let file = scene.cache.path().join("not-a-folder");
    fs::write(&file, b"").unwrap();
    let config = StoreConfig { cache_dir: Some(file), ..scene.config() };
    right(&scene.start_with(config.clone()));
    right(&scene.start_with(config));
}

/// A cache folder of its own, so that nothing is served from an earlier load.
fn uncached(scene: &Scene) -> StoreConfig {
    let folder = tempfile::tempdir_in(scene.cache.path()).unwrap().keep();
    StoreConfig { cache_dir: Some(folder), ..scene.config() }
}

/// Wait until the entry is whole again: it is written off the critical path.
fn settled(scene: &Scene) {
    let entry = scene.cache_entry();
    assert!(FILES.iter().all(|file| entry.join(file).is_file()), "{}", entry.display());
}
