//! How a run comes to exist.

use rusqlite::{OptionalExtension, params};
use segue::store::{Created, Head, NewRun, StoreError};
use segue::{RunId, Time};

use super::commit::{folded, rest};
use super::kept::{Indexed, Known};
use super::row::{Details, Id, int, json};
use super::trouble::Stop;
use super::writing::Writing;
use super::{person, workspace};

pub(super) fn create(writing: &mut Writing<'_>, new: &NewRun) -> Result<Created, Stop> {
    let head = &new.head;
    if let Some(answer) = existing(writing, new)? {
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
    let pipeline = pipeline(writing, &head.pipeline)?;
    let plan = plan(writing, new)?;
    let workspace = match &head.key {
        Some(key) => Some(workspace::number(writing, pipeline, key)?),
        None => None,
    };
    let number = insert(writing, new, pipeline, plan, workspace)?;
    insert_head(writing, number, new)?;
    writing.append(number, &new.entry)?;
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
            over: head.standing.status.is_terminal(),
            indexed: Indexed::of(&head.standing),
            has_text: !head.standing.text.is_empty(),
        },
    );
    Ok(Created::New { fence: 1 })
}

/// What there is already of the run or of its request.
fn existing(writing: &mut Writing<'_>, new: &NewRun) -> Result<Option<Created>, Stop> {
    let id = new.head.id;
    let known = writing.known(id)?.cloned();
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

fn insert(
    writing: &mut Writing<'_>,
    new: &NewRun,
    pipeline: i64,
    plan: i64,
    workspace: Option<i64>,
) -> rusqlite::Result<i64> {
    let Head {
        id, queued, labels, ..
    } = &new.head;
    let head = &new.head;
    let details = json(&Details {
        definition: head.definition.clone(),
        labels: labels.clone(),
        note: head.note.clone(),
        trigger: head.trigger.clone(),
        parent: head.parent.clone(),
        engine: head.engine.clone(),
        models: head.models.clone(),
    });
    let last = writing.last()?;
    last.run += 1;
    let number = last.run;
    let mut insert = writing.statement(
        "INSERT INTO runs (number, id, pipeline, plan, workspace, queued, request, request_body, details)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    insert.execute(params![
        number,
        Id::from(*id),
        pipeline,
        plan,
        workspace,
        queued.micros(),
        new.request.as_ref().map(|request| &request.key),
        new.request.as_ref().map(|request| &request.body),
        details,
    ])?;
    if !labels.is_empty() {
        let mut insert =
            writing.statement("INSERT INTO labels (name, value, queued, run) VALUES (?1, ?2, ?3, ?4)")?;
        for (name, value) in labels {
            insert.execute(params![name, value, queued.micros(), number])?;
        }
    }
    Ok(number)
}

fn insert_head(writing: &Writing<'_>, number: i64, new: &NewRun) -> rusqlite::Result<()> {
    let standing = &new.head.standing;
    let (steps, usage, cost) = (&standing.step_counts, &standing.usage, &standing.cost);
    let Indexed {
        status,
        nanousd,
        took,
        wakes,
    } = Indexed::of(standing);
    let mut insert = writing.statement(
        "INSERT INTO heads (run, fence, owner, queued, status, nanousd, took, wakes, fallback, started, ended,
             unpriced_calls, estimated_calls, uncertain_nanousd, pending, ready, running, waiting, succeeded, failed,
             skipped, cancelled, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
             audio_tokens, requests, tool_calls, model_ms, tool_ms, rest)
         VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21,
             ?22, ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32)",
    )?;
    insert.execute(params![
        number,
        new.owner.map(Id::from),
        new.head.queued.micros(),
        status,
        nanousd,
        took,
        wakes,
        standing.fallback,
        standing.started.map(Time::micros),
        standing.ended.map(Time::micros),
        cost.unpriced_calls,
        cost.estimated_calls,
        cost.uncertain_nanousd.nanos(),
        int(steps.pending),
        int(steps.ready),
        int(steps.running),
        int(steps.waiting),
        int(steps.succeeded),
        int(steps.failed),
        int(steps.skipped),
        int(steps.cancelled),
        int(usage.input_tokens),
        int(usage.output_tokens),
        int(usage.cache_read_tokens),
        int(usage.cache_write_tokens),
        int(usage.reasoning_tokens),
        int(usage.audio_tokens),
        int(usage.requests),
        int(usage.tool_calls),
        int(usage.model_ms),
        int(usage.tool_ms),
        rest(standing),
    ])?;
    if !standing.text.is_empty() {
        let mut insert = writing.statement("INSERT INTO texts (run, text, folded) VALUES (?1, ?2, ?3)")?;
        insert.execute(params![number, standing.text, folded(&standing.text)])?;
    }
    Ok(())
}
