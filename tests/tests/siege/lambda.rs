//! The HTTP function within the memory of its size, under the worst that it accepts there.

use std::path::Path;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use glimpse_tests::cgroup::MemoryGroup;
use glimpse_tests::emulator::Emulator;
use glimpse_tests::skip::skip;
use glimpse_tests::{event, workspace};
use serde_json::{Value, json};

use super::common::encode::base64;
use super::{TURN, heif, honest, pictures};

/// Megabytes: one size between the least and the default.
pub const BETWEEN: u64 = 885;
pub const DEFAULT: u64 = 1769;
/// The least time limit that the template takes.
const TIMEOUT: Duration = Duration::from_secs(25);
/// Bytes of images in base64 that an event has room for.
const EVENT: usize = 5 << 20;
/// For a machine that does other things.
const PATIENT: Duration = Duration::from_secs(60);

/// The least memory size that the template takes.
pub fn least() -> u64 {
    let template = std::fs::read_to_string(workspace::root().join("template.yaml")).unwrap();
    let memory = template.lines().find(|line| line.contains("&memory")).unwrap();
    let least = memory.split("MinValue: ").nth(1).unwrap();
    least.split(',').next().unwrap().parse().unwrap()
}

struct Function {
    emulator: Emulator,
    group: MemoryGroup,
}

impl Function {
    fn start(group: MemoryGroup, megabytes: u64, timeout: Duration) -> Self {
        let (before, bootstrap) = (group.before(), workspace::this_profiles_bootstrap());
        let command: Vec<&Path> = before.iter().chain([&bootstrap]).map(|part| &**part).collect();
        let variable = |name: &str, value: String| (name.to_owned(), value);
        let environment = [
            variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes.to_string()),
            variable("AWS_LAMBDA_FUNCTION_TIMEOUT", timeout.as_secs().to_string()),
            variable("GLIMPSE_MODEL_URI", workspace::default_bundle().display().to_string()),
            variable("GLIMPSE_ORT_LIBRARY", workspace::ort_library().display().to_string()),
        ];
        Self { emulator: Emulator::start(&command, &environment), group }
    }

    /// Status and body; it has not died, which would be the emulator's own answer.
    fn ask(&self, body: &str) -> (u64, Value) {
        let event = event::http_api("POST", "/predict", Some("application/json"), body);
        let response = self.emulator.invoke(&event);
        let status = response["statusCode"].as_u64();
        let status = status.unwrap_or_else(|| panic!("it died: {response}"));
        (status, serde_json::from_str(response["body"].as_str().unwrap()).unwrap())
    }

    /// The largest of `files` that is accepted, alone and then in a batch of two.
    fn endures(&self, name: &str, files: &[Vec<u8>]) {
        for file in files {
            let image = base64(file);
            let (status, answer) = self.ask(&json!({ "image": image }).to_string());
            if status == 413 {
                continue;
            }
            assert_eq!(status, 200, "{name}: {answer}");
            let (status, answer) = self.ask(&json!({ "images": [image, image] }).to_string());
            assert_eq!(status, 200, "{name}: {answer}");
            let refused =
                |one: &Value| one["label"].is_null() && one["error"]["code"] != "image_too_large";
            assert!(!answer["results"].as_array().unwrap().iter().any(refused), "{name}: {answer}");
            return;
        }
        panic!("{name}: nothing is accepted");
    }
}

#[test]
fn the_function_survives_the_worst_pictures_at_every_memory_size() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let modern = heif::all("worst HEIC and AVIF on Lambda");
    for megabytes in [least(), BETWEEN, DEFAULT] {
        let function = match MemoryGroup::new(&format!("function-{megabytes}"), megabytes << 20) {
            Ok(group) => Function::start(group, megabytes, PATIENT),
            Err(reason) => return skip("memory sizes of the function", &reason),
        };
        let honest = json!({ "image": base64(&honest()) }).to_string();
        assert_eq!(function.ask(&honest).0, 200);
        let process = function.emulator.function();
        for (name, files) in pictures::SIZES.iter() {
            function.endures(name, files);
        }
        for blank in &modern {
            function.endures(blank.name, &blank.files);
        }
        assert_eq!(function.ask(&honest).0, 200);
        assert_eq!(function.emulator.function(), process, "it was started again");
        println!("{megabytes} MB: peak {:?} MB", function.group.peak().map(|bytes| bytes >> 20));
    }
}

/// A group for a function with the part of a processor that its memory size gives on Lambda.
pub fn part_of_a_processor(name: &str, megabytes: u64) -> Result<MemoryGroup, String> {
    let group = MemoryGroup::new(&format!("{name}-{megabytes}-part"), megabytes << 20)?;
    group.with_processor(megabytes * 1000 / 1769)
}

#[test]
fn the_function_answers_in_time_with_a_seventh_of_a_processor() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let function = match part_of_a_processor("function", least()) {
        Ok(group) => Function::start(group, least(), TIMEOUT),
        Err(reason) => return skip("the function with a part of a processor", &reason),
    };
    let small = base64(&honest());
    let honest = || assert_eq!(function.ask(&json!({ "image": small }).to_string()).0, 200);
    honest();
    let process = function.emulator.function();
    let batch = |picture: &String, count| json!({ "images": vec![picture; count] }).to_string();
    let modern = heif::all("HEIC and AVIF with a part of a processor");
    let modern = modern.iter().map(|blank| (blank.name, &blank.files));
    for (name, files) in pictures::SIZES.iter().map(|(name, files)| (*name, files)).chain(modern) {
        let one = |file: &Vec<u8>| {
            let image = base64(file);
            (function.ask(&json!({ "image": image }).to_string()).0 == 200).then_some(image)
        };
        let image = files.iter().find_map(one).unwrap();
        // As many of them as an event may hold, unless they are refused for their time.
        let count = (EVENT / image.len()).clamp(1, 16);
        let begun = Instant::now();
        let (status, answer) = function.ask(&batch(&image, count));
        assert!(status == 200 || status == 413, "{name}: {answer}");
        println!("{count} × {name}: {status} after {:?}", begun.elapsed());
        honest();
    }
    // As many small ones as a request takes.
    let (status, answer) = function.ask(&batch(&small, 16));
    assert_eq!(status, 200, "{answer}");
    assert!(answer["results"].as_array().unwrap().iter().all(|one| one["label"].is_string()));
    honest();
    assert_eq!(function.emulator.function(), process, "it was started again");
}

#[test]
fn a_setting_that_does_not_fit_is_refused_at_the_start_by_its_name() {
    for (binary, variable, value) in [
        (workspace::this_profiles_bootstrap(), "GLIMPSE_MAX_IMAGE_PIXELS", "50000000"),
        (workspace::this_profiles_bootstrap(), "GLIMPSE_MAX_OBJECT_BYTES", "100000000"),
        (workspace::s3_events(), "GLIMPSE_MEMORY_BUDGET", "1000000000"),
        (workspace::s3_events(), "GLIMPSE_MAX_OBJECT_BYTES", "100000000"),
    ] {
        let mut command = std::process::Command::new(binary);
        command.env_clear().env("GLIMPSE_MODEL_URI", "s3://models/resnet50/1");
        command.env("GLIMPSE_RESULTS_BUCKET", "results").env(variable, value);
        let done = command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256").output().unwrap();
        let log = String::from_utf8(done.stdout).unwrap();
        assert_eq!(done.status.code(), Some(1), "{log}");
        let refused = format!("{variable} is `{value}`; expected at most ");
        assert!(
            log.contains(&refused) && log.contains("with the 256 MB of this function"),
            "{log}"
        );
    }
}
