//! Owners and what they hold: who works, who is dead, who takes over.

use rusqlite::{OptionalExtension, params};
use segue::RunId;
use segue::store::{Beat, Claim, Owner, OwnerId, StoreError};

use super::commit::hold;
use super::read;
use super::row::{self, Id, int, json};
use super::trouble::Stop;
use super::writing::Writing;

pub(super) fn enroll(writing: &mut Writing<'_>, owner: &Owner) -> Result<(), Stop> {
    let mut insert = writing.statement(
        "INSERT INTO owners (id, place, beats) VALUES (?1, ?2, 0)
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, beats = 0",
    )?;
    insert.execute(params![Id::from(owner.id), json(&owner.place)])?;
    Ok(())
}

pub(super) fn beat(writing: &mut Writing<'_>, owner: OwnerId) -> Result<Beat, Stop> {
    let mut update = writing.statement("UPDATE owners SET beats = beats + 1 WHERE id = ?1")?;
    if update.execute([Id::from(owner)])? == 0 {
        return Ok(Beat {
            buried: true,
            ..Beat::default()
        });
    }
    let signalled = match writing.any_signals()? {
        true => read::signalled(writing.connection, owner)?,
        false => Vec::new(),
    };
    Ok(Beat {
        buried: false,
        halted: writing.is_halted()?,
        signalled,
    })
}

pub(super) fn bury(writing: &mut Writing<'_>, owner: OwnerId, beats: u64) -> Result<bool, Stop> {
    // Beats are counted one by one from nothing, so they are numbers as SQLite compares them.
    let most = i64::try_from(beats).unwrap_or(i64::MAX);
    let mut delete = writing.statement("DELETE FROM owners WHERE id = ?1 AND beats <= ?2")?;
    Ok(delete.execute(params![Id::from(owner), most])? > 0)
}

pub(super) fn leave(writing: &mut Writing<'_>, owner: OwnerId) -> Result<(), Stop> {
    writing
        .statement("DELETE FROM owners WHERE id = ?1")?
        .execute([Id::from(owner)])?;
    Ok(())
}

pub(super) fn release(writing: &mut Writing<'_>, run: RunId, fence: u64) -> Result<(), Stop> {
    let known = writing.known_run(run)?;
    if known.fence == fence {
        known.owner = None;
        known.fence += 1;
        let known = *known;
        hold(writing, &known)?;
    }
    Ok(())
}

pub(super) fn claim(writing: &mut Writing<'_>, run: RunId, owner: OwnerId) -> Result<Claim, Stop> {
    let Some(known) = writing.known(run)?.copied() else {
        return Ok(Claim::Unknown);
    };
    if known.over() {
        return Ok(Claim::Over);
    }
    if let Some(holder) = known.owner
        && writing.lives(holder)?
    {
        return Ok(Claim::Held(holder));
    }
    if !writing.lives(owner)? {
        return Err(StoreError::gone(owner).into());
    }
    let known = writing.known_run(run)?;
    known.owner = Some(owner);
    known.fence += 1;
    let (known, number) = (*known, known.number);
    hold(writing, &known)?;
    let mut find = writing.statement(&format!("{} WHERE r.number = ?1", row::HEAD))?;
    let head = find.query_row([number], row::head).optional()?;
    let head = head.ok_or_else(|| StoreError::unknown(run))?;
    debug_assert_eq!(int(head.fence), int(known.fence));
    Ok(Claim::Taken(Box::new(head)))
}
