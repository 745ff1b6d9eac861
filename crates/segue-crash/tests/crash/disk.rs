//! What goes wrong with the file of a store: no space is left, somebody keeps it locked, its end is torn, it is of a newer
//! version. A clear error, nothing lost, and the work goes on when the cause is gone.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rusqlite::Connection;
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use segue::RunStatus;
use segue::store::Store;
use segue_crash::effects::{self, Effects};
use segue_crash::process::{Gone, Process};
use segue_crash::site::{self, Place, Site};
use segue_crash::verdict::runner;
use serde_json::Value as Json;

use crate::{all, site as new_site};

const ONE: &str = include_str!("one.yaml");
const RUN: [&str; 4] = ["run", "one.yaml", "--no-input", "--json"];

fn place() -> Site {
    let site = new_site(Place::Sqlite);
    fs::write(site.folder().join("one.yaml"), ONE).expect("a folder");
    site
}

/// Waits until a process stops itself at a fail point.
fn stopped(process: &Process) {
    let pid = Pid::from_raw(process.id().cast_signed()).expect("a number");
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED)
        .expect("a child")
        .expect("it was waited for");
    assert!(status.stopped(), "it has ended: {status:?}");
}

/// The kind of the error a process ended with.
fn refused(gone: &Gone) -> String {
    assert_eq!(gone.code, Some(2), "{}", gone.stderr);
    let text = gone.stdout.join("\n");
    let said: Json = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    said["error"]["kind"].as_str().expect("a kind").to_owned()
}

async fn all_is_well(store: &Arc<dyn Store>, runs: usize) {
    assert_eq!(store.examine().await.expect("it can be read"), [""; 0]);
    let found = store.runs(all()).await.expect("it can be read").items;
    assert_eq!(found.len(), runs);
    let runner = runner(store.clone(), &Effects::unseen())
        .build()
        .expect("a runner");
    for head in found {
        let view = runner.attach(head.id).await.expect("it is there").view();
        assert_eq!(view.status(), RunStatus::Succeeded);
    }
}

/// How many transactions an undisturbed run takes.
fn transactions() -> u32 {
    (1..)
        .find(|time| {
            !place()
                .run(&RUN, Some(&format!("K8@{time}=kill")))
                .expect("a process")
                .was_killed()
        })
        .expect("it comes to its end")
        - 1
}

/// A small disk, with a project on it. It is there for those who enter its world, until this is dropped.
struct Disk {
    keeper: Child,
    site: Site,
    /// Effects are seen by the world outside.
    ledger: tempfile::TempDir,
}

impl Disk {
    /// A disk of one megabyte.
    #[expect(
        clippy::disallowed_methods,
        reason = "a world of its own belongs to another process"
    )]
    fn new() -> Self {
        const KEEP: &str = r#"mount -t tmpfs -o size=1m,mode=700 tmpfs "$0" && echo ready && cat"#;
        let site = place();
        let mut keeper = Command::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", KEEP])
            .arg(site.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("`unshare`");
        let mut ready = String::new();
        let stdout = keeper.stdout.as_mut().expect("it is piped");
        BufReader::new(stdout)
            .read_line(&mut ready)
            .expect("it can be read");
        assert_eq!(
            ready, "ready\n",
            "a disk in memory, for which user namespaces have to be allowed"
        );
        let ledger = tempfile::tempdir().expect("a folder");
        let disk = Self { keeper, site, ledger };
        for (name, text) in [("one.yaml", ONE), ("segue.toml", site::CONFIG)] {
            fs::write(disk.path(name), text).expect("there is space");
        }
        disk
    }

    /// A path of the disk as this process sees it.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        let folder = self.site.folder().strip_prefix("/").expect("an absolute path");
        root.join(folder).join(name)
    }

    fn fill(&self) {
        let mut file = fs::File::create(self.path("filler")).expect("there is space");
        while file.write_all(&[7; 512]).is_ok() {}
    }

    fn free(&self) {
        fs::remove_file(self.path("filler")).expect("it is there");
    }

    fn ledger(&self) -> PathBuf {
        self.ledger.path().join("effects")
    }

    /// Starts a worker on the disk.
    #[expect(clippy::disallowed_methods, reason = "what is stopped is another process")]
    fn start(&self, fails: Option<&str>) -> Process {
        let worker = self.site.command(&RUN, fails);
        let mut command = Command::new("nsenter");
        command.args(["--preserve-credentials", "--user", "--mount", "--target"]);
        command.arg(self.keeper.id().to_string());
        command
            .args(["sh", "-c", r#"cd "$0" && exec "$@""#])
            .arg(self.site.folder());
        command.arg(worker.get_program()).args(worker.get_args());
        for (name, value) in worker.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env(effects::VARIABLE, self.ledger());
        Process::start(&mut command).expect("`nsenter`")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

#[tokio::test]
async fn with_a_full_disk_a_run_waits_new_ones_are_refused_and_then_all_goes_on() {
    let disk = Disk::new();
    // In the middle of the call, and when one transaction more is tried than a run needs: then one has failed.
    let again = transactions() + 1;
    let first = disk.start(Some(&format!("K5=stop,K8@{again}=stop")));
    stopped(&first);
    disk.fill();
    first.signal(Signal::CONT);
    stopped(&first);
    first.signal(Signal::CONT);
    let refusal = disk.start(None).gone().expect("it ends");
    assert_eq!(refused(&refusal), "storage_full");
    assert!(
        refusal.stderr.contains("store.db") && refusal.stderr.contains("hint:"),
        "{}",
        refusal.stderr
    );
    disk.free();
    for process in [first, disk.start(None)] {
        let gone = process.gone().expect("it ends");
        assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    }
    let seen = effects::read(&disk.ledger()).expect("a ledger");
    assert_eq!(seen.len(), 2, "a call of each run");
    assert!(seen.values().all(|seen| seen.begun == 1), "{seen:?}");
    // Its true path is of another world, so it is looked at as a copy.
    let copy = disk.ledger.path();
    for name in ["store.db", "store.db-wal"]
        .into_iter()
        .filter(|name| disk.path(name).exists())
    {
        fs::copy(disk.path(name), copy.join(name)).expect("nobody has it open any more");
    }
    let store = site::open(&format!("sqlite:{}/store.db", copy.display())).await;
    all_is_well(&store.expect("a store"), 2).await;
}

#[tokio::test]
async fn while_somebody_keeps_it_locked_a_run_waits_and_new_ones_are_refused() {
    let site = place();
    let first = site.start(&RUN, Some("K5=stop")).expect("a process");
    stopped(&first);
    let other = Connection::open(site.file()).expect("a store");
    other
        .execute_batch("BEGIN IMMEDIATE")
        .expect("nobody has it locked");
    first.signal(Signal::CONT);
    let second = site.run(&RUN, None).expect("a process");
    assert_eq!(refused(&second), "store_busy", "{}", second.stderr);
    assert!(
        second.stderr.contains("store.db") && second.stderr.contains("hint:"),
        "{}",
        second.stderr
    );
    other.execute_batch("ROLLBACK").expect("it is locked");
    drop(other);
    let first = first.gone().expect("it ends");
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let seen = site.effects().expect("a ledger");
    assert!(seen.values().all(|seen| seen.begun == 1), "{seen:?}");
    all_is_well(&site.store().await.expect("a store"), 1).await;
}

#[tokio::test]
async fn a_torn_end_is_no_damage() {
    // Something half written after the last transaction, and the last one itself cut off.
    let tears: [fn(&mut Vec<u8>); 2] = [
        |log| log.extend([0x37; 1_000]),
        |log| log.truncate(log.len() - 100),
    ];
    for tear in tears {
        let site = place();
        let gone = site.run(&RUN, Some("K9@2=kill")).expect("a process");
        assert!(gone.was_killed(), "{}", gone.stderr);
        let log = PathBuf::from(format!("{}-wal", site.file().display()));
        let mut bytes = fs::read(&log).expect("it was not closed");
        tear(&mut bytes);
        fs::write(&log, bytes).expect("a file");
        let next = site
            .run(&["resume", "last", "--no-input", "--json"], None)
            .expect("a process");
        assert_eq!(next.code, Some(0), "{}", next.stderr);
        all_is_well(&site.store().await.expect("a store"), 1).await;
    }
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let site = place();
    assert_eq!(site.run(&RUN, None).expect("a process").code, Some(0));
    let newer = Connection::open(site.file()).expect("a store");
    newer
        .pragma_update(None, "user_version", 99)
        .expect("it can be written");
    drop(newer);
    let before = bytes(&site.file());
    let gone = site.run(&RUN, None).expect("a process");
    assert_eq!(refused(&gone), "store", "{}", gone.stderr);
    assert!(
        gone.stderr.contains("schema 99") && gone.stderr.contains("newer"),
        "{}",
        gone.stderr
    );
    assert!(bytes(&site.file()) == before, "nothing was written");
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("it is there")
}
