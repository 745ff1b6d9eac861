use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::file::yaml;
use crate::money::Nanousd;

/// The value of `k: TEXT`.
fn node(text: &str) -> Node {
    let doc = yaml::read(
        format!("k: {text}\n").as_bytes(),
        "f",
        &mut crate::fault::Faults::new(),
    )
    .expect("a map");
    doc.root.get("k").expect("key k").clone()
}

fn ok<T>(value: T) -> Result<T, (Code, Option<String>)> {
    Ok(value)
}

fn err<T>(code: Code, hint: &str) -> Result<T, (Code, Option<String>)> {
    Err((code, (!hint.is_empty()).then(|| hint.to_owned())))
}

fn short<T>(result: Result<T, Flaw>) -> Result<T, (Code, Option<String>)> {
    result.map_err(|flaw| (flaw.code, flaw.hint))
}

const SPELLING: &str = "write it as `250ms`, `30s`, `5m`, `2h` or `1d`, or as a sum such as `1h30m`";

#[test]
fn durations() {
    let seconds = |n| ok(Duration::from_secs(n));
    let table = [
        ("250ms", ok(Duration::from_millis(250))),
        ("30s", seconds(30)),
        ("'30s'", seconds(30)),
        ("5m", seconds(300)),
        ("2h", seconds(7200)),
        ("1d", seconds(86_400)),
        ("1h30m", seconds(5400)),
        ("1d2h3m4s5ms", ok(Duration::from_millis(93_784_005))),
        ("36500d", seconds(36_500 * 86_400)),
        ("0s", err(Code::NumberRange, "")),
        ("36501d", err(Code::NumberRange, "")),
        ("99999999999999999999d", err(Code::NumberRange, "")),
        ("30", err(Code::WrongType, "write `30s`")),
        ("'30'", err(Code::WrongType, "write `30s`")),
        ("-30", err(Code::WrongType, SPELLING)),
        ("1.5", err(Code::WrongType, SPELLING)),
        ("1.5h", err(Code::WrongType, SPELLING)),
        ("30 s", err(Code::WrongType, SPELLING)),
        ("30S", err(Code::WrongType, SPELLING)),
        ("30sec", err(Code::WrongType, SPELLING)),
        ("30m1h", err(Code::WrongType, SPELLING)),
        ("1s1s", err(Code::WrongType, SPELLING)),
        ("s", err(Code::WrongType, SPELLING)),
        ("1s2", err(Code::WrongType, SPELLING)),
        ("-1s", err(Code::WrongType, SPELLING)),
        ("1e3s", err(Code::WrongType, SPELLING)),
        ("٣s", err(Code::WrongType, SPELLING)),
        ("''", err(Code::WrongType, SPELLING)),
        ("none", err(Code::WrongType, SPELLING)),
        ("null", err(Code::WrongType, "leave the key out for the default")),
        ("[1s]", err(Code::WrongType, SPELLING)),
    ];
    for (text, expected) in table {
        assert_eq!(short(duration(&node(text))), expected, "{text}");
    }
}

#[test]
fn durations_that_may_be_off_or_zero() {
    assert_eq!(duration_or_none(&node("none")), Ok(None));
    assert_eq!(duration_or_none(&node("1s")), Ok(Some(Duration::from_secs(1))));
    assert_eq!(
        short(duration_or_none(&node("~"))),
        err(Code::WrongType, "write `none`, or leave the key out")
    );
    assert_eq!(
        short(duration_or_none(&node("0s"))),
        err(Code::NumberRange, "write `none`, or leave the key out")
    );
    assert_eq!(duration_or_zero(&node("0s")), Ok(Duration::ZERO));
}

#[test]
fn the_message_names_what_was_found() {
    let fault = duration(&node("30"))
        .expect_err("no unit")
        .into_fault("`timeout`");
    assert_eq!(fault.message, "`timeout` needs a duration, found the number 30");
    assert_eq!(fault.advice().as_deref(), Some("write `30s`"));
}

#[test]
fn amounts_of_money() {
    let range = Code::NumberRange;
    let digits = "digits, and at most 9 of them after a point";
    let table = [
        ("0.50", ok(500_000_000)),
        ("'0.50'", ok(500_000_000)),
        ("1", ok(1_000_000_000)),
        ("0", ok(0)),
        ("0.000000001", ok(1)),
        ("0.1", ok(100_000_000)),
        ("12.345678901", ok(12_345_678_901)),
        ("9223372036.854775807", ok(i64::MAX)),
        ("9223372036.854775808", err(range, "at most 9223372036.854775807")),
        ("99999999999999999999", err(range, "at most 9223372036.854775807")),
        (
            "0.0000000001",
            err(range, "it has 10 digits after the point, at most 9 are kept"),
        ),
        ("-1", err(range, "leave out the sign")),
        ("+1", err(range, "leave out the sign")),
        ("1e3", err(Code::WrongType, digits)),
        (".5", err(Code::WrongType, digits)),
        ("1.", err(Code::WrongType, digits)),
        ("0x10", err(Code::WrongType, digits)),
        (".nan", err(Code::WrongType, digits)),
        ("1_000", err(Code::WrongType, digits)),
        ("'1,5'", err(Code::WrongType, digits)),
        ("$0.50", err(Code::WrongType, "write `0.50`")),
        ("$$1", err(Code::WrongType, digits)),
        ("true", err(Code::WrongType, "")),
        ("{usd: 1}", err(Code::WrongType, "")),
    ];
    for (text, expected) in table {
        assert_eq!(short(money(&node(text)).map(Nanousd::nanos)), expected, "{text}");
    }
}

#[test]
fn sizes() {
    let units = "write it as `512B`, `64KB`, `2MB` or `1GB`";
    let table = [
        ("64KB", ok(65_536)),
        ("64KiB", ok(65_536)),
        ("2MB", ok(2 << 20)),
        ("1GB", ok(1 << 30)),
        ("512B", ok(512)),
        ("0B", ok(0)),
        ("65536", err(Code::WrongType, "write `64KB`")),
        ("100", err(Code::WrongType, "write `100B`")),
        ("64kb", err(Code::WrongType, units)),
        ("64 KB", err(Code::WrongType, units)),
        ("KB", err(Code::WrongType, units)),
        ("1.5MB", err(Code::WrongType, units)),
        ("99999999999999GB", err(Code::NumberRange, "")),
    ];
    for (text, expected) in table {
        assert_eq!(short(size(&node(text))), expected, "{text}");
    }
}

#[test]
fn counts() {
    let table = [
        ("3", ok(3)),
        ("1", ok(1)),
        ("100", ok(100)),
        ("0", err(Code::NumberRange, "")),
        ("101", err(Code::NumberRange, "")),
        ("-1", err(Code::NumberRange, "")),
        ("99999999999999999999", err(Code::NumberRange, "")),
        ("\"3\"", err(Code::WrongType, "write `3` without quotes")),
        ("1e3", err(Code::WrongType, "write `1000`")),
        ("3.0", err(Code::WrongType, "write `3`")),
        ("3.5", err(Code::WrongType, "")),
        ("1_000", err(Code::WrongType, "write `1000`")),
        ("three", err(Code::WrongType, "")),
        ("[3]", err(Code::WrongType, "")),
        ("", err(Code::WrongType, "leave the key out for the default")),
    ];
    for (text, expected) in table {
        assert_eq!(short(count(&node(text), 1..=100)), expected, "{text}");
    }
}

#[test]
fn ratios() {
    let table = [
        ("0", ok(0.0)),
        ("1", ok(1.0)),
        ("0.25", ok(0.25)),
        ("1.0001", err(Code::NumberRange, "")),
        ("-1", err(Code::NumberRange, "")),
        (".inf", err(Code::NumberRange, "")),
        ("'0.5'", err(Code::WrongType, "write it without quotes")),
        ("50%", err(Code::WrongType, "")),
    ];
    for (text, expected) in table {
        assert_eq!(short(ratio(&node(text))), expected, "{text}");
    }
}

#[test]
fn booleans_and_text() {
    assert_eq!(boolean(&node("true")), Ok(true));
    assert_eq!(short(boolean(&node("yes"))), err(Code::WrongType, "write `true`"));
    assert_eq!(
        short(boolean(&node("Off"))),
        err(Code::WrongType, "write `false`")
    );
    assert_eq!(
        short(boolean(&node("'true'"))),
        err(Code::WrongType, "write `true` without quotes")
    );
    assert_eq!(text(&node("yes")), Ok("yes"));
    assert_eq!(
        short(text(&node("3")).map(str::to_owned)),
        err(Code::WrongType, "put it in quotes to make it text")
    );
}

#[test]
fn words() {
    let words = ["none", "fixed", "linear"];
    assert_eq!(choice(&node("fixed"), &words), Ok("fixed"));
    let flaw = choice(&node("liner"), &words).expect_err("a slip");
    assert_eq!(flaw.suggestion.as_deref(), Some("linear"));
    assert_eq!(
        flaw.message,
        "needs `none`, `fixed` or `linear`, found the text `liner`"
    );
    assert_eq!(
        short(choice(&node("~"), &words)),
        err(Code::WrongType, "write `none`, or leave the key out")
    );
}

#[test]
fn names() {
    for name in ["a", "fetch-user", "a_1", &"a".repeat(64)] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
    let table = [
        ("", None),
        ("A", Some("a")),
        ("a/b", Some("a_b")),
        ("Fetch User", Some("fetch_user")),
        ("1st", Some("st")),
        ("_a", Some("a")),
        ("é", None),
        ("🦀", None),
        ("a\n", Some("a")),
    ];
    for (name, near) in table {
        let flaw = check_name(name).expect_err(name);
        assert_eq!(flaw.code, Code::BadName);
        let hint = flaw.hint.expect("always a hint");
        match near {
            Some(near) => assert!(hint.ends_with(&format!(": `{near}`")), "{hint}"),
            None => assert!(hint.contains("at most 63"), "{hint}"),
        }
    }
    assert!(check_name(&"a".repeat(65)).is_err());
    assert!(check_name(&"x".repeat(300_000)).is_err());
}

#[test]
fn titles() {
    assert_eq!(
        check_title("Cafe\u{301} & Söhne 🦀").as_deref(),
        Ok("Café & Söhne 🦀")
    );
    assert!(check_title(&"x".repeat(200)).is_ok());
    for title in [&"x".repeat(201), "two\nlines", "a\u{202e}b", "\u{7}", "", "  "] {
        assert_eq!(
            check_title(title).map_err(|flaw| flaw.code),
            Err(Code::BadName),
            "{title:?}"
        );
    }
}

proptest! {
    #[test]
    fn readers_of_text_are_total(text in "\\PC{0,40}") {
        let _ = (duration_text(&text), size_text(&text), check_name(&text), check_title(&text));
    }

    #[test]
    fn a_shown_duration_reads_back(milliseconds in 0u64..3_153_600_000_000) {
        let duration = Duration::from_millis(milliseconds);
        prop_assert_eq!(duration_text(&show_duration(duration)), Ok(duration));
    }

    #[test]
    fn a_suggested_name_is_a_name(text in "\\PC{0,90}") {
        if let Err(flaw) = check_name(&text) {
            let hint = flaw.hint.unwrap_or_default();
            if let Some((_, near)) = hint.rsplit_once(": `") {
                prop_assert_eq!(check_name(near.trim_end_matches('`')), Ok(()));
            }
        }
    }
}
