//! `[[budget]]`: standing budgets of the operator, over what all runs of a store spend in a day or a month.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use segue::budget::{OnExceed, StandingBudget};
use segue::money::Nanousd;
use segue::{ErrorKind, Time};

use super::{Config, Found, Origin, Value};
use crate::problem::Problem;

/// The zone of a budget that names none.
const UTC: &str = "UTC";

/// A standing budget as the configuration has it.
#[derive(Debug, Clone)]
pub(crate) struct OperatorBudget {
    pub(crate) name: String,
    pub(crate) pipeline: Option<String>,
    /// Name and value.
    pub(crate) label: Option<(String, String)>,
    pub(crate) model: Option<String>,
    pub(crate) agent: Option<String>,
    pub(crate) schedule: Option<String>,
    pub(crate) usd_per_day: Option<Nanousd>,
    pub(crate) tokens_per_day: Option<u64>,
    pub(crate) requests_per_day: Option<u64>,
    pub(crate) usd_per_month: Option<Nanousd>,
    pub(crate) timezone: TimeZone,
    pub(crate) on_exceed: OnExceed,
    /// Where it is written.
    pub(crate) origin: Origin,
}

impl Config {
    /// The standing budgets, of all levels; of one name the highest level's counts.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub(crate) fn budgets(&self) -> Result<Vec<OperatorBudget>, Problem> {
        for layer in &self.layers {
            let tables = layer.listed("budget");
            for (at, table) in tables.iter().enumerate() {
                let name = table.text("name");
                if let Some(first) = tables[..at]
                    .iter()
                    .find(|other| name.is_some() && other.text("name") == name)
                {
                    let name = segue::fault::quote(name.unwrap_or_default());
                    let message = format!(
                        "two budgets are called {name} ({} and {})",
                        first.origin, table.origin
                    );
                    return Err(
                        Problem::usage(message).hint("give each a name of its own; their accounts have it")
                    );
                }
            }
        }
        self.listed("budget").iter().map(OperatorBudget::read).collect()
    }
}

impl OperatorBudget {
    fn read(table: &Found) -> Result<Self, Problem> {
        let text = |key: &str| table.text(key).map(str::to_owned);
        let count = |key: &str| match table.value(key) {
            Some(Value::Count(count)) => Some(*count),
            _ => None,
        };
        let money = |key: &str| match table.value(key) {
            Some(Value::Money(money)) => Some(*money),
            _ => None,
        };
        let wrong = |message: String| Problem::new(ErrorKind::Usage, format!("{message} ({})", table.origin));
        let name = text("name").ok_or_else(|| {
            wrong("a `[[budget]]` has no `name`".into())
                .hint("add one, such as `name = \"all\"`; its account is kept under it")
        })?;
        let label = table.text("label").map(|label| match label.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(wrong(format!(
                "the label of budget `{name}` is none: {}",
                segue::fault::quote(label)
            ))
            .hint("write `label = \"team=x\"`")),
        });
        let zone = table.text("timezone").unwrap_or(UTC);
        let timezone = TimeZone::get(zone).map_err(|_| {
            wrong(format!(
                "budget `{name}` has an unknown time zone: {}",
                segue::fault::quote(zone)
            ))
            .hint("write a name such as `UTC` or `Europe/Berlin`")
        })?;
        let budget = Self {
            pipeline: text("pipeline"),
            label: label.transpose()?,
            model: text("model"),
            agent: text("agent"),
            schedule: text("schedule"),
            usd_per_day: money("usd_per_day"),
            tokens_per_day: count("tokens_per_day"),
            requests_per_day: count("requests_per_day"),
            usd_per_month: money("usd_per_month"),
            timezone,
            on_exceed: match table.text("on_exceed") {
                Some("pause") => OnExceed::Pause,
                _ => OnExceed::Fail,
            },
            origin: table.origin.clone(),
            name,
        };
        budget.standing().check().map_err(|error| {
            wrong(error.to_string())
                .hint("limits are `usd_per_day`, `tokens_per_day`, `requests_per_day` and `usd_per_month`")
        })?;
        Ok(budget)
    }

    /// The same for a runner.
    pub(crate) fn standing(&self) -> StandingBudget {
        let zone = self.timezone.clone();
        let offset = move |at: Time| {
            // A clock that is millions of years off has no zone.
            let at = Timestamp::from_microsecond(at.micros()).unwrap_or(Timestamp::UNIX_EPOCH);
            zone.to_offset(at).seconds()
        };
        let mut standing = StandingBudget::new(&self.name)
            .on_exceed(self.on_exceed)
            .time_zone(offset);
        if let Some(pipeline) = &self.pipeline {
            standing = standing.pipeline(pipeline);
        }
        if let Some((name, value)) = &self.label {
            standing = standing.label(name, value);
        }
        if let Some(model) = &self.model {
            standing = standing.model(model);
        }
        if let Some(agent) = &self.agent {
            standing = standing.agent(agent);
        }
        if let Some(schedule) = &self.schedule {
            standing = standing.schedule(schedule);
        }
        if let Some(most) = self.usd_per_day {
            standing = standing.usd_per_day(most);
        }
        if let Some(most) = self.tokens_per_day {
            standing = standing.tokens_per_day(most);
        }
        if let Some(most) = self.requests_per_day {
            standing = standing.requests_per_day(most);
        }
        if let Some(most) = self.usd_per_month {
            standing = standing.usd_per_month(most);
        }
        standing
    }

    /// What narrows it, in words; nothing where it is over all calls.
    pub(crate) fn over(&self) -> String {
        let label = self.label.as_ref().map(|(name, value)| format!("{name}={value}"));
        let parts = [
            ("pipeline", &self.pipeline),
            ("label", &label),
            ("model", &self.model),
            ("agent", &self.agent),
            ("schedule", &self.schedule),
        ];
        let parts = parts
            .iter()
            .filter_map(|(what, name)| Some(format!("{what} {}", name.as_ref()?)));
        parts.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use segue::money::cents;

    use super::*;
    use crate::config::FILE;

    fn budgets(named: Option<&str>, project: &str) -> Result<Vec<OperatorBudget>, String> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(FILE), project).expect("a file");
        let path = folder.path().join("named.toml");
        std::fs::write(&path, named.unwrap_or_default()).expect("a file");
        let config = Config::read(named.map(|_| path.as_path()), folder.path()).expect("it is good");
        config.budgets().map_err(|problem| {
            let failure = problem.failure();
            format!("{} hint: {}", failure.message, failure.hints.join(" "))
        })
    }

    #[test]
    fn every_key_of_a_budget_is_read() {
        let text = "[[budget]]\nname = \"all\"\nusd_per_day = \"5.00\"\n[[budget]]\nname = \"drafts\"\npipeline = \"research\"\n\
            label = \"team=x\"\nmodel = \"openai/gpt-5\"\nagent = \"writer\"\nschedule = \"weekly\"\ntokens_per_day = 20000\n\
            requests_per_day = 30\nusd_per_month = \"60\"\ntimezone = \"Europe/Berlin\"\non_exceed = \"pause\"\n";
        let found = budgets(None, text).expect("they are good");
        let [all, drafts] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!(
            (all.name.as_str(), all.usd_per_day, all.over().as_str()),
            ("all", Some(cents(500)), "")
        );
        assert_eq!(all.on_exceed, OnExceed::Fail);
        assert!(matches!(all.origin, Origin::File(_, 2)), "{:?}", all.origin);
        assert_eq!(
            drafts.over(),
            "pipeline research, label team=x, model openai/gpt-5, agent writer, schedule weekly"
        );
        assert_eq!(
            (drafts.tokens_per_day, drafts.requests_per_day),
            (Some(20_000), Some(30))
        );
        assert_eq!(
            (drafts.usd_per_month, drafts.on_exceed),
            (Some(cents(6000)), OnExceed::Pause)
        );
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone_also_when_its_clocks_change() {
        let text = "[[budget]]\nname = \"a\"\nrequests_per_day = 1\ntimezone = \"Europe/Berlin\"\n";
        let budget = budgets(None, text).expect("it is good").remove(0).standing();
        let window = |at: &str| {
            let at: Timestamp = at.parse().expect("a time");
            let (key, ..) = budget
                .accounts(Time::from_micros(at.as_microsecond()))
                .next()
                .expect("a day");
            key.window
        };
        assert_eq!(window("2026-01-31T22:59:59Z"), "2026-01-31");
        assert_eq!(window("2026-01-31T23:00:00Z"), "2026-02-01");
        assert_eq!(window("2026-07-31T21:59:59Z"), "2026-07-31");
        assert_eq!(window("2026-07-31T22:00:00Z"), "2026-08-01");
    }

    #[test]
    fn of_one_name_the_highest_level_counts_and_all_others_hold() {
        let project = "[[budget]]\nname = \"all\"\nusd_per_day = \"5.00\"\n[[budget]]\nname = \"own\"\nrequests_per_day = 1\n";
        let named = "[[budget]]\nname = \"all\"\nusd_per_day = \"1.00\"\n";
        let found = budgets(Some(named), project).expect("they are good");
        let limits: Vec<_> = found
            .iter()
            .map(|budget| (budget.name.as_str(), budget.usd_per_day))
            .collect();
        assert_eq!(limits, [("all", Some(cents(100))), ("own", None)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_the_way_out() {
        for (text, parts) in [
            (
                "usd_per_day = \"1\"\n",
                &["has no `name`", "segue.toml:2", "name = \"all\""][..],
            ),
            ("name = \"all\"\n", &["all", "segue.toml:2", "usd_per_day"]),
            (
                "name = \"a\"\nrequests_per_day = 1\nlabel = \"x\"\n",
                &["label of budget `a`", "team=x"],
            ),
            (
                "name = \"a\"\nrequests_per_day = 1\ntimezone = \"Mars/Base\"\n",
                &["`Mars/Base`", "Europe/Berlin"],
            ),
            ("name = \"a b\"\nrequests_per_day = 1\n", &["a b"]),
            (
                "name = \"a\"\nrequests_per_day = 1\n[[budget]]\nname = \"a\"\nrequests_per_day = 2\n",
                &["two budgets are called `a`", "segue.toml:2 and", "segue.toml:5"],
            ),
        ] {
            let problem = budgets(None, &format!("[[budget]]\n{text}")).expect_err(text);
            for part in parts {
                assert!(problem.contains(part), "{part} is not in {problem}");
            }
        }
    }
}
