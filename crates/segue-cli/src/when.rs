//! Moments as people write them: so long ago, or a date, or a time.

use segue::Time;
use segue::fault::quote;
use segue::file::scalar::duration_text;
use serde_json::Value as Json;

use crate::clock;

/// Why a text is no moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoMoment {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// `24h` for so long ago, `2026-03-01` for the beginning of that day in UTC, or an RFC 3339 time.
///
/// # Errors
/// For anything else.
pub(crate) fn back_or_at(text: &str) -> Result<Time, NoMoment> {
    moment(text, clock::now())
}

fn moment(text: &str, now: Time) -> Result<Time, NoMoment> {
    if let Ok(back) = duration_text(text) {
        let back = i64::try_from(back.as_micros()).unwrap_or(i64::MAX);
        return Ok(Time::from_micros(now.micros().saturating_sub(back)));
    }
    let at = |text: String| serde_json::from_value::<Time>(Json::String(text)).ok();
    let is_day = text.len() == 10 && !text.contains('T');
    let found = match is_day {
        true => at(format!("{text}T00:00:00Z")),
        false => at(text.to_owned()),
    };
    found.ok_or_else(|| NoMoment {
        message: format!("{} is neither a duration nor a time", quote(text)),
        hint: Some("write `24h`, `7d`, `2026-03-01` or `2026-03-01T07:00:00Z`".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_back_and_times_stand_for_themselves() {
        let now = Time::from_micros(1_772_348_400_000_000);
        for (text, expected) in [
            ("24h", "2026-02-28T07:00:00.000Z"),
            ("1d12h", "2026-02-27T19:00:00.000Z"),
            ("2026-02-03", "2026-02-03T00:00:00.000Z"),
            ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06.000Z"),
            ("2026-02-03T04:05:06+02:00", "2026-02-03T02:05:06.000Z"),
        ] {
            let found = moment(text, now).map(|time| time.to_string());
            assert_eq!(found.as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "30", "yesterday", "2026-13-01", "2026-02-03T04:05", "1h1d"] {
            let refused = moment(text, now).expect_err(text);
            assert!(refused.hint.is_some(), "{refused:?}");
        }
    }
}
