//! One invocation by Lambda's runtime API itself, for what the emulator leaves out: the trace.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a function answered, and what it wrote to its log.
pub struct Invoked {
    pub answer: String,
    pub log: String,
}

/// Start `function`, hand it `event` as a part of `trace`, and end it when it has answered.
pub fn invoke(
    function: &Path,
    environment: &[(String, String)],
    event: &str,
    trace: &str,
) -> Invoked {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let api = listener.local_addr().unwrap().to_string();
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
    let next = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         lambda-runtime-aws-request-id: request-1\r\nlambda-runtime-deadline-ms: {}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:123456789012:function:f\r\n\
         lambda-runtime-trace-id: {trace}\r\n\r\n{event}",
        event.len(),
        deadline.as_millis(),
    );
    let mut child = Command::new(function)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("AWS_LAMBDA_RUNTIME_API", api)
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "7")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1769")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (sender, answers) = channel();
    thread::spawn(move || {
        // The function asks for one invocation after the other; there is one.
        let mut next = Some(next);
        for socket in listener.incoming() {
            serve(&socket.unwrap(), &mut next, &sender);
        }
    });
    let answer = answers.recv_timeout(Duration::from_secs(120));
    child.kill().unwrap();
    let mut log = String::new();
    child.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    Invoked { answer: answer.unwrap_or_else(|_| panic!("no answer; the log: {log}")), log }
}

/// Answer the requests of one connection until the function waits for a second invocation.
fn serve(socket: &TcpStream, next: &mut Option<String>, answers: &Sender<String>) {
    let mut reader = BufReader::new(socket);
    let mut writer = socket;
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if reader.read_until(b'\n', &mut head).unwrap() == 0 {
                return;
            }
        }
        let head = String::from_utf8(head).unwrap().to_lowercase();
        if head.starts_with("get ") {
            let Some(next) = next.take() else { return thread::park() };
            writer.write_all(next.as_bytes()).unwrap();
            continue;
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.unwrap_or("0").trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        writer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n").unwrap();
        answers.send(String::from_utf8(body).unwrap()).unwrap();
    }
}
