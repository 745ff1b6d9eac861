//! The content example: its guide is played, and each of its patterns is run, with the tools of the program beside it.

use serde_json::{Value as Json, json};

use crate::guides::Guide;

const FILES: [&str; 5] = [
    "content/content.yaml",
    "content/content.cassette.yaml",
    "content/content.test.yaml",
    "content/recorded.test.yaml",
    "segue.toml",
];

fn content() -> Guide {
    Guide::with("content", &FILES, "content.yaml")
}

/// What was called in the last run, in order.
fn calls(guide: &Guide) -> Vec<String> {
    let calls = guide.json(&["runs", "show", "last", "--calls"]);
    let calls = calls["items"].as_array().into_iter().flatten();
    calls
        .map(|call| match &call["tool"] {
            Json::String(tool) => tool.clone(),
            _ => call["step"].as_str().unwrap_or_default().to_owned(),
        })
        .collect()
}

#[test]
fn the_guide_of_the_content_example() {
    let mut guide = content();
    guide.next("check").says(0, &[]);
    let graph = guide.next("graph").says(0, &[]);
    for part in [
        "content#full_pipeline (sequential)",
        "content_analyzer",
        "content_publisher",
    ] {
        assert!(graph.stdout.contains(part), "{}", graph.stdout);
    }
    guide.next("run content.yaml#quick_analysis").says(
        0,
        &[
            "content#quick_analysis (1 step)",
            "content_analyzer succeeded",
            "REPLAYED, $0 spent",
        ],
    );
    assert_eq!(
        calls(&guide),
        ["content_analyzer", "app.get_content_text", "content_analyzer"]
    );
    guide
        .next("run content.yaml --content-id 7")
        .says(3, &["content#full_pipeline (3 steps)", "app.publish_to_cms"]);
    let waiting = guide.json(&["runs", "show", "last"]);
    assert_eq!(waiting["questions"][0]["approval"]["tool"], "app.publish_to_cms");
    assert_eq!(
        waiting["questions"][0]["approval"]["arguments"],
        json!({"content_id": 7})
    );
    guide
        .next("answer last")
        .says(0, &["content_publisher succeeded"]);
    let done = guide.json(&["runs", "show", "last"]);
    assert_eq!(done["output"]["published"], true);
    assert_eq!(
        done["pattern"],
        json!({"name": "full_pipeline", "strategy": "sequential"})
    );
    let tested = guide.next("test").says(0, &[]);
    assert!(tested.stdout.contains("✓ 10 passed"), "{}", tested.stdout);
}

#[test]
fn analysis_and_enhancement_without_publishing() {
    let guide = content();
    let run = guide.json(&[
        "run",
        "content.yaml#analysis_and_enhancement",
        "--content-id",
        "7",
    ]);
    assert_eq!(run["status"], "succeeded");
    assert_eq!(run["output"]["seo_optimized"], true);
    assert_eq!(run["cost"]["nanousd"], 0);
    let calls = guide.json(&["runs", "show", "last", "--calls"]);
    let saved = calls["items"].as_array().into_iter().flatten();
    let mut saved = saved.filter(|call| call["tool"] == "app.save_enhanced_content");
    assert_eq!(saved.next().map(|call| &call["response"]), Some(&json!("saved")));
}

#[test]
fn an_agent_that_fails_leaves_the_quick_analysis() {
    let guide = content();
    // It is asked something that was not recorded.
    let file = guide.folder().join("content.yaml");
    let text = std::fs::read_to_string(&file).expect("the pipeline");
    let changed = text.replace("Enhance content based", "Improve content based");
    assert_ne!(text, changed);
    std::fs::write(&file, changed).expect("another pipeline");
    let run = guide.json(&["run", "content.yaml", "--content-id", "7"]);
    assert_eq!(
        (&run["status"], &run["fallback"]),
        (&json!("succeeded"), &json!(true))
    );
    assert_eq!(run["failed_steps"], json!(["content_enhancer"]));
    assert_eq!(run["output"]["keywords"], json!(["repair", "Leipzig"]));
    let prompts = guide.json(&["runs", "show", "last", "--calls"]);
    let last = prompts["items"]
        .as_array()
        .and_then(|calls| calls.last())
        .expect("the fallback asked");
    assert_eq!(last["step"], "on_failure/content_analyzer");
    assert!(
        last["request"]
            .to_string()
            .contains("Analyze content 7 (fallback)"),
        "{last:#}"
    );
}

#[test]
fn an_unknown_pattern_is_refused_with_the_nearest() {
    let guide = content();
    guide
        .segue(&["run", "content.yaml#quick_analysys", "--content-id", "7"])
        .says(2, &["there is no pattern `quick_analysys`", "quick_analysis"]);
    // The tools are checked too.
    let plain = Guide::with("own_command_line", &FILES, "content.yaml");
    plain
        .segue(&["check", "content.yaml"])
        .says(2, &["app.get_content_text"]);
}

#[test]
fn the_operator_puts_agents_of_the_program_to_work() {
    let guide = content();
    let config = guide.folder().join("segue.toml");
    let written = "version = 1\n[patterns.digest]\nstrategy = \"parallel\"\nsteps = [\"digester\", \"headliner\"]\n\
         description = \"Both\"\n[patterns.line]\nsteps = [\"digester\", \"headlinerr\"]\n";
    std::fs::write(&config, written).expect("a configuration");
    let prompt = "Northwind Devices repairs phones. The centre in Leipzig will be open from Monday.";
    let run = guide.json(&["run", "digest", "--prompt", prompt]);
    assert_eq!(run["status"], "succeeded", "{run:#}");
    assert_eq!(
        (&run["pipeline"], &run["definition"]),
        (&json!("digest"), &json!("file:segue.toml#digest"))
    );
    let answers = run["output"].as_array().expect("a list");
    assert!(
        answers[0]["keywords"].is_array() && answers[1].is_string(),
        "{answers:?}"
    );
    let checked = guide.segue(&["check", "digest"]).says(0, &[]);
    assert!(
        checked.stdout.contains("`digest` has 2 steps"),
        "{}",
        checked.stdout
    );
    guide.segue(&["check", "line"]).says(
        2,
        &[
            "unknown_agent",
            "`headlinerr` does not exist",
            "segue.toml:7",
            "`headliner`",
        ],
    );
    // Without a file to name there are three pipelines, and none is guessed.
    guide.segue(&["run"]).says(
        2,
        &[
            "there are 3 pipelines here",
            "content.yaml",
            "segue.toml#digest",
            "segue.toml#line",
        ],
    );
}
