//! Jobs from the manifest to the report.

use glimpse_tests::s3::Fault;

use crate::batch_operations::{Code, Job};
use crate::manifest;
use crate::stack::{PICTURES, RESULTS, Stack};

const RED: [u8; 3] = [230, 20, 10];
const GREEN: [u8; 3] = [20, 220, 30];
const BLUE: [u8; 3] = [10, 30, 240];
const ALWAYS: usize = 100_000;

/// Keys as people make them, with the label that the picture must get.
const COLOURS: [(&str, [u8; 3], &str); 7] = [
    ("red.png", RED, "red"),
    ("a b/green.png", GREEN, "green"),
    ("a+b/blue.png", BLUE, "blue"),
    ("été/猫 🐈.png", RED, "red"),
    ("100%.png", GREEN, "green"),
    ("%41.png", BLUE, "blue"),
    ("x, y & \"z\"; =?#'()", RED, "red"),
];

fn full() -> Stack {
    let stack = Stack::new();
    for (key, colour, _) in COLOURS {
        stack.put_colour(key, colour);
    }
    stack
}

fn manifest(stack: &Stack) -> String {
    manifest::of_listing(PICTURES, &stack.keys(PICTURES))
}

#[test]
fn every_object_of_the_manifest_has_its_result() {
    let stack = full();
    let mut job = Job::new("first", &manifest(&stack));
    job.drive(&stack.start());
    let [succeeded, failed] = job.report();
    assert_eq!(succeeded.lines().count(), COLOURS.len(), "{failed}");
    assert_eq!(failed, "");
    for (key, _, label) in COLOURS {
        let result = stack.result(key);
        assert_eq!(result["label"], label, "{key}: {result}");
    }
    assert_eq!(stack.keys(RESULTS).len(), COLOURS.len());
}

#[test]
fn a_file_that_is_not_a_picture_succeeds_with_an_error_record_and_is_not_retried() {
    let stack = Stack::new();
    stack.put("broken.jpg", vec![0xff, 0xd8, 0xff, 0xe0, 0, 16]);
    stack.put("notes.txt", b"not a picture".to_vec());
    stack.put("empty.png", Vec::new());
    stack.put_colour("red.png", RED);
    let mut job = Job::new("mixed", &manifest(&stack));
    let function = stack.start();
    job.drive(&function);
    job.drive(&function);
    assert_eq!(job.count(Code::Succeeded), 4, "{:?}", job.tasks());
    assert!(job.tasks().iter().all(|task| task.calls == 1), "{:?}", job.tasks());
    for key in ["broken.jpg", "notes.txt", "empty.png"] {
        let result = stack.result(key);
        assert!(result["error"]["code"].is_string(), "{key}: {result}");
        assert!(result["label"].is_null(), "{key}: {result}");
    }
    assert_eq!(stack.result("red.png")["label"], "red");
}

#[test]
fn an_object_that_s3_throttles_is_called_again_in_the_same_job() {
    let stack = full();
    stack.server.faults().plan("red.png", Fault::SlowDown, ALWAYS);
    let mut job = Job::new("throttled", &manifest(&stack));
    let function = stack.start();
    job.drive(&function);
    assert_eq!(job.task("red.png").code, Some(Code::TemporaryFailure));
    assert_eq!(job.count(Code::Succeeded), COLOURS.len() - 1);
    stack.server.faults().clear();
    job.drive(&function);
    assert_eq!(job.task("red.png").calls, 2);
    assert_eq!(job.count(Code::Succeeded), COLOURS.len());
    assert_eq!(stack.result("red.png")["label"], "red");
}

#[test]
fn a_result_that_cannot_be_written_is_called_again() {
    let stack = full();
    stack.server.faults().plan("red.png.json", Fault::SlowDown, ALWAYS);
    let mut job = Job::new("unwritten", &manifest(&stack));
    let function = stack.start();
    job.drive(&function);
    assert_eq!(job.task("red.png").code, Some(Code::TemporaryFailure));
    stack.server.faults().clear();
    job.drive(&function);
    assert_eq!(job.count(Code::Succeeded), COLOURS.len());
    assert_eq!(stack.result("red.png")["label"], "red");
}

#[test]
fn while_the_model_is_out_of_reach_every_task_is_a_temporary_failure() {
    let stack = full();
    stack.server.faults().plan("model.onnx", Fault::SlowDown, ALWAYS);
    let mut job = Job::new("modelless", &manifest(&stack));
    let function = stack.start();
    job.drive(&function);
    assert_eq!(job.count(Code::TemporaryFailure), COLOURS.len(), "{:?}", job.tasks());
    assert!(stack.keys(RESULTS).is_empty());
    stack.server.faults().clear();
    job.drive(&function);
    assert_eq!(job.count(Code::Succeeded), COLOURS.len(), "{:?}", job.tasks());
}

#[test]
fn an_object_that_was_deleted_meanwhile_has_a_record_that_says_so_until_it_is_back() {
    let stack = full();
    let listed = manifest(&stack);
    stack.delete("a b/green.png");
    let function = stack.start();
    let mut job = Job::new("first", &listed);
    job.drive(&function);
    assert_eq!(job.count(Code::Succeeded), COLOURS.len(), "{:?}", job.tasks());
    assert_eq!(job.task("a%20b/green.png").message, "not_found");
    assert_eq!(stack.result("a b/green.png")["error"]["code"], "not_found");
    stack.put_colour("a b/green.png", GREEN);
    let mut job = Job::new("second", &listed);
    job.drive(&function);
    assert_eq!(job.task("a%20b/green.png").message, "labelled");
    assert_eq!(stack.result("a b/green.png")["label"], "green");
}

#[test]
fn what_a_report_says_has_failed_is_run_again_by_another_job() {
    let stack = full();
    // S3 never gives one of them during the whole job, and one lies where nothing is read from.
    stack.server.faults().plan("a+b/blue.png", Fault::SlowDown, ALWAYS);
    stack.server.faults().plan("a%2Bb/blue.png", Fault::SlowDown, ALWAYS);
    let listed = manifest(&stack) + &manifest::of_listing(RESULTS, &["own.png".to_owned()]);
    let function = stack.start();
    let mut job = Job::new("first", &listed);
    job.drive(&function);
    job.drive(&function);
    assert_eq!(job.task("own.png").code, Some(Code::PermanentFailure));
    assert_eq!(job.task("own.png").calls, 1);
    assert_eq!(job.task("a%2Bb/blue.png").code, Some(Code::TemporaryFailure));
    let [succeeded, failed] = job.report();
    assert_eq!(succeeded.lines().count(), COLOURS.len() - 1, "{failed}");

    // The report goes where the job was told, and comes from there.
    let keys = ["1", "2"].map(|part| format!("_backfill/reports/job-first/results/{part}.csv"));
    stack.server.put(RESULTS, &keys[0], succeeded.into_bytes());
    stack.server.put(RESULTS, &keys[1], failed.into_bytes());
    let folder = tempfile::tempdir().unwrap();
    let reports = ["1.csv", "2.csv"].map(|part| folder.path().join(part));
    for (key, file) in keys.iter().zip(&reports) {
        std::fs::write(file, stack.read(RESULTS, key)).unwrap();
    }
    let again = manifest::of_failed(&[&reports[0], &reports[1]]);
    assert_eq!(again, "pictures,a%2Bb/blue.png\nresults,own.png\n");

    stack.server.faults().clear();
    let mut job = Job::new("second", &again);
    job.drive(&function);
    assert_eq!(job.task("a%2Bb/blue.png").code, Some(Code::Succeeded), "{:?}", job.tasks());
    assert_eq!(stack.result("a+b/blue.png")["label"], "blue");
    assert_eq!(job.task("own.png").code, Some(Code::PermanentFailure));
    assert_eq!(stack.keys(RESULTS).len(), COLOURS.len() + reports.len());
}

#[test]
fn a_second_job_and_a_line_that_is_there_twice_change_no_result() {
    let stack = full();
    let listed = manifest(&stack);
    let mut job = Job::new("first", &listed);
    job.drive(&stack.start());
    let results = |stack: &Stack| COLOURS.map(|(key, _, _)| stack.result_bytes(key));
    let first = results(&stack);
    // In another environment, every object twice.
    let mut job = Job::new("second", &[listed.as_str(), &listed].concat());
    job.drive(&stack.start());
    assert_eq!(job.count(Code::Succeeded), 2 * COLOURS.len());
    assert!(job.tasks().iter().all(|task| task.message == "unchanged"), "{:?}", job.tasks());
    assert!(results(&stack) == first, "a result has changed");
    assert_eq!(stack.keys(RESULTS).len(), COLOURS.len());
}
