//! Where another provider runs the model, the CPU provider decides close labels.
//!
//! The provider of the tests gives mean colours, and the graph adds a little to green: where red is less
//! than that before green, the provider prefers red and the CPU provider green.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use glimpse_tests::edge::{Running, glimpse};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::batching::asking;
use super::classify::lines;
use super::common::api::{block_on, store};
use super::common::close::close;
use super::common::encode::{base64, encode};
use super::common::toy::{self, GREENER, Graph, SIDE};
use super::http::{ask, counted, get, post, post_json};
use super::provider::mean_colour;
use super::serve::red;

/// Steps of a mean colour: a picture has so many pixels.
const STEPS: u32 = SIDE * SIDE;

/// A picture with these means of red, green and blue, in steps.
fn picture(means: [u32; 3]) -> Vec<u8> {
    let pixels = RgbImage::from_fn(SIDE, SIDE, |x, y| {
        let place = y * SIDE + x;
        Rgb(means
            .map(|steps| u8::try_from(steps / STEPS + u32::from(place < steps % STEPS)).unwrap()))
    });
    encode(&DynamicImage::ImageRgb8(pixels), ImageFormat::Png)
}

/// With one step more of red than of green, which the graph makes up for.
fn close_picture() -> Vec<u8> {
    picture([100 * STEPS + 1, 100 * STEPS, 0])
}

/// With one level more of red: far more than is close.
fn sure_picture() -> Vec<u8> {
    picture([101 * STEPS, 100 * STEPS, 0])
}

fn serve(bundle: &Path) -> (Running, SocketAddr) {
    let mut command = glimpse(bundle);
    let (running, address) = Running::serve(command.env("GLIMPSE_PROVIDER", mean_colour()));
    assert_eq!(ask(address, &get("/model")).json()["provider"], "mean-colour");
    (running, address)
}

fn decided(address: SocketAddr) -> u32 {
    counted(address, "glimpse_decided_by_cpu_total")
}

fn greener() -> TempDir {
    toy::bundle(Graph::Greener)
}

#[test]
fn a_close_label_is_the_cpu_providers_and_a_sure_picture_is_not_run_again() {
    let bundle = greener();
    let (_running, address) = serve(bundle.path());
    let sure = ask(address, &post(&sure_picture())).json();
    // By the provider alone: the graph would give red less.
    assert_eq!((&sure["label"], decided(address)), (&json!("red"), 0));
    let sigmoid = |odds: f32| f64::from(1.0 / (1.0 + (-odds).exp()));
    let near =
        |answer: &Value, odds| (answer["score"].as_f64().unwrap() - sigmoid(odds)).abs() < 1e-4;
    assert!(near(&sure, 1.0), "{sure}");
    let answer = ask(address, &post(&close_picture())).json();
    assert_eq!((&answer["label"], decided(address)), (&json!("green"), 1));
    assert!(near(&answer, GREENER - 1.0 / 64.0), "{answer}");
}

#[test]
fn the_providers_answer_stands_where_the_cpu_provider_has_none() {
    let bundle = toy::bundle(Graph::GreenerIfColourful);
    let (running, address) = serve(bundle.path());
    let answer = ask(address, &post(&close_picture())).json();
    assert_eq!((&answer["label"], decided(address)), (&json!("red"), 0), "{answer}");
    running.wait_for("the CPU provider could not decide close labels");
    let colourful = picture([100 * STEPS + 1, 100 * STEPS, STEPS]);
    let answer = ask(address, &post(&colourful)).json();
    assert_eq!((&answer["label"], decided(address)), (&json!("green"), 1), "{answer}");
}

#[test]
fn close_pictures_of_a_batch_run_again_and_the_others_do_not() {
    let bundle = greener();
    let (_running, address) = serve(bundle.path());
    let (close, sure) = (base64(&close_picture()), base64(&sure_picture()));
    for (images, labels) in [
        (json!([sure, close, sure]), json!(["red", "green", "red"])),
        (json!([close, close]), json!(["green", "green"])),
        (json!([close, "bm8=", sure, close]), json!(["green", null, "red", "green"])),
    ] {
        let before = decided(address);
        let answer = ask(address, &post_json(&json!({ "images": images }))).json();
        let results = answer["results"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let found: Vec<_> = results.iter().map(|one| one["label"].clone()).collect();
        assert_eq!(Value::from(found), labels);
        let expected = labels.as_array().unwrap().iter().filter(|one| *one == "green").count();
        assert_eq!(decided(address) - before, u32::try_from(expected).unwrap());
    }
}

#[test]
fn a_label_near_its_threshold_is_decided_too() {
    let bundle = toy::bundle_with(Graph::Greener, |bundle| {
        bundle["task"] = "multi-label".into();
        bundle["thresholds"] = json!([0.9, 0.9, 0.9]);
        let calibration =
            json!({ "temperature": 10.0, "images": 500, "ece_before": 0.1, "ece_after": 0.1 });
        bundle["calibration"] = calibration;
    });
    let (_running, address) = serve(bundle.path());
    // The threshold is at a mean of 10 · ln 9 = 21.972: that is over it with the graph's addition alone.
    let answer = ask(address, &post(&picture([0, 22 * STEPS - 2, 0]))).json();
    assert_eq!(answer["labels"][0]["label"], "green", "{answer}");
    assert_eq!(decided(address), 1);
    let answer = ask(address, &post(&picture([0, 200 * STEPS, 0]))).json();
    assert_eq!((&answer["labels"][0]["label"], decided(address)), (&json!("green"), 1));
}

#[test]
fn whether_a_label_is_given_at_all_is_decided_too() {
    let bundle = greener();
    let (_running, address) = serve(bundle.path());
    let asked = |query: &str| ask(address, &asking(&sure_picture(), query)).json();
    // Red has 0.731 of the provider and 0.722 of the graph.
    let narrow = asked("abstain_below=0.725");
    assert_eq!((&narrow["label"], decided(address)), (&Value::Null, 1), "{narrow}");
    let wide = asked("abstain_below=0.1");
    assert_eq!((&wide["label"], decided(address)), (&json!("red"), 1), "{wide}");
}

#[test]
fn what_is_decoded_again_is_decided_at_full_scale() {
    let bundle = greener();
    let plain = block_on(store(bundle.path()).get()).unwrap();
    let picture = close(&plain, 64);
    let (_running, address) = serve(bundle.path());
    let answer = ask(address, &post(&picture.file)).json();
    assert_eq!(answer["label"], picture.full.top.label, "{answer}");
    assert_eq!((counted(address, "glimpse_decoded_again_total"), decided(address)), (1, 1));
}

#[test]
fn files_are_decided_like_requests() {
    let (bundle, folder) = (greener(), tempfile::tempdir().unwrap());
    let put = |name: &str, content: &[u8]| fs::write(folder.path().join(name), content).unwrap();
    for number in 0..9 {
        put(&format!("{number}-close.png"), &close_picture());
        put(&format!("{number}-sure.png"), &sure_picture());
    }
    put("red.png", &red());
    let mut command = glimpse(bundle.path());
    command.env("GLIMPSE_PROVIDER", mean_colour()).current_dir(folder.path());
    let output = command.args(["classify", "."]).stderr(Stdio::null()).output().unwrap();
    let lines = lines(&output.stdout);
    assert_eq!(lines.len(), 19, "{lines:?}");
    for line in &lines {
        let is_close = line["file"].as_str().unwrap().contains("close");
        assert_eq!(line["label"], if is_close { "green" } else { "red" }, "{line}");
    }
}
