use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use segue::model::Models;
use segue::plan::ModelSettings;
use segue::{ErrorKind, Failure};

use super::*;

static LIMITERS: Limiters = Limiters::new();

/// Providers with these variables; nobody answers where Ollama would be.
fn providers(variables: &[(&str, &str)]) -> Providers {
    let mut set: BTreeMap<String, String> = BTreeMap::from([(OLLAMA_HOST.to_owned(), nobody())]);
    set.extend(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    Providers::new(&LIMITERS, Arc::new(move |name| set.get(name).cloned()))
}

/// An address on this machine at which nobody listens.
fn nobody() -> String {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    taken.local_addr().expect("it has one").to_string()
}

/// A model server with this list of models, and how often it was asked.
fn server(list: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has one").to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = stream;
            let mut lines = BufReader::new(stream.try_clone().expect("a socket"))
                .lines()
                .map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            assert!(lines.any(|line| line.is_empty()), "the request has an end");
            count.fetch_add(1, Ordering::SeqCst);
            let (status, body) = match first.starts_with("GET /api/tags HTTP/1") {
                true => ("200 OK", list),
                false => ("404 Not Found", ""),
            };
            let _ = write!(
                stream,
                "HTTP/1.0 {status}\r\nContent-Type: application/json\r\n\r\n{body}"
            );
        }
    });
    (address, asked)
}

const TWO: &str = r#"{"models": [{"name": "qwen3:latest", "size": 5000}, {"name": "tiny:1b", "size": 100}]}"#;

fn asked(name: &str) -> ModelRef {
    ModelRef {
        name: name.to_owned(),
        settings: ModelSettings::default(),
        file: None,
    }
}

/// What a list comes to, each with its source; or why nothing does.
fn resolve(providers: &Providers, names: &[&str]) -> Result<Vec<(String, &'static str)>, Failure> {
    let list: Vec<ModelRef> = names.iter().map(|name| asked(name)).collect();
    let found = Models::offline()
        .source(providers.clone())
        .resolve("writer", &list)?;
    Ok(found
        .into_iter()
        .map(|model| (model.chosen, model.source))
        .collect())
}

fn one(providers: &Providers, name: &str) -> Result<(String, &'static str), String> {
    resolve(providers, &[name])
        .map(|mut found| found.remove(0))
        .map_err(|failure| failure.message)
}

fn is(model: &str, source: &'static str) -> Result<(String, &'static str), String> {
    Ok((model.to_owned(), source))
}

#[test]
fn auto_means_the_first_key_in_fixed_order() {
    let all = [
        ("OPENROUTER_API_KEY", "o"),
        ("GEMINI_API_KEY", "g"),
        ("ANTHROPIC_API_KEY", "a"),
        ("OPENAI_API_KEY", "k"),
    ];
    let large = |keys: &[(&str, &str)]| one(&providers(keys), "auto/large");
    assert_eq!(large(&all), is("openai/gpt-5.4", "key"));
    assert_eq!(large(&all[..3]), is("anthropic/claude-opus-4-6", "key"));
    assert_eq!(large(&all[..2]), is("gemini/gemini-3.8-flash", "key"));
    assert_eq!(large(&all[..1]), is("openrouter/openai/gpt-5.4", "key"));
    assert_eq!(
        one(&providers(&all), "auto/small"),
        is("openai/gpt-5.4-nano", "key")
    );
    let blank = [("OPENAI_API_KEY", " "), ("GEMINI_API_KEY", "g")];
    assert_eq!(
        one(&providers(&blank), "auto/medium"),
        is("gemini/gemini-3.5-flash-lite", "key")
    );
}

#[test]
fn without_a_key_auto_means_what_is_installed_on_a_model_server() {
    let (address, count) = server(TWO);
    let providers = providers(&[(OLLAMA_HOST, &address)]);
    assert_eq!(
        count.load(Ordering::SeqCst),
        0,
        "nobody is asked before a name needs it"
    );
    assert_eq!(one(&providers, "auto/small"), is("ollama/tiny:1b", "server"));
    assert_eq!(one(&providers, "auto/large"), is("ollama/qwen3:latest", "server"));
    assert_eq!(one(&providers, "ollama/qwen3"), is("ollama/qwen3", "server"));
    let why = one(&providers, "ollama/llama9").expect_err("it is not installed");
    assert!(
        why.contains("`llama9` is not installed") && why.contains("ollama pull llama9"),
        "{why}"
    );
    assert!(why.contains("tiny:1b, qwen3:latest"), "{why}");
    assert_eq!(count.load(Ordering::SeqCst), 1, "what it said holds for a while");
    let at_rest = providers.at_rest();
    let why = one(&at_rest, "auto/small").expect_err("nothing is asked");
    assert!(why.contains("is found out by a run"), "{why}");
    assert_eq!(one(&at_rest, "ollama/llama9"), is("ollama/llama9", "server"));
    let (empty, _) = server(r#"{"models": []}"#);
    let why = one(&self::providers(&[(OLLAMA_HOST, &empty)]), "auto/small").expect_err("it has none");
    assert!(why.contains("has no model installed"), "{why}");
}

#[test]
fn where_nothing_is_to_be_had_each_entry_says_why_and_there_are_three_ways_out() {
    let providers = providers(&[]).name("house", vec!["openai/gpt-5".into(), "gemini/g".into()]);
    let refusal = resolve(&providers, &["auto/small", "openai/gpt-5", "nowhere/x", "house"])
        .expect_err("nothing is set");
    assert_eq!((refusal.kind, refusal.hints.len()), (ErrorKind::NoModel, 3));
    for part in [
        "`auto/small`: no key is set (OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, OPENROUTER_API_KEY)",
        "no model server answers at 127.0.0.1:",
        "`openai/gpt-5`: no key: OPENAI_API_KEY is not set",
        "`nowhere/x`: ",
        "`gemini/g`, for `house`: no key: GEMINI_API_KEY is not set",
    ] {
        assert!(
            refusal.message.contains(part),
            "{part} is not in {}",
            refusal.message
        );
    }
}

#[test]
fn offline_only_what_is_on_this_machine_is_to_be_had() {
    let near: Url = "http://127.0.0.1:9/v1".parse().expect("an address");
    let (address, _) = server(TWO);
    let set = [
        ("OPENAI_API_KEY", "k"),
        ("SEGUE_OFFLINE", "1"),
        (OLLAMA_HOST, address.as_str()),
    ];
    let offline = providers(&set).provider(
        "near",
        Said {
            base_url: Some(near),
            ..Said::default()
        },
    );
    let why = one(&offline, "openai/gpt-5").expect_err("it is far");
    assert!(
        why.contains("offline: SEGUE_OFFLINE is set, and api.openai.com"),
        "{why}"
    );
    assert_eq!(one(&offline, "near/m"), is("near/m", "server"));
    assert_eq!(
        one(&offline, "auto/small"),
        is("ollama/tiny:1b", "server"),
        "a key that leads nowhere is passed over"
    );
    let open = providers(&[("OPENAI_API_KEY", "k"), ("SEGUE_OFFLINE", "0")]);
    assert_eq!(one(&open, "openai/gpt-5"), is("openai/gpt-5", "key"));
}

#[test]
fn what_the_operator_says_of_a_provider_holds() {
    let at = |url: &str| Some(url.parse::<Url>().expect("an address"));
    let house = Said {
        base_url: at("http://127.0.0.1:9001/v1"),
        ..Said::default()
    };
    let keyed = Said {
        key_env: Some("HOUSE_KEY".into()),
        ..house.clone()
    };
    let known = providers(&[])
        .provider("house", house.clone())
        .provider("openai", house);
    assert_eq!(
        one(&known, "house/a/b"),
        is("house/a/b", "server"),
        "it may want no key"
    );
    assert_eq!(one(&known, "openai/x"), is("openai/x", "server"));
    assert!(one(&known, "auto/small").is_err(), "but `auto/*` looks for keys");
    let why = one(&providers(&[]).provider("house", keyed.clone()), "house/m").expect_err("it says which");
    assert!(why.contains("no key: HOUSE_KEY is not set"), "{why}");
    let set = providers(&[("HOUSE_KEY", "secret")]).provider("house", keyed);
    assert_eq!(one(&set, "house/m"), is("house/m", "key"));
    let listed = set.list();
    let listed = listed
        .iter()
        .find(|listed| listed.name == "house")
        .expect("it is listed");
    let key = Key::Set {
        variable: "HOUSE_KEY".into(),
        characters: 6,
    };
    assert_eq!(
        (&listed.key, listed.host.as_str(), listed.api),
        (&key, "127.0.0.1:9001", Api::Chat)
    );
    let nowhere = providers(&[]).provider("house", Said::default());
    let why = one(&nowhere, "house/m").expect_err("it has no address");
    assert!(why.contains("has no `base_url`"), "{why}");
    let refused = Said {
        refused: Some("it is not trusted".into()),
        ..Said::default()
    };
    let refused = providers(&[("OPENAI_API_KEY", "k"), ("GEMINI_API_KEY", "g")]).provider("openai", refused);
    assert!(one(&refused, "openai/x").is_err_and(|why| why.contains("it is not trusted")));
    assert_eq!(one(&refused, "auto/large"), is("gemini/gemini-3.8-flash", "key"));
}

#[test]
fn names_of_the_operator_are_lists_and_change_what_auto_means() {
    let named = providers(&[("OPENAI_API_KEY", "k")])
        .name(
            "auto/small",
            vec!["gemini/g".into(), "openai/mine".into(), "local/extractive".into()],
        )
        .name("house", vec!["auto/small".into(), "openai/other".into()]);
    let expected = vec![
        ("openai/mine".to_owned(), "key"),
        ("local/extractive".to_owned(), "local"),
    ];
    assert_eq!(
        resolve(&named, &["auto/small"]).map_err(|failure| failure.message),
        Ok(expected.clone())
    );
    let all = resolve(&named, &["house"]).expect("three of them");
    assert_eq!(all[..2], expected);
    assert_eq!(all[2].0, "openai/other");
    assert_eq!(named.meaning("house").len(), 4);
    assert_eq!(named.meaning("auto/large"), ["openai/gpt-5.4"]);
    // Names that stand for each other come to an end.
    let round = providers(&[])
        .name("a", vec!["b".into()])
        .name("b", vec!["a".into()]);
    assert!(resolve(&round, &["a"]).is_err());
}

#[test]
fn a_key_has_one_limiter_in_a_process_and_another_key_has_another() {
    static OWN: Limiters = Limiters::new();
    let provider = |key: &str| {
        let url = "http://127.0.0.1:9001/v1".parse().expect("an address");
        Provider::new("house", Api::Chat, url).key(Secret::new(key))
    };
    let address = |limiter: &crate::Limiter| limiter.address();
    let (a, again, b) = (
        OWN.of(&provider("a"), Limits::default()),
        OWN.of(&provider("a"), Limits::default()),
        OWN.of(&provider("b"), Limits::default()),
    );
    assert_eq!(address(&a), address(&again));
    assert_ne!(address(&a), address(&b));
}
