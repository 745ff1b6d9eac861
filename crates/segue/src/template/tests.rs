//! The language by example: one table per rule.

use std::sync::Arc;

use serde_json::{Value as Json, json};

mod hostile;
mod properties;
mod strictness;

use super::{EvalError, Expr, Fault, Found, Key, Lookup, Reference, Template};

/// The scope of most tests: two steps, one of them skipped, and some inputs.
struct Run;

impl Lookup for Run {
    fn find(&self, path: &[&str]) -> Found {
        let group = |names: &[&str]| Found::Group(names.iter().map(|name| (*name).to_owned()).collect());
        let value = |json: Json| Found::Value(Arc::new(json));
        match path {
            [] => group(&["inputs", "steps", "run"]),
            ["steps"] => group(&["a", "skipped", "fetch-user"]),
            ["steps", "a" | "skipped" | "fetch-user"] => group(&["output", "status"]),
            ["steps", "a", "output"] => value(json!({
                "title": "Ü", "score": 7, "tags": ["x", "y"], "ratio": 0.5, "good": true,
                "rows": [{"n": 2, "name": "b"}, {"n": 1, "name": "a"}], "nothing": null
            })),
            ["steps", "skipped", "output"] => value(Json::Null),
            ["steps", "fetch-user", "output"] => value(json!("ada")),
            ["steps", _, "status"] => value(json!("succeeded")),
            ["run"] => group(&["id"]),
            ["run", "id"] => value(json!("r1")),
            ["inputs"] => value(
                json!({"text": "{{ 7*7 }}", "n": 3, "big": u64::MAX, "min": i64::MIN, "empty": "", "mixed": [1, "a"]}),
            ),
            _ => Found::Missing,
        }
    }
}

fn template(source: &str) -> Template {
    Template::parse(source).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

fn expr(source: &str) -> Expr {
    Expr::parse(source).unwrap_or_else(|faults| panic!("{source}: {faults:?}"))
}

fn render(source: &str) -> Result<Json, EvalError> {
    template(source).render(&Run)
}

#[track_caller]
fn renders(rows: &[(&str, Json)]) {
    for (source, expected) in rows {
        assert_eq!(render(source).as_ref(), Ok(expected), "{source}");
    }
}

/// Rows of expression, kind of error, a part of its message, and the source it points at.
#[track_caller]
fn fails(rows: &[(&str, &str, &str, &str)]) {
    for (source, kind, message, place) in rows {
        let error = expr(source).eval(&Run).expect_err(source);
        assert_eq!(error.kind, *kind, "{source}: {error:?}");
        assert!(error.message.contains(message), "{source}: {}", error.message);
        assert_eq!(
            &source[error.offset..error.offset + error.len],
            *place,
            "{source}: {error:?}"
        );
    }
}

fn faults(source: &str) -> Vec<Fault> {
    Template::parse(source).err().unwrap_or_default()
}

fn at<'s>(source: &'s str, fault: &Fault) -> &'s str {
    &source[fault.offset..fault.offset + fault.len]
}

#[test]
fn one_expression_keeps_its_type_and_anything_else_is_text() {
    renders(&[
        ("{{ inputs.n }}", json!(3)),
        (" \n{{ steps.a.output.tags }} ", json!(["x", "y"])),
        ("{{ steps.skipped.output }}", Json::Null),
        ("{{ inputs.big }}", json!(u64::MAX)),
        ("{{ steps.a.output.ratio }}", json!(0.5)),
        ("n={{ inputs.n }}", json!("n=3")),
        ("{{ inputs.n }}{{ inputs.n }}", json!("33")),
        ("{{ steps.a.output.good }}!", json!("true!")),
        ("{{ steps.a.output.tags }}.", json!("[\"x\",\"y\"].")),
        ("{{ {'b': 1, 'a': none} }}.", json!("{\"b\":1,\"a\":null}.")),
        ("{{ steps.a.output.title }}.", json!("Ü.")),
        ("line\n", json!("line\n")),
        ("{% if inputs.n > 2 %}yes{% endif %}", json!("yes")),
        ("{{ 'x' if false }}", Json::Null),
    ]);
    assert!(template("plain text").is_literal());
    assert!(!template("{{ 1 }}").is_literal() && template("{{ 1 }}").is_value());
    let error = render("a {{ steps.skipped.output }}").unwrap_err();
    assert_eq!((error.kind, error.offset, error.len), ("none_in_text", 5, 20));
    assert_eq!(error.hint.as_deref(), Some("write `steps.skipped.output or ''`"));
}

#[test]
fn braces_can_be_written_and_expressions_have_none() {
    renders(&[
        ("{{ '{{' }}", json!("{{")),
        ("{% raw %}{{ x }}{% endraw %}", json!("{{ x }}")),
        ("a {{ '{{ x }}' }}", json!("a {{ x }}")),
    ]);
    let fault = &Expr::parse("{{ steps.a.output }} > 3").unwrap_err()[0];
    assert_eq!(
        (fault.code, fault.offset, fault.len),
        ("braces_in_expression", 0, 2)
    );
    assert_eq!(fault.suggestion.as_deref(), Some("steps.a.output > 3"));
    assert!(Expr::parse("'{{' in inputs.text").is_ok());
    assert!(Expr::parse("{'a': {'b': 1}}").is_ok());
}

#[test]
fn values_are_never_parsed() {
    renders(&[
        ("{{ inputs.text }}", json!("{{ 7*7 }}")),
        ("<{{ inputs.text }}>", json!("<{{ 7*7 }}>")),
        ("{% set x = inputs.text %}{{ x | upper }}", json!("{{ 7*7 }}")),
        (
            "{% filter upper %}{{ inputs.text }}{% endfilter %}",
            json!("{{ 7*7 }}"),
        ),
    ]);
}

#[test]
fn references_are_found_without_running() {
    let found = |source: &str| -> Vec<String> {
        let show = |reference: &Reference| {
            let keys = reference.path.iter().map(|segment| match &segment.key {
                Key::Field(name) => format!(".{name}"),
                Key::Index(index) => format!("[{index}]"),
            });
            format!(
                "{}{}{}",
                reference.root,
                keys.collect::<String>(),
                if reference.guarded { "?" } else { "" }
            )
        };
        template(source).references().iter().map(show).collect()
    };
    for (source, expected) in [
        (
            "{{ steps.a.output.x }} {{ steps['b'].status }}",
            vec!["steps.a.output.x", "steps.b.status"],
        ),
        (
            "{{ inputs.list[inputs.n].x }} {{ inputs.l[0][-1] }}",
            vec!["inputs.list", "inputs.n", "inputs.l[0][-1]"],
        ),
        (
            "{% for x in steps.a.output %}{{ x.y }}{{ loop.index }}{{ item }}{% endfor %}{{ x }}",
            vec!["steps.a.output", "item", "x"],
        ),
        (
            "{% set ns = namespace(n=inputs.n) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}",
            vec!["inputs.n"],
        ),
        (
            "{% with a = inputs.n %}{{ a }}{% endwith %}{{ a }}",
            vec!["inputs.n", "a"],
        ),
        (
            "{% for a, b in inputs.m | items %}{{ a }}{{ b }}{% endfor %}",
            vec!["inputs.m"],
        ),
        ("{{ steps.a.output or '' }}", vec!["steps.a.output?"]),
        ("{{ steps.a.output.x | default('') }}", vec!["steps.a.output.x?"]),
        (
            "{{ 1 if steps.a.output is none else steps.a.output.x }}",
            vec!["steps.a.output?", "steps.a.output.x?"],
        ),
        (
            "{% if steps.a.output %}{{ steps.a.output.x }}{{ steps.b.output.x }}{% endif %}",
            vec!["steps.a.output?", "steps.a.output.x?", "steps.b.output.x"],
        ),
        (
            "{{ steps.a.output is not none and steps.a.output.x > 3 }}",
            vec!["steps.a.output?", "steps.a.output.x?"],
        ),
    ] {
        assert_eq!(found(source), expected, "{source}");
    }
    let source = "é {{ ( steps . a['out put'] ) }}";
    let parsed = template(source);
    let reference = &parsed.references()[0];
    let written: Vec<&str> = reference
        .path
        .iter()
        .map(|segment| &source[segment.offset..segment.offset + segment.len])
        .collect();
    assert_eq!(
        &source[reference.offset..reference.offset + reference.len],
        "steps . a['out put']"
    );
    assert_eq!(written, ["a", "'out put'"]);
}

#[test]
fn computed_steps_are_refused_and_hyphens_recognized() {
    for (source, place) in [
        ("{{ steps[inputs.x].output }}", "inputs.x"),
        ("{{ steps | length }}", "steps"),
        ("{{ steps[0] }}", "0"),
        ("{% for s in steps %}{% endfor %}", "steps"),
    ] {
        let found = faults(source);
        assert_eq!(
            (found[0].code, at(source, &found[0])),
            ("dynamic_reference", place),
            "{source}"
        );
    }
    let hyphenated = |source: &str| -> Vec<Option<String>> {
        expr(source)
            .references()
            .iter()
            .map(|found| found.hyphenated.clone())
            .collect()
    };
    let name = Some("fetch-user".to_owned());
    assert_eq!(hyphenated("steps.fetch-user.output"), [name.clone(), name]);
    let name = Some("a-b-c".to_owned());
    assert_eq!(
        hyphenated("steps.a-b-c.output"),
        [name.clone(), name.clone(), name]
    );
    assert_eq!(hyphenated("inputs.n - index"), [None, None]);
    assert_eq!(render("{{ steps['fetch-user'].output }}"), Ok(json!("ada")));
}

#[test]
fn missing_names_are_errors_and_none_has_no_fields() {
    fails(&[
        (
            "nowhere.x",
            "unknown_reference",
            "`nowhere` is not in scope",
            "nowhere",
        ),
        (
            "steps.a.outptu",
            "unknown_field",
            "`steps.a` has no `outptu`",
            "outptu",
        ),
        (
            "steps.a.output.titel",
            "unknown_field",
            "no field `titel`",
            "titel",
        ),
        (
            "inputs['nope'] or 1",
            "unknown_field",
            "no field `nope`",
            "'nope'",
        ),
        (
            "steps.a.output.title.x",
            "unknown_field",
            "text `Ü` has no field `x`",
            "x",
        ),
        (
            "steps.a.output.tags[5]",
            "unknown_field",
            "place 5 is outside a list of 2",
            "5",
        ),
        ("[] | first", "unknown_field", "`first` finds nothing", "first"),
        (
            "steps.a.output.rows | map(attribute='z')",
            "unknown_field",
            "item 0 has no field `z`",
            "map",
        ),
    ]);
    let error = expr("steps.a.output.titel").eval(&Run).unwrap_err();
    assert_eq!(error.hint.as_deref(), Some("did you mean `title`?"));
    renders(&[
        ("{{ steps.skipped.output.x.y or 'none' }}", json!("none")),
        ("{{ steps.skipped.output.x is none }}", json!(true)),
        ("{{ steps.skipped.output.x is defined }}", json!(false)),
        ("{{ steps.a.output.nope is undefined }}", json!(true)),
        ("{{ steps.a.output.nope | default('d') }}", json!("d")),
        ("{{ steps.skipped.output | default('d') }}", json!("d")),
        ("{{ [] | first | default(1) }}", json!(1)),
        ("{{ inputs.empty | d('d', true) }}", json!("d")),
        ("{{ steps.a.output.tags[-1] }}", json!("y")),
        (
            "{{ steps.a }}",
            json!({"output": {"title": "Ü", "score": 7, "tags": ["x", "y"], "ratio": 0.5, "good": true,
            "rows": [{"n": 2, "name": "b"}, {"n": 1, "name": "a"}], "nothing": null}, "status": "succeeded"}),
        ),
    ]);
}

#[test]
fn filters_tests_and_functions() {
    renders(&[
        ("{{ 'one two\u{2003}three' | wordcount }}", json!(3)),
        ("{{ '{\"a\": [1, 2.5]}' | fromjson }}", json!({"a": [1, 2.5]})),
        ("{{ {'a': '<b>'} | tojson }}", json!("{\"a\":\"<b>\"}")),
        ("{{ 'a b c d' | truncate_words(2) }}", json!("a b…")),
        ("{{ 'Hello, World!' | slug }}", json!("hello-world")),
        ("{{ steps.a.output.tags | join(', ') }}", json!("x, y")),
        ("{{ [1, true, [2]] | join('-') }}", json!("1-true-[2]")),
        (
            "{{ steps.a.output.rows | sort(attribute='n') | map(attribute='name') | list }}",
            json!(["a", "b"]),
        ),
        (
            "{{ steps.a.output.rows | selectattr('n', 'gt', 1) | map(attribute='n') }}",
            json!([2]),
        ),
        (
            "{{ steps.a.output.rows | groupby('name') | map('first') }}",
            json!(["a", "b"]),
        ),
        ("{{ steps.a.output.rows | sum(attribute='n') }}", json!(3)),
        ("{{ ['a', 'b'] | map('upper') }}", json!(["A", "B"])),
        ("{{ [1, 2, 3] | select('odd') }}", json!([1, 3])),
        ("{{ {'b': 1, 'a': 2} | dictsort }}", json!([["a", 2], ["b", 1]])),
        ("{{ 'abc' | length + ([1] | length) }}", json!(4)),
        ("{{ 'a,b' | split(',') | reverse }}", json!(["b", "a"])),
        ("{{ range(3) }}", json!([0, 1, 2])),
        ("{{ range(5, 0, -2) }}", json!([5, 3, 1])),
        ("{{ range(3, 3) }}", json!([])),
        ("{{ dict({'a': 1}, b=2) }}", json!({"a": 1, "b": 2})),
        (
            "{{ 'abcdef'[1:3] ~ 'abcdef'[::-1] ~ 'x'[5:] }}",
            json!("bcfedcba"),
        ),
        ("{{ steps.a.output.tags[:1] }}", json!(["x"])),
        ("{{ '%s is %d' | format('a', 3) }}", json!("a is 3")),
        (
            "{{ 3 is odd and 'abc' is startingwith 'a' and 1 is number and true is not number }}",
            json!(true),
        ),
        ("{{ 'hi' is filter }}", json!(false)),
        ("{{ 3.7 | round | int }}", json!(4)),
        ("{{ [3, 1, 2] | max }}", json!(3)),
    ]);
    for (source, place, suggestion) in [
        ("{{ 'a' | wordcout }}", "wordcout", Some("wordcount")),
        ("a {{ 1 is odds }}", "odds", Some("odd")),
        ("{{ rnage(3) }}", "rnage", Some("range")),
        ("{{ now() }}", "now", None),
        ("{{ debug() }}", "debug", None),
        ("{{ [1] | map('uper') }}", "'uper'", Some("upper")),
        ("{{ [1] | select('od') }}", "'od'", Some("odd")),
    ] {
        let found = faults(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert_eq!(
            (found[0].code, at(source, &found[0])),
            ("unknown_filter", place),
            "{source}"
        );
        assert_eq!(found[0].suggestion.as_deref(), suggestion, "{source}");
    }
    assert_eq!(faults("{{ 1 | nofilter }} {{ 2 | alsonot }}").len(), 2);
}

#[test]
fn statements_follow_minijinja() {
    renders(&[
        (
            "{% for x in [1, 2, 3] if x != 2 %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}.",
            json!("1:1, 2:3."),
        ),
        ("{% for x in [] %}a{% else %}none{% endfor %}", json!("none")),
        (
            "{% for k, v in {'a': 1} | items %}{{ k }}={{ v }}{% endfor %}",
            json!("a=1"),
        ),
        ("{% for k in {'a': 1} %}{{ k }}{% endfor %}", json!("a")),
        (
            "{% set ns = namespace(n=0) %}{% for x in range(4) %}{% set ns.n = ns.n + x %}{% endfor %}{{ ns.n }}",
            json!("6"),
        ),
        (
            "{% set x = 1 %}{% for y in [2] %}{% set x = y %}{% endfor %}{{ x }}",
            json!("1"),
        ),
        ("{% set x %}a{{ 1 }}{% endset %}{{ x }}", json!("a1")),
        ("{% set x | upper %}a{% endset %}{{ x }}", json!("A")),
        (
            "{% filter upper | replace('B', 'x') %}ab{% endfilter %}",
            json!("Ax"),
        ),
        ("{% with (a, b) = [1, 2] %}{{ b }}{% endwith %}.", json!("2.")),
        ("a  {%- if true -%}  b  {%- endif %}", json!("ab")),
        ("{# note #}a", json!("a")),
        (
            "{% if false %}1{% elif true %}2{% else %}3{% endif %}.",
            json!("2."),
        ),
    ]);
    for source in [
        "{% for x in 'abc' %}{% endfor %}",
        "{% for x in none %}{% endfor %}",
        "{% for a, b in [1] %}{% endfor %}",
        "{% set inputs.x = 1 %}",
    ] {
        assert_eq!(render(source).unwrap_err().kind, "kind_mismatch", "{source}");
    }
}

#[test]
fn what_is_not_part_of_the_language() {
    for source in [
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro a() %}{% endmacro %}",
        "{% block a %}{% endblock %}",
        "{% call a() %}{% endcall %}",
        "{% do a() %}",
        "{% autoescape true %}{% endautoescape %}",
        "{% for x in y recursive %}{% endfor %}",
        "{{ 'a'.upper() }}",
        "{{ x.items() }}",
        "{{ (1)() }}",
        "{{ range(*x) }}",
        "{{ x | map(inputs.f) }}",
        "{{ x | map('select') }}",
        "{{ namespace(a=1) }}",
        "{{ loop() }}x{% for a in b %}",
        "{{ }}",
        "{{ a",
        "{% if x %}",
        "{{ a b }}",
        "{{ 'abc }}",
        "{{ 1 + }}",
    ] {
        let found = faults(source);
        assert!(!found.is_empty(), "{source}");
        assert!(
            matches!(found[0].code, "template_syntax" | "unknown_filter"),
            "{source}: {found:?}"
        );
        assert!(
            source
                .get(found[0].offset..found[0].offset + found[0].len)
                .is_some(),
            "{source}: {found:?}"
        );
    }
    let method = &faults("{{ x.items() }}")[0];
    assert_eq!(method.hint.as_deref(), Some("use the filter `| items`"));
    for source in ["", "  ", "a b", "{% if x %}", "a)"] {
        assert_eq!(
            Expr::parse(source).unwrap_err()[0].code,
            "template_syntax",
            "{source}"
        );
    }
}
