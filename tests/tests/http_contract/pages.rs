//! Health, the bundle's description and the web pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use glimpse_model_store::Sha256Digest;
use glimpse_tests::workspace;
use serde_json::{Value, json};

use crate::common::api::{API, Api, model};
use crate::common::toy;

#[test]
fn healthz_says_that_the_process_lives() {
    assert_eq!(API.get("/healthz").ok()["status"], "ok");
}

#[test]
fn model_is_the_bundles_description_and_what_the_model_can_do() {
    let file = std::fs::read(workspace::default_bundle().join("bundle.json")).unwrap();
    let parsed: Value = serde_json::from_slice(&file).unwrap();
    let found = API.get("/model").ok();
    for (field, value) in parsed.as_object().unwrap() {
        if field != "input" && field != "schema_version" {
            assert!(found[field] == *value, "{field}: {}", found[field]);
        }
    }
    assert_eq!((&found["schema_version"], &found["explains"]), (&json!(2), &json!(true)));
    assert_eq!(found["embedding_dimension"], json!(model().embedding_dimension()));
    let input = serde_json::to_value(model().manifest().input).unwrap();
    for (field, value) in input.as_object().unwrap() {
        assert_eq!(found["input"][field], *value);
    }
    // The names of version 0.1.0.
    assert_eq!(found["input"]["resize_shorter_side"], input["resize"]["size"]);
    assert_eq!(found["input"]["interpolation"], "bilinear-antialias");
}

#[test]
fn a_bundle_of_version_1_is_described_as_one_of_version_2() {
    let folder = toy::bundle_with(toy::Graph::MeanColour, |bundle| {
        bundle["schema_version"] = 1.into();
        bundle["input"] = json!({
            "height": toy::SIDE, "width": toy::SIDE, "resize_shorter_side": 9,
            "interpolation": "bilinear-antialias"
        });
    });
    let description = Api::folder(folder.path()).get("/model").ok();
    assert_eq!(description["schema_version"], 2);
    assert_eq!(description["task"], "single-label");
    assert_eq!(description["input"]["resize"]["size"], 9);
    assert_eq!(description["input"]["crop"], "center");
}

#[test]
fn model_reports_calibration_dimension_and_grid_or_their_absence() {
    let calibration = json!({
        "temperature": 2.0, "images": 500, "ece_before": 0.125, "ece_after": 0.03125
    });
    let grid = json!({ "stride": 1, "first": 0.5 });
    let folder = toy::bundle_with(toy::Graph::Explained, |bundle| {
        bundle["calibration"] = calibration.clone();
        bundle["class_maps"] = grid.clone();
    });
    let description = Api::folder(folder.path()).get("/model").ok();
    assert_eq!((&description["calibration"], &description["class_maps"]), (&calibration, &grid));
    assert_eq!(
        (&description["explains"], &description["embedding_dimension"]),
        (&json!(true), &json!(3))
    );
    let folder = toy::bundle(toy::Graph::MeanColour);
    let plain = Api::folder(folder.path()).get("/model").ok();
    assert_eq!((&plain["explains"], &plain["embedding_dimension"]), (&json!(false), &Value::Null));
    assert!(plain.get("calibration").is_none() && plain.get("class_maps").is_none());
}

/// A page's policy admits its own script and style by their hashes and nothing else: a page that
/// was edited without its hashes would be blank.
#[test]
fn a_page_runs_exactly_the_script_and_style_that_its_policy_admits() {
    for path in ["/", "/docs"] {
        let page = API.get(path);
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let html = str::from_utf8(&page.body).unwrap();
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{policy}");
        for tag in ["script", "style"] {
            let inside = html.split(&format!("<{tag}>")).nth(1).expect(tag);
            let inside = inside.split(&format!("</{tag}>")).next().unwrap();
            let hash = STANDARD.encode(raw(&Sha256Digest::of(inside.as_bytes()).to_string()));
            assert!(policy.contains(&format!("{tag}-src 'sha256-{hash}'")), "{tag}: sha256-{hash}");
            assert_eq!(html.matches(&format!("<{tag}")).count(), 1, "{path}: one {tag}");
        }
        for elsewhere in ["http://", "https://", "src=", "@import"] {
            assert!(!html.contains(elsewhere), "{path} loads something: {elsewhere}");
        }
    }
}

fn raw(hexadecimal: &str) -> Vec<u8> {
    let digits: Vec<u8> = hexadecimal.bytes().collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}
