//! HTTP services and the guarded fetch from `segue.toml`, called by a pipeline through the real binary.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::program::said;
use crate::project::Project;
use crate::tools::{STEP, trust};

/// A server on this machine that gives the same answer to everybody, and what it was asked.
fn serve(answer: &str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let (kept, answer) = (asked.clone(), answer.to_owned());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = Vec::new();
            let mut part = [0; 1024];
            // Requests of these tests have no body.
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(length) if length > 0 => request.extend_from_slice(&part[..length]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            kept.lock().expect("nobody panics").push(request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

const JSON: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{\"n\": 12}";
const TEXT: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5\r\n\r\nhello";

#[test]
fn an_http_service_is_called_with_its_header_and_its_method() {
    let (address, asked) = serve(JSON);
    let project = Project::empty();
    project.write("step.yaml", STEP);
    let config = format!(
        "[tools.check]\nurl = \"http://{address}/words/{{text}}\"\nmethod = \"DELETE\"\ninput = {{ text = \"string\" }}\n\
         header = {{ Authorization = \"Bearer secret://CRM\" }}\nclass = \"idempotent\"\n"
    );
    project.write("segue.toml", &config);
    let run = || project.command(&["run", "step.yaml", "--input", "text=a b", "--json"]);
    let untrusted = said(run().env("SEGUE_SECRET_CRM", "cr-m").output().expect("it runs")).exits(2);
    assert_eq!(
        untrusted.json()["error"]["faults"][0]["code"],
        "command_not_allowed"
    );
    trust(&project);
    let missing = said(run().output().expect("it runs")).exits(2);
    assert_eq!(missing.json()["error"]["faults"][0]["code"], "unknown_secret");
    assert_eq!(asked.lock().expect("nobody panics").len(), 0);

    let done = run()
        .env("SEGUE_SECRET_CRM", "cr-m")
        .env("SEGUE_OFFLINE", "1")
        .output()
        .expect("it runs");
    assert_eq!(said(done).exits(0).json()["output"], serde_json::json!({"n": 12}));
    let request = asked.lock().expect("nobody panics")[0].clone();
    assert!(
        request.starts_with("DELETE /words/a%20b HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("authorization: Bearer cr-m\r\n") && request.contains("idempotency-key: "),
        "{request}"
    );
}

/// Fetches an address.
fn fetching(config: &str, url: &str) -> (Project, String) {
    let project = Project::empty();
    let step = "version: 1\nname: page\ninputs: { url: string }\nsteps:\n  get: { tool: segue.fetch, with: { url: \"{{ inputs.url }}\" } }\noutput: steps.get.output\n";
    project.write("page.yaml", step);
    project.write("segue.toml", config);
    trust(&project);
    (project, format!("url={url}"))
}

#[test]
fn a_fetch_is_there_when_the_operator_says_so_and_reaches_what_it_allows() {
    let (address, asked) = serve(TEXT);
    let url = format!("http://{address}/");
    let (project, _) = fetching("", &url);
    let unknown = project.segue(&["check", "page.yaml"]).exits(2);
    assert!(unknown.stderr.contains("segue.fetch"), "{}", unknown.stderr);

    let open = "[fetch]\nhttp = true\nports = \"any\"\nallow_private = [\"127.0.0.1/32\"]\n";
    for (config, reason) in [
        ("[fetch]\n", "scheme"),
        ("[fetch]\nhttp = true\n", "port"),
        ("[fetch]\nhttp = true\nports = \"any\"\n", "address"),
        (
            "[fetch]\nhttp = true\nports = [443, 65535]\nallow_private = [\"127.0.0.1/32\"]\n",
            "port",
        ),
    ] {
        let (project, url) = fetching(config, &url);
        let run = project.json("run", &["run", "page.yaml", "--input", &url], 1);
        assert_eq!(
            (&run["error"]["kind"], &run["error"]["reason"]),
            (&"url_refused".into(), &reason.into()),
            "{config}"
        );
    }
    assert_eq!(
        asked.lock().expect("nobody panics").len(),
        0,
        "nothing has gone out"
    );

    let (project, input) = fetching(open, &url);
    let page = project.json("run", &["run", "page.yaml", "--input", &input], 0)["output"].clone();
    let expected =
        serde_json::json!({"status": 200, "media_type": "text/plain", "text": "hello", "url": url});
    assert_eq!(page, expected);
    let port = address.port();
    let (project, input) = fetching(&open.replace("\"any\"", &format!("[{port}]")), &url);
    project.json("run", &["run", "page.yaml", "--input", &input], 0);

    // Which ranges are open is a matter of trust, and offline nothing else is left.
    project.write("segue.toml", &open.replace("/32", "/8"));
    let refused = project.json("error", &["run", "page.yaml", "--input", &input], 2);
    assert_eq!(refused["error"]["faults"][0]["code"], "command_not_allowed");
    let (project, input) = fetching(open, "https://example.com/");
    let offline = project
        .command(&["run", "page.yaml", "--input", &input, "--json"])
        .env("SEGUE_OFFLINE", "1")
        .output()
        .expect("it runs");
    assert_eq!(said(offline).exits(1).json()["error"]["kind"], "offline");
}
