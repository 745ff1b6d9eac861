//! `agents`: who there is, and what each is told.

use crate::project::{Project, texts};

#[test]
fn agents_of_all_files_are_listed_and_one_is_shown() {
    let project = Project::strategist();
    project.write(
        "short.yaml",
        "version: 1\nname: short\nmodels: { m: sim/schema }\nagents: { writer: { description: Writes., instructions: \"Write.\\nBriefly.\", model: m, output: { text: string }, tools: [segue.save_artifact] } }\nsteps: { a: { agent: writer, prompt: Go. } }\n",
    );
    project.write("broken.yaml", "version: 1\nname: broken\nsteps: 3\n");
    let listed = project.json("agents", &["agents", "ls"], 0);
    let items = listed["items"].as_array().expect("a list");
    let names: Vec<(&str, &str)> = items
        .iter()
        .filter_map(|item| Some((item["name"].as_str()?, item["pipeline"].as_str()?)))
        .collect();
    assert!(names.contains(&("writer", "short")), "{names:?}");
    assert!(names.contains(&("diagnostic_expert", "strategist")), "{names:?}");
    let said = project.segue(&["agents", "ls"]).exits(0);
    assert!(
        said.stdout.contains("writer") && said.stdout.contains("sim/schema"),
        "{}",
        said.stdout
    );
    assert!(
        said.stderr.contains("`broken.yaml` has faults and is left out"),
        "{}",
        said.stderr
    );

    let shown = project.json("agents", &["agents", "show", "writer"], 0);
    let writer = &shown["items"][0];
    assert_eq!(shown["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&writer["instructions"], &writer["file"]),
        (&"Write.\nBriefly.".into(), &"short.yaml".into())
    );
    assert_eq!(
        (texts(&writer["models"]), texts(&writer["tools"])),
        (vec!["sim/schema"], vec!["segue.save_artifact"])
    );
    let said = project.segue(&["agents", "show", "writer"]).exits(0);
    assert!(
        said.stdout.contains("    Write.\n    Briefly."),
        "{}",
        said.stdout
    );
    assert!(said.stdout.contains("answers      an object"), "{}", said.stdout);

    let nobody = project.segue(&["agents", "show", "writre"]).exits(2);
    assert!(
        nobody.stderr.contains("there is no agent `writre`") && nobody.stderr.contains("writer"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn nobody_is_said_to_be_nobody() {
    let none = Project::empty().segue(&["agents", "ls"]).exits(0);
    assert_eq!(none.stdout, "");
    assert!(none.stderr.contains("no agent is registered"), "{}", none.stderr);
}

/// Two files: one agent of each name `writer`, one that only the first has.
fn office() -> Project {
    let project = Project::empty();
    project.write(
        "script.yaml",
        "version: 1\nscript:\n  - { agent: critic, reply: Too long. }\n  - { reply: Dear Ada }\n",
    );
    project.write(
        "letters.yaml",
        "version: 1\nname: letters\nmodels: { m: { use: sim/script, file: script.yaml } }\n\
         agents:\n  writer: { model: m, instructions: Write. }\n  critic: { model: m, instructions: Judge. }\n\
         steps: { write: { agent: writer, prompt: Go. } }\n",
    );
    project.write(
        "notes.yaml",
        "version: 1\nname: jottings\ndefaults: { retries: 3 }\nmodels: { m: local/extractive }\n\
         agents: { writer: { model: m, instructions: Summarize text concisely. } }\n\
         steps: { write: { agent: writer, prompt: Go. } }\n",
    );
    project.write("segue.toml", "[patterns.quick]\nsteps = [\"nobody\"]\n");
    project
}

const PROMPT: &str = "We open in Leipzig on Monday. Bring your phone.";

#[test]
fn agents_of_files_are_put_to_work_in_one_call() {
    let project = office();
    let agents = [
        "agents",
        "run",
        "parallel",
        "letters.yaml#writer",
        "critic",
        "jottings#writer",
    ];
    let with = |more: &[&'static str]| [&agents[..], &["--prompt", PROMPT], more].concat();
    let run = project.json("run", &with(&["--label", "team=x", "--note", "first"]), 0);
    assert_eq!(run["pipeline"], "parallel");
    assert_eq!(run["pattern"]["strategy"], "parallel");
    assert_eq!(run["inputs"]["prompt"], PROMPT);
    assert_eq!(
        (&run["labels"]["team"], &run["note"]),
        (&"x".into(), &"first".into())
    );
    let output = run["output"].as_array().expect("a list");
    assert_eq!(
        (output.len(), &output[0], &output[1]),
        (3, &"Dear Ada".into(), &"Too long.".into())
    );
    assert!(
        output[2].as_str().is_some_and(|text| text.contains("Leipzig")),
        "{output:?}"
    );
    let names: Vec<&String> = run["steps"].as_object().expect("steps").keys().collect();
    assert_eq!(names, ["writer", "critic", "writer_2"]);
    assert_eq!(
        run["definition"],
        "agents:parallel letters.yaml#writer critic jottings#writer"
    );

    // It is listed, shown and run again as any other, whatever has become of the files.
    std::fs::remove_file(project.path().join("notes.yaml")).expect("it is there");
    let listed = project.json("runs", &["runs", "list", "--pipeline", "parallel"], 0);
    assert_eq!(listed["items"][0]["id"], run["id"]);
    let again = project.json("run", &["rerun", "last", "--only", "writer_2"], 0);
    assert_eq!(again["output"], run["output"]);
    let gone = project.segue(&["rerun", "last", "--definition", "new"]).exits(2);
    assert!(gone.stderr.contains("jottings#writer"), "{}", gone.stderr);
    let critics = project.json(
        "run",
        &["agents", "run", "sequential", "critic", "critic", "-p", "Well?"],
        0,
    );
    assert_eq!(critics["output"], "Too long.");
    project.write("script.yaml", "version: 1\nscript: [{ reply: Fine. }]\n");
    let new = project.json("run", &["rerun", "last", "--definition", "new"], 0);
    assert_eq!(new["output"], "Fine.");
}

#[test]
fn what_holds_for_runs_holds_for_agents_that_are_put_to_work() {
    let project = office();
    let run = |more: &[&'static str], exit: i32| {
        let agents = ["agents", "run", "sequential", "critic", "--prompt", PROMPT];
        project.json("run", &[&agents[..], more].concat(), exit)
    };
    let simulated = run(&["--model", "critic=sim/schema"], 0);
    assert_eq!(simulated["models"]["m"]["chosen"], "sim/schema");
    assert_eq!(run(&["--budget", "requests=0"], 4)["status"], "failed");
    let paused = run(
        &["--budget", "requests=0", "--on-exceed", "pause", "--no-input"],
        3,
    );
    assert_eq!(paused["status"], "waiting");
    let raised = project
        .segue(&["answer", "last", "--budget", "requests=5", "--json"])
        .exits(0)
        .json();
    assert_eq!(
        raised["run"]["output"], "Too long.",
        "any process of the project goes on with it"
    );
    let late = run(
        &["--timeout", "none", "--max-parallel", "1", "--concurrency", "2"],
        0,
    );
    assert_eq!(late["status"], "succeeded");
    let key = ["--request-key", "k1"];
    assert_eq!(run(&key, 0)["id"], run(&key, 0)["id"]);
    let events = project
        .segue(&[
            "agents",
            "run",
            "sequential",
            "critic",
            "-p",
            "@script.yaml",
            "--output",
            "ndjson",
            "--deltas",
        ])
        .exits(0)
        .events();
    assert!(
        events
            .iter()
            .any(|event| event["type"] == "call.delta" && event["text"] == "Too long.")
    );
    assert!(
        events[0]["inputs"]["prompt"]
            .as_str()
            .is_some_and(|text| text.contains("script:"))
    );
    let said = project
        .segue(&[
            "agents", "run", "parallel", "critic", "-p", "x", "--store", "memory:",
        ])
        .exits(0);
    assert!(said.stderr.contains("parallel (1 step)"), "{}", said.stderr);
}

#[test]
fn nobody_runs_where_one_is_not_there() {
    let project = office();
    let refused = |arguments: &[&str], parts: &[&str]| {
        let all = [&["agents", "run"][..], arguments, &["--prompt", "x"]].concat();
        let said = project.segue(&all).exits(2);
        for part in parts {
            assert!(said.stderr.contains(part), "{part} is not in {}", said.stderr);
        }
    };
    refused(
        &["paralel", "critic"],
        &["strategy `paralel` does not exist", "did you mean `parallel`?"],
    );
    refused(
        &["parallel", "critc"],
        &["there is no agent `critc`", "did you mean `critic`?"],
    );
    refused(
        &["parallel", "critic", "xyz"],
        &["there is no agent `xyz`", "`writer`", "`critic`"],
    );
    refused(
        &["parallel", "writer"],
        &[
            "2 agents are called `writer`",
            "`letters.yaml#writer`",
            "`notes.yaml#writer`",
        ],
    );
    refused(
        &["parallel", "notes#critic"],
        &["there is no agent `notes#critic`", "notes.yaml#writer"],
    );
    refused(&["parallel", "critic", "--concurrency", "21"], &["1..=20"]);
    refused(
        &["parallel", "critic", "--fallback", "quik"],
        &["no pattern `quik`", "did you mean `quick`?"],
    );
    refused(
        &["parallel", "critic", "--fallback", "quick"],
        &["agent `nobody` does not exist"],
    );
    refused(
        &["parallel", "critic", "--model", "nobody=sim/schema"],
        &["`nobody`"],
    );
    let list = project.json("runs", &["runs", "list"], 0);
    assert_eq!(list["items"], serde_json::json!([]));
}
