//! A provider on this machine, for tests that ask one over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};

/// A server on this machine that answers each request with the body of its path, and keeps what it was sent.
pub(crate) struct Server {
    pub(crate) address: String,
    sent: Arc<Mutex<Vec<String>>>,
    /// The most that were asked at the same time.
    pub(crate) most: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) fn new(answers: &'static [(&'static str, &'static str)]) -> Self {
        Self::together(1, answers)
    }

    /// One that answers nobody before so many are there.
    pub(crate) fn together(count: usize, answers: &'static [(&'static str, &'static str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one").to_string();
        let server = Self {
            address,
            sent: Arc::default(),
            most: Arc::default(),
        };
        let (sent, most) = (server.sent.clone(), server.most.clone());
        let (here, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(count)));
        // All of it ends with the process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (sent, most, here, barrier) = (sent.clone(), most.clone(), here.clone(), barrier.clone());
                std::thread::spawn(move || {
                    most.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    answer(stream, answers, &sent, || {
                        barrier.wait();
                        here.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
        });
        server
    }

    pub(crate) fn sent(&self) -> Vec<String> {
        self.sent.lock().expect("nobody panics").clone()
    }
}

/// What a client says: the lines before the body, and the body.
pub(crate) fn heard(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
    let mut head = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("it sends what it said");
    (head, String::from_utf8_lossy(&body).into_owned())
}

fn answer(mut stream: TcpStream, answers: &[(&str, &str)], sent: &Mutex<Vec<String>>, before: impl FnOnce()) {
    let (head, body) = heard(&stream);
    let asked = head.split_whitespace().nth(1).unwrap_or_default();
    let path = asked.split('?').next().unwrap_or_default();
    let found = answers.iter().find(|(end, _)| path.ends_with(end));
    // What is no JSON and no stream is a status.
    let (status, answer) = match found {
        None => ("404 Not Found", "{}"),
        Some((_, status)) if status.starts_with(char::is_numeric) => (*status, "{}"),
        Some((_, answer)) => ("200 OK", *answer),
    };
    sent.lock()
        .expect("nobody panics")
        .push(format!("{head}\r\n{body}"));
    before();
    let length = answer.len();
    let form = if answer.starts_with("data:") {
        "text/event-stream"
    } else if answer.lines().count() > 1 {
        "application/x-ndjson"
    } else {
        "application/json"
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {form}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{answer}"
    );
}
