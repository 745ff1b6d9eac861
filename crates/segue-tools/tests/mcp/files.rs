//! `@modelcontextprotocol/server-filesystem` over its pipes: a tool that reads, one that fails, one that changes something.

use std::fs;
use std::sync::Arc;

use segue::{ErrorKind, Tool, ToolClass};
use segue_tools::mcp::{Offered, Reach, Server};
use serde_json::json;
use tempfile::TempDir;

use crate::site::{call, node, pinned};

async fn files(offered: Offered) -> (Arc<Server>, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.txt"), "forty-two").expect("a file");
    let path = folder.path().display().to_string();
    let make = || {
        Server::new("files", Reach::Program(node("server-filesystem", &[&path]))).offering(offered.clone())
    };
    (pinned(make).await, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_and_one_beyond_its_folder_is_not() {
    let (server, folder) = files(Offered::all()).await;
    let read = |path: &str| call(&server, "read_text_file", json!({"path": path}));
    let inside = read(&folder.path().join("a.txt").display().to_string())
        .await
        .expect("it reads");
    assert!(inside.to_string().contains("forty-two"), "{inside}");
    let missing = read(&folder.path().join("b.txt").display().to_string())
        .await
        .expect_err("there is none");
    assert_eq!(missing.kind, ErrorKind::Tool);
    assert!(
        missing.message.starts_with("`files.read_text_file` failed: "),
        "{}",
        missing.message
    );
    let outside = read("/etc/passwd").await.expect_err("it is outside");
    assert!(outside.message.contains("denied"), "{}", outside.message);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_offered_is_there() {
    let globs = |globs: &[&str]| globs.iter().map(|&glob| glob.to_owned()).collect::<Vec<_>>();
    let offered = Offered::all()
        .allow(globs(&["read_text_*"]))
        .approve(globs(&["write_*"]));
    let (server, _folder) = files(offered).await;
    let names: Vec<String> = server.tools().map(|tool| tool.spec().name).collect();
    assert_eq!(names, ["files.read_text_file", "files.write_file"]);
    let read = server.tools().next().expect("it is pinned").spec();
    assert_eq!(read.parameters["properties"]["path"]["type"], "string");
    assert!(read.parameters.get("$schema").is_none(), "{}", read.parameters);
    server.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_says_of_its_tools_counts_where_it_warns() {
    let class = |server: &Arc<Server>, name: &str| {
        let found = server
            .tools()
            .map(|tool| tool.spec())
            .find(|spec| spec.name == name);
        found.unwrap_or_else(|| panic!("{name} is not there")).class
    };
    let (doubted, _folder) = files(Offered::all()).await;
    assert_eq!(class(&doubted, "files.read_text_file"), None);
    assert_eq!(class(&doubted, "files.write_file"), Some(ToolClass::Effectful));
    doubted.close().await;
    let (trusted, _folder) = files(Offered::all().trusts_hints()).await;
    assert_eq!(class(&trusted, "files.read_text_file"), Some(ToolClass::ReadOnly));
    assert_eq!(class(&trusted, "files.write_file"), Some(ToolClass::Effectful));
    trusted.close().await;
}
