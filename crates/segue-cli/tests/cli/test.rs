//! `segue test`: what it prints, writes and exits with, and that it reaches nothing.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::program::{Said, command, said, segue, segue_in};
use crate::shapes::{fits, schema};

const PIPELINE: &str = "\
version: 1
name: greeting
inputs: { name: { type: string, minLength: 1 } }
models: { m: auto/small }
agents: { w: { model: m, instructions: Greet. } }
steps: { greet: { agent: w, prompt: 'Hello {{ inputs.name }}' } }
";

const TEST: &str = "\
# This stays as it is.
version: 1
pipeline: greeting.yaml
script: [{ prompt: { contains: Ada }, reply: \"Good day, Ada\" }, { prompt: { contains: Bob }, reply: \"a\\nb\\nc\" }]
inputs: { name: Ada }
cases:
  - name: good
    expect: { status: succeeded, output: { contains: Ada } }   # so is this
  - name: other words
    expect:
      status:   failed
      output: \"Good bye, Ada\"
      calls: { max: 0 }
  - name: nobody
    inputs: { name: Carl }
    expect: { status: succeeded }
  - name: empty
    inputs: { name: '' }
    expect: { refused: invalid_input }
";

fn project(test: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "greeting.yaml", PIPELINE);
    write(folder.path(), "greeting.test.yaml", test);
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

fn test_in(folder: &Path, arguments: &[&str]) -> Said {
    let all: Vec<&str> = std::iter::once("test").chain(arguments.iter().copied()).collect();
    segue_in(folder, &all)
}

#[test]
fn each_case_has_a_line_and_what_is_wrong_below_it() {
    let folder = project(TEST);
    let said = test_in(folder.path(), &[]).exits(5);
    let lines: Vec<String> = said
        .stdout
        .lines()
        .map(|line| {
            line.split("  0 ms")
                .next()
                .unwrap_or_default()
                .trim_end()
                .to_owned()
        })
        .map(|line| {
            line.split_inclusive("  ")
                .filter(|part| !part.ends_with(" ms"))
                .collect()
        })
        .collect();
    let has = |text: &str| assert!(said.stdout.contains(text), "{}\n{lines:?}", said.stdout);
    has("greeting.test.yaml\n");
    has("  ✓ good  ");
    has("  ✗ other words  ");
    has("      status: want \"failed\", got \"succeeded\"\n");
    has("      output: want \"Good bye, Ada\", got \"Good day, Ada\"\n");
    has("      calls: want 0 or less, got 1\n");
    has("  ? nobody  ");
    has("no rule of the script answers agent `w` at step `greet`");
    has("✓ 2 passed, ✗ 1 failed, ? 1 missed in ");
    assert_eq!(said.stderr, "");
    // Quiet: only what is not as expected, and the sum.
    let quiet = test_in(folder.path(), &["-q"]).exits(5);
    assert!(
        !quiet.stdout.contains("✓ good") && quiet.stdout.contains("✗ other words"),
        "{}",
        quiet.stdout
    );
}

#[test]
fn texts_of_several_lines_are_compared_line_by_line() {
    let folder = project(&format!(
        "{TEST}  - name: lines\n    inputs: {{ name: Bob }}\n    expect: {{ output: \"a\\nx\\nc\" }}\n"
    ));
    let said = test_in(folder.path(), &["--case", "lines"]).exits(5);
    assert!(said.stdout.contains("output: - want + got\n"), "{}", said.stdout);
    assert!(said.stdout.contains("      - x\n      + b\n"), "{}", said.stdout);
}

#[test]
fn cases_are_chosen_by_a_glob() {
    let folder = project(TEST);
    let said = test_in(folder.path(), &["greeting.test.yaml", "--case", "*o*d"]).exits(0);
    assert!(said.stdout.contains("✓ 1 passed in"), "{}", said.stdout);
    let none = test_in(folder.path(), &["--case", "none"]).exits(2);
    assert!(
        none.stderr.contains("no case is named like `none`"),
        "{}",
        none.stderr
    );
}

#[test]
fn the_object_says_everything_and_has_its_shape() {
    let folder = project(TEST);
    let object = test_in(folder.path(), &["--json"]).exits(5).json();
    fits(&schema("tested"), &object);
    assert_eq!(object["schema"], "segue.test/1");
    let numbers = ["passed", "failed", "missed", "errors"].map(|key| object[key].clone());
    assert_eq!(numbers, [json!(2), json!(1), json!(1), json!(0)]);
    let failure = &object["cases"][1]["failures"][0];
    assert_eq!(
        *failure,
        json!({"expect": "status", "want": "failed", "got": "succeeded"})
    );
    assert_eq!(object["cases"][2]["outcome"], "missed");
    assert_eq!(object["cases"][2]["miss"]["step"], "greet");
    assert_eq!(object["cases"][3]["run"], Json::Null, "nothing was started");
}

#[test]
fn faults_of_a_file_are_shown_and_nothing_of_it_is_run() {
    let folder = project(&TEST.replace("inputs: { name: Carl }", "inptus: { name: Carl }"));
    let said = test_in(folder.path(), &[]).exits(2);
    assert!(
        said.stderr
            .contains("error[unknown_key]: unknown key `inptus` in a case"),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("greeting.test.yaml:15:5"), "{}", said.stderr);
    assert!(said.stderr.contains("did you mean `inputs`?"), "{}", said.stderr);
    let object = test_in(folder.path(), &["--json"]).exits(2).json();
    fits(&schema("tested"), &object);
    assert_eq!(object["faults"][0]["code"], "unknown_key");
    // A step that the pipeline does not have.
    write(
        folder.path(),
        "greeting.test.yaml",
        &TEST.replace("calls: { max: 0 }", "steps: { gret: { calls: 1 } }"),
    );
    let said = test_in(folder.path(), &[]).exits(2);
    assert!(said.stderr.contains("did you mean `greet`?"), "{}", said.stderr);
    // The pipeline itself: shown once, and no case can be run.
    write(folder.path(), "greeting.test.yaml", TEST);
    write(
        folder.path(),
        "greeting.yaml",
        &PIPELINE.replace("agent: w,", "agent: x,"),
    );
    let said = test_in(folder.path(), &[]).exits(2);
    assert_eq!(
        said.stderr.matches("error[unknown_agent]").count(),
        1,
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("could not be run"), "{}", said.stdout);
    // Unless that is what is expected.
    let expected =
        "version: 1\npipeline: greeting.yaml\ncases: [{ name: a, expect: { refused: unknown_agent } }]\n";
    write(folder.path(), "greeting.test.yaml", expected);
    let said = test_in(folder.path(), &[]).exits(0);
    assert_eq!(said.stderr, "");
}

#[test]
fn a_name_that_the_pipeline_does_not_have_is_shown_with_the_nearest() {
    for (from, to, code, name) in [
        (
            "prompt: { contains: Ada }",
            "agent: ww",
            "unknown_agent",
            "`ww` does not exist in `greeting`",
        ),
        (
            "prompt: { contains: Ada }",
            "step: great",
            "unknown_step",
            "did you mean `greet`?",
        ),
        (
            "seed: 1",
            "tools: { app.x: { returns: 1 } }",
            "unknown_tool",
            "nothing in `greeting` can call tool `app.x`",
        ),
        (
            "prompt: { contains: Ada }, ",
            "",
            "never_fires",
            "rule 2 can answer nothing: rule 1 answers all",
        ),
    ] {
        let folder = project(
            &TEST
                .replace("inputs: { name: Ada }\n", "inputs: { name: Ada }\nseed: 1\n")
                .replace(from, to),
        );
        let said = test_in(folder.path(), &[]).exits(2);
        let place = if code == "unknown_tool" {
            "greeting.test.yaml:6:"
        } else {
            "greeting.test.yaml:4:"
        };
        for part in [&format!("error[{code}]"), name, place] {
            assert!(said.stderr.contains(part), "no {part} in {}", said.stderr);
        }
        assert!(!said.stdout.contains("good"), "nothing is run: {}", said.stdout);
    }
}

#[test]
fn what_no_case_has_used_is_a_warning() {
    let test = "version: 1\npipeline: greeting.yaml\ninputs: { name: Ada }\nscript:\n  - { prompt: { contains: Bob }, reply: b }\n  \
                - { reply: a }\ncases:\n  - { name: a, expect: { output: a } }\n  - { name: b, expect: { output: a } }\n";
    let folder = project(test);
    let said = test_in(folder.path(), &[]).exits(0);
    for part in [
        "warning[never_fires]: rule 1 answered nothing in any case",
        "greeting.test.yaml:5:7",
        "take it out, or look at which `agent`, `step` and `prompt` it is for",
    ] {
        assert!(said.stderr.contains(part), "no {part} in {}", said.stderr);
    }
    assert!(!said.stderr.contains("rule 2"), "{}", said.stderr);
    let object = test_in(folder.path(), &["--json"]).exits(0).json();
    fits(&schema("tested"), &object);
    assert_eq!(object["warnings"][0]["code"], "never_fires");
    assert_eq!(object["warnings"][0]["line"], 5);
    assert_eq!(object["warnings"][0]["pointer"], "/script/0");
    // Of some of the cases nothing follows, nor where one has failed; and whoever wants it quiet has it quiet.
    assert_eq!(test_in(folder.path(), &["--case", "a"]).exits(0).stderr, "");
    assert_eq!(test_in(folder.path(), &["-q"]).exits(0).stderr, "");
    write(
        folder.path(),
        "greeting.test.yaml",
        &test.replace("output: a", "output: c"),
    );
    assert_eq!(test_in(folder.path(), &[]).exits(5).stderr, "");
}

#[test]
fn without_a_file_all_of_the_project_are_run() {
    let folder = project(TEST);
    for name in ["deep/er", ".hidden", "target"] {
        std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        write(&folder.path().join(name), "greeting.yaml", PIPELINE);
        write(&folder.path().join(name), "x.test.yaml", TEST);
    }
    let object = test_in(folder.path(), &["--json", "--case", "good"])
        .exits(0)
        .json();
    let files: Vec<&str> = object["cases"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|case| case["file"].as_str())
        .collect();
    assert_eq!(files, ["deep/er/x.test.yaml", "greeting.test.yaml"]);
    let empty = tempfile::tempdir().expect("a folder");
    let none = test_in(empty.path(), &[]).exits(2);
    assert!(
        none.stderr.contains("there is no test file here"),
        "{}",
        none.stderr
    );
}

#[test]
fn update_writes_plain_values_and_keeps_every_other_byte() {
    let folder = project(TEST);
    let path = folder.path().join("greeting.test.yaml");
    let said = test_in(folder.path(), &["--update"]).exits(5);
    assert!(said.stdout.contains("2 values updated"), "{}", said.stdout);
    // The condition is no plain value, and still unmet; the miss is none either.
    assert!(
        said.stdout.contains("calls: want 0 or less, got 1"),
        "{}",
        said.stdout
    );
    let expected = TEST
        .replace("status:   failed", "status:   succeeded")
        .replace("\"Good bye, Ada\"", "\"Good day, Ada\"");
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), expected);
    // Once the condition is met too, nothing is left to update.
    write(
        folder.path(),
        "greeting.test.yaml",
        &expected
            .replace("max: 0", "max: 1")
            .replace("name: Carl", "name: Ada"),
    );
    let before = std::fs::read(&path).expect("the file");
    test_in(folder.path(), &["--update"]).exits(0);
    assert_eq!(std::fs::read(&path).expect("the file"), before);
    // With a mark at its beginning and lines that end as elsewhere.
    let windows = format!("\u{feff}{}", TEST.replace('\n', "\r\n"));
    write(folder.path(), "greeting.test.yaml", &windows);
    test_in(folder.path(), &["--update"]).exits(5);
    let expected = format!("\u{feff}{}", expected.replace('\n', "\r\n"));
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), expected);
}

#[test]
fn junit_has_every_case() {
    let folder = project(&TEST.replace("other words", "<other> & \"words\""));
    test_in(folder.path(), &["--junit", "out.xml", "-q"]).exits(5);
    let xml = std::fs::read_to_string(folder.path().join("out.xml")).expect("the file");
    assert!(xml.starts_with("<?xml"), "{xml}");
    assert!(
        xml.contains(
            "<testsuite name=\"greeting.test.yaml\" tests=\"4\" failures=\"1\" errors=\"1\" time=\""
        ),
        "{xml}"
    );
    assert!(
        xml.contains("name=\"&lt;other&gt; &amp; &quot;words&quot;\""),
        "{xml}"
    );
    assert!(
        xml.contains("<failure message=\"status: want &quot;failed&quot;, got &quot;succeeded&quot;\">"),
        "{xml}"
    );
    assert_eq!(xml.matches("<testcase ").count(), 4, "{xml}");
    assert_eq!(xml.matches("<error ").count(), 1, "{xml}");
}

#[test]
fn nothing_is_left_behind_and_no_store_is_opened() {
    let folder = project(TEST);
    let mut command = command(&["test", "--case", "good"]);
    command
        .current_dir(folder.path())
        .env("SEGUE_STORE", "postgres://nobody@127.0.0.1:1/none");
    said(command.output().expect("the binary runs")).exits(0);
    let mut left: Vec<String> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    left.sort();
    assert_eq!(left, ["greeting.test.yaml", "greeting.yaml"]);
}

#[test]
fn a_month_of_waiting_takes_no_time() {
    let folder = project(
        "version: 1\npipeline: slow.yaml\nscript: [{ delay: 30d, reply: late }]\ncases: [{ name: slow, expect: { output: late } }]\n",
    );
    write(
        folder.path(),
        "slow.yaml",
        &PIPELINE
            .replace("inputs: { name: { type: string, minLength: 1 } }\n", "")
            .replace(" {{ inputs.name }}", ""),
    );
    test_in(folder.path(), &[]).exits(0);
}

#[test]
fn prices_of_the_operator_hold_in_tests_too() {
    let test = "version: 1\npipeline: greeting.yaml\ninputs: { name: Ada }\nscript: [{ reply: x, usage: { input_tokens: 1000000 } }]\ncases: [{ name: a, expect: { cost_usd: 1.5 } }]\n";
    let folder = project(test);
    test_in(folder.path(), &[]).exits(5);
    write(
        folder.path(),
        "segue.toml",
        "version = 1\n[prices.\"sim/script\"]\ninput = \"1.50\"\noutput = \"2.00\"\n",
    );
    test_in(folder.path(), &[]).exits(0);
}

#[test]
fn the_schema_of_test_files_takes_what_is_run() {
    let schema = schema("test");
    let good = json!({"version": 1, "pipeline": "p.yaml", "cases": [{"name": "a", "expect": {"calls": 1}}]});
    fits(&schema, &good);
    assert!(!schema.is_valid(&json!({"version": 1, "pipeline": "p.yaml", "cases": [{"name": "a"}]})));
    segue(&["test", "--help"]).exits(0);
}
