//! Rule 6: kinds, numbers and conditions.

use serde_json::{Value as Json, json};

use super::super::{Expr, Key, Kind, Reference, truthy};
use super::{Run, expr, fails, renders, template};

#[test]
fn kinds_are_strict() {
    fails(&[
        (
            "inputs.text < 3",
            "kind_mismatch",
            "`<` cannot compare text `{{ 7*7 }}` with number `3`",
            "inputs.text < 3",
        ),
        (
            "1 == '1'",
            "kind_mismatch",
            "number `1` with text `1`",
            "1 == '1'",
        ),
        (
            "true != 1",
            "kind_mismatch",
            "boolean `true` with number `1`",
            "true != 1",
        ),
        ("none < 1", "kind_mismatch", "none with number", "none < 1"),
        (
            "[1] < [2]",
            "kind_mismatch",
            "list `[1]` with list `[2]`",
            "[1] < [2]",
        ),
        ("1 < 2 < 'a'", "kind_mismatch", "number `2` with text `a`", "'a'"),
        (
            "3 in 'abc'",
            "kind_mismatch",
            "look for number `3` in text `abc`",
            "3 in 'abc'",
        ),
        ("'a' not in none", "kind_mismatch", "in none", "'a' not in none"),
        (
            "'a' + 'b'",
            "kind_mismatch",
            "cannot add text `a` and text `b`",
            "'a' + 'b'",
        ),
        (
            "'a' * 1000000000",
            "kind_mismatch",
            "calculate with",
            "'a' * 1000000000",
        ),
        ("[1] * 3", "kind_mismatch", "calculate with list", "[1] * 3"),
        ("-'a'", "kind_mismatch", "needs a number", "-'a'"),
        ("none ~ 'a'", "none_in_text", "none", "none ~ 'a'"),
        (
            "inputs.mixed | sort",
            "kind_mismatch",
            "number `1` with text `a`",
            "sort",
        ),
        (
            "inputs.mixed | max",
            "kind_mismatch",
            "number `1` with text `a`",
            "max",
        ),
        (
            "inputs.mixed | sum",
            "kind_mismatch",
            "`sum` needs a number, found text `a`",
            "sum",
        ),
        (
            "inputs.mixed | select('gt', 0)",
            "kind_mismatch",
            "text `a`",
            "select",
        ),
        ("'a' is gt 1", "kind_mismatch", "text `a` with number `1`", "gt"),
        (
            "3 | wordcount",
            "kind_mismatch",
            "`wordcount` needs text, found number `3`",
            "wordcount",
        ),
        ("'{' | fromjson", "kind_mismatch", "not JSON", "fromjson"),
        ("{1: 2}", "kind_mismatch", "keys of a map are text", "1"),
    ]);
    renders(&[
        ("{{ 'a' < 'b' and 1 < 2.5 and 1 == 1.0 }}", json!(true)),
        ("{{ 1 < 2 < 3 }}", json!(true)),
        ("{{ 3 > 2 > 2 }}", json!(false)),
        ("{{ none == 1 or none != none }}", json!(false)),
        (
            "{{ 'x' in steps.a.output.tags and 'title' in steps.a.output and 1 not in ['a'] }}",
            json!(true),
        ),
        ("{{ [1] + [2, [3]] }}", json!([1, 2, [3]])),
        ("{{ 'page ' ~ 3 ~ true }}", json!("page 3true")),
        (
            "{{ steps.a.output.rows == [{'name': 'b', 'n': 2}, {'n': 1.0, 'name': 'a'}] }}",
            json!(true),
        ),
        ("{{ [] or {} or 0 or '' or none or 'last' }}", json!("last")),
        ("{{ 1 and [] }}", json!([])),
        ("{{ not 0 }}", json!(true)),
    ]);
    let long = "a".repeat(100);
    let error = expr(&format!("'{long}' < 1")).eval(&Run).unwrap_err();
    assert!(
        error.message.contains(&format!("`{}…`", "a".repeat(40))),
        "{}",
        error.message
    );
}

#[test]
fn integers_stay_integers_and_never_wrap() {
    renders(&[
        ("{{ 7 // 2 }}", json!(3)),
        ("{{ -7 // 2 }}", json!(-4)),
        ("{{ -7 % 3 }}", json!(2)),
        ("{{ 7 / 2 }}", json!(3.5)),
        ("{{ 4 / 2 }}", json!(2.0)),
        ("{{ 2 ** 63 }}", json!(1u64 << 63)),
        ("{{ 2 ** -1 }}", json!(0.5)),
        ("{{ inputs.big - 1 }}", json!(u64::MAX - 1)),
        ("{{ inputs.min + 0 }}", json!(i64::MIN)),
        ("{{ (-1) ** 9999999999999 }}", json!(-1)),
        ("{{ '42' | int + 1 }}", json!(43)),
    ]);
    fails(&[
        ("1 / 0", "number_range", "divides by zero", "1 / 0"),
        ("1 // 0.0", "number_range", "divides by zero", "1 // 0.0"),
        ("1 % 0", "number_range", "divides by zero", "1 % 0"),
        (
            "inputs.big + 1",
            "number_range",
            "18446744073709551615 + 1",
            "inputs.big + 1",
        ),
        (
            "inputs.big * inputs.big",
            "number_range",
            "out of range",
            "inputs.big * inputs.big",
        ),
        ("inputs.min - 1", "number_range", "out of range", "inputs.min - 1"),
        ("-inputs.big", "number_range", "out of range", "-inputs.big"),
        ("9 ** 9 ** 9", "number_range", "out of range", "9 ** 9 ** 9"),
        ("1e308 * 10 > 1", "number_range", "out of range", "1e308 * 10"),
        ("1e308 * 10", "number_range", "out of range", "1e308 * 10"),
        ("'nan' | float", "number_range", "out of range", "float"),
        ("4 is divisibleby 0", "number_range", "zero", "divisibleby"),
        (
            "[inputs.big, inputs.big] | sum",
            "number_range",
            "out of range",
            "sum",
        ),
    ]);
    assert_eq!(
        Expr::parse("99999999999999999999").unwrap_err()[0].code,
        "number_range"
    );
}

#[test]
fn conditions_need_booleans() {
    for (source, expected) in [
        ("inputs.n > 2 and not false", true),
        ("(inputs.empty or 'x') == 'x'", true),
        ("steps.skipped.output is none", true),
        ("false or inputs.n == 4", false),
    ] {
        assert_eq!(expr(source).eval_bool(&Run), Ok(expected), "{source}");
    }
    for (source, hint, place) in [
        (
            "steps.skipped.output",
            "write `steps.skipped.output is not none`",
            "steps.skipped.output",
        ),
        ("inputs.text", "write `inputs.text is not none`", "inputs.text"),
        ("true and inputs.n", "write `inputs.n != 0`", "inputs.n"),
        (
            "not steps.a.output.tags",
            "write `steps.a.output.tags | length > 0`",
            "steps.a.output.tags",
        ),
    ] {
        let error = expr(source).eval_bool(&Run).unwrap_err();
        assert_eq!(
            (error.kind, error.hint.as_deref()),
            ("kind_mismatch", Some(hint)),
            "{source}"
        );
        assert_eq!(&source[error.offset..error.offset + error.len], place);
    }
    for (value, yes) in [
        (json!(0), false),
        (json!(0.0), false),
        (json!(""), false),
        (json!([]), false),
        (json!({}), false),
        (Json::Null, false),
        (json!("0"), true),
        (json!([0]), true),
    ] {
        assert_eq!(truthy(&value), yes, "{value}");
    }
}

#[test]
fn kinds_are_checked_before_the_run() {
    let known = |reference: &Reference| match (
        reference.root.as_str(),
        reference.path.last().map(|segment| &segment.key),
    ) {
        ("inputs", Some(Key::Field(name))) if name == "text" => Some(Kind::Text),
        ("inputs", Some(Key::Field(name))) if name == "n" => Some(Kind::Number),
        ("inputs", Some(Key::Field(name))) if name == "list" => Some(Kind::List),
        _ => None,
    };
    for source in [
        "inputs.text < 3",
        "inputs.text + 'x'",
        "inputs.list | upper",
        "-inputs.text",
        "inputs.n in inputs.text",
        "inputs.x - 'a'",
        "inputs.n == '3'",
        "1 < 2 < 'a'",
        "none ~ 'a'",
        "inputs.text | length > 'a'",
    ] {
        let found = expr(source).kinds(&known);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(
            matches!(found[0].code, "kind_mismatch" | "none_in_text"),
            "{source}"
        );
    }
    for source in [
        "inputs.text | int < 3",
        "inputs.x < 3",
        "inputs.n + 1 > 2.5",
        "inputs.text ~ 3",
        "inputs.n in inputs.list",
        "inputs.text | length > 3",
        "(inputs.x or 0) < 3",
        "inputs.text == none",
    ] {
        assert_eq!(expr(source).kinds(&known), [], "{source}");
    }
    assert_eq!(
        expr("inputs.text < 3").kinds(&known)[0].message,
        "`<` cannot compare text with number: `inputs.text < 3`"
    );
    for (source, count) in [
        ("inputs.text", 1),
        ("inputs.n and inputs.x", 1),
        ("inputs.n > 3", 0),
        ("inputs.x", 0),
        ("not inputs.list", 1),
    ] {
        assert_eq!(expr(source).condition_kinds(&known).len(), count, "{source}");
    }
    assert_eq!(
        template("{% for x in inputs.n %}{% endfor %}")
            .kinds(&known)
            .len(),
        1
    );
    assert_eq!(expr("inputs.text | wordcount").kind(&known), Some(Kind::Number));
    assert_eq!(template("{{ inputs.n }}!").kind(&known), Some(Kind::Text));
    assert_eq!(template("{{ inputs.n }}").kind(&known), Some(Kind::Number));
}
