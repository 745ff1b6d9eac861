//! The ledger: where the money and the tokens of a run went, by step, agent and model, and what bought nothing.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::run::{AttemptView, RunView, Share};
use crate::error::Spent;
use crate::money::Cost;
use crate::usage::Usage;

/// What a run spent, made from its view.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CostLedger {
    /// The steps of the run's own plan that spent something, with all that is below them, in declaration order.
    pub steps: Vec<LedgerRow>,
    /// Agents, by name.
    pub agents: Vec<LedgerRow>,
    /// Models, by provider and name.
    pub models: Vec<LedgerRow>,
    /// Everything.
    pub total: LedgerRow,
}

/// What one of them spent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// The step, agent or model.
    pub name: String,
    /// Calls that were made.
    pub calls: u64,
    /// What was used.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// The part of it that went into attempts without success.
    pub failed: Spent,
}

impl CostLedger {
    /// The ledger of a run as it stands.
    #[must_use]
    pub fn of(run: &RunView) -> Self {
        let (steps, calls) = run.arena();
        let own = |mut at| {
            while let Some(parent) = steps.parent(at) {
                at = parent;
            }
            steps.view(at).path.as_str()
        };
        let mut by_step: BTreeMap<&str, LedgerRow> = BTreeMap::new();
        let mut by_agent: BTreeMap<&str, LedgerRow> = BTreeMap::new();
        let mut by_model: BTreeMap<&str, LedgerRow> = BTreeMap::new();
        let mut total = LedgerRow {
            name: "total".to_owned(),
            ..LedgerRow::default()
        };
        for held in calls.held().iter().filter(|held| held.view.is_made()) {
            let (at, attempt) = held.place;
            let attempt = attempt.and_then(|attempt| steps.view(at).attempts.get(attempt));
            let is_wasted = attempt.is_some_and(AttemptView::is_wasted);
            let spent = held.view.spent();
            by_step.entry(own(at)).or_default().add(&spent, is_wasted);
            total.add(&spent, is_wasted);
            if let Some(agent) = &held.agent {
                by_agent.entry(agent).or_default().add(&spent, is_wasted);
            }
            if let Some(model) = &held.model {
                by_model.entry(model).or_default().add(&spent, is_wasted);
            }
        }
        // What steps and the run say of themselves counts more than the sum of the calls we heard of.
        let spent_by = |path: &str, spent: Spent| {
            let row = by_step.get(path).cloned().unwrap_or_default();
            LedgerRow {
                name: path.to_owned(),
                usage: spent.usage,
                cost: spent.cost,
                ..row
            }
        };
        let steps = run.steps().map(|step| spent_by(&step.path, step.spent()));
        let named = |rows: BTreeMap<&str, LedgerRow>| {
            rows.into_iter()
                .map(|(name, row)| LedgerRow {
                    name: name.to_owned(),
                    ..row
                })
                .collect()
        };
        Self {
            steps: steps
                .filter(|row| row.calls > 0 || !row.spent().is_zero())
                .collect(),
            agents: named(by_agent),
            models: named(by_model),
            total: LedgerRow {
                usage: *run.usage(),
                cost: *run.cost(),
                ..total
            },
        }
    }
}

impl LedgerRow {
    /// What was used and what it cost.
    #[must_use]
    pub fn spent(&self) -> Spent {
        Spent {
            usage: self.usage,
            cost: self.cost,
        }
    }

    fn add(&mut self, spent: &Spent, is_wasted: bool) {
        let mut share = Share {
            calls: self.calls,
            usage: self.usage,
            cost: self.cost,
        };
        share.add(spent);
        (self.calls, self.usage, self.cost) = (share.calls, share.usage, share.cost);
        if is_wasted {
            self.failed.add(spent);
        }
    }

    fn cells(&self) -> [String; COLUMNS] {
        let failed = if self.failed.cost.is_zero() {
            String::new()
        } else {
            self.failed.cost.to_string()
        };
        [
            printable(&self.name),
            self.calls.to_string(),
            self.usage.input_tokens.to_string(),
            self.usage.output_tokens.to_string(),
            self.cost.to_string(),
            failed,
        ]
    }
}

const COLUMNS: usize = 6;

/// A table for a terminal: names to the left, numbers to the right, no line longer than it has to be.
impl fmt::Display for CostLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head =
            |what: &str| [what, "calls", "input", "output", "cost", "in failed attempts"].map(str::to_owned);
        let mut lines = Vec::new();
        for (what, rows) in [
            ("step", &self.steps),
            ("agent", &self.agents),
            ("model", &self.models),
        ] {
            if !rows.is_empty() {
                lines.push(Some(head(what)));
                lines.extend(rows.iter().map(|row| Some(row.cells())));
                lines.push(None);
            }
        }
        if lines.is_empty() {
            lines.push(Some(head("")));
        }
        lines.push(Some(self.total.cells()));
        let mut widths = [0; COLUMNS];
        for cells in lines.iter().flatten() {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = cell.chars().count().max(*width);
            }
        }
        for cells in &lines {
            let mut line = String::new();
            for (column, (cell, width)) in cells.iter().flatten().zip(widths).enumerate() {
                let room = " ".repeat(width - cell.chars().count());
                match column {
                    0 => line.extend([cell, room.as_str()]),
                    _ => line.extend(["  ", room.as_str(), cell]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A foreign name as it may stand on a terminal.
fn printable(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() {
            text.extend(c.escape_unicode());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Resolution;
    use crate::money::cents;
    use crate::view::scene::Scene;

    fn spent_twice() -> CostLedger {
        let mut scene = Scene::new();
        scene
            .queued("p")
            .ready("draft")
            .started("draft")
            .call("draft", 1, cents(2));
        scene
            .fails("draft", 1, Resolution::Retried, None)
            .attempt("draft", 2)
            .call("draft", 2, cents(3));
        scene
            .spent(cents(5))
            .succeeded("draft", 2, "text")
            .runs("check", 1);
        scene
            .ready("sub")
            .started("sub")
            .started("sub/x")
            .call("sub/x", 1, cents(10));
        CostLedger::of(&RunView::replay(None, scene.events()))
    }

    #[test]
    fn failed_attempts_are_told_apart() {
        let ledger = spent_twice();
        let row = |row: &LedgerRow| {
            (
                row.name.clone(),
                row.calls,
                row.cost.nanousd,
                row.failed.cost.nanousd,
            )
        };
        let steps: Vec<_> = ledger.steps.iter().map(row).collect();
        // `check` spent nothing; what `sub/x` spent, `sub` did.
        assert_eq!(
            steps,
            [
                ("draft".to_owned(), 2, cents(5), cents(2)),
                ("sub".to_owned(), 1, cents(10), cents(0))
            ]
        );
        assert_eq!(
            row(&ledger.agents[0]),
            ("writer".to_owned(), 3, cents(15), cents(2))
        );
        assert_eq!(
            row(&ledger.models[0]),
            ("sim/echo".to_owned(), 3, cents(15), cents(2))
        );
        assert_eq!(row(&ledger.total), ("total".to_owned(), 3, cents(15), cents(2)));
    }

    #[test]
    fn the_table_is_aligned() {
        let text = spent_twice().to_string();
        assert_eq!(
            text,
            "\
step      calls  input  output   cost  in failed attempts
draft         2     20      10  $0.05               $0.02
sub           1     10       5  $0.10

agent     calls  input  output   cost  in failed attempts
writer        3     30      15  $0.15               $0.02

model     calls  input  output   cost  in failed attempts
sim/echo      3     30      15  $0.15               $0.02

total         3     30      15  $0.15               $0.02
"
        );
    }

    #[test]
    fn a_run_without_calls_has_a_total_and_foreign_names_are_harmless() {
        let empty = CostLedger::of(&RunView::new(None)).to_string();
        assert!(empty.contains("cost") && empty.contains("total"), "{empty}");
        assert_eq!(printable("a\u{1b}[31mb"), "a\\u{1b}[31mb");
    }
}
