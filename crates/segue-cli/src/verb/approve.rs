//! `approve`: yes or no to one tool call with exactly these arguments; then the run goes on and is followed.

use segue::question::{Approval, Question, QuestionKind, QuestionStatus};
use segue::{ErrorKind, fault};
use serde_json::{Value as Json, json};

use super::answer;
use crate::arguments::ApproveArgs;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::terminal::ask::{self, Keyboard};
use crate::verb::run::is_somebody_there;

/// The fewest digits that stand for the hash of arguments.
const FEWEST: usize = 12;

/// Approves or rejects a tool call.
pub(crate) fn approve(arguments: &ApproveArgs, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        let question = answer::find(&*desk.store, &arguments.question).await?;
        let approval = approval_of(&question)?;
        if let Some(hash) = &arguments.hash {
            check(approval, hash)?;
        }
        let given = match decided(arguments) {
            Some(given) => given,
            None => asked(&question, program).await?,
        };
        answer::give(desk, &question, given, &arguments.follow, program).await
    });
    runtime.shutdown_background();
    exit
}

/// The tool call a question is about.
fn approval_of(question: &Question) -> Result<&Approval, Problem> {
    match (&question.approval, question.kind) {
        (Some(approval), QuestionKind::Approval) => Ok(approval),
        _ => {
            let message = format!(
                "{} asks for no approval of a tool call",
                fault::quote(&question.title)
            );
            Err(Problem::usage(message).hint(format!("`{}`", ask::command(question, ""))))
        }
    }
}

/// Whether the arguments are those that somebody has seen.
fn check(approval: &Approval, seen: &str) -> Result<(), Problem> {
    let digits = |hash: &str| hash.strip_prefix("sha256:").unwrap_or(hash).to_ascii_lowercase();
    let (wanted, current) = (digits(seen), digits(&approval.arguments_hash));
    if wanted.len() < FEWEST {
        let message = format!("`--hash` needs the hash of the arguments, or the first {FEWEST} digits of it");
        return Err(Problem::usage(message));
    }
    if current.starts_with(&wanted) {
        return Ok(());
    }
    let message = format!(
        "the arguments of `{}` are others: their hash is {}; nothing was approved",
        approval.tool, approval.arguments_hash
    );
    Err(Problem::new(ErrorKind::Conflict, message).hint("look at them again: `segue approve` shows them"))
}

/// What flags say; none where somebody has to be asked.
fn decided(arguments: &ApproveArgs) -> Option<Json> {
    (arguments.yes || arguments.reject).then(|| verdict(arguments.yes, arguments.reason.as_deref()))
}

fn verdict(approved: bool, reason: Option<&str>) -> Json {
    match reason {
        Some(reason) => json!({"approved": approved, "reason": reason}),
        None => json!({"approved": approved}),
    }
}

/// Shows the exact call and asks at the terminal.
async fn asked(question: &Question, program: &Program) -> Result<Json, Problem> {
    let screen = program.screen;
    if question.status == QuestionStatus::Open {
        ask::show(question, screen);
    }
    let undecided = || {
        let command = format!("`segue approve {}`", question.id);
        Problem::usage("nothing was approved")
            .hint(format!("{command} with `--yes` allows the call as it is shown"))
            .hint("`--reject --reason TEXT` tells whoever wants it why not")
    };
    if !is_somebody_there() {
        return Err(undecided());
    }
    let mut keys = Keyboard::default();
    let typed = keys.line(
        "  may it be called with exactly these arguments? (y | n): ",
        screen,
    );
    match typed
        .await
        .as_deref()
        .map(str::trim)
        .map(str::to_lowercase)
        .as_deref()
    {
        Some("y" | "yes") => Ok(verdict(true, None)),
        Some("n" | "no") => {
            let reason = keys.line("  why not? (Enter for no reason): ", screen).await;
            let reason = reason.filter(|reason| !reason.trim().is_empty());
            Ok(verdict(false, reason.as_deref()))
        }
        _ => Err(undecided()),
    }
}
