//! Programs as tools: what they see, how they end, and that nothing of them is left.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use segue::plan::ToolLimits;
use segue::schema::Schema;
use segue::{ErrorKind, Failure, Registry, Secret};
use segue_tools::program::Program;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::{call, call_of};

/// A shell script as a tool, in a folder of its own.
fn script(text: &str) -> (Program, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("tool.sh"), text).expect("a file");
    let tool = Program::new("tool", ["sh", "tool.sh"]).folder(folder.path());
    (tool, folder)
}

async fn run(text: &str, arguments: Json) -> Result<Json, Failure> {
    let (tool, _folder) = script(text);
    call(tool, arguments).await
}

/// Gives back what it is given, whatever that is.
fn echo() -> Program {
    let anything = Schema::from_json(json!({"type": "object", "additionalProperties": true}));
    Program::new("echo", ["cat"]).input(&anything.expect("a schema"))
}

/// Waits until a process has ended, whoever waits for it; as long as the test runner allows.
async fn is_gone(pid: i32) {
    let mut often = tokio::time::interval(Duration::from_millis(10));
    // A zombie has ended too: it only has not been waited for.
    let is_there = || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        kill(Pid::from_raw(pid), None).is_ok() && !state.contains(") Z ")
    };
    while is_there() {
        often.tick().await;
    }
}

/// The number a script has written into a file, as soon as it is there.
async fn written(folder: &Path, name: &str) -> i32 {
    let mut often = tokio::time::interval(Duration::from_millis(10));
    loop {
        let text = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        if let (true, Ok(pid)) = (text.ends_with('\n'), text.trim().parse()) {
            return pid;
        }
        often.tick().await;
    }
}

#[tokio::test]
async fn arguments_go_in_and_one_value_comes_out() {
    let given = json!({"text": "héllo\n", "list": [1, null], "flag": "--help; rm -rf /"});
    assert_eq!(call(echo(), given.clone()).await.ok(), Some(given));
    assert_eq!(
        run("cat >/dev/null; echo '  [1] '", json!({})).await.ok(),
        Some(json!([1]))
    );
    assert_eq!(
        run("echo 5", json!({})).await.ok(),
        Some(json!(5)),
        "it need not read"
    );
}

#[tokio::test]
async fn arguments_of_any_size_go_in_while_it_writes() {
    let long = json!({"text": "x".repeat(3 << 20)});
    let told = call(echo(), long.clone()).await.expect("it succeeds");
    assert!(told == long, "{} bytes came back", told.to_string().len());
}

#[tokio::test]
async fn what_fails_says_why_with_the_end_of_what_it_said() {
    let failure = run("echo no such word >&2; exit 3", json!({}))
        .await
        .expect_err("it fails");
    assert_eq!(failure.kind, ErrorKind::Tool);
    assert_eq!(
        failure.message,
        "tool `tool` failed (exit status: 3): no such word"
    );
    assert!(failure.retryable);

    let many = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1";
    let failure = run(many, json!({})).await.expect_err("it fails");
    assert!(failure.message.ends_with("line 2999"), "{failure}");
    assert!(failure.message.len() < 4200 && !failure.message.contains("line 100\n"));

    for (text, expected) in [
        ("echo '{\"a\":'", "wrote something else than one JSON value"),
        ("echo 1 2", "wrote something else than one JSON value"),
        ("true", "wrote something else than one JSON value"),
        ("echo hello", "wrote something else than one JSON value"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let failure = run(text, json!({})).await.expect_err(text);
        assert_eq!(failure.kind, ErrorKind::Tool);
        assert!(failure.message.contains(expected), "{text}: {failure}");
    }
}

#[tokio::test]
async fn it_sees_what_it_is_given_and_nothing_else() {
    let (tool, folder) = script("env > seen; pwd > where; echo null");
    let tool = tool
        .env("LEVEL", "3")
        .env("KEY", "Bearer secret://SPELL")
        .secrets(Arc::new(|name| (name == "SPELL").then(|| Secret::new("s3cret"))));
    call(tool, json!({})).await.expect("it succeeds");
    let seen = std::fs::read_to_string(folder.path().join("seen")).expect("a file");
    // Some shells have these of their own.
    let own = ["PWD", "SHLVL", "_", "OLDPWD"];
    let mut names: Vec<&str> = seen
        .lines()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .filter(|name| !own.contains(name))
        .collect();
    names.sort_unstable();
    let mut expected = vec![
        "KEY",
        "LEVEL",
        "PATH",
        "SEGUE_ATTEMPT",
        "SEGUE_IDEMPOTENCY_KEY",
        "SEGUE_RUN",
        "SEGUE_STEP",
    ];
    if std::env::var_os("LANG").is_some() {
        expected.insert(1, "LANG");
    }
    assert_eq!(names, expected);
    for line in [
        "KEY=Bearer s3cret",
        "LEVEL=3",
        "SEGUE_STEP=call",
        "SEGUE_ATTEMPT=1",
    ] {
        assert!(seen.lines().any(|seen| seen == line), "{line} is not in {seen}");
    }
    assert!(seen.contains("SEGUE_RUN=run_"), "{seen}");
    let place = std::fs::read_to_string(folder.path().join("where")).expect("a file");
    let place = std::fs::canonicalize(place.trim()).expect("a folder");
    assert_eq!(place, std::fs::canonicalize(folder.path()).expect("a folder"));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named_and_nothing_is_started() {
    let (tool, folder) = script("touch started; echo null");
    let failure = call(tool.env("KEY", "secret://SPELL"), json!({}))
        .await
        .expect_err("there is none");
    assert_eq!(failure.message, "there is no secret `SPELL`");
    assert!(!folder.path().join("started").exists());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named_with_its_place() {
    for command in ["no-such-program", "./bin/no-such-program"] {
        let folder = tempfile::tempdir().expect("a folder");
        let tool = Program::new("spell", [command])
            .folder(folder.path())
            .declared_at("segue.toml:12");
        let failure = call(tool, json!({})).await.expect_err("it is not there");
        assert!(failure.message.contains("tool `spell` cannot start"), "{failure}");
        assert!(failure.message.contains("no-such-program"), "{failure}");
        assert_eq!(
            failure.hints,
            ["look at `command` of `[tools.spell]` (segue.toml:12)"]
        );
        assert!(!failure.retryable);
    }
}

#[tokio::test]
async fn a_relative_path_is_meant_from_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("here.sh");
    std::fs::write(&file, "#!/bin/sh\necho '\"here\"'\n").expect("a file");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).expect("it can be run");
    let tool = Program::new("here", ["./here.sh"]).folder(folder.path());
    assert_eq!(call(tool, json!({})).await.ok(), Some(json!("here")));
}

#[tokio::test]
async fn who_never_stops_writing_is_ended() {
    let (tool, folder) = script("echo $$ > pid; yes");
    let failure = call(tool.most_written(100_000), json!({}))
        .await
        .expect_err("it is too much");
    assert!(
        failure.message.contains("wrote more than 100000 bytes"),
        "{failure}"
    );
    assert!(!failure.retryable);
    assert_eq!(failure.limit.expect("a limit").limit, "100000");
    is_gone(written(folder.path(), "pid").await).await;
}

#[tokio::test]
async fn what_it_says_on_the_side_has_no_end_either_and_is_drained() {
    let text = "yes noise | head -c 3000000 >&2; echo 1";
    assert_eq!(run(text, json!({})).await.ok(), Some(json!(1)));
}

/// Leaves a process behind that ignores being told to end, and hangs.
const STUBBORN: &str = "trap '' TERM\nsleep 600 &\necho $! > child\necho $$ > pid\nwait\n";

#[tokio::test]
async fn who_hangs_is_cut_off_with_everything_it_has_started() {
    for outlives_its_run in [true, false] {
        let (tool, folder) = script(STUBBORN);
        let tool = tool.limits(ToolLimits::new().timeout(Duration::from_secs(3)));
        let mut registry = Some(Registry::new().tool(tool));
        let calls = registry.clone().expect("it is there");
        let failure = call_of(&calls, "tool", json!({})).await.expect_err("it hangs");
        drop(calls);
        assert!(
            failure.message.contains("did not answer within 3000ms"),
            "{failure}"
        );
        // Whoever offers the tool waits for its end, or is gone itself.
        if !outlives_its_run {
            registry = None;
        }
        for name in ["pid", "child"] {
            is_gone(written(folder.path(), name).await).await;
        }
        drop(registry);
    }
}

#[tokio::test]
async fn who_is_told_to_end_may_do_so_in_order() {
    let (tool, folder) = script("trap 'echo 1 > done; exit 1' TERM\necho $$ > pid\nsleep 600 & wait\n");
    let tool = tool.limits(ToolLimits::new().timeout(Duration::from_secs(3)));
    let registry = Registry::new().tool(tool);
    call_of(&registry, "tool", json!({})).await.expect_err("it hangs");
    is_gone(written(folder.path(), "pid").await).await;
    assert_eq!(
        written(folder.path(), "done").await,
        1,
        "it has put its things in order"
    );
}

#[tokio::test]
async fn what_a_program_leaves_behind_ends_with_it() {
    let (tool, folder) = script("sleep 600 &\necho $! > child\necho 1\n");
    assert_eq!(
        call(tool, json!({})).await.ok(),
        Some(json!(1)),
        "whoever holds the pipe is not waited for"
    );
    is_gone(written(folder.path(), "child").await).await;
}

#[tokio::test]
async fn a_tool_that_cannot_be_called_is_never_started() {
    let (tool, folder) = script("touch started; echo null");
    let tool = tool.unavailable(Failure::new(ErrorKind::Usage, "nobody has looked at it"));
    let failure = call(tool, json!({})).await.expect_err("it cannot be called");
    assert_eq!(failure.message, "nobody has looked at it");
    assert!(!folder.path().join("started").exists());
}
