//! `runs list`: a page of runs, as a table or as `segue.runs/1`.

use segue::store::{Head, Page, RunQuery};
use segue::view::{RUNS_SCHEMA, RunSummary};
use serde_json::json;

use crate::arguments::runs::{DEFAULT_LIMIT, ListArgs, Sort};
use crate::exit::Exit;
use crate::naming;
use crate::paper::Paper;
use crate::problem::Problem;
use crate::program::Program;
use crate::project::quoted;
use crate::start;
use crate::terminal::table::{Table, names, numbers, words as column};
use crate::terminal::words;

use super::{at_desk, query};

/// Lists runs.
pub(super) fn list(arguments: &ListArgs, program: &mut Program) -> Result<Exit, Problem> {
    let query = wanted(arguments)?;
    at_desk(program, async |desk, program| {
        let page = desk.store.runs(query.clone()).await.map_err(naming::unread)?;
        if program.common.json {
            write(page, program);
        } else if page.items.is_empty() {
            program.screen.progress(nothing(&query));
        } else {
            print(&page, program);
            if let Some(next) = &page.next_cursor {
                let again = again(arguments, next);
                let hint = program.screen.style().cyan("hint:");
                let flag = desk.project.store_flag();
                program
                    .screen
                    .progress(&format!("{hint} there are more: `{again}{flag}`"));
            }
        }
        Ok(Exit::Done)
    })
}

/// Which runs are meant, flags and query together.
fn wanted(arguments: &ListArgs) -> Result<RunQuery, Problem> {
    let mut wanted = RunQuery {
        status: arguments.status.clone(),
        pipeline: arguments.pipeline.clone(),
        key: arguments.key.clone(),
        from: arguments.since,
        sort: arguments.sort.into(),
        cursor: arguments.cursor.clone(),
        ..RunQuery::newest(usize::from(arguments.limit))
    };
    for label in &arguments.labels {
        let (name, value) = start::label(label)?;
        wanted.labels.insert(name, value);
    }
    if let Some(Err(error)) = wanted.starts_after() {
        return Err(Problem::usage(format!("`--cursor`: {}", error.message))
            .hint("take the one that the page before ended with"));
    }
    if let Some(text) = &arguments.query {
        query::lay(text, &mut wanted).map_err(|(faults, source)| {
            let what = if faults.total() == 1 { "a fault" } else { "faults" };
            Problem::placed(format!("the query has {what}"), faults, source)
        })?;
    }
    Ok(wanted)
}

fn write(page: Page<Head>, program: &mut Program) {
    let items: Vec<RunSummary> = page.items.into_iter().map(RunSummary::from).collect();
    program.output.object(&json!({
        "schema": RUNS_SCHEMA, "items": items, "next_cursor": page.next_cursor, "total": null,
    }));
}

/// What is said of an empty page.
fn nothing(query: &RunQuery) -> &'static str {
    if query.cursor.is_some() {
        return "there are no more runs";
    }
    let everything = RunQuery {
        sort: query.sort,
        ..RunQuery::newest(query.limit)
    };
    match *query == everything {
        true => "there are no runs here yet",
        false => "no run is like that",
    }
}

/// The command line of the next page.
fn again(arguments: &ListArgs, cursor: &str) -> String {
    let mut line = "segue runs list".to_owned();
    let mut flag = |name: &str, value: &str| line.push_str(&format!(" {name} {}", quoted(value)));
    if !arguments.status.is_empty() {
        let words: Vec<&str> = arguments.status.iter().map(|status| status.as_str()).collect();
        flag("--status", &words.join(","));
    }
    let texts = [
        ("--pipeline", &arguments.pipeline),
        ("--key", &arguments.key),
        ("--query", &arguments.query),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            flag(name, value);
        }
    }
    for label in &arguments.labels {
        flag("--label", label);
    }
    if let Some(since) = arguments.since {
        // The same moment, whenever the page is asked for.
        flag("--since", &since.to_string());
    }
    match arguments.sort {
        Sort::Started => {}
        Sort::Cost => flag("--sort", "cost"),
        Sort::Duration => flag("--sort", "duration"),
    }
    if arguments.limit != DEFAULT_LIMIT {
        flag("--limit", &arguments.limit.to_string());
    }
    flag("--cursor", cursor);
    line
}

fn print(page: &Page<Head>, program: &mut Program) {
    let paper = Paper::of(program);
    let mut table = Table::new([
        column("run"),
        names("pipeline"),
        names("key"),
        column("status"),
        column("started"),
        numbers("time"),
        numbers("steps"),
        numbers("tokens"),
        numbers("cost"),
        column("trigger"),
    ]);
    for head in &page.items {
        table.row(row(head, paper));
    }
    for line in table.lines(paper, "") {
        program.output.document(&line);
    }
}

fn row(head: &Head, paper: Paper) -> [String; 10] {
    let standing = &head.standing;
    let counts = &standing.step_counts;
    let done = counts.succeeded + counts.failed + counts.skipped + counts.cancelled;
    let total = done + counts.pending + counts.ready + counts.running + counts.waiting;
    let time = match (standing.started, standing.ended) {
        (Some(started), Some(ended)) => words::duration(ended.since(started)),
        (Some(started), None) => words::elapsed(paper.now.since(started)),
        (None, _) => String::new(),
    };
    [
        paper.id(&head.id.to_string()),
        words::one_line(&head.pipeline),
        head.key.as_deref().map(words::one_line).unwrap_or_default(),
        paper.style.run_status(standing.status),
        paper.moment(standing.started.unwrap_or(head.queued)),
        time,
        // Nothing is counted before a run has come to rest for the first time.
        match total {
            0 => String::new(),
            _ => format!("{}/{}", words::count(done), words::count(total)),
        },
        words::bare_tokens(&standing.usage),
        words::dollars(&standing.usage, &standing.cost),
        trigger(head),
    ]
}

/// Who or what started it, and whether it goes back to another run.
fn trigger(head: &Head) -> String {
    let kind = words::one_line(&head.trigger);
    match &head.parent {
        Some(parent) => {
            let relation = serde_json::to_value(parent.relation).unwrap_or_default();
            let relation = relation.as_str().unwrap_or_default().replace('_', " ");
            format!("{kind}, {relation}")
        }
        None => kind,
    }
}
