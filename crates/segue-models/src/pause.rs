//! Pauses: how long a provider asks to wait before the next try.

use std::time::Duration;

use reqwest::header::HeaderMap;

use crate::clock;

/// Nobody waits longer than this for a provider: its request fails at once and says so.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The pause an error asks for, if it says something that can be one.
pub(crate) fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(pause) = text("retry-after-ms").and_then(|text| number(text, 1e-3)) {
        return Some(pause);
    }
    let after = text("retry-after")?;
    number(after, 1.0).or_else(|| {
        let until = httpdate::parse_http_date(after).ok()?;
        // By the clock of whoever said it, where that is known.
        let now = text("date").and_then(|date| httpdate::parse_http_date(date).ok());
        let now = now.unwrap_or_else(clock::wall);
        Some(until.duration_since(now).unwrap_or_default())
    })
}

/// A count of seconds or parts of them. What is negative or no number says nothing.
fn number(text: &str, unit: f64) -> Option<Duration> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse::<f64>().ok().filter(|_| is_number)? * unit;
    // More than can be said is as absurd as the most that can.
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &str)| (name.parse().unwrap(), value.parse().unwrap());
        fields.iter().map(field).collect()
    }

    #[test]
    fn every_spelling_of_a_pause() {
        let (seconds, date) = ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT");
        for (fields, expected) in [
            (vec![], None),
            (vec![(seconds, "7")], Some(7_000)),
            (vec![(seconds, " 1.5 ")], Some(1_500)),
            (vec![("retry-after-ms", "250"), (seconds, "7")], Some(250)),
            (vec![("retry-after-ms", "soon"), (seconds, "7")], Some(7_000)),
            (vec![(seconds, "-7")], None),
            (vec![(seconds, "soon")], None),
            (vec![(seconds, "inf")], None),
            (vec![(seconds, "1e3")], None),
            (vec![(seconds, "")], None),
            (
                vec![(seconds, date), ("date", "Sun, 06 Nov 1994 08:49:30 GMT")],
                Some(7_000),
            ),
            (
                vec![(seconds, date), ("date", "Sun, 06 Nov 1994 09:00:00 GMT")],
                Some(0),
            ),
            (vec![(seconds, date)], Some(0)),
        ] {
            let pause = asked(&headers(&fields)).map(|pause| pause.as_millis());
            assert_eq!(pause, expected, "{fields:?}");
        }
        assert_eq!(
            asked(&headers(&[(seconds, &"9".repeat(400))])),
            Some(Duration::MAX)
        );
    }
}
