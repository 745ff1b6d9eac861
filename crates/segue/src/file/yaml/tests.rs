use proptest::prelude::*;
use serde_json::json;

use super::*;

fn faults_of(bytes: &[u8]) -> Faults {
    let mut faults = Faults::new();
    read(bytes, "f.yaml", &mut faults);
    faults
}

/// `code line:column` of every fault.
fn found(text: &str) -> Vec<String> {
    faults_of(text.as_bytes())
        .list()
        .iter()
        .map(|fault| {
            let place = fault.place.expect("faults of a file have a place");
            format!("{} {}:{}", fault.code, place.line, place.column)
        })
        .collect()
}

fn doc(text: &str) -> Doc {
    parse(text.as_bytes(), "f.yaml").unwrap_or_else(|faults| panic!("{text}\n{faults}"))
}

#[test]
fn yaml_becomes_json_in_the_order_written() {
    let doc = doc("z: 1\na: [yes, true, ~, 1.50, '3', {b: }]\nt: |\n  x\n  y\n");
    assert_eq!(
        doc.root.to_json(),
        json!({"z": 1, "a": ["yes", true, null, 1.5, "3", {"b": null}], "t": "x\ny\n"})
    );
    let keys: Vec<_> = doc
        .root
        .as_mapping()
        .expect("a map")
        .iter()
        .map(|(key, _)| &*key.name)
        .collect();
    assert_eq!(keys, ["z", "a", "t"]);
}

#[test]
fn json_bom_and_crlf_are_read() {
    let expected = json!({"a": [1, "x"]});
    for text in [
        "{\"a\": [1, \"x\"]}",
        "\u{feff}a: [1, x]",
        "a:\r\n- 1\r\n- x\r\n",
        "---\na: [1, x]\n...\n",
    ] {
        assert_eq!(doc(text).root.to_json(), expected, "{text:?}");
    }
    assert_eq!(found("\u{feff}a: 1\na: 2"), ["duplicate_name 2:1"]);
}

#[test]
fn spans_of_keys_values_and_collections() {
    let doc = doc("steps:\n  a: {agent: x, needs: [é, zz]}\n  b:\n    - 'q'\n\nend: 1\n");
    let slice = |pointer: &str| doc.source.slice(doc.root.at(pointer).expect(pointer).span);
    assert_eq!(slice("/steps/a"), "{agent: x, needs: [é, zz]}");
    assert_eq!(slice("/steps/a/needs/1"), "zz");
    assert_eq!(slice("/steps/b/0"), "'q'");
    assert!(slice("/steps").ends_with("- 'q'"));
    let (key, _) = doc
        .root
        .at("/steps/a")
        .and_then(|a| a.entry("needs"))
        .expect("a key");
    assert_eq!(
        doc.place(key.span),
        Place {
            line: 2,
            column: 17,
            len: 5
        }
    );
}

#[test]
fn nothing_and_no_map() {
    for text in ["", "\n\n", "# only words\n", "~", "---\n", "null", "\u{feff}"] {
        assert_eq!(found(text), ["empty_definition 1:1"], "{text:?}");
    }
    for text in ["- a", "text", "3", "[]"] {
        assert_eq!(found(text), ["wrong_type 1:1"], "{text:?}");
    }
    assert_eq!(doc("{}").root.to_json(), json!({}));
}

#[test]
fn independent_faults_are_found_together() {
    let text = "a: !!str x\nb: 1e999\nb: 2\n<<: {c: 1}\n? [k]\n: v\ntrue: 1\nn: 12345678901234567890\n";
    assert_eq!(
        found(text),
        [
            "tag_refused 1:4",
            "number_range 2:4",
            "duplicate_name 3:1",
            "unknown_key 4:1",
            "wrong_type 5:3",
            "wrong_type 7:1",
            "number_range 8:4",
        ]
    );
}

#[test]
fn a_duplicate_shows_both_places_and_the_first_is_kept() {
    let mut faults = Faults::new();
    let doc = read(b"steps:\n  a/b: 1\n  a/b: 2\n", "f.yaml", &mut faults).expect("a tree");
    let fault = faults.list()[0].clone();
    assert_eq!(fault.pointer, "/steps/a~1b");
    assert_eq!(fault.place.map(|p| p.line), Some(3));
    assert_eq!(fault.related[0].place.line, 2);
    assert_eq!(doc.root.to_json(), json!({"steps": {"a/b": 1}}));
}

#[test]
fn duplicates_among_many_keys() {
    let mut text: String = (0..1000).map(|n| format!("k{n}: {n}\n")).collect();
    text.push_str("k7: again\nk7: and again\n");
    assert_eq!(found(&text), ["duplicate_name 1001:1", "duplicate_name 1002:1"]);
}

#[test]
fn tags_of_every_kind_are_refused() {
    for tag in ["!", "!x", "!!int", "!!python/object", "!<tag:a,2000:b>"] {
        assert_eq!(found(&format!("k: {tag} 1")), ["tag_refused 1:4"], "{tag}");
        assert_eq!(found(&format!("k: {tag} [1]")), ["tag_refused 1:4"], "{tag}");
    }
}

#[test]
fn one_document_only() {
    assert_eq!(found("a: 1\n---\nb: 2\n"), ["one_document 2:1"]);
    assert_eq!(
        found("---\n---\na: 1"),
        ["empty_definition 1:1", "one_document 2:1"]
    );
}

#[test]
fn bad_utf8_says_which_byte() {
    let faults = faults_of(b"a: 1\nb: \xff\n");
    let fault = faults.list()[0].clone();
    assert_eq!(fault.code, Code::BadEncoding);
    assert_eq!(fault.message, "byte 8 (0xff) is not UTF-8");
    assert_eq!(
        fault.place,
        Some(Place {
            line: 2,
            column: 4,
            len: 1
        })
    );
    assert_eq!(
        faults_of(
            "a: 1"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
                .as_slice()
        )
        .total(),
        1
    );
}

#[test]
fn a_template_without_quotes_is_explained() {
    let mut faults = Faults::new();
    let doc = read(b"a:\n  prompt: {{ inputs.x }}\n", "f.yaml", &mut faults).expect("a tree");
    let fault = faults.list()[0].clone();
    assert_eq!((faults.total(), fault.code), (1, Code::WrongType));
    assert_eq!(
        fault.hint.as_deref(),
        Some("put it in quotes: `\"{{ inputs.x }}\"`")
    );
    assert_eq!(
        fault.place,
        Some(Place {
            line: 2,
            column: 11,
            len: 14
        })
    );
    assert_eq!(fault.pointer, "/a/prompt");
    assert_eq!(doc.root.to_json(), json!({"a": {"prompt": "{{ inputs.x }}"}}));
}

#[test]
fn syntax_errors_stop_and_say_why() {
    let table = [
        ("a: [b, c\n", "yaml_syntax 1:4", "`[` is never closed"),
        ("a: {b: 1]\n", "yaml_syntax 1:4", "`{` is closed by `]`"),
        (
            "a: [b c: d e]\nb: [{x: 1} y]",
            "yaml_syntax 2:12",
            "expected `,` or `]`",
        ),
        ("a: 'x\n", "yaml_syntax", "inside quotes"),
        ("a: b: c\n", "yaml_syntax 1:5", "`:` cannot stand here"),
        ("a: *nope\n", "yaml_syntax 1:4", "alias `*nope`"),
        ("a: @x\n", "yaml_syntax 1:4", "`@` cannot start a value"),
        ("a: \"\\q\"\n", "yaml_syntax", "this escape does not exist"),
        ("a: \"x\" y\n", "yaml_syntax 1:8", "after its closing quote"),
        ("a:\n\t- b\n", "yaml_syntax", "tab"),
        ("a: \u{1}\n", "yaml_syntax 1:4", "`\\u{1}`"),
    ];
    for (text, at, words) in table {
        let faults = faults_of(text.as_bytes());
        assert!(found(text)[0].starts_with(at), "{text:?}: {:?}", found(text));
        assert!(
            faults.list()[0].message.contains(words),
            "{text:?}: {}",
            faults.list()[0].message
        );
        assert_eq!(faults.total(), 1, "{text:?}");
    }
}

#[test]
fn depth_is_limited_in_every_spelling() {
    let nested = |open: &str, inner: &str, close: &str, depth: usize| {
        format!("a: {}{inner}{}", open.repeat(depth), close.repeat(depth))
    };
    doc(&nested("[", "x", "]", MAX_DEPTH - 1));
    assert_eq!(found(&nested("[", "x", "]", MAX_DEPTH)), ["too_deep 1:67"]);
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
        (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
    ] {
        let found = found(&text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("too_deep"), "{found:?}");
    }
}

#[test]
fn depth_counts_through_aliases() {
    let half = format!("{}x{}", "[".repeat(40), "]".repeat(40));
    let text = format!("a: &a {half}\nb: {}*a{}", "[".repeat(40), "]".repeat(40));
    assert_eq!(found(&text)[0].split(' ').next(), Some("too_deep"));
}

#[test]
fn aliases_repeat_values_at_the_place_of_the_anchor() {
    let doc = doc("a: &x {k: [1, 2]}\nb: *x\n*x2 : 3\n"
        .replace("*x2 ", "c")
        .as_str());
    assert_eq!(
        doc.root.to_json(),
        json!({"a": {"k": [1, 2]}, "b": {"k": [1, 2]}, "c": 3})
    );
    assert_eq!(
        doc.root.at("/b/k").map(|n| n.span),
        doc.root.at("/a/k").map(|n| n.span)
    );
}

#[test]
fn alias_tricks_are_refused() {
    let mut bomb = String::from("l0: &l0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = format!("*l{}", level - 1);
        bomb.push_str(&format!("l{level}: &l{level} [{}]\n", vec![below; 9].join(", ")));
    }
    let many = format!("a: &a x\nb: [{}]", "*a, ".repeat(MAX_ALIASES + 1));
    let inside = "a: &a [1, *a]".to_owned();
    let text = format!("a: &a {}\nb: [{}]", "x".repeat(2000), "*a, ".repeat(90));
    let nodes = format!("a: &a [{}]\nb: [{}]", "[], ".repeat(200), "*a, ".repeat(90));
    for file in [bomb, many, inside, text, nodes] {
        let found = found(&file);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("alias_limit"), "{found:?}");
    }
    // Ninety-nine aliases of one short value keep the file's size, whatever comes after them.
    doc(&format!("a: &a x\nb: [{}]", "*a, ".repeat(MAX_ALIASES - 1)));
}

#[test]
fn size_limits() {
    assert_eq!(found(&"#".repeat(MAX_BYTES + 1)), ["too_large 1:1"]);
    assert_eq!(found(&format!("a: {}", "x".repeat(MAX_SCALAR_BYTES))), [""; 0]);
    assert_eq!(
        found(&format!("a: {}", "x".repeat(MAX_SCALAR_BYTES + 1))),
        ["too_large 1:4"]
    );
    let items = "1,".repeat(MAX_NODES + 1);
    assert!(found(&format!("a: [{items}]"))[0].starts_with("too_large"));
}

#[test]
fn positions_inside_values() {
    let table = [
        "a: one X two",
        "a: 'it''s X'",
        "a: \"\\u00e9\\n\\x41\\\\ X\"",
        "a: \"\\uD83D\\uDE00 X\"",
        "a: \"\\N\\_\\L\\P\\e X\"",
        "a: \"x\\\n   y X\"",
        "a: \"x\\\n\n   y X\"",
        "a: x\n  y   \n\n\n  z X",
        "a: 'x\n\n  y X'",
        "a: |\n  é\n   in\n\n  X",
        "a: |\n\n\n  X",
        "a: |2\n    lead\n  X",
        "a: |+\r\n  one\r\n\r\n  X\r\n\r\n",
        "a: >-\n  f1\n  f2\n\n\n  f3\n    more\n    more\n  X",
        "a: >\n  f1  \n  X",
        "- |\n  no\n",
    ];
    for text in &table[..table.len() - 1] {
        let doc = doc(text);
        let node = doc.root.get("a").expect("key a");
        let at = node.as_str().and_then(|value| value.find('X')).expect("an X");
        let place = doc.place_in(node, at..at + 1);
        let line = doc.source.line(place.line).expect("a line of the file");
        assert_eq!(
            line.chars().nth(place.column as usize - 1),
            Some('X'),
            "{text:?} {place:?}"
        );
        assert_eq!(place.len, 1, "{text:?}");
    }
}

#[test]
fn a_name_inside_a_template_is_marked_whole() {
    let doc = doc("p: |\n  Topic: {{ steps.nope.output }}\n");
    let node = doc.root.get("p").expect("key p");
    let at = node
        .as_str()
        .and_then(|value| value.find("nope"))
        .expect("the name");
    assert_eq!(
        doc.place_in(node, at..at + 4),
        Place {
            line: 2,
            column: 19,
            len: 4
        }
    );
}

fn check_places(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes)).into_owned();
    let source = Source::new("f.yaml", text);
    for fault in faults_of(bytes).list() {
        let places = fault
            .place
            .into_iter()
            .chain(fault.related.iter().map(|related| related.place));
        for place in places {
            let line = source.line(place.line).unwrap_or_else(|| panic!("{fault:?}"));
            assert!(place.column as usize <= line.chars().count() + 1, "{fault:?}");
            assert!(
                (place.column + place.len - 1) as usize <= line.chars().count().max(place.column as usize),
                "{fault:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_give_a_tree_or_faults(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_places(&bytes);
    }

    #[test]
    fn any_yaml_like_text_gives_a_tree_or_faults(text in "([a-c:{}\\[\\], \n\r\t\"'|>&*!?#%<~é日-]|: |- |&a |\\*a|<<: |1e999|---\n){0,60}") {
        check_places(text.as_bytes());
        if let Ok(doc) = parse(text.as_bytes(), "f.yaml") {
            doc.root.to_json();
        }
    }

    #[test]
    fn every_character_of_a_quoted_value_is_found_again(value in "[ -~é日\n😀]{1,40}") {
        let doc = doc(&format!("a: {}", json!(value)));
        let node = doc.root.get("a").expect("key a");
        for (at, c) in value.char_indices().filter(|(_, c)| !matches!(c, '"' | '\\' | '\n')) {
            let place = doc.place_in(node, at..at + c.len_utf8());
            let line = doc.source.line(place.line).expect("a line of the file");
            prop_assert_eq!(line.chars().nth(place.column as usize - 1), Some(c));
        }
    }

    #[test]
    fn every_character_of_a_block_is_found_again(
        lines in proptest::collection::vec("[a-zé]{0,3}( [a-z]{1,3}){0,3}", 1..8),
        folded in any::<bool>(),
        indent in 1usize..5,
    ) {
        prop_assume!(lines.iter().any(|line| !line.is_empty() && !line.starts_with(' ')));
        let mark = if folded { '>' } else { '|' };
        let mut text = format!("a: {mark}{indent}\n");
        for line in &lines {
            text.push_str(&" ".repeat(indent));
            text.push_str(line);
            text.push('\n');
        }
        let doc = doc(&text);
        let node = doc.root.get("a").expect("key a");
        let value = node.as_str().expect("text");
        for (at, c) in value.char_indices().filter(|(_, c)| !c.is_whitespace()) {
            let place = doc.place_in(node, at..at + c.len_utf8());
            let line = doc.source.line(place.line).expect("a line of the file");
            prop_assert_eq!(line.chars().nth(place.column as usize - 1), Some(c), "{:?}", text);
        }
    }
}
