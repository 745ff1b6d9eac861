//! `budgets`: what is spent, reserved and left of the budgets of runs that are not over, and of those that runs share;
//! and the limits of a run's own, raised or lifted.

use segue::budget::limit::{Amount, BudgetState, Unit};
use segue::store::{Account, Head, RunQuery};
use segue::{Budget, RunStatus, Time};
use serde_json::{Map, Value as Json, json};

use crate::arguments::{Budgets, BudgetsArgs, SetBudget};
use crate::attend::Attend;
use crate::clock;
use crate::config::OperatorBudget;
use crate::desk::{self, Desk};
use crate::exit::Exit;
use crate::naming::{self, unread};
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::Project;
use crate::store::Open;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;
use crate::verb::answer::who;

/// Runs whose budgets are looked up: each needs its log.
const RUNS: usize = 100;
/// Questions of a run that are looked at for the budget it waits for.
const QUESTIONS: usize = 100;
/// Accounts that are shown, the newest windows first.
const ACCOUNTS: usize = 200;

/// Shows or sets budgets.
pub(crate) fn budgets(arguments: &BudgetsArgs, program: &mut Program) -> Result<Exit, Problem> {
    let project = Project::find(None, &program.common)?;
    let runtime = desk::runtime()?;
    let exit = runtime.block_on(async {
        let desk = Desk::open(program, project, Open::ToRead).await?;
        match &arguments.what {
            Budgets::Ls => list(&desk, program).await,
            Budgets::Set(arguments) => set(&desk, arguments, program).await,
        }
    });
    runtime.shutdown_background();
    exit
}

/// A line of the list: one limit of one budget.
struct Line {
    name: String,
    scope: Json,
    /// Whose it is, in words.
    whose: String,
    unit: Unit,
    period: Option<String>,
    window: Option<String>,
    limit: Option<Amount>,
    spent: Amount,
    reserved: Amount,
    uncertain: Amount,
    on_exceed: Option<Json>,
    /// When it begins anew.
    resets: Option<Time>,
}

async fn list(desk: &Desk, program: &mut Program) -> Result<Exit, Problem> {
    let mut accounts = desk.store.accounts(None, ACCOUNTS).await.map_err(unread)?;
    let mut lines = standing(&desk.project.config.budgets()?, &mut accounts);
    lines.extend(shared(accounts));
    let query = RunQuery {
        status: vec![RunStatus::Queued, RunStatus::Running, RunStatus::Waiting],
        ..RunQuery::newest(RUNS)
    };
    for head in desk.store.runs(query).await.map_err(unread)?.items {
        lines.extend(own(desk, &head).await?);
    }
    write(&lines, program);
    Ok(Exit::Done)
}

async fn set(desk: &Desk, arguments: &SetBudget, program: &mut Program) -> Result<Exit, Problem> {
    let limits = limits(&arguments.budget)?;
    let known = desk.project.config.budgets()?;
    if let Some(budget) = known.iter().find(|budget| budget.name == arguments.name) {
        let (name, origin) = (&budget.name, &budget.origin);
        let limits = segue::fault::quote(&arguments.budget);
        return Err(
            Problem::usage(format!("the limits of budget `{name}` stand in {origin}"))
                .hint("change them there: they hold from the next command on")
                .hint(format!(
                    "`segue budgets set RUN {}` lets one run go beyond them",
                    limits.trim_matches('`')
                )),
        );
    }
    let run = naming::find(&*desk.store, &arguments.name).await?;
    let before = desk.runner.attach(run).await?;
    let (seen, status) = (before.view().last_seq(), before.view().status());
    // Where it waits for a budget, that one is meant.
    let open = desk.store.questions(Some(run), QUESTIONS).await.map_err(unread)?;
    let met = open.iter().find_map(|question| question.budget.as_ref());
    let budget = met.map_or("run", |limit| limit.name.as_str());
    desk.runner.raise_budget(run, budget, limits, &who()).await?;
    let mut exit = Exit::Done;
    if status == RunStatus::Waiting {
        // It goes on, here if nobody else has it.
        let attend = Attend {
            from: seen,
            ..Attend::default()
        };
        let handle = desk.runner.attach(run).await?;
        (exit, _) = attend.quietly(desk, handle, program).await?;
    } else {
        desk.finish().await;
    }
    let head = desk.store.head(run).await.map_err(unread)?;
    let lines = match head {
        Some(head) => own(desk, &head).await?,
        None => Vec::new(),
    };
    write(&lines, program);
    Ok(exit)
}

fn limits(text: &str) -> Result<Budget, Problem> {
    if text == "none" {
        return Ok(Budget::UNLIMITED);
    }
    text.parse().map_err(|error: segue::budget::BudgetError| {
        Problem::usage(format!("{} is no budget: {error}", segue::fault::quote(text)))
            .hint("write `0.50`, `usd=0.5,tokens=20000,requests=30` or `none`")
    })
}

/// The budgets of a run.
async fn own(desk: &Desk, head: &Head) -> Result<Vec<Line>, Problem> {
    let run = desk.runner.attach(head.id).await?;
    let line = |state: BudgetState| Line {
        name: state.name,
        scope: json!({"kind": "run", "run": head.id, "pipeline": head.pipeline}),
        whose: format!("{} {}", head.id, words::one_line(&head.pipeline)),
        unit: state.unit,
        period: None,
        window: None,
        limit: Some(state.limit),
        spent: state.spent,
        reserved: state.reserved,
        uncertain: state.uncertain,
        on_exceed: Some(json!(state.on_exceed)),
        resets: None,
    };
    Ok(run.budgets().into_iter().map(line).collect())
}

/// The operator's budgets in the present windows; their accounts are taken out.
fn standing(budgets: &[OperatorBudget], accounts: &mut Vec<Account>) -> Vec<Line> {
    let mut lines = Vec::new();
    for budget in budgets {
        let (scope, whose) = (scope_of(budget), budget.over());
        let whose = if whose.is_empty() {
            "all calls".to_owned()
        } else {
            whose
        };
        for (key, limits, resets) in budget.standing().accounts(clock::now()) {
            let known = accounts.iter().find(|account| account.key == key).cloned();
            let account = known.unwrap_or_else(|| Account::new(key));
            let limited = [
                limits.usd.map(Amount::Usd),
                limits.tokens.map(Amount::Tokens),
                limits.requests.map(Amount::Requests),
            ];
            for (at, limit) in limited
                .into_iter()
                .enumerate()
                .filter(|(_, limit)| limit.is_some())
            {
                lines.push(Line {
                    name: budget.name.clone(),
                    scope: scope.clone(),
                    whose: whose.clone(),
                    limit,
                    on_exceed: Some(json!(budget.on_exceed)),
                    resets: Some(resets),
                    ..counted(&account, at)
                });
            }
            accounts.retain(|other| other.key.name != account.key.name);
        }
    }
    lines
}

fn scope_of(budget: &OperatorBudget) -> Json {
    json!({
        "kind": "standing", "pipeline": budget.pipeline,
        "label": budget.label.as_ref().map(|(name, value)| format!("{name}={value}")),
        "model": budget.model, "agent": budget.agent, "schedule": budget.schedule,
        "origin": budget.origin.to_string(),
    })
}

/// The other accounts that runs share, of pipelines with limits by day for example: what was counted in the newest window.
fn shared(accounts: Vec<Account>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for account in accounts {
        if names.contains(&account.key.name) {
            continue;
        }
        let lines_of = (0..Unit::ALL.len()).map(|at| counted(&account, at));
        lines.extend(lines_of.filter(|line| {
            let nothing = Amount::new(line.unit, 0);
            line.spent != nothing || line.reserved != nothing
        }));
        names.push(account.key.name);
    }
    lines
}

/// What an account has of a unit.
fn counted(account: &Account, at: usize) -> Line {
    let unit = Unit::ALL[at];
    let (name, period) = match account.key.name.rsplit_once('/') {
        Some((name, period)) => (name.to_owned(), Some(period.to_owned())),
        None => (account.key.name.clone(), None),
    };
    let [spent, reserved, uncertain] = [account.spent[at], account.reserved[at], account.uncertain[at]];
    Line {
        name,
        scope: json!({"kind": "shared"}),
        whose: "the runs it is over".to_owned(),
        unit,
        period,
        window: Some(account.key.window.clone()),
        limit: None,
        spent: Amount::new(unit, spent),
        // As for runs: what is left is the limit without what is spent and reserved.
        reserved: Amount::new(unit, reserved.saturating_add(uncertain)),
        uncertain: Amount::new(unit, uncertain),
        on_exceed: None,
        resets: None,
    }
}

fn write(lines: &[Line], program: &mut Program) {
    if program.common.json {
        let items: Vec<Json> = lines.iter().map(Line::object).collect();
        program
            .output
            .object(&json!({"schema": "segue.budgets/1", "items": items}));
        return;
    }
    let paper = Paper::of(program);
    let mut table = Table::new([
        names("budget"),
        names("of"),
        column("window"),
        numbers("spent"),
        numbers("reserved"),
        numbers("uncertain"),
        numbers("limit"),
        column("beyond it"),
        column("begins anew"),
    ]);
    for line in lines {
        let none_of = |amount: Amount| match amount == Amount::new(line.unit, 0) {
            true => String::new(),
            false => amount.to_string(),
        };
        let beyond = line.on_exceed.as_ref().and_then(Json::as_str).unwrap_or_default();
        table.row([
            words::one_line(&line.name),
            line.whose.clone(),
            line.window.clone().unwrap_or_default(),
            line.spent.to_string(),
            none_of(line.reserved),
            none_of(line.uncertain),
            line.limit.map(|limit| limit.to_string()).unwrap_or_default(),
            beyond.to_owned(),
            line.resets.map(|at| at.to_string()).unwrap_or_default(),
        ]);
    }
    match table.is_empty() {
        true => program
            .screen
            .progress("no run that is not over has a budget, and nothing was spent from shared ones"),
        false => program.output.document(&table.lines(paper, "").join("\n")),
    }
}

impl Line {
    fn object(&self) -> Json {
        let mut object = Map::new();
        let mut say = |key: &str, value: Json| object.insert(key.to_owned(), value);
        say("name", json!(self.name));
        say("scope", self.scope.clone());
        say("unit", json!(self.unit));
        say("period", json!(self.period));
        say("window", json!(self.window));
        say("limit", json!(self.limit));
        say("spent", json!(self.spent));
        say("reserved", json!(self.reserved));
        say("uncertain", json!(self.uncertain));
        say("on_exceed", json!(self.on_exceed));
        say("resets", json!(self.resets));
        Json::Object(object)
    }
}
