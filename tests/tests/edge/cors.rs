//! Cross-origin requests, as browsers send them.

use super::http::{Answer, ask, post_with};
use super::serve::{red, serve};

const ORIGIN: &str = "https://shop.example";

fn preflight(origin: &str) -> Vec<u8> {
    format!(
        "OPTIONS /predict HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
         Access-Control-Request-Method: POST\r\n\
         Access-Control-Request-Headers: authorization,content-type\r\n\r\n"
    )
    .into_bytes()
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn the_origins_that_are_named_may_use_the_api_and_no_others() {
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "0123456789abcdef").unwrap();
    let token = token.path().to_str().unwrap();
    let origins = "https://Shop.example:443,http://localhost:3000";
    let (_bundle, _running, address) =
        serve(&["--cors-origins", origins, "--bearer-token-file", token]);
    let answer = ask(address, &preflight(ORIGIN));
    assert_eq!((answer.status, allowed(&answer)), (200, Some(ORIGIN)));
    assert_eq!(answer.header("access-control-allow-methods"), Some("get,post"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert!(answer.header("vary").is_some_and(|vary| vary.contains("origin")));
    for other in ["https://evil.example", "http://shop.example", "null"] {
        assert_eq!(allowed(&ask(address, &preflight(other))), None, "{other}");
    }
    let send = |origin: &str, token: &str| {
        let headers = format!("origin: {origin}\r\nauthorization: Bearer {token}\r\n");
        ask(address, &post_with(&red(), &headers))
    };
    let answer = send(ORIGIN, "0123456789abcdef");
    assert_eq!((answer.status, allowed(&answer)), (200, Some(ORIGIN)));
    assert_eq!(allowed(&send("https://evil.example", "0123456789abcdef")), None);
    // A page can read why it was refused.
    let refused = send(ORIGIN, "wrong");
    assert_eq!((refused.status, allowed(&refused)), (401, Some(ORIGIN)));
}

#[test]
fn without_the_option_no_answer_allows_an_origin() {
    let (_bundle, _running, address) = serve(&["--cors-origins", ""]);
    let answer = ask(address, &preflight(ORIGIN));
    assert_eq!((answer.status, allowed(&answer)), (204, None));
}
