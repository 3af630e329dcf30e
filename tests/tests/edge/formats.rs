//! `GLIMPSE_FORMATS`: only the formats that are named are decoded, at every door.

use std::fs;

use glimpse_tests::edge::glimpse;
use image::ImageFormat;

use super::classify::lines;
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{ask, post};
use super::serve::serve;

#[test]
fn a_format_that_is_not_named_is_refused_by_its_name() {
    let (_bundle, _running, address) = serve(&["--formats", "jpeg, webp"]);
    let send = |format| ask(address, &post(&encode(&plain(9, 8, [200, 0, 0]), format)));
    assert_eq!(send(ImageFormat::Jpeg).status, 200);
    let refused = send(ImageFormat::Png);
    let problem = refused.json();
    assert_eq!((refused.status, &problem["code"]), (415, &"unsupported_image_format".into()));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("PNG") && detail.contains("GLIMPSE_FORMATS"), "{detail}");
}

#[test]
fn files_are_held_to_the_same_list() {
    let folder = tempfile::tempdir().unwrap();
    let picture = encode(&plain(9, 8, [200, 0, 0]), ImageFormat::Png);
    // The content decides, not the name.
    fs::write(folder.path().join("a.jpg"), picture).unwrap();
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    let command = command.current_dir(folder.path());
    let output = command.args(["classify", "--formats", "jpeg", "a.jpg"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(lines(&output.stdout)[0]["error"]["code"], "unsupported_image_format");
}
