//! A service of the operator's that cannot keep what it is sent in a header: an MCP server, and a tool over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;

use serde_json::{Value as Json, json};

/// Where it is; it ends with the process.
static ADDRESS: LazyLock<String> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever hangs up has heard enough.
            std::thread::spawn(move || answer(stream));
        }
    });
    address
});

pub(crate) fn address() -> &'static str {
    &ADDRESS
}

fn answer(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut first, mut length, mut header) = (String::new(), 0, String::new());
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match &*name.to_ascii_lowercase() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => value.clone_into(&mut header),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (status, said) = match (first.starts_with("POST "), first.contains(" /mcp")) {
        // As a provider it has no list of models.
        (_, false) if first.contains("/models ") => ("404 Not Found", json!({})),
        (_, false) => ("200 OK", json!({"header": header})),
        (false, true) => ("405 Method Not Allowed", json!({})),
        (true, true) => {
            let request: Json = serde_json::from_slice(&body).ok()?;
            match request["id"].is_null() {
                true => ("202 Accepted", json!({})),
                false => {
                    let result = result(&request, &header);
                    (
                        "200 OK",
                        json!({"jsonrpc": "2.0", "id": request["id"], "result": result}),
                    )
                }
            }
        }
    };
    let said = said.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
        said.len()
    )
    .ok()
}

/// What it says to a request of the protocol.
fn result(request: &Json, header: &str) -> Json {
    match request["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "tell", "version": "1"},
        }),
        Some("tools/list") => {
            let tool = |name: &str| json!({"name": name, "description": "Tells.", "inputSchema": {"type": "object"}});
            json!({"tools": [tool("say"), tool("fail")]})
        }
        _ => json!({
            "content": [{"type": "text", "text": header}],
            "structuredContent": {"header": header},
            "isError": request["params"]["name"] == "fail",
        }),
    }
}
