//! The budgets above a call: those of its run, found from the plan, and those it shares with other runs.

use super::budgets::SharedBudget;
use super::{Environment, RunShared};
use crate::budget::{Budget, Caller, Utc, window};
use crate::clock::Time;
use crate::log::Unit;
use crate::model::Chosen;
use crate::store::AccountKey;

/// The budgets above the calls of a unit.
pub(crate) struct Above {
    /// Those of the run, from the narrowest outwards: where each begins, its name and its limits.
    pub(crate) own: Vec<(Unit, String, Budget)>,
    /// Pipelines with limits on all their runs of a day.
    daily: Vec<(String, Budget)>,
    /// The pipeline of the run and those nested in it, where anybody asks.
    pipelines: Vec<String>,
}

impl RunShared {
    /// The budgets a call of this unit is reserved against.
    pub(crate) fn above(&self, unit: Unit) -> Above {
        let mut above = Above {
            own: Vec::new(),
            daily: Vec::new(),
            pipelines: Vec::new(),
        };
        let mut at = Some(unit);
        while let Some(unit) = at {
            let Some(scope) = self.log.scope(unit.scope) else {
                break;
            };
            if unit.step < Unit::SCOPE {
                let settings = self.settings(unit);
                if let Some(budget) = settings.and_then(|settings| settings.budget) {
                    let whole = unit.of_step();
                    let name = format!("step:{}", scope.path(whole));
                    above.own.push((whole, name, budget));
                }
            }
            let whole = Unit {
                scope: unit.scope,
                step: Unit::SCOPE,
                item: Unit::WHOLE,
            };
            let planned = if unit.scope == 0 {
                self.budget.as_deref().copied()
            } else {
                scope.plan.run.budget
            };
            if let Some(budget) = planned {
                let name = match unit.scope {
                    0 => "run".to_owned(),
                    _ => format!("pipeline:{}", scope.site.prefix().trim_end_matches('/')),
                };
                above.own.push((whole, name, budget));
            }
            // What a call says of the budget is about the run's total, not about the days of its pipeline.
            if let Some(daily) = scope.plan.run.budget.and_then(|budget| budget.daily()) {
                above.daily.push((scope.plan.name.clone(), daily));
            }
            if !self.env.standing.is_empty() {
                above.pipelines.push(scope.plan.name.clone());
            }
            at = scope.site.parent();
        }
        above
    }

    /// The value of a label of the run.
    fn label(&self, name: &str) -> Option<&str> {
        let own = self.call.labels.get(name);
        own.or_else(|| self.program.plan.labels.get(name))
            .map(String::as_str)
    }
}

impl Above {
    /// The budgets that the call shares with other runs, in the windows of now.
    pub(crate) fn shared(&self, run: &RunShared, agent: &str, model: &Chosen) -> Vec<SharedBudget> {
        let env: &Environment = &run.env;
        if self.daily.is_empty() && env.standing.is_empty() {
            return Vec::new();
        }
        let now: Time = env.now();
        let daily = self.daily.iter().map(|(pipeline, budget)| SharedBudget {
            key: AccountKey {
                name: format!("pipeline:{pipeline}/day"),
                window: window::day(&Utc, now),
            },
            budget: *budget,
            resets: window::day_end(&Utc, now),
        });
        let caller = Caller {
            pipelines: &self.pipelines,
            label: &|name| run.label(name),
            models: [model.model.name(), &model.chosen, &model.asked],
            agent,
            schedule: run.call.schedule.as_deref(),
        };
        let standing = env.standing.iter().filter(|standing| standing.fits(&caller));
        let standing = standing.flat_map(|standing| standing.accounts(now));
        let standing = standing.map(|(key, budget, resets)| SharedBudget { key, budget, resets });
        daily.chain(standing).collect()
    }
}
