//! Sources that grow, nest or run for long, and values of the largest size.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::super::Expr;
use super::{Run, faults, render, template};

/// Each has to end as a limit or another error, and soon: the limits count work, so none of them can hang.
#[test]
fn hostile_templates_end_in_a_limit() {
    let deep = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let parse = [
        format!("{{{{ {} }}}}", deep("(", "1", ")", 10_000)),
        format!("{{{{ {} }}}}", deep("[", "1", "]", 10_000)),
        format!("{{{{ {} }}}}", deep("{'a':", "1", "}", 10_000)),
        format!("{{{{ {}1 }}}}", "not ".repeat(50_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ 1{} }}}}", "+1".repeat(100_000)),
        format!("{{{{ a{} }}}}", ".b".repeat(100_000)),
        format!("{{{{ a{} }}}}", "[0]".repeat(50_000)),
        format!("{{{{ a{} }}}}", "|abs".repeat(50_000)),
        format!("{{{{ 1{} }}}}", " if a else 1".repeat(20_000)),
        format!("{{{{ a{} }}}}", " is b".repeat(40_000)),
        format!("{{{{ 1{} }}}}", " < 1".repeat(50_000)),
        deep("{% if a %}", "", "{% endif %}", 10_000),
        deep("{% set x %}", "", "{% endset %}", 8_000),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(20_000)),
        format!("{{{{ {} }}}}", deep("(", "1", "+1+1+1+1+1+1+1+1+1+1+1+1)", 30)),
        "x".repeat(256 * 1024 + 1),
    ];
    for source in parse {
        let found = faults(&source);
        assert_eq!(
            found.first().map(|fault| fault.code),
            Some("template_limit"),
            "{}: {found:?}",
            &source[..40]
        );
    }
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}";
    let laughs = format!(
        "{{% set a = ['lol'] %}}{}{{{{ a | tojson | length }}}}",
        "{% set a = [a, a, a, a, a, a, a, a, a, a] %}".repeat(20)
    );
    let nested =
        "{% set ns = namespace(a=[]) %}{% for x in range(9999) %}{% set ns.a = [ns.a] %}{% endfor %}x";
    let batched = "{% set ns = namespace(a=[1]) %}{% for x in range(9999) %}{% set ns.a = ns.a | batch(1) %}{% endfor %}x";
    let doubled = format!(
        "{{% set a = 'xxxxxxxxxxxxxxxx' %}}{}{{{{ a }}}}",
        "{% set a = a ~ a %}".repeat(40)
    );
    let twice = format!(
        "{{% set a = [1, 2, 3, 4] %}}{}{{{{ a | length }}}}",
        "{% set a = a + a %}".repeat(40)
    );
    let equal = format!(
        "{{% set a = [1] %}}{{% set b = [1] %}}{}{{{{ a == b }}}}",
        "{% set a = [a, a, a] %}{% set b = [b, b, b] %}".repeat(30)
    );
    let long = format!("{{% set a = '{}' %}}", "ab ".repeat(50_000));
    let evaluate = [
        loops.to_owned(),
        laughs,
        nested.to_owned(),
        batched.to_owned(),
        doubled,
        twice,
        equal,
        "{{ range(10001) }}".to_owned(),
        "{{ range(-9223372036854775808, 9223372036854775807) }}".to_owned(),
        format!("{long}{{{{ a | replace('', a) }}}}"),
        format!("{long}{{{{ a | replace('a', a) }}}}"),
        format!("{long}{{{{ (a | replace(' ', '\\n')) | indent(10000) }}}}"),
        format!("{long}{{{{ (a | split) | join(a) }}}}"),
        format!(
            "{long}{{{{ '%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s' | format(a) }}}}"
        ),
        "{{ '%999999999s' | format('a') }}".to_owned(),
        "{{ '%*d' | format(999999999, 1) }}".to_owned(),
        format!("{long}{{% for i in range(9999) %}}{{{{ a | upper }}}}{{% endfor %}}"),
        format!("{long}{{% for i in range(9999) %}}{{% set b = a | list | unique %}}{{% endfor %}}"),
        format!("{long}{{% for i in range(9999) %}}{{% set b = a | split | sort %}}{{% endfor %}}"),
    ];
    for source in evaluate {
        let error = render(&source).expect_err(&source[..source.len().min(60)]);
        assert!(
            error.kind == "template_limit",
            "{}: {error:?}",
            &source[..source.len().min(60)]
        );
    }
    for (source, kind) in [
        ("[1] | batch(10 ** 9, 0)", "number_range"),
        ("[1] | slice(10 ** 9)", "number_range"),
        ("'a' | center(9)", "unknown_filter"),
    ] {
        let found = Expr::parse(source).map(|parsed| parsed.eval(&Run).map_err(|error| error.kind));
        match found {
            Ok(result) => assert_eq!(result, Err(kind), "{source}"),
            Err(faults) => assert_eq!(faults[0].code, kind, "{source}"),
        }
    }
}

/// The deepest shape that parses also evaluates, on the stack of an ordinary thread.
#[test]
fn what_parses_is_shallow_enough_to_evaluate() {
    let negations = format!("{{{{ {}1 }}}}", "not ".repeat(127));
    let sums = format!("{{{{ {}1{} }}}}", "(".repeat(31), " + 1 + 1 + 1)".repeat(31));
    let blocks = format!(
        "{}{negations}{}",
        "{% if true %}".repeat(31),
        "{% endif %}".repeat(31)
    );
    let branches = format!(
        "{{% if false %}}{}{{% else %}}{negations}{{% endif %}}",
        "{% elif false %}".repeat(64)
    );
    assert_eq!(render(&negations), Ok(json!(false)));
    assert_eq!(render(&sums), Ok(json!(94)));
    assert_eq!(render(&blocks), Ok(json!("false")));
    assert_eq!(render(&branches), Ok(json!("false")));
}

/// A result of the largest size allowed still renders.
#[test]
fn large_values_are_looked_at_without_being_copied() {
    let rows: Vec<Json> = (0..20_000)
        .map(|n| json!({"n": n, "text": "x".repeat(100)}))
        .collect();
    let scope = BTreeMap::from([("rows".to_owned(), Arc::new(Json::Array(rows)))]);
    let length =
        template("{% for i in range(1000) %}{{ rows[i].n + (rows | length) }} {% endfor %}").render(&scope);
    assert!(length.is_ok_and(|text| text.as_str().is_some_and(|text| text.starts_with("20000 20001"))));
    let text = BTreeMap::from([("text".to_owned(), Arc::new(json!("x".repeat(4 * 1024 * 1024))))]);
    assert!(template("{{ text }}").render(&text).is_ok());
    assert_eq!(
        template("{{ text }}!").render(&text).unwrap_err().kind,
        "template_limit"
    );
}
