//! `kill -9` during `glimpse watch`.

use std::collections::BTreeMap;
use std::fs;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glimpse_tests::edge::Running;

use super::watch::{Scene, png};

const KILLS: usize = 20;
const BATCH: usize = 15;

/// Moments that differ from run to run; the seed is told when the test fails.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        // Xorshift: any will do.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn twenty_kills_at_random_moments_lose_nothing_and_repeat_nothing() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = u64::from(now.subsec_nanos()) | 1;
    let (scene, mut moments) = (Scene::new(), Moments(seed));
    let (shelf, mut put) = (scene.other.path().join("shelf"), 0);
    let mut write = |count: usize| {
        for _ in 0..count {
            let colour = [[200, 0, 0], [0, 200, 0], [0, 0, 200]][put % 3];
            let path = scene.folder.path().join(format!("{put:04}.png"));
            // Half of them are renamed into place, as careful writers do.
            let part = path.with_extension(if put % 2 == 0 { "png" } else { "part" });
            fs::write(&part, png(colour)).unwrap();
            fs::rename(&part, &path).unwrap();
            put += 1;
        }
        put
    };
    for round in 0..KILLS {
        write(BATCH);
        // Every other one moves the pictures that are done as well.
        let mut command = scene.command();
        if round % 2 == 0 {
            command.arg("--move-to").arg(&shelf);
        }
        let running = Running::start(&mut command);
        // From the middle of the start to well after the work is done.
        if moments.next(4) > 0 {
            running.wait_for("watching");
        }
        thread::sleep(Duration::from_millis(moments.next(400)));
        write(BATCH);
        thread::sleep(Duration::from_millis(moments.next(150)));
        // Dropping it is SIGKILL.
        drop(running);
    }
    let all = write(0);
    let running = Running::start(&mut scene.command());
    let labels = scene.labels(all);
    thread::sleep(Duration::from_millis(1500));
    drop(running);
    assert_eq!(scene.lines().len(), all, "seed {seed}");
    let expected: BTreeMap<String, String> = (0..all)
        .map(|number| (format!("{number:04}.png"), ["red", "green", "blue"][number % 3].to_owned()))
        .collect();
    assert_eq!(labels, expected, "seed {seed}");
}
