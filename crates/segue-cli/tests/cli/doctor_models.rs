//! `doctor` and the providers: which are there, and whether they take the key. Nothing of a key is ever shown.

use std::net::TcpListener;

use serde_json::Value as Json;

use crate::program::{Said, said};
use crate::project::{Project, texts};
use crate::provider::Server;

const KEY: &str = "sk-canary-0123456789";
/// What a provider says that lists two models, in each protocol.
const DATA: &str = r#"{"data": [{"id": "a"}, {"id": "b"}]}"#;
const MODELS: &str = r#"{"models": [{"name": "models/a", "size": 1}, {"name": "models/b", "size": 1}]}"#;

fn providers(servers: &[(&str, &str, &str)]) -> Project {
    let project = Project::empty();
    let tables: Vec<String> = servers
        .iter()
        .map(|(name, api, address)| {
            format!(
                "[providers.{name}]\napi = \"{api}\"\nbase_url = \"http://{address}/v1\"\nkey_env = \"HOUSE_KEY\"\n"
            )
        })
        .collect();
    project.write("segue.toml", &tables.join("\n"));
    project.segue(&["doctor", "--trust", "--yes"]).exits(0);
    project
}

fn doctor(project: &Project, variables: &[(&str, &str)]) -> Said {
    let mut command = project.command(&["doctor", "--json"]);
    command.env("HOUSE_KEY", KEY).envs(variables.iter().copied());
    let said = said(command.output().expect("the binary runs"));
    assert!(
        !said.stdout.contains("canary") && !said.stderr.contains("canary"),
        "{said:?}"
    );
    said
}

fn models(said: &Said) -> Json {
    let doctor = said.json();
    let mut checks = doctor["checks"].as_array().into_iter().flatten();
    checks
        .find(|check| check["name"] == "models")
        .expect("it is looked at")
        .clone()
}

#[test]
fn every_provider_with_a_key_is_asked_in_its_own_way() {
    let servers: Vec<(&str, &str, Server, &str)> = vec![
        (
            "a",
            "chat",
            Server::new(&[("/v1/models", DATA)]),
            "authorization: bearer sk-canary",
        ),
        (
            "b",
            "responses",
            Server::new(&[("/v1/models", DATA)]),
            "authorization: bearer sk-canary",
        ),
        (
            "c",
            "anthropic",
            Server::new(&[("/v1/models", DATA)]),
            "x-api-key: sk-canary",
        ),
        (
            "d",
            "gemini",
            Server::new(&[("/v1/models", MODELS)]),
            "x-goog-api-key: sk-canary",
        ),
        (
            "e",
            "ollama",
            Server::new(&[("/v1/api/tags", MODELS)]),
            "authorization: bearer sk-canary",
        ),
    ];
    let named: Vec<_> = servers
        .iter()
        .map(|(name, api, server, _)| (*name, *api, server.address.as_str()))
        .collect();
    let project = providers(&named);
    for (_, _, server, _) in &servers {
        assert!(server.sent().is_empty(), "to accept a file asks nobody");
    }
    let checked = models(&doctor(&project, &[]).exits(0));
    let lines = texts(&checked["lines"]);
    assert_eq!(lines.len(), servers.len(), "{lines:?}");
    for ((name, _, server, header), line) in servers.iter().zip(lines) {
        assert_eq!(
            line,
            format!("{name} at {}: reachable, takes the key: 2 models", server.address)
        );
        let sent = server.sent().join("\n").to_ascii_lowercase();
        assert!(sent.contains(header), "{name}: {sent}");
        assert!(!sent.contains("post "), "nothing is paid for: {sent}");
    }
}

#[test]
fn a_key_that_is_refused_and_a_provider_that_is_not_there_are_failures() {
    for (api, path) in [
        ("chat", "/v1/models"),
        ("responses", "/v1/models"),
        ("anthropic", "/v1/models"),
        ("gemini", "/v1/models"),
        ("ollama", "/v1/api/tags"),
    ] {
        for (status, code) in [("401 Unauthorized", "401"), ("403 Forbidden", "403")] {
            let answers: &'static [(&str, &str)] = Box::leak(Box::new([(path, status)]));
            let server = Server::new(answers);
            let project = providers(&[("house", api, &server.address)]);
            let checked = models(&doctor(&project, &[]).exits(1));
            assert_eq!(
                texts(&checked["lines"]),
                [format!(
                    "house at {}: reachable, but it refuses the key (status {code})",
                    server.address
                )],
                "{api}"
            );
            assert_eq!(checked["hint"], "set `HOUSE_KEY` to a key that `house` takes");
        }
    }
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let nobody = nobody.expect("a port").to_string();
    let project = providers(&[("house", "chat", &nobody)]);
    let checked = models(&doctor(&project, &[]).exits(1));
    assert_eq!(
        texts(&checked["lines"]),
        [format!("house at {nobody}: not reachable: it cannot be reached")]
    );
    let said = project.command(&["doctor"]).env("HOUSE_KEY", KEY).output();
    let said = crate::program::said(said.expect("the binary runs")).exits(1);
    assert!(
        said.stdout.contains("✗ models") && said.stdout.contains(&format!("hint: look whether {nobody} can")),
        "{}",
        said.stdout
    );
}

#[test]
fn a_missing_key_an_open_list_and_offline_are_none() {
    let server = Server::new(&[("/v1/models", DATA)]);
    let project = providers(&[("house", "chat", &server.address)]);
    let unset = models(&doctor(&project, &[("HOUSE_KEY", "")]).exits(0));
    assert_eq!(texts(&unset["lines"]), [""; 0]);
    assert!(server.sent().is_empty());

    let unlisted = Server::new(&[]);
    let project = providers(&[("house", "chat", &unlisted.address)]);
    let unlisted = models(&doctor(&project, &[]).exits(0));
    assert!(
        texts(&unlisted["lines"])[0]
            .ends_with("it has no list of models, so whether it takes the key is not known"),
        "{unlisted:#}"
    );

    // A provider of this machine is asked, the others are not.
    let project = providers(&[("house", "chat", &server.address)]);
    let keys = [("SEGUE_OFFLINE", "1"), ("OPENAI_API_KEY", KEY)];
    let offline = models(&doctor(&project, &keys).exits(0));
    let lines = texts(&offline["lines"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[0].starts_with("openai at api.openai.com: not asked: offline: SEGUE_OFFLINE is set"),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with("reachable, takes the key: 2 models"),
        "{lines:?}"
    );

    // One that wants no key is there or not.
    let open = Project::empty();
    open.write(
        "named.toml",
        &format!("[providers.house]\nbase_url = \"http://{}/v1\"\n", server.address),
    );
    let checked = models(&said(
        open.command(&["doctor", "--json", "--config", "named.toml"])
            .output()
            .expect("the binary runs"),
    ));
    assert!(
        texts(&checked["lines"])[0].ends_with(": reachable: 2 models"),
        "{checked:#}"
    );
}

#[test]
fn providers_are_asked_side_by_side() {
    // Each answers when both are asked, and neither before.
    let server = Server::together(2, &[("/v1/models", DATA)]);
    let project = providers(&[
        ("a", "chat", &server.address),
        ("b", "responses", &server.address),
    ]);
    doctor(&project, &[]).exits(0);
    assert_eq!(server.sent().len(), 2);
}
