//! `infra/backfill/manifest.py`, run as the document says.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use glimpse_tests::workspace;
use serde_json::json;

/// The manifest of a bucket, from what `aws s3api list-objects-v2 --output json` prints.
pub fn of_listing(bucket: &str, keys: &[String]) -> String {
    let objects: Vec<_> = keys.iter().map(|key| json!({ "Key": key, "Size": 1 })).collect();
    text(run(&["list", bucket], &json!({ "Contents": objects }).to_string()))
}

/// The manifest of what reports say has failed.
pub fn of_failed(reports: &[&Path]) -> String {
    let paths = reports.iter().map(|path| path.to_str().unwrap());
    text(run(&[&["failed"], &paths.collect::<Vec<_>>()[..]].concat(), ""))
}

fn run(arguments: &[&str], input: &str) -> Output {
    let script = workspace::root().join("infra/backfill/manifest.py");
    let mut process = Command::new("python3")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

#[track_caller]
fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_listing_becomes_lines_with_encoded_keys_and_folder_markers_are_left_out() {
    let keys = ["a b/ü+,\"%.jpg", "a b/", "猫"].map(str::to_owned);
    let lines = of_listing("pictures", &keys);
    assert_eq!(lines, "pictures,a%20b/%C3%BC%2B%2C%22%25.jpg\npictures,%E7%8C%AB\n");
}

#[test]
fn an_empty_bucket_has_an_empty_manifest() {
    // The AWS CLI prints nothing at all then.
    assert_eq!(text(run(&["list", "pictures"], "")), "");
}

#[test]
fn only_what_failed_is_taken_from_reports_with_its_version() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["1.csv", "2.csv"].map(|name| folder.path().join(name));
    let message = r#""Lambda says ""no"", twice,
on two lines""#;
    let lines =
        format!("b,a%2Cb,v1,failed,200,PermanentFailure,{message}\nb,c,v2,succeeded,200,,\n");
    std::fs::write(&first, lines).unwrap();
    std::fs::write(&second, "b,d%20e,v3,failed,503,SlowDown,\n").unwrap();
    assert_eq!(of_failed(&[&first, &second]), "b,a%2Cb,v1\nb,d%20e,v3\n");
}

#[track_caller]
fn refused(output: &Output, sentence: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(sentence) && said.lines().count() == 1, "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_cannot_be_read_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let [good, binary] = ["good.csv", "binary.csv"].map(|name| folder.path().join(name));
    std::fs::write(&good, "b,a,,failed,200,,\n").unwrap();
    std::fs::write(&binary, b"PK\xff\xfe").unwrap();
    for path in [folder.path(), &folder.path().join("none.csv"), &binary] {
        let output = run(&["failed", good.to_str().unwrap(), path.to_str().unwrap()], "");
        refused(&output, &format!("{} cannot be read", path.display()));
    }
    for listing in ["CONTENTS\ta.jpg", "[]", r#"{"Contents": [{"key": "a.jpg"}]}"#] {
        refused(&run(&["list", "pictures"], listing), "standard input is no listing");
    }
}

#[test]
fn what_cannot_be_one_manifest_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.csv");
    std::fs::write(&report, "b,a,v1,failed,200,,\nb,c,,failed,200,,\n").unwrap();
    refused(&run(&["failed", report.to_str().unwrap()], ""), "make two jobs");
    assert_eq!(run(&["failed"], "").status.code(), Some(2));
}
