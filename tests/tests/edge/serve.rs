//! `glimpse serve`: the API on a socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use glimpse_tests::edge::{Running, glimpse};
use image::ImageFormat;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::common::encode::{encode, plain};
use super::common::toy::{self, Graph};
use super::http::{Connection, ask, get, post, post_with};

pub fn red() -> Vec<u8> {
    encode(&plain(9, 8, [200, 0, 0]), ImageFormat::Png)
}

/// A server with the toy model and `arguments`.
pub fn serve(arguments: &[&str]) -> (TempDir, Running, SocketAddr) {
    let bundle = toy::bundle(Graph::MeanColour);
    // Global flags may stand before the verb's own.
    let mut command = glimpse(bundle.path());
    let (running, address) = Running::serve(with(&mut command, arguments));
    (bundle, running, address)
}

/// `arguments` as environment variables: `--queue 1` is `GLIMPSE_QUEUE=1`.
fn with<'a>(
    command: &'a mut std::process::Command,
    arguments: &[&str],
) -> &'a mut std::process::Command {
    for pair in arguments.chunks(2) {
        let name = pair[0].trim_start_matches('-').replace('-', "_").to_uppercase();
        command.env(format!("GLIMPSE_{name}"), pair[1]);
    }
    command
}

/// Until the server has read the head of a request and waits for its body.
pub fn wait_until_one_is_in_flight(address: SocketAddr) {
    let metrics = || String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !metrics().contains("glimpse_requests_in_flight 1\n") {
        assert!(Instant::now() < deadline, "{}", metrics());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let (_bundle, _running, address) = serve(&[]);
    let mut connection = Connection::open(address);
    for _ in 0..3 {
        connection.send(&post(&red()));
        let answer = connection.answer().unwrap();
        assert_eq!((answer.status, answer.json()["label"].clone()), (200, "red".into()));
        assert!(answer.header("x-request-id").is_some());
        connection.send(&get("/healthz"));
        assert_eq!(connection.answer().unwrap().status, 200);
    }
}

#[test]
fn sigterm_lets_requests_that_have_begun_be_answered() {
    let (_bundle, mut running, address) = serve(&[]);
    let (mut busy, mut idle) = (Connection::open(address), Connection::open(address));
    idle.send(&get("/healthz"));
    idle.answer().unwrap();
    let request = post(&red());
    let (first, rest) = request.split_at(request.len() - 5);
    busy.send(first);
    wait_until_one_is_in_flight(address);
    running.signal(Signal::SIGTERM);
    running.wait_for("ending");
    assert!(TcpStream::connect(address).is_err(), "it still accepts connections");
    busy.send(rest);
    let answer = busy.answer().unwrap();
    assert_eq!((answer.status, answer.json()["label"].clone()), (200, "red".into()));
    assert!(idle.answer().is_none());
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_request_that_never_ends_does_not_hold_the_server_up() {
    let (_bundle, mut running, address) = serve(&["--drain-ms", "100"]);
    let mut busy = Connection::open(address);
    let request = post(&red());
    busy.send(&request[..request.len() - 5]);
    wait_until_one_is_in_flight(address);
    running.signal(Signal::SIGINT);
    assert_eq!(running.end().code(), Some(0));
}

#[test]
fn a_token_opens_all_and_health_and_the_page_need_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "correct-horse-battery\n").unwrap();
    let (_bundle, running, address) = serve(&["--bearer-token-file", file.to_str().unwrap()]);
    for path in ["/", "/healthz", "/v2/health/live", "/v2/health/ready"] {
        assert_eq!(ask(address, &get(path)).status, 200, "{path}");
    }
    for path in ["/model", "/metrics", "/docs", "/nothing"] {
        assert_eq!(ask(address, &get(path)).status, 401, "{path}");
    }
    let token = |token: &str| format!("authorization: Bearer {token}\r\n");
    let refused = ask(address, &post_with(&red(), &token("correct-horse-batterz")));
    assert_eq!((refused.status, refused.json()["code"].clone()), (401, "unauthorized".into()));
    assert_eq!(refused.header("www-authenticate"), Some("bearer"));
    let admitted = ask(address, &post_with(&red(), &token("correct-horse-battery")));
    assert_eq!(admitted.status, 200);
    let log = format!("{:?}", running.log());
    assert!(!log.contains("correct-horse"), "the token is logged: {log}");
}

#[test]
fn tls_is_served_from_pem_files_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&certificate, made.cert.pem()).unwrap();
        fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    };
    let first = write();
    let files = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let (_bundle, running, address) = serve(&["--tls-cert", files[0], "--tls-key", files[1]]);
    let answer = over_tls(address, &first).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"label\":\"red\""), "{answer}");
    // A renewed certificate is served without a restart; half of a renewal is not.
    let renewed = write();
    running.wait_for("read again");
    let deadline = Instant::now() + Duration::from_secs(60);
    while over_tls(address, &renewed).is_err() {
        assert!(Instant::now() < deadline, "the renewed certificate is not served");
    }
    assert!(over_tls(address, &first).is_err());

    let mut plain = Connection::open(address);
    plain.send(&get("/healthz"));
    assert!(plain.answer().is_none());
}

/// The answer to a picture, from a server that is trusted by its certificate.
fn over_tls(
    address: SocketAddr,
    certificate: &rustls::pki_types::CertificateDer<'static>,
) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address).unwrap();
    let mut stream = rustls::Stream::new(&mut client, &mut socket);
    let request = post_with(&red(), "connection: close\r\n");
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    // The server may close without a farewell.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8(answer).unwrap())
}

#[test]
fn metrics_count_what_was_answered() {
    let (_bundle, _running, address) = serve(&[]);
    ask(address, &post(&red()));
    ask(address, &post(b"\x89PNG\r\n\x1a\nbroken"));
    let page = ask(address, &get("/metrics"));
    let page = String::from_utf8(page.body).unwrap();
    for line in [
        "glimpse_predictions_total 1",
        "glimpse_errors_total{code=\"corrupt_image\"} 1",
        "glimpse_infer_ms_count 1",
        "glimpse_request_ms_count 2",
        "glimpse_requests_in_flight 0",
        "glimpse_model_info{name=\"toy\",version=\"1\",graph=\"model.onnx\",provider=\"cpu\"} 1",
        "# TYPE glimpse_request_ms histogram",
    ] {
        assert!(page.lines().any(|own| own == line), "no `{line}` in\n{page}");
    }
}

#[test]
fn the_service_manager_is_notified_of_start_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let bundle = toy::bundle(Graph::MeanColour);
    let mut command = glimpse(bundle.path());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let (mut running, _) = Running::serve(&mut command);
    let told = || {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    assert_eq!(told(), "READY=1");
    assert_eq!((told(), told()), ("WATCHDOG=1".to_owned(), "WATCHDOG=1".to_owned()));
    running.signal(Signal::SIGTERM);
    running.end();
    let last = std::iter::repeat_with(told).find(|word| word != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
}

#[test]
fn a_start_that_cannot_succeed_ends_with_exit_code_2() {
    let bundle = toy::bundle(Graph::MeanColour);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (arguments, reason) in [
        (["--listen", taken.as_str()], "cannot listen"),
        (["--model-uri", "/nowhere"], "does not exist"),
        (["--max-batch", "0"], "a whole number from 1 to 1024 (GLIMPSE_MAX_BATCH)"),
        (["--bearer-token-file", "/nowhere"], "/nowhere"),
        (["--tls-cert", "/nowhere"], "--tls-key"),
    ] {
        let mut command = glimpse(bundle.path());
        let listen =
            if arguments[0] == "--listen" { &[][..] } else { &["--listen", "127.0.0.1:0"] };
        let output = command.arg("serve").args(listen).args(arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(reason), "{arguments:?}: {error}");
    }
}

#[test]
fn a_page_whose_name_leads_here_gets_nothing() {
    let foreign = |path: &str| {
        let request = String::from_utf8(get(path)).unwrap();
        request.replace("host: localhost", "host: evil.example").into_bytes()
    };
    let (_bundle, _running, address) = serve(&[]);
    for path in ["/model", "/healthz", "/nowhere", "/metrics"] {
        let refused = ask(address, &foreign(path));
        assert_eq!((refused.status, refused.json()["code"].clone()), (421, "unknown_host".into()));
    }
    let refused = ask(address, &foreign("/v2/models/toy"));
    assert_eq!(refused.status, 421);
    assert!(refused.json()["error"].to_string().contains("GLIMPSE_HOSTS"));
    assert_eq!(ask(address, &post(&red())).status, 200);
    let (_bundle, _running, address) = serve(&["--hosts", "evil.example"]);
    assert_eq!(ask(address, &foreign("/model")).status, 200);
}
