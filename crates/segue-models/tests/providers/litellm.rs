//! A real proxy, LiteLLM from PyPI, on loopback: it speaks OpenAI's and Anthropic's protocol to us and answers with mocks, so
//! that no key and no network is needed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use segue::{ErrorKind, Secret};
use segue_models::{Api, Hosted, Provider};

use crate::pipeline::{Sum, run};
use crate::server::client;

/// The proxy wants a key of some length.
const KEY: &str = "sk-canary-0d5c41f2b8e94b7f9a3a6f0f6b8f2c11";

/// Where `cargo xtask test` installs what tests need from PyPI.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/needs/python/bin");

const MODELS: &str = r#"
model_list:
  - model_name: fine
    litellm_params: {model: openai/gpt-4o-mini, api_key: none, mock_response: '{"total": 5, "how": "2 + 3"}'}
  - model_name: limited
    litellm_params: {model: openai/gpt-4o-mini, api_key: none, mock_response: litellm.RateLimitError}
  - model_name: broken
    litellm_params: {model: openai/gpt-4o-mini, api_key: none, mock_response: litellm.InternalServerError}
router_settings: {num_retries: 0, disable_cooldowns: true}
litellm_settings: {num_retries: 0, telemetry: false}
"#;

/// The proxy; killed with the test.
struct Proxy {
    process: Child,
    base: String,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts it and waits until it says that it listens.
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("loopback and a folder are there");
        let config = folder.path().join("config.yaml");
        fs::write(&config, MODELS).expect("loopback and a folder are there");
        let port = TcpListener::bind("127.0.0.1:0")
            .expect("loopback and a folder are there")
            .local_addr()
            .expect("loopback and a folder are there")
            .port();
        let program = Path::new(PYTHON).join("litellm");
        assert!(
            program.exists(),
            "LiteLLM is not installed; `cargo xtask test` does that"
        );
        #[expect(clippy::disallowed_methods, reason = "a real proxy is another process")]
        let mut process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--config"])
            .arg(config)
            .env_clear()
            .env("PATH", PYTHON)
            .env("HOME", folder.path())
            .env("LITELLM_MASTER_KEY", KEY)
            // What it would fetch from the network otherwise.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("loopback and a folder are there");
        let said = process.stderr.take().expect("loopback and a folder are there");
        let mut proxy = Self {
            process,
            base: format!("http://127.0.0.1:{port}/v1"),
            _folder: folder,
        };
        let mut lines = BufReader::new(said).lines().map_while(Result::ok);
        let mut all = String::new();
        while !all.contains("Uvicorn running on") {
            let Some(line) = lines.next() else {
                panic!("it ended with {:?}: {all}", proxy.process.wait());
            };
            all.push_str(&line);
            all.push('\n');
        }
        // What it says from now on has to go somewhere, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(drop));
        proxy
    }

    fn model(&self, api: Api, model: &str) -> Hosted {
        let provider =
            Provider::new("proxy", api, self.base.parse().expect("it is one")).key(Secret::new(KEY));
        Hosted::new(client(), Arc::new(provider), model)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn the_pipeline_runs_through_a_real_proxy_in_two_protocols() {
    let proxy = Proxy::start();
    for api in [Api::Chat, Api::Anthropic] {
        let done = run(proxy.model(api, "fine"))
            .await
            .unwrap_or_else(|error| panic!("{api}: {error}"));
        let expected = Sum {
            total: 5,
            how: "2 + 3".to_owned(),
        };
        assert_eq!(done.output, expected, "{api}");
        assert!(
            done.usage.input_tokens > 0 && done.usage.output_tokens > 0,
            "{api}"
        );
        assert_eq!((done.usage.requests, done.cost.estimated_calls), (1, 0), "{api}");

        for (model, kind, code, attempts) in [
            ("limited", ErrorKind::RateLimited, "429", 2),
            ("broken", ErrorKind::Provider, "500", 2),
        ] {
            let error = run(proxy.model(api, model))
                .await
                .map(|done| done.output)
                .unwrap_err();
            let step = &error.failure().failed_steps[0].error;
            assert_eq!((step.kind, step.causes.len()), (kind, attempts), "{api} {model}");
            let beginning = format!("`proxy/{model}` answered {code}: litellm.");
            assert!(step.message.starts_with(&beginning), "{api} {model}: {step}");
        }
    }
}
