//! Standing budgets: limits that the operator sets over runs, whatever their definitions say.
//!
//! A [`StandingBudget`] says which calls it is over and how much they may spend together in a day or a month. It keeps
//! no count itself: what is spent is kept by the store of a runner, so that it holds over runs and processes, or by the
//! process where there is no store. When a day begins is said by a [`TimeZone`]; which zones there are is not known here.

use std::fmt;
use std::sync::Arc;

use super::window;
use super::{Budget, BudgetError, OnExceed};
use crate::clock::Time;
use crate::money::Nanousd;
use crate::store::AccountKey;

/// A limit of the operator on what calls of many runs spend together. Every call that its filters fit falls under it.
///
/// ```
/// use segue::budget::StandingBudget;
/// use segue::{OnExceed, Runner, usd};
///
/// # fn main() -> Result<(), segue::Error> {
/// let all = StandingBudget::new("all").usd_per_day(usd(5.0)).usd_per_month(usd(60.0));
/// let drafts = StandingBudget::new("drafts")
///     .pipeline("research")
///     .agent("writer")
///     .requests_per_day(200)
///     .on_exceed(OnExceed::Pause);
/// let runner = Runner::builder().standing_budget(all).standing_budget(drafts).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct StandingBudget {
    name: String,
    pipeline: Option<String>,
    label: Option<(String, String)>,
    model: Option<String>,
    agent: Option<String>,
    schedule: Option<String>,
    usd_per_day: Option<Nanousd>,
    tokens_per_day: Option<u64>,
    requests_per_day: Option<u64>,
    usd_per_month: Option<Nanousd>,
    on_exceed: OnExceed,
    allow_unpriced: bool,
    zone: Arc<dyn TimeZone>,
}

/// When days begin: how far the clocks of a place are from UTC.
///
/// A function of the time is a time zone: `|_at: Time| 3600` is always an hour ahead.
pub trait TimeZone: Send + Sync + 'static {
    /// By how many seconds clocks are ahead of UTC at this moment; negative where they are behind. More than 25 hours
    /// count as 25.
    fn offset(&self, at: Time) -> i32;
}

/// The time zone without an offset; the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Utc;

impl TimeZone for Utc {
    fn offset(&self, _at: Time) -> i32 {
        0
    }
}

impl<F: Fn(Time) -> i32 + Send + Sync + 'static> TimeZone for F {
    fn offset(&self, at: Time) -> i32 {
        self(at)
    }
}

/// What is known of a call when it is asked which budgets it falls under.
pub(crate) struct Caller<'a> {
    /// The pipeline of its run, and those nested in it that the call is made in.
    pub(crate) pipelines: &'a [String],
    /// The value of a label of its run.
    pub(crate) label: &'a dyn Fn(&str) -> Option<&'a str>,
    /// What its model is called: as `provider/model`, and as it was asked for.
    pub(crate) models: [&'a str; 3],
    pub(crate) agent: &'a str,
    /// The schedule that started its run.
    pub(crate) schedule: Option<&'a str>,
}

impl StandingBudget {
    /// A budget over all calls that limits nothing yet. The name tells it from the operator's other budgets; its accounts
    /// are `budget:NAME/day` and `budget:NAME/month`.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            pipeline: None,
            label: None,
            model: None,
            agent: None,
            schedule: None,
            usd_per_day: None,
            tokens_per_day: None,
            requests_per_day: None,
            usd_per_month: None,
            on_exceed: OnExceed::Fail,
            allow_unpriced: false,
            zone: Arc::new(Utc),
        }
    }

    /// Only calls made in runs of this pipeline, or in this pipeline nested in another.
    #[must_use]
    pub fn pipeline(mut self, name: impl Into<String>) -> Self {
        self.pipeline = Some(name.into());
        self
    }

    /// Only calls of runs whose label of this name has this value.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.label = Some((name.into(), value.into()));
        self
    }

    /// Only calls to this model: as `provider/model`, or by the name an agent asked for it.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>) -> Self {
        self.model = Some(name.into());
        self
    }

    /// Only calls of the agent of this name.
    #[must_use]
    pub fn agent(mut self, name: impl Into<String>) -> Self {
        self.agent = Some(name.into());
        self
    }

    /// Only calls of runs that this schedule started.
    #[must_use]
    pub fn schedule(mut self, name: impl Into<String>) -> Self {
        self.schedule = Some(name.into());
        self
    }

    /// The most money in a day.
    #[must_use]
    pub fn usd_per_day(mut self, most: Nanousd) -> Self {
        self.usd_per_day = Some(most);
        self
    }

    /// The most tokens in a day, input and output together.
    #[must_use]
    pub fn tokens_per_day(mut self, most: u64) -> Self {
        self.tokens_per_day = Some(most);
        self
    }

    /// The most model calls in a day, free ones included.
    #[must_use]
    pub fn requests_per_day(mut self, most: u64) -> Self {
        self.requests_per_day = Some(most);
        self
    }

    /// The most money in a calendar month.
    #[must_use]
    pub fn usd_per_month(mut self, most: Nanousd) -> Self {
        self.usd_per_month = Some(most);
        self
    }

    /// What becomes of a call that does not fit; it fails where nothing is said.
    #[must_use]
    pub fn on_exceed(mut self, answer: OnExceed) -> Self {
        self.on_exceed = answer;
        self
    }

    /// Lets calls to models without a price pass although money is limited. Needs a limit on tokens or requests, which
    /// holds them.
    #[must_use]
    pub fn allow_unpriced(mut self) -> Self {
        self.allow_unpriced = true;
        self
    }

    /// Where days and months begin; [`Utc`] where nothing is said.
    #[must_use]
    pub fn time_zone(mut self, zone: impl TimeZone) -> Self {
        self.zone = Arc::new(zone);
        self
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks what the single members cannot say.
    ///
    /// # Errors
    /// When its name cannot be part of the name of an account, it limits nothing, or unpriced models are allowed under a
    /// limit on money and nothing else limits them.
    pub fn check(&self) -> Result<(), BudgetError> {
        let is_name = !self.name.is_empty()
            && self.name.chars().count() <= 64
            && !self
                .name
                .contains(|c: char| c == '/' || c.is_control() || c.is_whitespace());
        if !is_name {
            return Err(BudgetError::Name(self.name.clone()));
        }
        let counts = self.tokens_per_day.or(self.requests_per_day);
        match (self.usd_per_day.or(self.usd_per_month), counts) {
            (None, None) => Err(BudgetError::NoLimit(self.name.clone())),
            (Some(_), None) if self.allow_unpriced => Err(BudgetError::NothingLimitsUnpriced),
            _ => Ok(()),
        }
    }

    /// Whether a call falls under it.
    pub(crate) fn fits(&self, caller: &Caller<'_>) -> bool {
        let is = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        is(&self.pipeline, &|name| {
            caller.pipelines.iter().any(|pipeline| pipeline == name)
        }) && is(&self.model, &|name| caller.models.contains(&name))
            && is(&self.agent, &|name| caller.agent == name)
            && is(&self.schedule, &|name| caller.schedule == Some(name))
            && self
                .label
                .as_ref()
                .is_none_or(|(name, value)| (caller.label)(name) == Some(value))
    }

    /// Its accounts in the windows of a moment, each with its limits and when it begins anew: at most one for the day and
    /// one for the month.
    pub fn accounts(&self, at: Time) -> impl Iterator<Item = (AccountKey, Budget, Time)> {
        let limits = |usd, tokens, requests| Budget {
            usd,
            tokens,
            requests,
            on_exceed: self.on_exceed,
            allow_unpriced: self.allow_unpriced,
            ..Budget::UNLIMITED
        };
        let by_day = limits(self.usd_per_day, self.tokens_per_day, self.requests_per_day);
        let by_month = limits(self.usd_per_month, None, None);
        let has_day = self.usd_per_day.is_some() || by_day.tokens.or(by_day.requests).is_some();
        let zone = &*self.zone;
        let day = has_day.then(|| {
            let key = self.key("day", window::day(zone, at));
            (key, by_day, window::day_end(zone, at))
        });
        let has_month = self.usd_per_month.is_some();
        let month = has_month.then(|| {
            let key = self.key("month", window::month(zone, at));
            (key, by_month, window::month_end(zone, at))
        });
        day.into_iter().chain(month)
    }

    fn key(&self, period: &str, window: String) -> AccountKey {
        AccountKey {
            name: format!("budget:{}/{period}", self.name),
            window,
        }
    }
}

impl fmt::Debug for StandingBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandingBudget")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::money::{cents, usd};

    /// 2026-03-01T00:30:00Z.
    const AT: Time = Time::from_micros(1_772_325_000_000_000);

    fn accounts(budget: &StandingBudget) -> Vec<(String, Budget)> {
        let accounts = budget.accounts(AT);
        accounts
            .map(|(key, budget, _)| (key.to_string(), budget))
            .collect()
    }

    #[test]
    fn a_day_and_a_month_are_accounts_of_their_own() {
        let budget = StandingBudget::new("all")
            .usd_per_day(cents(50))
            .requests_per_day(9)
            .usd_per_month(usd(4.0))
            .on_exceed(OnExceed::Pause);
        let pauses = |budget: Budget| budget.on_exceed(OnExceed::Pause);
        assert_eq!(
            accounts(&budget),
            [
                (
                    "budget:all/day 2026-03-01".to_owned(),
                    pauses(Budget::from(cents(50)).requests(9))
                ),
                (
                    "budget:all/month 2026-03".to_owned(),
                    pauses(Budget::from(usd(4.0)))
                ),
            ]
        );
        let west = budget.time_zone(|_at: Time| -3600);
        let names = accounts(&west).into_iter().map(|(name, _)| name);
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["budget:all/day 2026-02-28", "budget:all/month 2026-02"]
        );
    }

    #[test]
    fn what_cannot_be_a_budget_is_refused() {
        let limited = |name: &str| StandingBudget::new(name).requests_per_day(1);
        assert_eq!(limited("all").check(), Ok(()));
        for name in ["", "a/b", "a b", "a\n", &"x".repeat(65)] {
            let refused = limited(name).check().expect_err("that is no name");
            assert_eq!(refused, BudgetError::Name(name.to_owned()));
        }
        let none = StandingBudget::new("all");
        assert_eq!(none.check(), Err(BudgetError::NoLimit("all".into())));
        let money = none.usd_per_month(cents(1)).allow_unpriced();
        assert_eq!(money.check(), Err(BudgetError::NothingLimitsUnpriced));
        assert_eq!(money.tokens_per_day(5).check(), Ok(()));
    }

    #[test]
    fn every_filter_has_to_fit() {
        let caller = Caller {
            pipelines: &["outer".into(), "inner".into()],
            label: &|name| (name == "team").then_some("red"),
            models: ["openai/small", "openai/small", "house"],
            agent: "writer",
            schedule: Some("nightly"),
        };
        let all = || StandingBudget::new("all");
        for (budget, fits) in [
            (all(), true),
            (all().pipeline("outer"), true),
            (all().pipeline("inner"), true),
            (all().pipeline("other"), false),
            (all().label("team", "red"), true),
            (all().label("team", "blue"), false),
            (all().label("kind", "red"), false),
            (all().model("openai/small"), true),
            (all().model("house"), true),
            (all().model("small"), false),
            (all().agent("writer"), true),
            (all().agent("reader"), false),
            (all().schedule("nightly"), true),
            (all().schedule("hourly"), false),
            (all().agent("writer").label("team", "red"), true),
            (all().agent("writer").label("team", "blue"), false),
        ] {
            assert_eq!(budget.fits(&caller), fits, "{:?}", budget.label);
        }
    }
}
