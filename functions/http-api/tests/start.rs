//! The function's binary at its start. (That it is tested here makes cargo build it for `tests/` too.)

use std::process::{Command, Output};

#[allow(clippy::unwrap_used)]
fn start(environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootstrap"));
    command.env_clear().envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn a_mistake_in_the_configuration_ends_the_start_and_names_the_variable_and_its_value() {
    let model = ("GLIMPSE_MODEL_URI", "s3://models/resnet50/1");
    let cases = [
        (vec![], "GLIMPSE_MODEL_URI is not set"),
        (
            vec![("GLIMPSE_MODEL_URI", "https://host/model")],
            "GLIMPSE_MODEL_URI is `https://host/model`",
        ),
        (vec![model, ("GLIMPSE_MODEL_SHA256", "abc")], "GLIMPSE_MODEL_SHA256 is `abc`"),
        (
            vec![model, ("GLIMPSE_MAX_BATCH", "0")],
            "GLIMPSE_MAX_BATCH is `0`; expected a whole number from 1 to 1024",
        ),
        (vec![model, ("GLIMPSE_LOG", "loud?=x")], "GLIMPSE_LOG is `loud?=x`"),
        (vec![model, ("GLIMPSE_MAX_BODY_BYTES", "ten")], "GLIMPSE_MAX_BODY_BYTES is `ten`"),
    ];
    for (environment, expected) in cases {
        let output = start(&environment);
        assert!(!output.status.success(), "{environment:?}");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(log.contains(expected), "{environment:?}: {log}");
    }
}
