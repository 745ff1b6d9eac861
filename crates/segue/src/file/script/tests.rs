use proptest::prelude::*;

use crate::model::Scripted;

/// Place, code and message of each fault.
fn faults(text: &str) -> Vec<String> {
    let faults = Scripted::from_yaml(text).expect_err("it has faults");
    let line = |fault: &&crate::fault::Fault| {
        let place = fault.place.map_or((0, 0), |place| (place.line, place.column));
        let advice = fault
            .advice()
            .map(|advice| format!(" ({advice})"))
            .unwrap_or_default();
        format!("{}:{} {} {}{advice}", place.0, place.1, fault.code, fault.message)
    };
    faults.list().iter().map(line).collect()
}

#[test]
fn every_fault_of_a_rule_is_reported_with_rule_and_key() {
    let kinds = "did you mean `rate_limited`?";
    for (rule, expected) in [
        ("{ promt: x, reply: y }", "5 unknown_key unknown key `promt` in rule 1 (did you mean `prompt`?)".to_owned()),
        ("{ agent: x }", "5 no_action rule 1 has neither `reply` nor `call` nor `error` (add what it answers, such as `reply: TEXT`)".into()),
        ("{ reply: x, error: timeout }", "15 two_actions rule 1 has both `reply` and `error` (split it into two rules)".into()),
        ("{ reply: x, agent: 5 }", "22 wrong_type `agent` of rule 1 needs text, found the number 5 (put it in quotes to make it text)".into()),
        ("{ reply: x, times: 0 }", "22 number_range `times` of rule 1 needs an integer from 1 to 4294967295, found 0".into()),
        ("{ reply: x, delay: 20 }", "22 wrong_type `delay` of rule 1 needs a duration, found the number 20 (write `20s`)".into()),
        ("{ reply: x, retry_after: 2s }", "15 conflict `retry_after` of rule 1 goes with an error, and this rule answers (leave it out, or write `error: rate_limited`)".into()),
        ("{ error: empty, retry_after: 2s }", "19 conflict `retry_after` of rule 1 goes with an error, and this rule answers (leave it out, or write `error: rate_limited`)".into()),
        ("{ error: rate_limitd }", format!("12 wrong_type `error` of rule 1 needs an error kind or a malformed reply, found `rate_limitd` ({kinds})")),
        ("{ call: { args: {} } }", "13 missing_key `call` of rule 1 has no `tool` (the tool to call)".into()),
        ("{ call: { tool: a, arg: {} } }", "22 unknown_key unknown key `arg` in `call` of rule 1 (did you mean `args`?)".into()),
        ("{ call: [{ tool: a, args: b }] }", "29 wrong_type `args` of entry 1 of `call` of rule 1 needs a map, found the text `b`".into()),
        ("{ call: [] }", "11 empty_definition `call` of rule 1 has no calls".into()),
        ("{ reply: x, usage: { tokens: 1 } }", "24 unknown_key unknown key `tokens` in `usage` of rule 1 (keys: `input_tokens`, `output_tokens`, `cache_read_tokens`, `cache_write_tokens`, `reasoning_tokens`, `audio_tokens`)".into()),
        ("{ reply: x, usage: { input_tokens: -1 } }", "38 number_range `input_tokens` of `usage` of rule 1 needs an integer of 0 or more, found -1".into()),
        ("{ reply: x, prompt: { min: 1 } }", "25 kind_mismatch `min` of `prompt` of rule 1 compares numbers, and this is text (bound how long it is: `length: { min: 3 }`)".into()),
        ("{ reply: x, prompt: { matches: 'a(' } }", "34 bad_pattern `matches` of `prompt` of rule 1 is no pattern: unclosed group".into()),
        ("{ reply: x, prompt: { not: { contain: a } } }", "32 unknown_key unknown key `contain` among the conditions of `not` of `prompt` of rule 1 (did you mean `contains`?)".into()),
        ("{ reply: x, prompt: { one_of: a } }", "33 wrong_type `one_of` of `prompt` of rule 1 needs a list, found the text `a` (write `[a]`)".into()),
        ("{ reply: x, prompt: { length: { min: 2, max: 1 } } }", "33 number_range `length` of `prompt` of rule 1 has a `min` of 2 above its `max` of 1".into()),
        ("{ reply: x, prompt: {} }", "23 empty_definition `prompt` of rule 1 has nothing in it".into()),
        ("{ reply: }", "10 wrong_type `reply` of rule 1 needs text or a value, found nothing (write `null` for null, `\"\"` for empty text)".into()),
        ("a reply", "3 wrong_type rule 1 needs a map, found the text `a reply`".into()),
    ] {
        assert_eq!(faults(&format!("version: 1\nscript:\n- {rule}\n")), [format!("3:{expected}")], "{rule}");
    }
}

#[test]
fn every_fault_of_a_file_is_reported_at_once() {
    let text = "version: 2\nscript:\n- { error: tiemout, times: x }\n- {}\nscripts: []\n";
    assert_eq!(
        faults(text),
        [
            "1:10 unknown_version version 2 of the format is not read here (write `version: 1`)",
            "3:12 wrong_type `error` of rule 1 needs an error kind or a malformed reply, found `tiemout` (did you mean `timeout`?)",
            "3:28 wrong_type `times` of rule 1 needs an integer, found the text `x`",
            "4:3 no_action rule 2 has neither `reply` nor `call` nor `error` (add what it answers, such as `reply: TEXT`)",
            "5:1 unknown_key unknown key `scripts` in the script (did you mean `script`?)",
        ]
    );
    assert_eq!(
        faults("version: 1\nscript:\n- { repli: x, time: 2 }\n"),
        [
            "3:5 unknown_key unknown key `repli` in rule 1 (did you mean `reply`?)",
            "3:5 no_action rule 1 has neither `reply` nor `call` nor `error` (add what it answers, such as `reply: TEXT`)",
            "3:15 unknown_key unknown key `time` in rule 1 (did you mean `times`?)",
        ]
    );
    assert_eq!(
        faults("x: 1\n")[1..],
        [
            "1:1 missing_key the script has no `version` (version of the format: 1)",
            "1:1 missing_key the script has no `script` (rules that say what models answer)"
        ]
    );
    assert_eq!(
        faults("version: 1\nscript: x\n"),
        ["2:9 wrong_type `script` needs a list of rules, found the text `x`"]
    );
    assert!(faults("version: 1\nscript: [\n")[0].contains("yaml_syntax"));
}

#[test]
fn a_fault_points_into_the_file() {
    let faults =
        Scripted::from_yaml("version: 1\nscript:\n- reply: x\n- call: [{ tool: 5 }]\n").expect_err("a fault");
    assert_eq!(faults.list()[0].pointer, "/script/1/call/0/tool");
}

proptest! {
    #[test]
    fn reading_a_script_is_total(rules in "(- )?[{]?(agent|step|prompt|reply|call|error|usage|times|delay)[:] ?([{]|[\\[]|[a-z0-9]{0,3}|tool: |not: |length: |matches: [(*])[}\\]]{0,2}") {
        if let Err(faults) = Scripted::from_yaml(&format!("version: 1\nscript:\n{rules}\n")) {
            prop_assert!(faults.has_errors());
        }
    }
}
