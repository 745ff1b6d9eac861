//! Rows that a group reads, put where it works them out.

use std::collections::{HashMap, HashSet};

use segue::store::{Account, AccountKey, DocumentKey, UnitKey};
use tokio_postgres::Row;

use super::{Asked, Group, Held, Line, Placed, Standings, Workspace};
use crate::postgres::fault::Fault;
use crate::postgres::row;
use crate::postgres::text::as_was;

/// Rows that only say that something is locked.
pub(super) fn nothing(_: &mut Group<'_>, _: &Row) -> Result<(), Fault> {
    Ok(())
}

pub(super) fn read_run(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let line = Line {
        pipeline: row::text(row, 1)?,
        key: row::texts(row, 2)?,
        owner: row::some_id(row, 3)?,
        fence: row::count(row, 4)?,
        entries: row::count(row, 5)?,
        last_seq: row::count(row, 6)?,
        status: row::run_status(&row::get::<String>(row, 7)?)?,
        known: HashMap::new(),
        outcomes: HashSet::new(),
        signals: Vec::new(),
        new: None,
        standing: None,
        is_changed: false,
    };
    group.runs.insert(row::id(row, 0)?, line);
    Ok(())
}

pub(super) fn read_owner(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.owners.insert(row::id(row, 0)?);
    Ok(())
}

pub(super) fn read_document(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let document = row::document(row, 2)?;
    let workspace = group.workspace(row)?;
    workspace.documents.insert(
        document.step.clone(),
        Placed {
            document,
            is_changed: false,
        },
    );
    Ok(())
}

pub(super) fn read_question(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let question = row::question(row)?;
    let asked = Asked {
        question,
        is_changed: false,
    };
    group.questions.insert(asked.question.id, asked);
    Ok(())
}

pub(super) fn read_hold(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let hold = row::hold(row)?;
    let names: Vec<String> = row::get(row, 5)?;
    let periods: Vec<String> = row::get(row, 6)?;
    let accounts = names.into_iter().zip(periods).map(|(name, period)| AccountKey {
        name: as_was(name),
        window: as_was(period),
    });
    let held = Held {
        accounts: accounts.collect(),
        hold: Some(hold.clone()),
        is_changed: false,
    };
    group.holds.insert(hold.call, held);
    Ok(())
}

pub(super) fn read_outcome(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let part = |at| {
        let part = u32::try_from(row::count(row, at)?);
        part.map_err(|error| Fault::damaged("a unit", error))
    };
    let unit = UnitKey {
        scope: part(1)?,
        step: part(2)?,
        item: part(3)?,
    };
    if let Some(line) = group.runs.get_mut(&row::id(row, 0)?) {
        line.outcomes.insert(unit);
    }
    Ok(())
}

pub(super) fn read_signal(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let signal = (row::count(row, 1)?, row::get(row, 2)?);
    if let Some(line) = group.runs.get_mut(&row::id(row, 0)?) {
        line.signals.push(signal);
    }
    Ok(())
}

pub(super) fn read_head(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let head = row::head(row)?;
    group.heads.insert(head.id, head);
    Ok(())
}

pub(super) fn read_workspace(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.workspace(row).map(drop)
}

pub(super) fn read_fresh_workspace(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.workspace(row)?.is_fresh = true;
    Ok(())
}

pub(super) fn read_account(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.account(row::account(row)?);
    Ok(())
}

pub(super) fn read_fresh_account(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    group.account(row::account(row)?).is_fresh = true;
    Ok(())
}

pub(super) fn read_request(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let request = (row::id(row, 1)?, row::text(row, 2)?);
    group.requests.insert(row::text(row, 0)?, request);
    Ok(())
}

pub(super) fn read_link(group: &mut Group<'_>, row: &Row) -> Result<(), Fault> {
    let named = (row::text(row, 0)?, row::text(row, 1)?);
    group.links.insert(named, row::count(row, 2)?);
    Ok(())
}

impl Group<'_> {
    fn workspace(&mut self, row: &Row) -> Result<&mut Workspace, Fault> {
        let named = DocumentKey {
            pipeline: row::text(row, 0)?,
            key: row::text(row, 1)?,
        };
        Ok(self.workspaces.entry(named).or_default())
    }

    fn account(&mut self, account: Account) -> &mut Standings {
        let key = account.key.clone();
        self.accounts.entry(key).or_insert(Standings {
            account,
            is_fresh: false,
            is_changed: false,
        })
    }
}
