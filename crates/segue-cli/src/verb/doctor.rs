//! `doctor`: whether everything here is as it should be — configuration, store, recorded runs, owners, providers. It changes nothing
//! unless it is told to, and a provider's key is never shown, not in part.

use std::time::Duration;

use segue::RunStatus;
use segue::audit::{Audit, AuditReport, Finding};
use segue::store::{Owner, RunQuery, Store};
use serde_json::{Value as Json, json};

use crate::arguments::DoctorArgs;
use crate::config::{Config, Origin, keys};
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming::unread;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::{Place, Project};
use crate::secrets;
use crate::store::Open;
use crate::terminal::words;

mod models;
mod trust;

/// Findings that a person is shown; `--json` has all.
const SHOWN: usize = 20;
/// Bytes that nothing refers to may belong to a run that is being written; after so long they do not.
const SWEPT_AFTER: Duration = Duration::from_secs(24 * 3600);
/// Runs at work that are looked at for their owners.
const MOST: usize = 500;

/// One thing that was looked at.
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
    hint: String,
    /// Each single thing that is not as it should be.
    lines: Vec<String>,
}

impl Check {
    fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            ok: true,
            detail: detail.into(),
            hint: String::new(),
            lines: Vec::new(),
        }
    }

    fn bad(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            ok: false,
            hint: hint.into(),
            ..Self::good(name, detail)
        }
    }

    fn problem(name: &'static str, problem: &Problem) -> Self {
        let failure = problem.failure();
        let hint = failure.hints.join("; ");
        let mut check = Self::bad(name, failure.message.clone(), hint);
        let faults = failure.faults.as_ref().and_then(Json::as_array);
        for fault in faults.into_iter().flatten() {
            let text = |key: &str| fault[key].as_str().unwrap_or_default().to_owned();
            check
                .lines
                .push(format!("{}:{}: {}", text("file"), fault["line"], text("message")));
        }
        check
    }
}

/// What was found.
#[derive(Default)]
struct Found {
    checks: Vec<Check>,
    settings: Vec<Json>,
    findings: Vec<Finding>,
}

/// Looks at everything; with `--fix` also mends what can be mended without a decision.
pub(crate) fn doctor(arguments: &DoctorArgs, program: &mut Program) -> Result<Exit, Problem> {
    let mut found = Found::default();
    found.checks.push(Check::good(
        "version",
        format!("segue {}", env!("CARGO_PKG_VERSION")),
    ));
    match Project::find(None, &program.common) {
        // What cannot be read cannot be accepted either.
        Err(problem) if arguments.trust => return Err(problem),
        Err(problem) => found.checks.push(Check::problem("configuration", &problem)),
        Ok(project) => {
            if arguments.trust {
                trust::accept(&project, arguments.yes, program)?;
            }
            found.configuration(&project);
            found.checks.extend(trust::checks(&project));
            found.checks.extend(secrets_of(&project.config));
            let runtime = desk::runtime()?;
            let looked = runtime.block_on(found.store(project, arguments, program));
            runtime.shutdown_background();
            looked?;
        }
    }
    found.keys();
    // Whoever accepts what a file can do has not had it done yet.
    found.checks.push(match arguments.trust {
        true => models::known(program),
        false => models::asked(program),
    });
    found.write(program);
    match found.checks.iter().all(|check| check.ok) {
        true => Ok(Exit::Done),
        false => Ok(Exit::Failed),
    }
}

impl Found {
    fn configuration(&mut self, project: &Project) {
        let files: Vec<String> = project
            .config
            .files()
            .map(|path| path.display().to_string())
            .collect();
        let budgets = project.config.budgets();
        self.checks.push(match project.prices().and(budgets) {
            Err(problem) => Check::problem("configuration", &problem),
            Ok(_) if files.is_empty() => Check::good("configuration", "no file; the defaults hold"),
            Ok(_) => Check::good("configuration", files.join(", ")),
        });
        for key in keys().filter(|key| !key.path.contains(['*', '['])) {
            let setting = match key.path {
                "store.url" => Some(project.store.clone()),
                path => project.config.setting(path),
            };
            let Some(setting) = setting else { continue };
            let value = match key.path {
                // A password may stand in it.
                "store.url" => shown_store(project),
                _ => setting.value.to_string(),
            };
            self.settings.push(json!({
                "name": key.path, "value": value, "origin": setting.origin.to_string(),
                "is_default": setting.origin == Origin::Default,
            }));
        }
        for budget in project.config.budgets().into_iter().flatten() {
            let over = budget.over();
            let over = if over.is_empty() {
                "all calls".to_owned()
            } else {
                over
            };
            self.settings.push(json!({
                "name": format!("budget.{}", budget.name), "value": over, "origin": budget.origin.to_string(),
                "is_default": false,
            }));
        }
    }

    async fn store(
        &mut self,
        project: Project,
        arguments: &DoctorArgs,
        program: &Program,
    ) -> Result<(), Problem> {
        match project.place() {
            Place::File(path) if !path.exists() => {
                let detail = format!("there is none yet; the first run makes `{}`", path.display());
                self.checks.push(Check::good("store", detail));
                return Ok(());
            }
            _ => {}
        }
        let place = shown_store(&project);
        let desk = match Desk::open(program, project, Open::ToRead).await {
            Ok(desk) => desk,
            Err(problem) => {
                self.checks.push(Check::problem("store", &problem));
                return Ok(());
            }
        };
        let store = &*desk.store;
        self.checks.push(match store.examine().await {
            Err(error) => Check::problem("store", &unread(error)),
            Ok(found) if found.is_empty() => Check::good("store", format!("{place} is whole")),
            Ok(lines) => Check {
                lines,
                ..Check::bad(
                    "store",
                    format!("{place} is damaged"),
                    "put back a copy from before the damage",
                )
            },
        });
        self.checks.push(artifacts(store).await);
        if arguments.fix {
            self.fix(store).await;
        }
        self.owners(store).await?;
        self.halt(store, &desk.project.store_flag()).await?;
        self.ledger(&desk, arguments.deep, program).await;
        Ok(())
    }

    /// Runs that are held by somebody who is dead.
    async fn owners(&mut self, store: &dyn Store) -> Result<(), Problem> {
        let owners = store.owners().await.map_err(unread)?;
        let query = RunQuery {
            status: vec![RunStatus::Queued, RunStatus::Running],
            ..RunQuery::newest(MOST)
        };
        let at_work = store.runs(query).await.map_err(unread)?.items;
        let held = |owner: &Owner| at_work.iter().filter(|head| head.owner == Some(owner.id)).count();
        let mut lines = Vec::new();
        for seen in &owners {
            let (owner, runs) = (&seen.owner, held(&seen.owner));
            if owner.place.is_dead() && runs > 0 {
                let runs = words::plural(runs as u64, "run");
                lines.push(format!("{} is dead and held {runs}", owner.place));
            }
        }
        let is_left = |head: &&segue::store::Head| {
            !owners.iter().any(|seen| Some(seen.owner.id) == head.owner)
                && head.standing.status == RunStatus::Running
        };
        for head in at_work.iter().filter(is_left) {
            lines.push(format!("nobody works on {}", head.id));
        }
        let alive = owners.iter().filter(|seen| !seen.owner.place.is_dead()).count();
        let detail = format!(
            "{} at work, {}",
            words::plural(alive as u64, "process").replace("processs", "processes"),
            words::plural(at_work.len() as u64, "unfinished run"),
        );
        self.checks.push(match lines.is_empty() {
            true => Check::good("owners", detail),
            false => Check {
                lines,
                ..Check::bad(
                    "owners",
                    detail,
                    "whatever runs something next takes them up; `segue resume RUN` does it now",
                )
            },
        });
        Ok(())
    }

    async fn halt(&mut self, store: &dyn Store, flag: &str) -> Result<(), Problem> {
        self.checks.push(match store.halted().await.map_err(unread)? {
            None => Check::good("halt", "calls go on"),
            Some(halt) => Check::bad(
                "halt",
                format!(
                    "{} has halted all calls since {}",
                    words::one_line(&halt.by),
                    halt.since
                ),
                format!("`segue halt --off{flag}` lets them go on"),
            ),
        });
        Ok(())
    }

    /// Whether the recorded runs hold together.
    async fn ledger(&mut self, desk: &Desk, deep: bool, program: &Program) {
        let audit = Audit::of(desk.store.clone());
        let audit = if deep { audit.deep() } else { audit };
        let screen = program.screen;
        let tell = |runs: u64| {
            if screen.is_live() && runs >= MOST as u64 {
                screen.progress(&format!("{} looked at", words::plural(runs, "run")));
            }
        };
        let report = match audit.all(tell).await {
            Ok(report) => report,
            Err(error) => return self.checks.push(Check::problem("ledger", &unread(error))),
        };
        let looked = looked_at(&report);
        let count = report.findings.len() as u64 + report.untold;
        self.checks.push(match report.findings.first() {
            None => Check::good("ledger", looked),
            Some(first) => Check {
                lines: report.findings.iter().map(ToString::to_string).collect(),
                ..Check::bad(
                    "ledger",
                    format!("{}; {looked}", words::plural(count, "finding")),
                    first.way_out(),
                )
            },
        });
        self.findings = report.findings;
    }

    /// Mends what needs no decision: whoever is proven dead is taken for dead, bytes nobody refers to are swept.
    async fn fix(&mut self, store: &dyn Store) {
        self.checks.push(match mend(store).await {
            Ok((buried, swept)) => Check::good(
                "fix",
                format!(
                    "took {} for dead, swept {} of bytes",
                    words::plural(buried, "owner"),
                    words::plural(swept, "piece"),
                ),
            ),
            Err(problem) => Check::problem("fix", &problem),
        });
    }

    fn keys(&mut self) {
        let said = secrets::KEY_VARIABLES.iter().map(|name| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            let said = value.map_or_else(
                || "not set".to_owned(),
                |value| format!("set ({} characters)", value.to_string_lossy().chars().count()),
            );
            format!("{name} {said}")
        });
        let said: Vec<String> = said.collect();
        self.checks.push(Check::good("keys", said.join(", ")));
    }

    fn write(&self, program: &mut Program) {
        let ok = self.checks.iter().all(|check| check.ok);
        if program.common.json {
            let check = |check: &Check| {
                json!({
                    "name": check.name, "ok": check.ok, "detail": check.detail, "hint": check.hint, "lines": check.lines,
                })
            };
            let finding = |finding: &Finding| {
                json!({
                    "rule": finding.rule, "severity": finding.severity(), "run": finding.run, "entry": finding.entry,
                    "message": finding.message, "hint": finding.way_out(),
                })
            };
            program.output.object(&json!({
                "schema": "segue.doctor/1", "ok": ok,
                "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
                "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
                "settings": self.settings,
            }));
            return;
        }
        program.output.document(&self.text(Paper::of(program)));
    }

    fn text(&self, paper: Paper) -> String {
        let style = paper.style;
        let width = self
            .checks
            .iter()
            .map(|check| check.name.len())
            .max()
            .unwrap_or(0);
        let mut lines = Vec::new();
        for check in &self.checks {
            let (shape, name) = match check.ok {
                true => (style.green("✓"), format!("{:width$}", check.name)),
                false => (style.red("✗"), style.red(&format!("{:width$}", check.name))),
            };
            lines.push(format!("{shape} {name}  {}", words::one_line(&check.detail)));
            let indent = " ".repeat(width + 4);
            for line in check.lines.iter().take(SHOWN) {
                lines.push(format!("{indent}{}", words::one_line(line)));
            }
            if check.lines.len() > SHOWN {
                let more = words::count((check.lines.len() - SHOWN) as u64);
                lines.push(format!("{indent}and {more} more; `segue doctor --json` has them"));
            }
            if !check.hint.is_empty() {
                lines.push(format!(
                    "{indent}{} {}",
                    style.cyan("hint:"),
                    words::one_line(&check.hint)
                ));
            }
        }
        let said = self
            .settings
            .iter()
            // That there is only one version of the format is no setting.
            .filter(|setting| setting["is_default"] == false && setting["name"] != "version");
        let said: Vec<String> = said
            .map(|setting| {
                let text = |key: &str| setting[key].as_str().unwrap_or_default().to_owned();
                format!(
                    "  {} = {}  {}",
                    text("name"),
                    text("value"),
                    style.dim(&format!("({})", text("origin")))
                )
            })
            .collect();
        if !said.is_empty() {
            lines.push("settings that are not the default:".to_owned());
            lines.extend(said);
        }
        lines.join("\n")
    }
}

/// Whether the secrets are there that the configuration names; none where there are none.
fn secrets_of(config: &Config) -> Option<Check> {
    let kept = secrets::kept(config);
    let said: Vec<String> = kept
        .iter()
        .map(|secret| match secret.length {
            None => format!("{} not set", secret.name),
            Some(length) if secret.is_redacted => format!("{} set ({length} characters)", secret.name),
            Some(length) => format!(
                "{} set ({length} characters: too short to be redacted)",
                secret.name
            ),
        })
        .collect();
    let missing = kept.iter().find(|secret| secret.length.is_none());
    match missing {
        _ if kept.is_empty() => None,
        None => Some(Check::good("secrets", said.join(", "))),
        Some(missing) => Some(Check::bad(
            "secrets",
            said.join(", "),
            format!("set the environment variable `SEGUE_SECRET_{}`", missing.name),
        )),
    }
}

/// Whether bytes can be kept; nothing of the attempt is.
async fn artifacts(store: &dyn Store) -> Check {
    let kept = async {
        let mut writer = store.blobs().write().await?;
        writer.append(b"segue doctor".to_vec()).await
    };
    match kept.await {
        Ok(()) => Check::good("artifacts", "bytes can be kept"),
        Err(error) => {
            let mut check = Check::problem("artifacts", &unread(error));
            if check.hint.is_empty() {
                check.hint = "make the place of `store.artifacts` writable, or name another one".into();
            }
            check
        }
    }
}

async fn mend(store: &dyn Store) -> Result<(u64, u64), Problem> {
    let mut buried = 0;
    for seen in store.owners().await.map_err(unread)? {
        if seen.owner.place.is_dead() && store.bury(seen.owner.id, seen.beats).await.map_err(unread)? {
            buried += 1;
        }
    }
    let referenced = store.referenced().await.map_err(unread)?;
    let swept = store
        .blobs()
        .sweep(referenced, SWEPT_AFTER)
        .await
        .map_err(unread)?;
    Ok((buried, swept))
}

fn looked_at(report: &AuditReport) -> String {
    let mut looked = format!(
        "{} with {} looked at",
        words::plural(report.runs, "run"),
        words::plural(report.events, "event")
    );
    if report.documents > 0 {
        looked.push_str(&format!(", {}", words::plural(report.documents, "result")));
        looked.push_str(" of workspaces");
    }
    if report.bytes > 0 {
        let (read, all) = (words::count(report.bytes_read), words::count(report.bytes));
        looked.push_str(&format!(", {read} of {all} artifacts read"));
    }
    looked
}

/// Where the store is, without a password.
fn shown_store(project: &Project) -> String {
    match project.place() {
        Place::Memory => "memory:".to_owned(),
        Place::File(path) => format!("sqlite:{}", path.display()),
        Place::Server(url) => match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
            _ => url,
        },
    }
}
