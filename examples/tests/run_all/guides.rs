//! The guides at the head of pipeline files are played as they stand there, each in a folder of its own, with the command
//! line as a person uses it: one process for each line, and nothing between them but the store.

use std::path::Path;
use std::process::Output;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::FOLDER;
use crate::programs::command;

/// The files of the examples, and what is left of playing a guide.
pub(crate) struct Guide {
    folder: TempDir,
    lines: Vec<Vec<String>>,
    /// The program that is the command line.
    program: &'static str,
}

/// What one command came to.
pub(crate) struct Said {
    exit: Option<i32>,
    pub(crate) stdout: String,
    stderr: String,
}

impl Guide {
    /// The guide of a pipeline file.
    fn of(file: &str) -> Self {
        let files = [
            "strategist.yaml",
            "strategist.script.yaml",
            "intake.yaml",
            "segue.toml",
        ];
        Self::with("own_command_line", &files, file)
    }

    /// The guide of a pipeline file whose tools a program has.
    pub(crate) fn with(program: &'static str, files: &[&str], file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in files {
            let path = Path::new(FOLDER).join(name);
            let own = path.file_name().expect("it is a file");
            std::fs::copy(&path, folder.path().join(own)).expect("a copy");
        }
        Self::in_folder(program, folder, file)
    }

    /// The guide of a pipeline file that has a folder of its own, with all its files.
    fn of_folder(name: &str, file: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let files = std::fs::read_dir(Path::new(FOLDER).join(name)).expect("the folder of the example");
        for file in files.map(|file| file.expect("a file")) {
            // What a reader has run there is not part of it.
            if file.path().is_file() {
                std::fs::copy(file.path(), folder.path().join(file.file_name())).expect("a copy");
            }
        }
        Self::in_folder("own_command_line", folder, file)
    }

    fn in_folder(program: &'static str, folder: TempDir, file: &str) -> Self {
        let text = std::fs::read_to_string(folder.path().join(file)).expect("the example");
        let lines = text.lines().filter_map(|line| line.strip_prefix("#   segue "));
        // What a line does is said behind it, after a gap.
        let lines = lines.map(|line| words(line.split("   ").next().unwrap_or_default()));
        Self {
            lines: lines.collect(),
            folder,
            program,
        }
    }

    /// The folder it is played in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn segue(&self, arguments: &[&str]) -> Said {
        let output = command(self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("SEGUE_STORE")
            .env_remove("SEGUE_CONFIG")
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            // Whoever has a key or a model server runs the tests without them.
            .env("SEGUE_OFFLINE", "1")
            .output();
        let Output {
            status,
            stdout,
            stderr,
        } = output.expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("it says text");
        Said {
            exit: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Json {
        let said = self.segue(&[arguments, &["--json"]].concat());
        serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}{}", said.stdout, said.stderr))
    }

    /// Plays the next line, whose beginning is told, so that a reader sees which one.
    #[track_caller]
    pub(crate) fn next(&mut self, begins: &str) -> Said {
        let line = self.lines.remove(0);
        assert!(line.join(" ").starts_with(begins), "the guide says {line:?}");
        self.segue(&line.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Steps of a workspace that are in a state.
    fn steps(&self, key: &str, is: impl Fn(&Json) -> bool) -> Vec<String> {
        let status = self.json(&["status", key]);
        let steps = status["steps"].as_array().into_iter().flatten();
        steps
            .filter(|step| is(step))
            .map(|step| text(&step["name"]))
            .collect()
    }

    /// Model calls of all runs.
    fn calls(&self) -> u64 {
        let runs = self.json(&["runs", "list"]);
        let items = runs["items"].as_array().into_iter().flatten();
        items.filter_map(|run| run["usage"]["requests"].as_u64()).sum()
    }
}

impl Said {
    /// Ended with this code, with these parts on stderr in order.
    #[track_caller]
    pub(crate) fn says(self, exit: i32, parts: &[&str]) -> Self {
        let Self { stdout, stderr, .. } = &self;
        assert_eq!(self.exit, Some(exit), "{stdout}{stderr}");
        let mut rest = stderr.as_str();
        for part in parts {
            let at = rest
                .find(part)
                .unwrap_or_else(|| panic!("no {part:?} in\n{stderr}"));
            rest = &rest[at + part.len()..];
        }
        self
    }

    /// Gave this result.
    #[track_caller]
    pub(crate) fn gives(self, output: &str) {
        assert_eq!(self.stdout.trim_end(), output);
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

/// The words of a command, as a shell takes them apart.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut is_begun) = (String::new(), None, false);
    for c in line.trim().chars() {
        match (quote, c) {
            (None, '"' | '\'') => (quote, is_begun) = (Some(c), true),
            (Some(open), _) if open == c => quote = None,
            (None, ' ') => {
                if std::mem::take(&mut is_begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            _ => {
                word.push(c);
                is_begun = true;
            }
        }
    }
    words.extend(is_begun.then_some(word));
    words
}

#[test]
fn the_strategist_builds_a_strategy_step_by_step() {
    let mut guide = Guide::of("strategist.yaml");
    guide.next("run strategist.yaml --key exp-7 --step metrics").says(
        2,
        &[
            "step `metrics` needs results that are not there: `input`, `diagnostic`",
            "--step input --key exp-7` makes `input`",
            "--step diagnostic --key exp-7` makes `diagnostic`",
        ],
    );
    let runs = guide.json(&["runs", "list"]);
    assert_eq!(runs["items"], json!([]), "nothing was begun");

    guide
        .next("run strategist.yaml --key exp-7 --step input")
        .says(3, &["What is the experiment about?", "hint: segue answer q_"]);
    guide.next("answer last").says(0, &["✓ input succeeded"]);
    guide
        .next("run strategist.yaml --key exp-7 --step diagnostic")
        .says(0, &["✓ input succeeded taken over", "✓ diagnostic succeeded"])
        .gives("A retail business: repair kits by mail.");
    assert_eq!(guide.calls(), 1);

    let status = guide
        .next("status exp-7")
        .says(0, &["--step metrics` runs what is next"]);
    for part in [
        "strategist exp-7: 2 of 7 steps done",
        "✓ diagnostic  done",
        "→ metrics     next",
        "○ tactics     pending (needs segment, channels, messaging)",
    ] {
        assert!(status.stdout.contains(part), "{}", status.stdout);
    }

    // Five experts, one of whom has to be reminded.
    guide
        .next("run strategist.yaml --key exp-7 --all")
        .says(
            0,
            &[
                "✓ diagnostic succeeded taken over",
                "✓ tactics succeeded",
                "6 model calls",
            ],
        )
        .gives("Week 1: the page. Week 2: search. Weeks 3 and 4: the fairs.");
    assert_eq!(guide.calls(), 7);

    let is_stale = |step: &Json| step["stale"] == true;
    assert_eq!(guide.steps("exp-7", is_stale), [""; 0]);
    let below = ["metrics", "segment", "channels", "messaging", "tactics"];
    guide.next("rerun exp-7 --only diagnostic --note").says(
        0,
        &[
            "re-uses 6 steps, runs 1 step",
            "1 model call",
            "~ stale: metrics, segment, channels, messaging, tactics",
            "hint: `segue rerun exp-7 --stale`",
        ],
    );
    assert_eq!(guide.steps("exp-7", is_stale), below);
    let status = guide
        .next("status exp-7")
        .says(0, &["`segue rerun exp-7 --stale` makes what is stale again"]);
    assert!(
        status.stdout.contains("~ tactics     stale (diagnostic changed)"),
        "{}",
        status.stdout
    );

    guide
        .next("rerun exp-7 --stale")
        .says(0, &["re-uses 2 steps, runs 5 steps", "6 model calls"])
        .gives("Week 1: call thirty companies. Weeks 2 to 4: visit ten.");
    assert_eq!(guide.steps("exp-7", is_stale), [""; 0]);
    guide
        .next("documents cat exp-7/tactics")
        .says(0, &[])
        .gives("Week 1: call thirty companies. Weeks 2 to 4: visit ten.");
    assert!(guide.lines.is_empty(), "not played: {:?}", guide.lines);
}

#[test]
fn exactly_what_follows_from_a_step_is_stale() {
    let guide = Guide::of("strategist.yaml");
    let brief = r#"brief={"product": "Repair kits", "goal": "200 orders a month", "audience": null}"#;
    let all = [
        "run",
        "strategist.yaml",
        "--key",
        "exp-8",
        "--all",
        "--input",
        brief,
    ];
    guide.segue(&all).says(0, &["7 model calls"]);
    // Nothing is made twice.
    guide.segue(&all).says(0, &[]);
    assert_eq!(guide.calls(), 7);
    guide
        .segue(&[
            "rerun",
            "exp-8",
            "--only",
            "segment",
            "--note",
            "Think of schools",
        ])
        .says(0, &["~ stale: messaging, tactics"]);
    guide
        .segue(&["rerun", "exp-8", "--stale"])
        .says(0, &["re-uses 5 steps, runs 2 steps", "2 model calls"]);
    // Another key has nothing of it.
    guide
        .segue(&["run", "strategist.yaml", "--key", "exp-9", "--step", "metrics"])
        .says(2, &["`input`, `diagnostic`"]);
}

/// Nothing is known; then a name; then an address. Whatever a turn has worked out, no later one makes again.
#[test]
fn a_dialogue_of_three_turns_pays_each_step_once() {
    let mut guide = Guide::of("intake.yaml");
    guide.next("run intake.yaml --key c-17").says(
        3,
        &[
            "✓ subject succeeded",
            "What is your name?",
            "hint: segue answer q_",
        ],
    );
    let waits = |step: &Json| step["state"] == "waiting";
    assert_eq!(guide.steps("c-17", waits), ["who"]);
    let pending = |step: &Json| step["state"] == "pending";
    assert_eq!(guide.steps("c-17", pending), ["where", "receipt"]);
    guide.segue(&["run", "intake.yaml", "--key", "c-17"]).says(
        2,
        &[
            "step `who` of `c-17` is being run by run_",
            "answer it (`segue answer run_",
        ],
    );
    guide.segue(&["answer", "last", "--set", "nam=Ada"]).says(
        2,
        &[
            "did you mean `name`?",
            "does not fit `What is your name?`, which stays open",
        ],
    );

    guide
        .next("answer last --set name=Ada")
        .says(3, &["✓ who succeeded", "Where do we answer?"]);
    guide
        .next("answer last --set email=ada@example.org")
        .says(
            0,
            &[
                "✓ where succeeded",
                "✓ receipt succeeded",
                "4 steps · 2 model calls",
            ],
        )
        .gives("Ada is answered at ada@example.org. My phone is broken.");
    let run = guide.json(&["runs", "show", "last"]);
    for (name, calls) in [("subject", 1), ("who", 0), ("where", 0), ("receipt", 1)] {
        let step = &run["steps"][name];
        assert_eq!(step["attempts"].as_array().map(Vec::len), Some(1), "{name}");
        assert_eq!(step["usage"]["requests"], calls, "{name}");
    }
    assert_eq!(guide.calls(), 2);
    let status = guide.next("status c-17").says(0, &[]);
    assert!(status.stdout.contains("4 of 4 steps done"), "{}", status.stdout);

    // The same dialogue without anybody who is asked: each turn is a run that brings what is known by then.
    guide
        .next("run intake.yaml --key c-18 --step subject")
        .says(0, &["1 model call"]);
    guide
        .next("run intake.yaml --key c-18 --step who --name Ada")
        .says(0, &["✓ subject succeeded taken over"]);
    guide
        .next("run intake.yaml --key c-18 --all --email")
        .says(
            0,
            &[
                "✓ subject succeeded taken over",
                "✓ who succeeded taken over",
                "1 model call",
            ],
        )
        .gives("Ada is answered at ada@example.org. My phone is broken.");
    assert_eq!(guide.calls(), 4);
    assert!(guide.lines.is_empty(), "not played: {:?}", guide.lines);
}

#[test]
fn the_guide_of_the_spelling_tool() {
    let mut guide = Guide::of_folder("tools", "spelling.yaml");
    let listed = guide.next("tools ls");
    assert!(
        listed.stdout.contains("spell") && listed.stdout.contains("not available"),
        "{}",
        listed.stdout
    );
    guide
        .next("run spelling.yaml")
        .says(2, &["`tools.spell` is not trusted", "doctor --trust"]);
    let accepted = guide.next("doctor --trust --yes");
    assert_eq!(accepted.exit, Some(0), "{}", accepted.stderr);
    let found = |said: Said| -> Json { serde_json::from_str(&said.stdout).expect("a list of words") };
    assert_eq!(
        found(guide.next("run spelling.yaml")),
        json!(["pipline", "stepps"])
    );
    assert_eq!(
        found(guide.next("run spelling.yaml")),
        json!(["help", "rf", "rm", "x"])
    );
    guide.next("run spelling.yaml").says(
        1,
        &["tool `spell` failed (exit status: 1): there is no word in the text"],
    );
    assert!(guide.lines.is_empty());
}
