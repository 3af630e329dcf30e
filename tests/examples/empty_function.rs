//! The smallest Lambda function there can be. Under the emulator, what it takes is the emulator's own.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::error::Error;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let api = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let base = format!("http://{api}/2018-06-01/runtime/invocation");
    // It starts faster than the emulator opens its port.
    let deadline = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(&api).is_err() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_micros(200));
    }
    let agent = ureq::Agent::new_with_defaults();
    loop {
        let mut next = agent.get(format!("{base}/next")).call()?;
        let id = next.headers().get("lambda-runtime-aws-request-id");
        let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
        next.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        agent.post(format!("{base}/{id}/response")).send(r#"{"statusCode":200,"body":"{}"}"#)?;
    }
}
