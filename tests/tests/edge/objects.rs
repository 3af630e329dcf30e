//! `glimpse classify` with pictures in S3.

use glimpse_tests::edge::glimpse;
use glimpse_tests::s3::{Fault, S3Server};
use image::ImageFormat;

use super::classify::lines;
use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};

#[test]
fn objects_and_prefixes_are_classified_like_files() {
    let server = S3Server::start(&["tiles"]);
    let bundle = toy::bundle(Graph::MeanColour);
    let put = |key: &str, colour| {
        server.put("tiles", key, encode(&plain(9, 9, colour), ImageFormat::Png));
    };
    put("one.png", [200, 0, 0]);
    for number in 0..20_u8 {
        put(&format!("many/{number:02}.png"), [0, 200, 0]);
    }
    server.put("tiles", "many/readme.txt", b"words".to_vec());
    server.put("tiles", "many/99.png", b"words".to_vec());
    server.put("tiles", "empty.png", Vec::new());
    let mut command = glimpse(bundle.path());
    command.envs(server.environment()).args(["classify", "s3://tiles/one.png"]);
    command.args([
        "s3://tiles/many/",
        "s3://tiles/absent.png",
        "s3://tiles/none/",
        "s3://tiles/empty.png",
    ]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = lines(&output.stdout);
    assert_eq!(lines.len(), 25, "{lines:?}");
    assert_eq!(
        (&lines[0]["file"], &lines[0]["label"]),
        (&"s3://tiles/one.png".into(), &"red".into())
    );
    for (number, line) in lines[1..21].iter().enumerate() {
        assert_eq!(line["file"], format!("s3://tiles/many/{number:02}.png"));
        assert_eq!(line["label"], "green");
    }
    let codes: Vec<_> = lines[21..].iter().map(|line| line["error"]["code"].clone()).collect();
    assert_eq!(codes, ["unsupported_image_format", "not_found", "no_match", "missing_image"]);
}

#[test]
fn an_error_of_s3_or_the_sdk_is_one_readable_line() {
    let server = S3Server::start(&["tiles"]);
    let bundle = toy::bundle(Graph::MeanColour);
    let said = |endpoint: Option<&str>| {
        let mut command = glimpse(bundle.path());
        command.envs(server.environment());
        if let Some(endpoint) = endpoint {
            command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_ENDPOINT_URL_S3", endpoint);
        }
        let output = command.args(["classify", "s3://tiles/one.png"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        lines(&output.stdout)[0]["error"]["detail"].as_str().unwrap().to_owned()
    };
    let nobody = said(Some("http://127.0.0.1:9"));
    assert!(
        nobody.contains("Connection refused") && !nobody.contains("DispatchFailure"),
        "{nobody}"
    );
    server.faults().plan("one.png", Fault::Archived, 1);
    let archived = said(None);
    assert!(archived.contains("InvalidObjectState: The object's storage class"), "{archived}");
}
