//! Inputs: text becomes the declared types, and everything that does not fit is said before anything runs.

use serde_json::{Value as Json, json};

use crate::program::{Said, segue, segue_with};

fn typed(more: &[&str]) -> Said {
    let mut arguments = vec!["run", "typed.yaml", "-q"];
    arguments.extend(more);
    segue(&arguments)
}

#[test]
fn text_is_read_by_the_declared_type() {
    let cases: [(&[&str], &str, Json); 14] = [
        (&["--text", "3"], "text", json!("3")),
        (&["--text=--json"], "text", json!("--json")),
        (&["--input", "text=a=b"], "text", json!("a=b")),
        (&["--text", "@@home"], "text", json!("@home")),
        (&["--text", "x", "--count", "7"], "count", json!(7)),
        (&["--text", "x", "--ratio", "-1.5"], "ratio", json!(-1.5)),
        (&["--text", "x", "--is-big"], "is_big", json!(true)),
        (&["--text", "x", "--is_big", "false"], "is_big", json!(false)),
        (
            &["--text", "x", "--tags", r#"["a","b"]"#],
            "tags",
            json!(["a", "b"]),
        ),
        (&["--text", "x", "--size", "large"], "size", json!("large")),
        (&["--text", "x"], "count", json!(1)),
        (
            &["--text", "x", "--count", "2", "--input", "count=3"],
            "count",
            json!(3),
        ),
        (
            &["--text", "x", "--input", "count=3", "--count", "2"],
            "count",
            json!(2),
        ),
        (&["--text", "x", "--input", "json=true"], "json", json!(true)),
    ];
    for (arguments, name, expected) in cases {
        assert_eq!(typed(arguments).exits(0).json()[name], expected, "{arguments:?}");
    }
}

#[test]
fn a_name_that_is_a_flag_stays_the_flag() {
    let said = typed(&["--text", "x", "--json"]).exits(0);
    assert_eq!(said.json()["schema"], "segue.run/1");
}

#[test]
fn files_and_stdin_are_inputs() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    let note = write("note.txt", "from a file\n");
    assert_eq!(
        typed(&["--input", &format!("text=@{note}")]).exits(0).json()["text"],
        "from a file\n"
    );
    let number = write("number", "42\n");
    assert_eq!(
        typed(&["--text", "x", "--count", &format!("@{number}")])
            .exits(0)
            .json()["count"],
        42
    );
    for spelled in [note.clone(), format!("@{note}")] {
        let uploaded = segue(&["run", "upload.yaml", "-q", "--document", &spelled])
            .exits(0)
            .json();
        assert_eq!(uploaded["text"], "from a file\n");
        assert_eq!(uploaded["media_type"], "text/plain");
        assert_eq!(uploaded["bytes"], 12);
    }
    let object = write("all.json", r#"{"text": "of the object", "count": 5}"#);
    let both = typed(&["--count", "6", "--input", &format!("@{object}")])
        .exits(0)
        .json();
    assert_eq!(
        (&both["text"], &both["count"]),
        (&json!("of the object"), &json!(6))
    );

    let arguments = |input: &'static str| ["run", "typed.yaml", "-q", "--input", input];
    assert_eq!(
        segue_with("piped", &arguments("text=@-")).exits(0).json()["text"],
        "piped"
    );
    assert_eq!(
        segue_with(r#"{"text": "piped"}"#, &arguments("-"))
            .exits(0)
            .json()["text"],
        "piped"
    );
    let twice = segue_with("x", &["run", "typed.yaml", "--input", "text=@-", "--input", "-"]).exits(2);
    assert!(twice.stderr.contains("read once"), "{}", twice.stderr);
}

#[test]
fn everything_that_does_not_fit_is_said_at_once() {
    let said = segue(&[
        "run",
        "typed.yaml",
        "--count",
        "0",
        "--ratio",
        "much",
        "--input",
        "tetx=1",
        "--size",
        "huge",
    ]);
    let expected = "\
error[invalid_input]: `inputs.ratio`: needs a number, found the text `much`

error[unknown_input]: input `tetx` does not exist
hint: did you mean `text`?

error[invalid_input]: input `text` is missing: Any text
hint: give it with `--input text=…`

error[invalid_input]: `inputs.count`: 0 is below 1
";
    let said = said.exits(2);
    assert_eq!(said.stdout, "");
    assert!(said.stderr.starts_with(expected), "{}", said.stderr);
    assert!(said.stderr.contains("`inputs.size`"), "{}", said.stderr);
    assert!(
        said.stderr
            .ends_with("error: 5 inputs do not fit pipeline `typed`; nothing was run\n"),
        "{}",
        said.stderr
    );

    let document = segue(&["run", "typed.yaml", "--count", "0", "--json"])
        .exits(2)
        .json();
    assert_eq!(document["error"]["kind"], "invalid_input");
    let pointers: Vec<&Json> = document["error"]["faults"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| &f["pointer"])
        .collect();
    assert_eq!(pointers, ["/text", "/count"]);
}

#[test]
fn what_cannot_be_read_is_named() {
    for (input, part) in [
        ("text=@nowhere.txt", "cannot read `nowhere.txt`"),
        ("@nowhere.json", "cannot read `nowhere.json`"),
        ("@typed.yaml", "`typed.yaml` is not JSON"),
        ("words", "`words` is not an input"),
    ] {
        let said = segue(&["run", "typed.yaml", "--input", input]).exits(2);
        assert!(said.stderr.contains(part), "{input}\n{}", said.stderr);
    }
}

#[test]
fn help_lists_the_inputs_of_the_pipeline() {
    let said = segue(&["run", "typed.yaml", "--help"]).exits(0);
    for part in [
        "Inputs of typed:",
        "--is-big [<BOOLEAN>]",
        "--size <small|large>",
        "[default: 1]",
    ] {
        assert!(said.stdout.contains(part), "{part}\n{}", said.stdout);
    }
    assert_eq!(said.stderr, "");
}

#[test]
fn inputs_that_would_be_the_same_flag_can_still_be_given() {
    let said = segue(&[
        "run",
        "twins.yaml",
        "--a-b",
        "1",
        "--input",
        "a-b=2",
        "--input",
        "quiet=3",
    ])
    .exits(0);
    assert_eq!(said.stdout, "1 2 3\n");
}
