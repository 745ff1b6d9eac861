//! How a run comes to exist.

use rusqlite::{OptionalExtension, params};
use segue::RunId;
use segue::store::{Created, Head, NewRun, StoreError};

use super::commit::{bind_indexed, bind_standing};
use super::kept::{Indexed, Known};
use super::outcomes::{Outcomes, packed};
use super::row::{DetailsOf, Id, int, json};
use super::trouble::Stop;
use super::writing::{Writing, Written};
use super::{person, saved, workspace};

pub(super) fn create(writing: &mut Writing<'_>, new: &NewRun) -> Result<Created, Stop> {
    let head = &new.head;
    // A run without a request and a workspace is nearly always new: whether its id is there is seen when it is inserted.
    let is_plain = new.request.is_none() && head.key.is_none();
    if !is_plain && let Some(answer) = existing(writing, new)? {
        return Ok(answer);
    }
    if new.entry.number != 1 || new.entry.after != 0 {
        return Err(StoreError::out_of_order(head.id, new.entry.number).into());
    }
    if let Some(key) = &head.key
        && let Some(conflict) = workspace::conflict(writing, &head.pipeline, key, &new.claims, &new.expects)?
    {
        return Ok(conflict);
    }
    let outcomes = Outcomes::new(&new.outcomes).map_err(|unit| StoreError::second_outcome(head.id, unit))?;
    let pipeline = pipeline(writing, &head.pipeline)?;
    let plan = plan(writing, new)?;
    let workspace = match &head.key {
        Some(key) => Some(workspace::number(writing, pipeline, key)?),
        None => None,
    };
    let Some(number) = insert(writing, new, pipeline, plan, workspace)? else {
        return existing(writing, new)?.ok_or_else(|| StoreError::exists(head.id).into());
    };
    insert_head(writing, number, new)?;
    writing.kept.remember_outcomes(head.id, outcomes);
    saved::artifacts(writing, &new.artifacts)?;
    if let Some(workspace) = workspace {
        workspace::claim(writing, workspace, &new.claims, head.id, head.queued)?;
        workspace::move_documents(writing, workspace, &new.documents, head.id)?;
    }
    person::change(writing, &new.questions)?;
    writing.kept.remember(
        head.id,
        Known {
            number,
            fence: 1,
            owner: new.owner,
            entries: 1,
            last_seq: new.entry.last(),
            workspace,
            indexed: Indexed::of(&head.standing),
        },
    );
    Ok(Created::New { fence: 1 })
}

/// What there is already of the run or of its request.
fn existing(writing: &mut Writing<'_>, new: &NewRun) -> Result<Option<Created>, Stop> {
    let id = new.head.id;
    let known = writing.known(id)?.copied();
    if let Some(known) = &known
        && writing.has(known.number, &new.entry)?
    {
        // The same once more, because its answer was lost.
        return Ok(Some(if known.fence == 1 && known.owner == new.owner {
            Created::New { fence: 1 }
        } else {
            Created::Existing(id)
        }));
    }
    if let Some(request) = &new.request {
        let mut find = writing.statement("SELECT id, request_body FROM runs WHERE request = ?1")?;
        let found = find.query_row([&request.key], |row| {
            Ok((row.get::<_, Id>(0)?, row.get::<_, String>(1)?))
        });
        if let Some((run, body)) = found.optional()? {
            let run = RunId::from(run);
            return Ok(Some(if body == request.body {
                Created::Existing(run)
            } else {
                Created::OtherRequest(run)
            }));
        }
    }
    match known {
        Some(_) => Err(StoreError::exists(id).into()),
        None => Ok(None),
    }
}

/// The number of a pipeline, by its name.
fn pipeline(writing: &mut Writing<'_>, name: &str) -> rusqlite::Result<i64> {
    if let Some(number) = writing.kept.pipelines.get(name) {
        return Ok(*number);
    }
    writing
        .statement("INSERT INTO pipelines (name) VALUES (?1) ON CONFLICT DO NOTHING")?
        .execute([name])?;
    let mut find = writing.statement("SELECT number FROM pipelines WHERE name = ?1")?;
    let number = find.query_row([name], |row| row.get(0))?;
    writing.kept.pipelines.insert(name.to_owned(), number);
    Ok(number)
}

fn plan(writing: &mut Writing<'_>, new: &NewRun) -> rusqlite::Result<i64> {
    let plan = &new.plan;
    if let Some(number) = writing.kept.plans.get(&plan.hash) {
        return Ok(*number);
    }
    let mut insert =
        writing.statement("INSERT INTO plans (hash, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?;
    insert.execute(params![plan.hash, plan.text])?;
    let mut find = writing.statement("SELECT number FROM plans WHERE hash = ?1")?;
    let number = find.query_row([&plan.hash], |row| row.get(0))?;
    writing.kept.plans.insert(plan.hash.clone(), number);
    Ok(number)
}

pub(super) const INSERT_RUN: &str =
    "INSERT INTO runs (number, id, pipeline, plan, workspace, queued, request, request_body, details, events, at,
         outcomes, body)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13) ON CONFLICT (id) DO NOTHING";

/// Inserts what never changes of a run, with the first entry of its log; none when its id is there already.
fn insert(
    writing: &mut Writing<'_>,
    new: &NewRun,
    pipeline: i64,
    plan: i64,
    workspace: Option<i64>,
) -> rusqlite::Result<Option<i64>> {
    let head = &new.head;
    let Head {
        id, queued, labels, ..
    } = head;
    let details = json(&DetailsOf {
        definition: head.definition.as_deref(),
        labels,
        note: head.note.as_deref(),
        trigger: &head.trigger,
        parent: head.parent.as_ref(),
        engine: &head.engine,
        models: &head.models,
    });
    let number = writing.last()?.run + 1;
    let inserted = writing.insert_run.execute(params![
        number,
        Id::from(*id),
        pipeline,
        plan,
        workspace,
        queued.micros(),
        new.request.as_ref().map(|request| &request.key),
        new.request.as_ref().map(|request| &request.body),
        details,
        int(new.entry.events),
        new.entry.at.micros(),
        packed(&new.outcomes),
        new.entry.body,
    ])?;
    if inserted == 0 {
        return Ok(None);
    }
    writing.last()?.run = number;
    writing.written = Some(Written::Run { number, id: *id });
    if !labels.is_empty() {
        let mut insert =
            writing.statement("INSERT INTO labels (name, value, queued, run) VALUES (?1, ?2, ?3, ?4)")?;
        for (name, value) in labels {
            insert.execute(params![name, value, queued.micros(), number])?;
        }
    }
    Ok(Some(number))
}

/// The parameters from 4 on are those of a commit that writes where a run stands.
pub(super) const INSERT_HEAD: &str =
    "INSERT INTO heads (run, fence, owner, queued, status, fallback, started, ended, counts, rest, text, folded, phase,
         nanousd, took, wakes)
     VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

fn insert_head(writing: &mut Writing<'_>, number: i64, new: &NewRun) -> rusqlite::Result<()> {
    let standing = &new.head.standing;
    let insert = &mut writing.insert_head;
    insert.raw_bind_parameter(1, number)?;
    insert.raw_bind_parameter(2, new.owner.map(Id::from))?;
    insert.raw_bind_parameter(3, new.head.queued.micros())?;
    bind_standing(insert, standing)?;
    bind_indexed(insert, &Indexed::of(standing))?;
    insert.raw_execute()?;
    Ok(())
}
