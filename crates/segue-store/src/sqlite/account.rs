//! Accounts: budgets that runs share. How amounts add up is the library's ([`Account`]); here they are read and written.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{OptionalExtension, Row, params};
use segue::store::{
    Account, AccountKey, Amounts, Decide, Hold, HoldState, Settlement, StoreError, StoreErrorKind,
};
use segue::{CallId, RunId};

use super::row::{Id, count, id_of, int};
use super::trouble::Stop;
use super::writing::Writing;

/// A wish to reserve. Whoever decides is asked once, although a transaction may have to be done again.
pub(super) struct Wish {
    pub(super) hold: Hold,
    pub(super) accounts: Vec<AccountKey>,
    pub(super) decide: Option<Decide>,
    /// How the accounts stood when it was decided, and what was decided.
    pub(super) decided: Option<(Vec<Account>, Option<Amounts>)>,
}

pub(super) fn reserve(writing: &mut Writing<'_>, wish: &mut Wish) -> Result<Option<Amounts>, Stop> {
    let hold = &wish.hold;
    let known = writing.known_run(hold.run)?;
    if known.fence != hold.fence {
        return Err(StoreError::lost(hold.run).into());
    }
    let run = known.number;
    if let Some((held, of, state)) = held(writing, hold.call)? {
        // The same once more, because its answer was lost.
        return if of == run && state == HoldState::Reserved {
            Ok(Some(held))
        } else {
            Err(StoreError::second_hold(hold.call).into())
        };
    }
    let mut standing = Vec::with_capacity(wish.accounts.len());
    for key in &wish.accounts {
        standing.push(find(writing, key)?.map_or_else(|| Account::new(key.clone()), |(account, _)| account));
    }
    let Some(amounts) = decide(&mut wish.decide, &mut wish.decided, standing)? else {
        return Ok(None);
    };
    let mut insert = writing.statement(
        "INSERT INTO holds (call, run, fence, uncertain, held_0, held_1, held_2) VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)",
    )?;
    let [a, b, c] = amounts.map(int);
    insert.execute(params![Id::from(hold.call), run, int(hold.fence), a, b, c])?;
    let mut charged: Vec<&AccountKey> = Vec::new();
    for key in &wish.accounts {
        if charged.contains(&key) {
            continue;
        }
        charged.push(key);
        let (mut account, number) = opened(writing, key)?;
        account.hold(&amounts);
        write(writing, number, &account)?;
        let mut insert = writing.statement("INSERT INTO held (call, account) VALUES (?1, ?2)")?;
        insert.execute(params![Id::from(hold.call), number])?;
    }
    Ok(Some(amounts))
}

/// The decision, made once. When a transaction is done again and the accounts stand otherwise by then, nobody can
/// decide any more: the call may be tried again.
fn decide(
    decide: &mut Option<Decide>,
    decided: &mut Option<(Vec<Account>, Option<Amounts>)>,
    standing: Vec<Account>,
) -> Result<Option<Amounts>, Stop> {
    if let Some(decide) = decide.take() {
        // The decision is the caller's: when it panics, that is the caller's failure and not the store's.
        let amounts = catch_unwind(AssertUnwindSafe(|| decide(&standing))).map_err(|_| {
            StoreError::new(
                StoreErrorKind::Misused,
                "the decision about a reservation panicked",
            )
        })?;
        *decided = Some((standing, amounts));
        return Ok(amounts);
    }
    match decided {
        Some((stood, amounts)) if *stood == standing => Ok(*amounts),
        _ => {
            let message = "a reservation could not be carried out before the accounts had changed";
            Err(StoreError::new(StoreErrorKind::Busy, message).into())
        }
    }
}

/// Calls of a run are settled or given up.
pub(super) fn settle_all(
    writing: &mut Writing<'_>,
    run: RunId,
    calls: &[(CallId, Settlement)],
) -> Result<(), Stop> {
    let Some(number) = writing.known(run)?.map(|known| known.number) else {
        return Ok(());
    };
    for (call, settlement) in calls {
        settle(writing, number, *call, *settlement)?;
    }
    Ok(())
}

/// A call of a run is settled or becomes uncertain. What is not held, or by another run, stays as it is.
pub(super) fn settle(
    writing: &Writing<'_>,
    run: i64,
    call: CallId,
    settlement: Settlement,
) -> rusqlite::Result<()> {
    let Some((amounts, _, state)) = held(writing, call)?.filter(|(_, of, _)| *of == run) else {
        return Ok(());
    };
    let mut find = writing.statement(
        "SELECT a.* FROM held h JOIN accounts a ON a.number = h.account WHERE h.call = ?1 ORDER BY a.number",
    )?;
    let accounts = find.query_map([Id::from(call)], |row| Ok((account(row)?, row.get("number")?)))?;
    let accounts: Vec<(Account, i64)> = accounts.collect::<Result<_, _>>()?;
    for (mut account, number) in accounts {
        account.settle(state, &amounts, settlement);
        write(writing, number, &account)?;
    }
    if settlement == Settlement::Uncertain {
        writing
            .statement("UPDATE holds SET uncertain = 1 WHERE call = ?1")?
            .execute([Id::from(call)])?;
    } else {
        writing
            .statement("DELETE FROM held WHERE call = ?1")?
            .execute([Id::from(call)])?;
        writing
            .statement("DELETE FROM holds WHERE call = ?1")?
            .execute([Id::from(call)])?;
    }
    Ok(())
}

/// What a call holds, its run, and how.
fn held(writing: &Writing<'_>, call: CallId) -> rusqlite::Result<Option<(Amounts, i64, HoldState)>> {
    let mut find = writing.statement("SELECT * FROM holds WHERE call = ?1")?;
    let found = find.query_row([Id::from(call)], |row| {
        Ok((amounts(row, "held")?, row.get("run")?, state(row)?))
    });
    found.optional()
}

fn find(writing: &Writing<'_>, key: &AccountKey) -> rusqlite::Result<Option<(Account, i64)>> {
    let mut find = writing.statement("SELECT * FROM accounts WHERE name = ?1 AND span = ?2")?;
    let found = find.query_row([&key.name, &key.window], |row| {
        Ok((account(row)?, row.get("number")?))
    });
    found.optional()
}

/// An account, which exists from then on.
fn opened(writing: &Writing<'_>, key: &AccountKey) -> rusqlite::Result<(Account, i64)> {
    if let Some(found) = find(writing, key)? {
        return Ok(found);
    }
    let mut insert =
        writing.statement("INSERT INTO accounts VALUES (NULL, ?1, ?2, 0, 0, 0, 0, 0, 0, 0, 0, 0)")?;
    let number = insert.insert([&key.name, &key.window])?;
    Ok((Account::new(key.clone()), number))
}

fn write(writing: &Writing<'_>, number: i64, account: &Account) -> rusqlite::Result<()> {
    let mut update = writing.statement(
        "UPDATE accounts SET spent_0 = ?2, spent_1 = ?3, spent_2 = ?4, reserved_0 = ?5, reserved_1 = ?6,
             reserved_2 = ?7, uncertain_0 = ?8, uncertain_1 = ?9, uncertain_2 = ?10
         WHERE number = ?1",
    )?;
    let [spent, reserved, uncertain] =
        [account.spent, account.reserved, account.uncertain].map(|amounts| amounts.map(int));
    update.execute(params![
        number,
        spent[0],
        spent[1],
        spent[2],
        reserved[0],
        reserved[1],
        reserved[2],
        uncertain[0],
        uncertain[1],
        uncertain[2],
    ])?;
    Ok(())
}

fn amounts(row: &Row<'_>, what: &str) -> rusqlite::Result<Amounts> {
    let mut amounts = [0; 3];
    for (n, amount) in amounts.iter_mut().enumerate() {
        *amount = count(row.get(format!("{what}_{n}").as_str())?);
    }
    Ok(amounts)
}

pub(super) fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        key: AccountKey {
            name: row.get("name")?,
            window: row.get("span")?,
        },
        spent: amounts(row, "spent")?,
        reserved: amounts(row, "reserved")?,
        uncertain: amounts(row, "uncertain")?,
    })
}

fn state(row: &Row<'_>) -> rusqlite::Result<HoldState> {
    Ok(if row.get("uncertain")? {
        HoldState::Uncertain
    } else {
        HoldState::Reserved
    })
}

/// A hold from a row with the id of its run as `id`.
pub(super) fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    Ok(Hold {
        call: id_of(row, "call")?,
        run: id_of(row, "id")?,
        fence: count(row.get("fence")?),
        state: state(row)?,
        amounts: amounts(row, "held")?,
    })
}
