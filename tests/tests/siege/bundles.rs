//! Bundles that ask for more memory than the service's unit has.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use glimpse_tests::cgroup::MemoryGroup;
use glimpse_tests::edge::{Running, glimpse};
use glimpse_tests::skip::skip;
use serde_json::json;

use super::common::toy::{self, Graph};
use super::http::{ask, get};
use super::{MEMORY_MAX, Service, TURN, honest, post};

/// Over every limit; under what the system lets a process try, and over what the group has.
const MEGABYTES: [u64; 2] = [3072, 1050];

fn replace(from: &Path, to: &Path) {
    for file in ["model.onnx", "labels.txt", "bundle.json"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[test]
fn a_bundle_that_is_too_large_to_try_ends_only_its_trial() {
    let _turn = TURN.lock();
    let variables = [("GLIMPSE_REFRESH_MS", "100")];
    for megabytes in MEGABYTES {
        let Some(service) = Service::start("huge", &variables) else { return };
        let version = || ask(service.address, &get("/model")).json()["version"].clone();
        replace(toy::bundle(Graph::Huge(megabytes)).path(), service.bundle.path());
        let refused = service
            .running
            .wait_for("the new bundle cannot be served; still serving the current one");
        println!("{megabytes} MB: {}", refused["error"]);
        let answer = ask(service.address, &post("image/png", &honest()));
        assert_eq!((answer.status, version()), (200, json!("1")));
        let good = toy::bundle_with(Graph::MeanColour, |bundle| bundle["version"] = json!("2"));
        replace(good.path(), service.bundle.path());
        let deadline = Instant::now() + Duration::from_secs(60);
        while version() != "2" {
            assert!(Instant::now() < deadline, "{:?}", service.running.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        service.check();
    }
}

#[test]
fn a_first_bundle_that_is_too_large_is_an_error_and_not_a_kill() {
    let _turn = TURN.lock();
    let group = match MemoryGroup::new("huge-first", MEMORY_MAX) {
        Ok(group) => group,
        Err(reason) => return skip("a first bundle that is too large", &reason),
    };
    let bundle = toy::bundle(Graph::Huge(3072));
    let mut command = glimpse(bundle.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut running = Running::start(&mut group.wrap(&command));
    let status = running.end();
    assert_eq!(status.code(), Some(2), "{status}: {:?}", running.log());
}
