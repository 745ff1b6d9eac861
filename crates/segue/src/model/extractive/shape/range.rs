//! The bounds and steps of a number, and the allowed values near another one.

use serde_json::{Map, Number, Value};

/// The bounds of a number.
pub(super) struct Range {
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    /// Steps between allowed values; zero if any value is allowed.
    step: f64,
    whole: bool,
}

impl Range {
    pub(super) fn of(keywords: &Map<String, Value>, whole: bool) -> Self {
        let bound = |keyword: &str| keywords.get(keyword).and_then(Value::as_f64);
        let declared = bound("multipleOf").filter(|step| *step > 0.0);
        let step = match (declared, whole) {
            // Whole multiples of 1.5 are the multiples of 3.
            (Some(step), true) => (1..=1000)
                .map(|times| f64::from(times) * step)
                .find(|step| step.fract() == 0.0)
                .unwrap_or(step),
            (Some(step), false) => step,
            (None, true) => 1.0,
            (None, false) => 0.0,
        };
        let (low, high) = (bound("minimum"), bound("maximum"));
        let (above, below) = (bound("exclusiveMinimum"), bound("exclusiveMaximum"));
        // Just inside an exclusive bound: one step, or a small part of the width.
        let width = above
            .or(low)
            .zip(below.or(high))
            .map_or(1.0, |(low, high)| (high - low).abs());
        let inside = if step > 0.0 { step } else { (width / 16.0).min(1.0) };
        let low = above
            .map(|bound| next_above(bound, step, inside))
            .into_iter()
            .chain(low)
            .reduce(f64::max);
        let high = below
            .map(|bound| -next_above(-bound, step, inside))
            .into_iter()
            .chain(high)
            .reduce(f64::min);
        Self {
            low,
            high,
            step,
            whole,
        }
    }

    /// The allowed value nearest to `number`.
    pub(super) fn nearest(&self, number: f64) -> Value {
        let number = if number.is_finite() { number } else { 0.0 };
        let mut number = self.low.map_or(number, |low| number.max(low));
        number = self.high.map_or(number, |high| number.min(high));
        if self.step > 0.0 {
            let mut times = (number / self.step).round();
            if self.low.is_some_and(|low| times * self.step < low) {
                times = (number / self.step).ceil();
            }
            if self.high.is_some_and(|high| times * self.step > high) {
                times = (number / self.step).floor();
            }
            // Written with the digits of the step: 3 times 0.1 is 0.3.
            let digits = self
                .step
                .to_string()
                .split_once('.')
                .map_or(0, |(_, digits)| digits.len());
            number = format!("{:.digits$}", times * self.step)
                .parse()
                .unwrap_or(number);
        }
        let whole = if self.whole || number.fract() == 0.0 {
            format!("{number:.0}").parse::<i64>().ok()
        } else {
            None
        };
        whole
            .map(Number::from)
            .or_else(|| Number::from_f64(number))
            .map_or(Value::Null, Value::Number)
    }

    /// The allowed value that is `count` steps above the lowest, or below the highest where there is no lowest.
    pub(super) fn step(&self, count: usize) -> Value {
        let width = self
            .low
            .zip(self.high)
            .map_or(1.0, |(low, high)| (high - low) / FINEST);
        let step = if self.step > 0.0 {
            self.step
        } else {
            width.min(1.0)
        };
        match (self.low, self.high) {
            (None, Some(high)) => self.nearest(high - step * count as f64),
            (low, _) => self.nearest(low.unwrap_or(0.0) + step * count as f64),
        }
    }
}

/// The smallest multiple of `step` above `bound`, or `inside` above it where there are no steps.
fn next_above(bound: f64, step: f64, inside: f64) -> f64 {
    if step > 0.0 {
        ((bound / step).floor() + 1.0) * step
    } else {
        bound + inside
    }
}

/// Between two bounds there are at least this many steps.
const FINEST: f64 = 2000.0;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Range;

    fn nearest(schema: &Value, whole: bool, number: f64) -> Value {
        Range::of(schema.as_object().expect("a schema of keywords"), whole).nearest(number)
    }

    #[test]
    fn numbers_are_moved_into_their_bounds() {
        assert_eq!(
            nearest(&json!({ "minimum": 3, "maximum": 9 }), true, 20.0),
            json!(9)
        );
        assert_eq!(
            nearest(&json!({ "exclusiveMaximum": 9, "multipleOf": 2 }), true, 20.0),
            json!(8)
        );
        assert_eq!(nearest(&json!({ "minimum": 0.5 }), true, 0.0), json!(1));
        assert_eq!(nearest(&json!({}), true, f64::NAN), json!(0));
    }

    #[test]
    fn multiples_have_the_digits_of_their_step() {
        assert_eq!(nearest(&json!({ "multipleOf": 0.1 }), false, 0.31), json!(0.3));
        assert_eq!(nearest(&json!({ "multipleOf": 1.5 }), true, 4.0), json!(3));
    }
}
