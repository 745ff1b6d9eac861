//! A real PostgreSQL server for one test process alone: made in a temporary folder, reached through a socket there, gone
//! when the process is, however it ends. A test that cannot have it fails by a panic. Only with the feature `testing`, which nothing but tests turns on.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use crate::lock::lock;

/// What the server is told: room for the pools of many tests, and everything that makes a commit last.
const SETTINGS: &str = "-c listen_addresses=localhost -c max_connections=300 -c shared_buffers=64MB \
    -c fsync=on -c full_page_writes=on";

/// The user that a server may run as, where the tests are run by one that it refuses.
const USER: &str = "postgres";

/// A server.
pub struct Cluster {
    folder: String,
    port: u16,
    keeper: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    /// Ends by itself after this process.
    _shell: Child,
}

/// The server of this process; it is started for the first who asks.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| {
        let cluster = Cluster::make();
        if cfg!(feature = "postgres-tls") {
            cluster.tell("certify");
        }
        cluster.tell("start");
        cluster
    })
}

impl Cluster {
    /// A server that is still to be started.
    #[expect(clippy::disallowed_methods, reason = "a real server is another process")]
    fn make() -> Self {
        // Free now; nobody else takes it in the second before the server does.
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a loopback interface").port();
        let is_root = std::fs::metadata("/proc/self")
            .expect("a process has a folder in /proc")
            .uid()
            == 0;
        let mut command = if is_root {
            let mut command = Command::new("setpriv");
            command.args([
                &format!("--reuid={USER}"),
                &format!("--regid={USER}"),
                "--init-groups",
                "sh",
            ]);
            command
        } else {
            Command::new("sh")
        };
        let mut shell = command
            .args(["-c", include_str!("testing/cluster.sh"), "cluster"])
            .arg(programs())
            .arg(format!("{SETTINGS} -c port={port}"))
            .arg(port.to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell, and `setpriv` for root");
        let stdin = shell.stdin.take().expect("the shell answers");
        let mut stdout = BufReader::new(shell.stdout.take().expect("the shell answers"));
        let mut folder = String::new();
        stdout.read_line(&mut folder).expect("the shell answers");
        assert!(folder.starts_with('/'), "no server could be made");
        Self {
            folder: folder.trim_end().to_owned(),
            port,
            keeper: Mutex::new((stdin, stdout)),
            _shell: shell,
        }
    }

    /// Has the server killed, stopped or started; it is when this returns.
    pub fn tell(&self, command: &str) {
        let mut keeper = lock(&self.keeper);
        let (stdin, stdout) = &mut *keeper;
        writeln!(stdin, "{command}").expect("the shell answers");
        let mut answer = String::new();
        stdout.read_line(&mut answer).expect("the shell answers");
        assert_eq!(answer, "done\n", "the server could not {command}");
    }

    /// Makes an empty database; gives its address, with the password.
    pub fn database(&self, name: &str) -> String {
        self.tell(&format!("create {name}"));
        self.address_of("segue", "a%20secret", name)
    }

    /// The address of a database that is there from the beginning, with the password.
    pub fn address(&self) -> String {
        self.address_of("segue", "a%20secret", "postgres")
    }

    /// The address of somebody else.
    pub fn address_of(&self, user: &str, password: &str, database: &str) -> String {
        let (host, port) = (self.folder().replace('/', "%2F"), self.port());
        format!("postgres://{user}:{password}@{host}:{port}/{database}")
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The folder of the newest server that is installed.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .filter(|(_, path)| Path::new(path).join("initdb").is_file())
        .collect();
    found.sort();
    let (_, newest) = found
        .pop()
        .expect("PostgreSQL is installed: `cargo xtask test --only needs` does it");
    newest
}
