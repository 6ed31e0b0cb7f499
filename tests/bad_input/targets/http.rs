//! Any bytes as requests to a running server, over real connections.

use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::OnceLock;
use std::time::Duration;

use site::{Site, TOKEN};

#[path = "../../http/site.rs"]
#[expect(dead_code, reason = "what asks it there is of no use with bytes that are no request")]
mod site;

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
    problem: bool,
    last: bool,
}

/// `METHOD target`, then behind the line's end the body, sent with the token; what begins with `!` is sent byte for byte.
/// Every request is answered, by no error of the server's own, and the server goes on.
pub fn run(bytes: &[u8]) {
    match bytes.strip_prefix(b"!") {
        Some(raw) => {
            let mut connection = connect();
            // The other end may close while we write.
            drop(connection.write_all(raw));
            drop(connection.shutdown(Shutdown::Write));
            let mut answers = Vec::new();
            drop(connection.read_to_end(&mut answers));
            assert!(!answers.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&answers));
            assert_eq!(ask(b"GET /livez").map(|it| it.status), Some(200));
        }
        None => {
            if let Some(answer) = ask(bytes) {
                let text = String::from_utf8_lossy(&answer.body);
                assert!((200..500).contains(&answer.status) || answer.status == 503, "{} {text}", answer.status);
                if answer.problem {
                    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
                    assert!(problem["detail"].is_string() && problem["status"] == answer.status, "{text}");
                }
            }
        }
    }
}

/// Sends a request; `None`: the server closed the connection, twice, without a word.
pub fn ask(bytes: &[u8]) -> Option<Answer> {
    thread_local!(static KEPT: RefCell<Option<BufReader<TcpStream>>> = const { RefCell::new(None) });
    let end = bytes.iter().position(|it| *it == b'\n').unwrap_or(bytes.len());
    let (line, body) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let mut request = line.to_vec();
    drop(write!(request, " HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"));
    drop(write!(request, "content-length: {}\r\n\r\n", body.len()));
    request.extend_from_slice(body);
    KEPT.with_borrow_mut(|kept| {
        // A connection that was kept may have been closed by the other end in the meantime.
        for _ in 0..2 {
            let mut connection = kept.take().unwrap_or_else(|| BufReader::new(connect()));
            // What is refused by its head is answered before all of its body was taken.
            drop(connection.get_mut().write_all(&request));
            if let Some(answer) = read(&mut connection, line.starts_with(b"HEAD ")) {
                if !answer.last {
                    *kept = Some(connection);
                }
                return Some(answer);
            }
        }
        None
    })
}

fn read(connection: &mut BufReader<TcpStream>, head_only: bool) -> Option<Answer> {
    let mut line = String::new();
    connection.read_line(&mut line).ok().filter(|it| *it != 0)?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let (mut length, mut problem, mut last) = (0, false, false);
    loop {
        line.clear();
        connection.read_line(&mut line).ok()?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(": ") {
            None => break,
            Some(("content-length", it)) => length = it.parse().ok()?,
            Some(("content-type", it)) => problem = it.starts_with("application/problem+json") && !head_only,
            Some(("connection", it)) => last = it == "close",
            Some(("transfer-encoding", it)) => panic!("{it} is not read here"),
            Some(_) => {}
        }
    }
    let mut body = vec![0; if head_only { 0 } else { length }];
    connection.read_exact(&mut body).ok()?;
    Some(Answer { status, body, problem, last })
}

fn connect() -> TcpStream {
    let connection = TcpStream::connect(address()).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    connection.set_nodelay(true).unwrap();
    connection
}

/// A server that runs as long as the process does.
fn address() -> SocketAddr {
    static ADDRESS: OnceLock<SocketAddr> = OnceLock::new();
    *ADDRESS.get_or_init(|| Box::leak(Box::new(Site::at("127.0.0.1:0", Some(TOKEN)))).address())
}
