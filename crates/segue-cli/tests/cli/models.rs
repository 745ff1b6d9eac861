//! Providers, keys and names: what `[providers]` and `[models]` do, what `auto/*` means, and what `models` says of it.

use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};

use crate::program::{Said, said, segue_in};
use crate::project::Project;
use crate::provider::Server;

/// One call to whatever `model` is.
fn asks(model: &str) -> String {
    format!(
        "version: 1\nname: asks\nagents: {{ writer: {{ model: {model}, instructions: Write., max_tokens: 50 }} }}\n\
         steps: {{ write: {{ agent: writer, prompt: Go. }} }}\n"
    )
}

fn project(model: &str, config: &str) -> Project {
    let project = Project::empty();
    project.write("asks.yaml", &asks(model));
    project.write("segue.toml", config);
    project
}

/// The project, with what its configuration can do accepted.
fn trusted(model: &str, config: &str) -> Project {
    let project = project(model, config);
    project.segue(&["doctor", "--trust", "--yes"]).exits(0);
    project
}

fn with(project: &Project, variables: &[(&str, &str)], arguments: &[&str]) -> Said {
    let mut command = project.command(arguments);
    command.envs(variables.iter().copied());
    said(command.output().expect("the binary runs"))
}

/// What the plan says of the one model of a project.
fn planned(project: &Project, variables: &[(&str, &str)]) -> Json {
    let plan = with(project, variables, &["plan", "--json"]).exits(0).json();
    let models = plan["models"]
        .as_object()
        .and_then(|models| models.values().next());
    models.expect("it asks one").clone()
}

const INSTALLED: &[(&str, &str)] = &[(
    "/api/tags",
    r#"{"models": [{"name": "qwen3:latest", "size": 5000}, {"name": "tiny:1b", "size": 100}]}"#,
)];

#[test]
fn with_no_model_to_be_had_nothing_starts_and_the_ways_out_are_named() {
    let project = project("[auto/large, openai/gpt-5, ollama/qwen3]", "");
    let refused = project.segue(&["run", "asks.yaml"]).exits(2);
    assert_eq!(refused.stdout, "");
    for part in [
        "`auto/large`: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY)",
        "`openai/gpt-5`: no key: OPENAI_API_KEY is not set",
        "`ollama/qwen3`: no model server answers at 127.0.0.1:1",
        "hint: set the key of a provider",
        "hint: start a local model server",
        "--model sim/schema",
    ] {
        assert!(
            refused.stderr.contains(part),
            "{part} is not in {}",
            refused.stderr
        );
    }
    assert!(
        !project.path().join(".segue/store.db").exists() || {
            let runs = project.json("runs", &["runs", "list"], 0);
            runs["items"] == json!([])
        }
    );
    let document = with(&project, &[], &["run", "asks.yaml", "--json"])
        .exits(2)
        .json();
    assert_eq!(document["error"]["kind"], "no_model");
    let offline = [("OPENAI_API_KEY", "sk-canary"), ("SEGUE_OFFLINE", "1")];
    let refused = with(&project, &offline, &["run", "asks.yaml"]).exits(2);
    assert!(
        refused.stderr.contains("offline: SEGUE_OFFLINE is set"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("sk-canary"));
}

#[test]
fn auto_means_a_key_then_a_server_here_and_the_choice_is_printed_and_stored() {
    let project = project("auto/large", "");
    let keys = [("OPENAI_API_KEY", "sk-1"), ("ANTHROPIC_API_KEY", "sk-2")];
    let model = planned(&project, &keys);
    assert_eq!(
        (&model["chosen"], &model["source"], &model["priced"]),
        (&json!("openai/gpt-5.4"), &json!("key"), &json!(true))
    );
    assert_eq!(
        planned(&project, &keys[1..])["chosen"],
        "anthropic/claude-opus-4-6"
    );
    let server = Server::new(INSTALLED);
    let here = [("OLLAMA_HOST", server.address.as_str())];
    let model = planned(&project, &here);
    assert_eq!(
        (&model["chosen"], &model["source"]),
        (&json!("ollama/qwen3:latest"), &json!("server"))
    );
    let asked = server.sent().len();
    assert_eq!(asked, 1, "one run or plan asks once");
    let checked = with(&project, &here, &["check", "asks.yaml"]).exits(0);
    assert!(
        checked.stdout.contains("worst cost unknown"),
        "{}",
        checked.stdout
    );
    assert_eq!(server.sent().len(), asked, "a check connects to nothing");
}

#[test]
fn a_provider_of_the_operators_own_is_asked_where_it_is_with_the_key_that_is_named() {
    let server = Server::new(&[("/models", r#"{"data": [{"id": "m1"}, {"id": "m2"}]}"#)]);
    let config = |more: &str| {
        format!(
            "[providers.house]\nbase_url = \"http://{}/v1\"\n{more}",
            server.address
        )
    };
    let open = trusted("house/m1", &config(""));
    let model = planned(&open, &[]);
    assert_eq!(
        (&model["chosen"], &model["source"]),
        (&json!("house/m1"), &json!("server"))
    );
    let keyed = trusted("house/m1", &config("key_env = \"HOUSE_KEY\"\n"));
    let refused = keyed.segue(&["run", "asks.yaml"]).exits(2);
    assert!(
        refused.stderr.contains("no key: HOUSE_KEY is not set"),
        "{}",
        refused.stderr
    );
    let key = [("HOUSE_KEY", "sk-canary-0123456789")];
    assert_eq!(planned(&keyed, &key)["source"], "key");
    let listed = with(&keyed, &key, &["models", "ls", "--probe", "--json"]).exits(0);
    assert!(!listed.stdout.contains("canary"), "{}", listed.stdout);
    let listed = listed.json();
    let house = provider(&listed, "house");
    assert_eq!(
        (&house["key"], &house["variable"], &house["probe"]["models"]),
        (&json!("set (20 characters)"), &json!("HOUSE_KEY"), &json!(2))
    );
    let sent = server.sent().join("\n").to_ascii_lowercase();
    assert!(
        sent.contains("get /v1/models http/1.1") && sent.contains("bearer sk-canary"),
        "{sent}"
    );
    let names: Vec<&str> = models(&listed)
        .filter_map(|model| model["name"].as_str())
        .collect();
    assert!(names.contains(&"house/m2"), "{names:?}");
    // What the file says it is spoken to in.
    let spoken = trusted("house/m1", &config("api = \"anthropic\"\n"));
    let listed = spoken.json("models", &["models", "ls"], 0);
    assert_eq!(provider(&listed, "house")["api"], "anthropic");
    spoken.segue(&["run", "asks.yaml", "-q"]).exits(1);
    let sent = server.sent().join("\n");
    assert!(sent.contains("POST /v1/messages HTTP"), "{sent}");
    // How much of it.
    let limits = "requests_per_minute = 500\ntokens_per_minute = 200000\nmax_concurrent = 32\n";
    let listed = trusted("house/m1", &config(limits)).json("models", &["models", "ls"], 0);
    let house = provider(&listed, "house");
    assert_eq!(
        (
            &house["requests_per_minute"],
            &house["tokens_per_minute"],
            &house["max_concurrent"]
        ),
        (&json!(500), &json!(200_000), &json!(32))
    );
}

fn provider<'j>(listed: &'j Json, name: &str) -> &'j Json {
    let providers = listed["providers"].as_array().expect("a list");
    let found = providers.iter().find(|provider| provider["name"] == name);
    found.unwrap_or_else(|| panic!("no provider {name} in {listed:#}"))
}

fn models(listed: &Json) -> impl Iterator<Item = &Json> {
    listed["models"].as_array().expect("a list").iter()
}

#[test]
fn where_a_key_goes_counts_only_from_a_file_that_is_trusted() {
    for entry in ["base_url = \"http://127.0.0.1:9/v1\"", "key_env = \"HOME\""] {
        let untrusted = project("openai/gpt-5", &format!("[providers.openai]\n{entry}\n"));
        let refused = with(&untrusted, &[("OPENAI_API_KEY", "sk-1")], &["run", "asks.yaml"]).exits(2);
        for part in ["`providers.openai`", "is not trusted", "segue doctor --trust"] {
            assert!(
                refused.stderr.contains(part),
                "{part} is not in {}",
                refused.stderr
            );
        }
    }
    // Limits send nothing anywhere.
    let limits = project("openai/gpt-5", "[providers.openai]\nmax_concurrent = 3\n");
    assert_eq!(planned(&limits, &[("OPENAI_API_KEY", "sk-1")])["source"], "key");
}

#[test]
fn names_of_the_operator_mean_what_he_says_in_files_and_on_the_command_line() {
    let config = "[models]\nhouse = [\"openai/gpt-5\", \"local/extractive\"]\n\"auto/small\" = \"gemini/gemini-2.5-pro\"\n";
    let named = project("house", config);
    assert_eq!(planned(&named, &[])["chosen"], "local/extractive");
    let keys = [("OPENAI_API_KEY", "sk-1"), ("GEMINI_API_KEY", "sk-2")];
    assert_eq!(planned(&named, &keys)["chosen"], "openai/gpt-5");
    let plan = with(&named, &keys, &["plan", "--json", "--model", "auto/small"])
        .exits(0)
        .json();
    assert_eq!(plan["models"]["house"]["chosen"], "gemini/gemini-2.5-pro");
    let done = named
        .segue(&["run", "asks.yaml", "--model", "house", "--json"])
        .exits(0)
        .json();
    assert_eq!(done["models"]["house"]["chosen"], "local/extractive");
    let listed = with(&named, &keys, &["models", "ls", "--json"]).exits(0).json();
    assert_eq!(
        listed["auto"]["auto/small"]["models"],
        json!(["gemini/gemini-2.5-pro"])
    );
    assert_eq!(
        listed["names"]["house"]["models"],
        json!(["openai/gpt-5", "local/extractive"])
    );
    let unknown = project("hause", config).segue(&["check", "asks.yaml"]).exits(2);
    assert!(
        unknown.stderr.contains("did you mean `house`?"),
        "{}",
        unknown.stderr
    );
    for (config, why) in [
        ("[models]\nhouse = \"gpt-5\"\n", "is not `provider/model`"),
        ("[models]\nhouse = \"sim/schema\"\n", "simulates"),
        (
            "[models]\n\"auto/small\" = \"auto/large\"\n",
            "stands for others itself",
        ),
        ("[models]\nhouse = \"auto/huge\"\n", "does not exist"),
        ("[models]\n\"openai/gpt-5\" = \"a/b\"\n", "another meaning"),
        (
            "[providers.sim]\nmax_concurrent = 1\n",
            "no provider can be called",
        ),
        (
            "[providers.a]\nbase_url = \"ftp://a\"\n",
            "no http or https address",
        ),
        (
            "[providers.a]\nbase_url = \"https://u:p@a\"\n",
            "a user or a password",
        ),
    ] {
        let refused = project("auto/small", config)
            .segue(&["check", "asks.yaml"])
            .exits(2);
        assert!(refused.stderr.contains(why), "{why} is not in {}", refused.stderr);
        assert!(refused.stderr.contains("segue.toml:"), "{}", refused.stderr);
    }
}

#[test]
fn an_unknown_provider_is_an_error_and_an_unknown_model_a_warning() {
    let refused = project("acme/x", "").segue(&["check", "asks.yaml"]).exits(2);
    assert!(refused.stderr.contains("unknown_model"), "{}", refused.stderr);
    let known = project("acme/x", "[providers.acme]\nmax_concurrent = 1\n");
    known.segue(&["check", "asks.yaml"]).exits(0);
    let warned = project("openai/no-such-model", "")
        .segue(&["check", "asks.yaml"])
        .exits(0);
    assert!(
        warned.stderr.contains("warning[unknown_model]"),
        "{}",
        warned.stderr
    );
    let priced = "[prices.\"openai/no-such-model\"]\ninput = \"1\"\noutput = \"1\"\n";
    let quiet = project("openai/no-such-model", priced)
        .segue(&["check", "asks.yaml"])
        .exits(0);
    assert_eq!(quiet.stderr, "", "the operator knows it");
}

#[test]
fn prices_are_shown_with_where_they_are_from() {
    let price = "[prices.\"house/m\"]\ninput = \"1.5\"\noutput = \"2\"\naudio = \"7\"\n";
    let project = project(
        "auto/small",
        &format!("[providers.house]\nmax_concurrent = 1\n{price}"),
    );
    let of = |model: &str| {
        let said = project.json("models", &["models", "prices", model], 0);
        said["models"][0].clone()
    };
    let own = of("house/m");
    assert_eq!(
        own["price"],
        json!({"source": "override", "input": "1.50", "output": "2.00", "cache_read": "1.50", "cache_write": "1.50", "audio": "7.00"})
    );
    assert_eq!(of("openai/gpt-5")["price"]["source"], "list");
    assert_eq!(of("openai/gpt-5")["price"]["output"], "10.00");
    assert_eq!(of("local/extractive")["price"]["source"], "local");
    // What a model server here runs itself has no bill; what it has from elsewhere, or runs elsewhere, may have one.
    assert_eq!(of("ollama/qwen3")["price"]["source"], "local");
    let far = with(
        &project,
        &[("OLLAMA_HOST", "models.example")],
        &["models", "prices", "ollama/qwen3", "--json"],
    );
    assert_eq!(far.exits(0).json()["models"][0]["price"]["source"], "unpriced");
    let unpriced = of("ollama/gpt-oss:120b-cloud");
    assert_eq!(
        (&unpriced["price"]["source"], &unpriced["price"]["input"]),
        (&json!("unpriced"), &Json::Null)
    );
    let unknown = project.segue(&["models", "prices", "gpt-5"]).exits(2);
    assert!(unknown.stderr.contains("provider/model"), "{}", unknown.stderr);
    let said = with(&project, &[("OPENAI_API_KEY", "sk-canary")], &["models", "ls"])
        .exits(0)
        .stdout;
    assert!(!said.contains("canary"), "{said}");
    for part in [
        "OPENAI_API_KEY set (9 characters)",
        "GEMINI_API_KEY is not set",
        "auto/small",
        "house/m",
        "segue.toml",
        "$15.00",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn without_a_key_or_a_network_the_first_command_of_the_readme_works() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let arguments = [
        "run",
        "examples/documents/document_processor.yaml",
        "--input",
        "document=@examples/documents/notice.txt",
    ];
    let done = segue_in(std::path::Path::new(root), &arguments).exits(0);
    assert!(
        done.stderr.contains("local/extractive (local)"),
        "{}",
        done.stderr
    );
}

/// An answer that says it took 120 tokens, 40 of them from a cache.
const FINE: &[(&str, &str)] = &[(
    "/chat/completions",
    "data: {\"choices\": [{\"index\": 0, \"delta\": {\"role\": \"assistant\", \"content\": \"Fine.\"}, \"finish_reason\": null}]}\n\n\
     data: {\"choices\": [{\"index\": 0, \"delta\": {}, \"finish_reason\": \"stop\"}]}\n\n\
     data: {\"choices\": [], \"usage\": {\"prompt_tokens\": 100, \"completion_tokens\": 20, \"total_tokens\": 120, \"prompt_tokens_details\": {\"cached_tokens\": 40}}}\n\n\
     data: [DONE]\n\n",
)];

/// A project whose provider is a server, with these limits and steps.
fn limited(server: &Server, limits: &str, steps: &str) -> Project {
    let config = format!(
        "[providers.house]\nbase_url = \"http://{}/v1\"\n{limits}",
        server.address
    );
    let project = trusted("house/m", &config);
    project.write(
        "asks.yaml",
        &format!(
            "version: 1\nname: asks\nagents: {{ writer: {{ model: house/m, instructions: Write., max_tokens: 50 }} }}\n\
             steps:\n{steps}"
        ),
    );
    project
}

#[test]
fn what_may_be_sent_in_a_minute_holds_the_next_call() {
    let run = |limits: &str, deadline: &str| {
        let steps = format!(
            "  first: {{ agent: writer, prompt: Go. }}\n\
             \x20 second: {{ agent: writer, prompt: Go on., needs: [first], timeout: {deadline} }}\n"
        );
        let server = Server::new(FINE);
        let project = limited(&server, limits, &steps);
        let said = project.segue(&["run", "asks.yaml", "--output", "ndjson", "-q"]);
        let waits: Vec<Json> = said
            .events()
            .into_iter()
            .filter(|event| event["type"] == "call.waiting")
            .collect();
        (said.exit, server.sent().len(), waits)
    };
    assert_eq!(run("", "60s"), (Some(0), 2, Vec::new()));
    for limit in ["requests_per_minute = 1\n", "tokens_per_minute = 150\n"] {
        let (exit, sent, waits) = run(limit, "2s");
        assert_eq!(
            (exit, sent),
            (Some(1), 1),
            "{limit}: the deadline of the step ends the wait"
        );
        assert_eq!(waits.len(), 1, "{limit}: {waits:#?}");
        assert_eq!(
            (&waits[0]["reason"], &waits[0]["step"]),
            (&json!("rate_limit"), &json!("second"))
        );
        assert!(waits[0]["until"].is_string(), "{limit}: {waits:#?}");
    }
    assert_eq!(
        run("requests_per_minute = 2\ntokens_per_minute = 1000\n", "60s"),
        (Some(0), 2, Vec::new())
    );
}

#[test]
fn no_more_calls_are_under_way_than_it_says() {
    let steps = "  each: { agent: writer, prompt: '{{ item }}', for_each: '[1, 2, 3, 4, 5, 6, 7, 8]' }\n";
    let most = |together: usize, limits: &str| {
        let server = Server::together(together, FINE);
        limited(&server, limits, steps)
            .segue(&["run", "asks.yaml", "-q"])
            .exits(0);
        assert_eq!(server.sent().len(), 8);
        server.most.load(Ordering::SeqCst)
    };
    // Without a limit two are there at once, or the server would answer nobody.
    assert!(most(2, "") >= 2);
    assert_eq!(most(1, "max_concurrent = 1\n"), 1);
}

#[test]
fn a_call_is_recorded_with_its_price_and_cached_tokens_have_their_own() {
    let steps = "  first: { agent: writer, prompt: Go. }\n";
    let called = |prices: &str| {
        let server = Server::new(FINE);
        let project = limited(&server, prices, steps);
        project.segue(&["run", "asks.yaml", "-q"]).exits(0);
        let calls = project.json("calls", &["runs", "show", "last", "--calls"], 0);
        calls["items"][0].clone()
    };
    let price = "[prices.\"house/m\"]\ninput = \"1000\"\noutput = \"2000\"\n";
    let call = called(&format!("{price}cache_read = \"100\"\n"));
    assert_eq!(
        (&call["provider"], &call["model"]),
        (&json!("house"), &json!("m"))
    );
    assert_eq!(
        call["price"],
        json!({"source": "override", "input": "1000.00", "output": "2000.00"})
    );
    assert_eq!(call["usage"]["cache_read_tokens"], 40);
    assert_eq!(
        call["cost"]["usd"], "0.104",
        "60 at 1000, 40 at 100 and 20 at 2000"
    );
    assert_eq!(
        called(price)["cost"]["usd"],
        "0.14",
        "what is not said is as for input"
    );
    let unpriced = called("");
    assert_eq!(
        unpriced["price"],
        json!({"source": "unpriced", "input": null, "output": null})
    );
    assert_eq!(unpriced["cost"]["unpriced_calls"], 1, "never taken as free");
}

#[test]
fn a_budget_in_dollars_holds_no_call_back_that_nobody_bills() {
    let server = Server::new(&[
        ("/api/tags", r#"{"models": [{"name": "tiny:1b", "size": 100}]}"#),
        (
            "/api/chat",
            "{\"message\": {\"role\": \"assistant\", \"content\": \"Fine.\"}, \"done\": false}\n\
             {\"message\": {\"role\": \"assistant\", \"content\": \"\"}, \"done\": true, \"done_reason\": \"stop\", \
             \"prompt_eval_count\": 9, \"eval_count\": 3}\n",
        ),
    ]);
    let project = project("auto/small", "");
    let here = [("OLLAMA_HOST", server.address.as_str())];
    let done = with(
        &project,
        &here,
        &["run", "asks.yaml", "--budget", "0.10", "--json"],
    )
    .exits(0)
    .json();
    assert_eq!(done["models"]["writer"]["chosen"], "ollama/tiny:1b");
    assert_eq!(
        (&done["output"], &done["cost"]["usd"]),
        (&json!("Fine."), &json!("0.00"))
    );
    assert_eq!(done["cost"]["unpriced_calls"], 0);
}
