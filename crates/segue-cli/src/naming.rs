//! Names of runs on the command line: a full id, the beginning of one, or `last`.

use segue::store::{RunQuery, Store};
use segue::{Error, ErrorKind, RunId};

use crate::problem::Problem;

/// The fewest characters of an id that stand for it.
const FEWEST: usize = 4;

/// The run a name means.
///
/// # Errors
/// Kind `not_found`; `usage` for a name that is none, or that several runs begin with.
pub(crate) async fn find(store: &dyn Store, name: &str) -> Result<RunId, Problem> {
    if let Ok(run) = name.parse::<RunId>() {
        return match store.head(run).await.map_err(unread)? {
            Some(_) => Ok(run),
            None => Err(unknown(name)),
        };
    }
    if name == "last" {
        let newest = store.runs(RunQuery::newest(1)).await.map_err(unread)?;
        let newest = newest.items.first().map(|head| head.id);
        return newest.ok_or_else(|| Problem::new(ErrorKind::NotFound, "there are no runs here yet"));
    }
    let Some(beginning) = beginning(name) else {
        let message = format!("{} names no run", segue::fault::quote(name));
        return Err(Problem::usage(message).hint(format!(
            "write its id, the first {FEWEST} characters of it or more, or `last`"
        )));
    };
    let found = store.named(beginning, 11).await.map_err(unread)?;
    match found.as_slice() {
        [] => Err(unknown(name)),
        [one] => Ok(*one),
        several => {
            let mut problem =
                Problem::usage(format!("several runs begin with {}", segue::fault::quote(name)));
            for run in several.iter().take(10) {
                problem = problem.hint(run.to_string());
            }
            Err(problem)
        }
    }
}

/// How the id of a run begins that goes by a name; none for a name that is none.
fn beginning(name: &str) -> Option<String> {
    let digits = name.strip_prefix("run_").unwrap_or(name);
    let is_part = digits
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    (is_part && digits.len() >= FEWEST).then(|| format!("run_{digits}"))
}

/// Whether a run goes by a name, which may be one of a run that is gone.
pub(crate) fn is_named(run: RunId, name: &str) -> bool {
    beginning(name).is_some_and(|beginning| run.to_string().starts_with(&beginning))
}

fn unknown(name: &str) -> Problem {
    let message = format!("there is no run {}", segue::fault::quote(name));
    Problem::new(ErrorKind::NotFound, message).hint("`segue runs list` shows what there is")
}

pub(crate) fn unread(error: segue::store::StoreError) -> Problem {
    Problem::from(Error::from(error))
}
