//! Requests by hand: what a client library would hide is what is tested.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// One connection.
pub struct Connection(TcpStream);

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The same from another address of this machine.
    pub fn open_from(own: IpAddr, address: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((own, 0).into()).unwrap();
            socket.connect(address).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    /// Send to a server that may have closed the connection, or reads no more.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        self.0.write_all(bytes)
    }

    /// Send what the server takes at once, and no more.
    pub fn send_some(&mut self, bytes: &[u8]) {
        self.0.set_nonblocking(true).unwrap();
        let mut left = bytes;
        while let Ok(sent @ 1..) = self.0.write(left) {
            left = &left[sent..];
        }
        self.0.set_nonblocking(false).unwrap();
    }

    /// Its socket.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.0
    }

    /// Say that nothing more is sent.
    pub fn close_sending(&mut self) {
        self.0.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Read one answer; nothing when the connection was closed instead.
    pub fn answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.0.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
                _ => return None,
            }
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = header(&head, "content-length").and_then(|length| length.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        self.0.read_exact(&mut body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body })
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

pub fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// A `POST /predict` with JSON.
pub fn post_json(body: &Value) -> Vec<u8> {
    let text = body.to_string();
    let request = String::from_utf8(post(text.as_bytes())).unwrap();
    request.replace("image/png", "application/json").into_bytes()
}

/// A counter of `/metrics`, which appears with its first count.
pub fn counted(address: SocketAddr, name: &str) -> u32 {
    let metrics = String::from_utf8(ask(address, &get("/metrics")).body).unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    count.map_or(0, |count| count.parse().unwrap())
}

/// A `POST /predict` with the bytes of a PNG.
pub fn post(picture: &[u8]) -> Vec<u8> {
    post_with(picture, "")
}

/// The same with further header lines, each with its end.
pub fn post_with(picture: &[u8], headers: &str) -> Vec<u8> {
    let length = picture.len();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: image/png\r\n\
         content-length: {length}\r\n{headers}\r\n"
    );
    [head.as_bytes(), picture].concat()
}

/// One request on a connection of its own.
pub fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let mut connection = Connection::open(address);
    connection.send(request);
    connection.answer().expect("an answer")
}
