//! `runs diff`: two runs side by side.

use serde_json::{Value as Json, json};

use crate::kept::Kept;
use crate::shapes::{fits, schema};

fn step<'a>(diff: &'a Json, path: &str) -> &'a Json {
    let steps = diff["steps"].as_array().into_iter().flatten();
    let mut found = steps.filter(|step| step["path"] == path);
    found
        .next()
        .unwrap_or_else(|| panic!("`{path}` is compared: {diff:#}"))
}

#[test]
fn a_run_is_the_same_as_itself_and_as_one_that_went_like_it() {
    let kept = Kept::new();
    let (a, b) = (kept.ends("well"), kept.ends("well"));
    for other in [&a, &b] {
        let said = kept.segue(&["runs", "diff", &a, other, "--exit-code"]).exits(0);
        assert!(
            said.stdout
                .contains("✓ the same: inputs, definition and every step"),
            "{}",
            said.stdout
        );
    }
    let diff = kept
        .segue(&["runs", "diff", &a, "last", "--json"])
        .exits(0)
        .json();
    fits(&schema("diff"), &diff);
    assert_eq!(
        (&diff["a"], &diff["b"], &diff["first_difference"]),
        (&json!(a), &json!(b), &Json::Null)
    );
    assert_eq!(step(&diff, "first")["change"], "same");
}

#[test]
fn what_went_in_how_it_ended_and_what_was_tried_differ() {
    let kept = Kept::new();
    let (a, b) = (kept.ends("well"), kept.ends("flaky"));
    let said = kept.segue(&["runs", "diff", &a, &b]).exits(0);
    for part in [
        "inputs /end  \"well\" → \"flaky\"",
        "first prompt /messages/1/text  \"well\" → \"flaky\"",
        "first difference, prompt",
    ] {
        assert!(said.stdout.contains(part), "{part}\n{}", said.stdout);
    }
    let row = said
        .stdout
        .lines()
        .find(|line| line.starts_with("≠  flaky"))
        .expect("it has a row");
    let cells: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(cells[2..6], ["⊘", "skipped", "✓", "succeeded"], "{row}");
    assert!(row.ends_with("  status, output"), "{row}");
    kept.segue(&["runs", "diff", &a, &b, "--exit-code"]).exits(1);

    let diff = kept.segue(&["runs", "diff", &a, &b, "--json"]).exits(0).json();
    fits(&schema("diff"), &diff);
    assert_eq!(diff["first_difference"], "first");
    let flaky = step(&diff, "flaky");
    assert_eq!(flaky["status"], json!(["skipped", "succeeded"]));
    assert_eq!(flaky["attempts"], json!([0, 2]));
    assert_eq!(flaky["output"], json!([{"pointer": "", "a": null, "b": "fine"}]));

    let once = kept.ran(&["many_ends.yaml", "--end", "flaky", "--model", "flaky=sim/schema"]);
    let said = kept.segue(&["runs", "diff", &once, &b]).exits(0);
    assert!(said.stdout.contains(", 1 → 2 attempts\n"), "{}", said.stdout);

    let failed = kept.ends("failed");
    let diff = kept
        .segue(&["runs", "diff", &a, &failed, "--json"])
        .exits(0)
        .json();
    let error = step(&diff, "failed")["error"].clone();
    assert_eq!(error, json!([null, "rule 5 of the script raises `bad_request`"]));
}

#[test]
fn a_re_run_differs_in_what_was_changed_and_what_follows_is_stale() {
    let kept = Kept::new();
    let a = kept.ran(&["report.yaml", "--text", "tea"]);
    kept.write(
        "edited.txt",
        "coffee\nwith milk, and more of it than anybody would want",
    );
    kept.segue(&[
        "rerun",
        &a,
        "--only",
        "note",
        "--input",
        "text=@edited.txt",
        "--yes",
    ])
    .exits(0);
    let diff = kept
        .segue(&["runs", "diff", &a, "last", "--json"])
        .exits(0)
        .json();
    fits(&schema("diff"), &diff);
    assert_eq!(step(&diff, "note")["change"], "changed");
    assert_eq!(step(&diff, "size")["change"], "stale");
    let shown = kept.segue(&["runs", "diff", &a, "last"]).exits(0).stdout;
    assert!(
        shown.contains("│ coffee\n") && shown.contains("~  size"),
        "{shown}"
    );
}

#[test]
fn another_definition_is_named_and_its_steps_are_aligned() {
    let kept = Kept::new();
    let a = kept.ran(&["report.yaml", "--text", "tea"]);
    let text = std::fs::read_to_string(kept.path("report.yaml")).expect("it is there");
    let more = text.replace(
        "  size:",
        "  loud: { set: \"{{ steps.note.output | upper }}\" }\n  size:",
    );
    kept.write("report.yaml", more);
    let b = kept.ran(&["report.yaml", "--text", "tea"]);
    let diff = kept.segue(&["runs", "diff", &a, &b, "--json"]).exits(0).json();
    assert_eq!(diff["definition"][0]["pointer"], "/steps/loud", "{diff:#}");
    assert_eq!(step(&diff, "loud")["change"], "added");
    assert_eq!(step(&diff, "size")["change"], "same");
    let back = kept.segue(&["runs", "diff", &b, &a, "--json"]).exits(0).json();
    assert_eq!(step(&back, "loud")["change"], "removed");
    assert_eq!(step(&back, "loud")["status"], json!(["succeeded", null]));
}

#[test]
fn items_of_maps_are_aligned_by_their_places() {
    let kept = Kept::new();
    let a = kept.ran(&["mapped.yaml", "--many", "2"]);
    let b = kept.ran(&["mapped.yaml", "--many", "3"]);
    let diff = kept.segue(&["runs", "diff", &a, &b, "--json"]).exits(0).json();
    let changes = ["each", "each[0]", "each[1]", "each[2]"].map(|path| step(&diff, path)["change"].clone());
    assert_eq!(changes, ["changed", "same", "same", "added"]);
    let shown = kept.segue(&["runs", "diff", &a, &b]).exits(0).stdout;
    assert!(shown.contains("… and 2 inside of them, the same"), "{shown}");
}
