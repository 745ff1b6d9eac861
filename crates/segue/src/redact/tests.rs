//! What has to hold of any secret in any text.

use proptest::prelude::{ProptestConfig, Strategy, prop, prop_assert, prop_assert_eq, proptest};
use serde_json::json;

use super::needle::{self, Needle};
use super::{LiveText, RedactingStream, Redactor, SHORTEST};
use crate::secret::Secret;

fn knows(secret: &str) -> Redactor {
    Redactor::new().secret("HOUSE", &Secret::new(secret))
}

fn has(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Everything a secret may look like, as the code and as others write it.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let mut forms: Vec<Vec<u8>> = needle::forms(secret).into_iter().map(|form| form.bytes).collect();
    forms.push(format!("{secret:?}").into_bytes());
    forms.push(
        json!({"nested": json!([secret]).to_string()})
            .to_string()
            .into_bytes(),
    );
    let spread: Vec<String> = secret.chars().map(String::from).collect();
    forms.push(spread.join("\n").into_bytes());
    forms.push(spread.join("\r\n    ").into_bytes());
    // Every third character is encoded, one way or another.
    let mixed = secret.char_indices().map(|(at, c)| match (at % 3, c.is_ascii()) {
        (0, true) => format!("%{:02x}", u32::from(c)),
        (1, true) => format!("\\u{:04X}", u32::from(c)),
        _ => c.to_string(),
    });
    forms.push(mixed.collect::<String>().into_bytes());
    forms
}

/// Secrets as people and machines make them.
fn secret() -> impl Strategy<Value = String> {
    prop::string::string_regex("[ -~]{8,40}|[A-Za-z0-9+/=_.-]{8,64}|[a-zäß€😀\"\\\\/&<%\n]{8,20}")
        .expect("it is an expression")
        .prop_filter(
            "as a file has it, and long enough without its line ends and blanks",
            |secret| {
                let shortest = super::fold::folded(secret.as_bytes())
                    .into_iter()
                    .map(|form| form.len())
                    .min();
                shortest >= Some(SHORTEST) && !secret.ends_with('\n')
            },
        )
}

fn in_pieces(mut stream: RedactingStream, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let (mut clean, mut rest) = (Vec::new(), text);
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        clean.extend(stream.push(piece));
        rest = after;
    }
    clean.extend(stream.finish());
    clean
}

fn read_along(mut live: LiveText, text: &[u8], lengths: &[usize]) -> Vec<u8> {
    let (mut clean, mut rest) = (Vec::new(), text);
    for length in lengths.iter().cycle() {
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        clean.extend(live.take(piece));
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    clean.extend(live.rest());
    clean
}

proptest! {
    #[test]
    fn a_secret_is_found_in_every_form_wherever_it_stands(
        secret in secret(),
        which in 0..64usize,
        before in "[ -~\n]{0,30}",
        after in "[ -~\n]{0,30}",
    ) {
        let forms = forms(&secret);
        let form = &forms[which % forms.len()];
        let text = [before.as_bytes(), form, after.as_bytes()].concat();
        let clean = knows(&secret).bytes(&text).into_owned();
        prop_assert!(!has(&clean, secret.as_bytes()), "{}", String::from_utf8_lossy(&clean));
        prop_assert!(!has(&clean, form), "{}", String::from_utf8_lossy(&clean));
        prop_assert!(has(&clean, b"redacted") || has(&clean, b"***"));
    }

    #[test]
    fn it_is_found_in_base64_at_every_alignment(
        secret in secret(),
        before in prop::collection::vec(0..=255u8, 0..7),
        after in prop::collection::vec(0..=255u8, 0..7),
        url in 0..2usize,
    ) {
        // A writer of base64 that shares nothing with the one that looks for it.
        let alphabet: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain([['+', '/'], ['-', '_']][url]).collect();
        let bytes = [&before[..], secret.as_bytes(), &after].concat();
        let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
        let text: String = bits.as_bytes().chunks(6).map(|chunk| {
            let chunk = format!("{:0<6}", String::from_utf8_lossy(chunk));
            alphabet[usize::from_str_radix(&chunk, 2).expect("six bits")]
        }).collect();
        let wrapped: String = text.as_bytes().chunks(20).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
        for text in [text, wrapped] {
            let redactor = knows(&secret);
            let clean = redactor.text(&text);
            prop_assert!(clean.contains("redacted") || clean.contains("***"), "{clean}");
            // No whole triple of the secret is left on either side.
            let left = clean.split('[').next().unwrap_or_default().replace('\n', "");
            prop_assert!(left.len() * 6 < (before.len() + 1) * 8 + 6, "{clean}");
        }
    }

    #[test]
    fn text_without_secrets_stays_byte_for_byte(secret in secret(), text in "[ -~\n\t]{0,200}") {
        let secrets = super::fold::folded(secret.as_bytes());
        let is_in_it = |text: &Vec<u8>| forms(&secret).iter().chain(&secrets).any(|form| has(text, form));
        let texts = super::fold::folded(text.as_bytes());
        if !texts.iter().any(is_in_it) && super::pattern::find(text.as_bytes(), 0).is_empty() {
            let clean = knows(&secret).text(&text).into_owned();
            prop_assert_eq!(clean, text);
        }
    }

    #[test]
    fn json_is_clean_in_texts_and_names(secret in secret(), depth in 0..20usize) {
        let mut value = json!({"a": [secret, {secret.clone(): 1, format!("{secret}!"): 2}]});
        for _ in 0..depth {
            value = json!([value, {"more": value}]);
            if value.to_string().len() > 1 << 14 { break; }
        }
        prop_assert!(knows(&secret).json(&mut value));
        let text = value.to_string();
        for Needle { bytes, .. } in needle::forms(&secret) {
            prop_assert!(!has(text.as_bytes(), &bytes), "{text}");
        }
    }
}

proptest! {
    // Each case goes through ten thousand bytes in a few pieces.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_give_what_the_whole_gives(
        secret in secret(),
        which in 0..64usize,
        around in prop::collection::vec("[ -~\n]{0,3000}", 2..5),
        lengths in prop::collection::vec(1..5000usize, 1..6),
    ) {
        let forms = forms(&secret);
        let form = String::from_utf8_lossy(&forms[which % forms.len()]).into_owned();
        let text = around.join(&form);
        let redactor = knows(&secret);
        let pieces = in_pieces(redactor.stream(), text.as_bytes(), &lengths);
        let spans = redactor.spans(text.as_bytes(), true);
        prop_assert_eq!(
            String::from_utf8_lossy(&pieces).into_owned(),
            String::from_utf8_lossy(&super::replaced(text.as_bytes(), &spans)).into_owned()
        );
        prop_assert!(!has(&pieces, secret.as_bytes()));
    }
}

proptest! {
    // What is given cannot be taken back: if all of it is what the whole gives, so was each part.
    #[test]
    fn text_that_is_read_along_is_what_the_whole_gives(
        secret in secret(),
        which in 0..64usize,
        around in prop::collection::vec("[ -~\n]{0,60}|(sk-[a-z0-9]{5,30}|Bearer [a-z0-9.]{5,30}|https?://[a-z:@]{0,20}| ){0,4}", 2..5),
        key in prop::option::of("-----BEGIN (RSA )?PRIVATE KEY-----[A-Za-z0-9\n]{0,60}(-----END RSA|\"[a-z ]{0,9})?"),
        lengths in prop::collection::vec(1..12usize, 1..6),
    ) {
        let forms = forms(&secret);
        let form = String::from_utf8_lossy(&forms[which % forms.len()]).into_owned();
        let text = around.join(&form) + &key.unwrap_or_default();
        let redactor = knows(&secret);
        let live = read_along(redactor.live(), text.as_bytes(), &lengths);
        let spans = redactor.spans(text.as_bytes(), true);
        prop_assert_eq!(
            String::from_utf8_lossy(&live).into_owned(),
            String::from_utf8_lossy(&super::replaced(text.as_bytes(), &spans)).into_owned()
        );
    }
}

#[test]
fn what_stands_around_a_value_over_lines_does_not_hide_it() {
    for (secret, text) in [
        ("correct horse\\", "correct\n horse\\/"),
        ("name of a horse", "\\name of a\n horse"),
        ("41 horses, correct", "%41 horses,\n correct"),
        ("\\\n\\r horses", "\\\n\n\n\\\nr horses"),
    ] {
        let clean = knows(secret).text(text).into_owned();
        assert!(clean.contains("redacted"), "{text:?}: {clean:?}");
        assert!(!clean.contains("horse"), "{text:?}: {clean:?}");
    }
}

#[test]
fn what_stands_around_a_value_behind_encodings_does_not_hide_it() {
    // The first or last byte of each is an encoding together with what stands beside it.
    for (secret, before, form, after) in [
        ("\n😀\n\\aß\"\\", "%0a", "😀\n%5c\\u0061ß\\u0022\\", "\""),
        ("50 horses, 50%", "so ", "\\u0035\\u0030 horses, 50%", "42 more"),
        ("r horses\n\nso", "\\", "%72 horses\\u000A\nso", ""),
        ("41 horses, correct", "%", "41%20hor\\u0073es,%20correct", ", so"),
        ("name of a horse", "\\", "name of a hor%73e", ""),
        ("n  horses", "\\", "n  hor%73es", ""),
        ("u0041 horses\\u0041", "\\", "u0041 hor%73es\\u0041", ""),
        ("correct horses\\u00", "", "%63orrect horses\\u00", "41"),
    ] {
        let text = [before, form, after].concat();
        let clean = knows(secret).text(&text).into_owned();
        assert_eq!(clean, format!("{before}[redacted HOUSE]{after}"), "{text:?}");
        for length in 1..text.len() {
            let live = read_along(knows(secret).live(), text.as_bytes(), &[length]);
            assert_eq!(String::from_utf8_lossy(&live), clean, "{text:?} by {length}");
        }
        let other = text.replace("or", "oR").replace('ß', "s");
        assert_eq!(knows(secret).text(&other), other);
    }
}

#[test]
fn what_tells_of_a_key_is_given_together_with_it() {
    let redactor = Redactor::new();
    for text in [
        "http://Bearer 0...aa-----BEGIN PRIVATE KEY-----",
        "sk-00a0aaa0Bearer .aa0aaaaa0aaa0.a and more",
        "see postgres://ann:sk-12345678901234567890abc@host/x",
    ] {
        let live = read_along(redactor.live(), text.as_bytes(), &[1]);
        assert_eq!(String::from_utf8_lossy(&live), redactor.text(text), "{text}");
    }
}

#[test]
fn no_more_is_held_back_than_may_be_a_secret() {
    let mut live = knows("correct horse").live();
    let mut said = |piece: &str| live.push(piece);
    assert_eq!(said("Hello wor"), "Hello ");
    assert_eq!(said("ld, it is corr"), "world, it is ");
    assert_eq!(said("ect ho"), "");
    assert_eq!(said("rse, and sk-"), "[redacted HOUSE], and ");
    assert_eq!(said("abcdefgh0123456789xyz"), "");
    assert_eq!(said("AB. See https://example.org"), "[redacted key]. See https");
    assert_eq!(said("/a. A corr"), "://example.org/a. A ");
    assert_eq!(said("idor. A hors"), "corridor. A ");
    assert_eq!(live.finish(), "hors");
    // With nobody's values and nothing that looks like a key all of it goes on as it comes.
    assert_eq!(Redactor::new().live().push("Hello all"), "Hello all");
    assert_eq!(Redactor::none().live().push("sk-"), "sk-");
}

#[test]
fn keys_are_known_by_their_looks() {
    let redactor = Redactor::new();
    for (text, clean) in [
        (
            "use sk-ant-api03-AbCd0123456789efghij, please",
            "use [redacted key], please",
        ),
        (
            "Authorization: Bearer abcdef0123456789abcdef",
            "Authorization: Bearer [redacted key]",
        ),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345.", "[redacted key]."),
        ("AKIAIOSFODNN7EXAMPLE", "[redacted key]"),
        (
            "postgres://ada:s3same@db/runs",
            "postgres://ada:[redacted key]@db/runs",
        ),
        ("x\\nsk-proj-AbCd0123456789efghij", "x\\n[redacted key]"),
    ] {
        assert_eq!(redactor.text(text), clean);
        assert_eq!(redactor.text(clean), clean, "once is enough");
    }
    for text in [
        "task-1234567890abcdefghijklmn",
        "sk-only-words-joined-by-hyphens",
        "Bearer of the ring",
        "see https://example.org/a:b@c",
        "-----BEGIN PRIVATE KEY----- is how one begins",
    ] {
        assert_eq!(redactor.text(text), text);
    }
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAbC123\n-----END RSA PRIVATE KEY-----\nend";
    let clean = redactor.text(key);
    assert!(
        !clean.contains("MIIE") && clean.ends_with("-----END RSA PRIVATE KEY-----\nend"),
        "{clean}"
    );
}

#[test]
fn bytes_that_are_no_text_keep_what_only_looks_like_a_key() {
    let redactor = knows("correct horse");
    let key = b"\x00AKIAIOSFODNN7EXAMPLE\xff";
    assert_eq!(redactor.binary(key), &key[..]);
    assert_eq!(
        redactor.binary(b"\x00correct horse\xff"),
        &b"\x00[redacted HOUSE]\xff"[..]
    );
}

#[test]
fn what_takes_its_place_has_no_secret_in_it() {
    let redactor = Redactor::new()
        .secret("redacted one", &Secret::new("redacted"))
        .secret("correct horse", &Secret::new("correct horse"));
    for text in ["it is redacted", "a correct horse"] {
        let clean = redactor.text(text);
        assert!(!clean.contains("redacted") && !clean.contains("horse"), "{clean}");
    }
}

#[test]
fn what_a_secret_and_its_surroundings_make_is_looked_at_again() {
    let redactor = Redactor::new()
        .secret("A", &Secret::new("first-secret"))
        .secret("B", &Secret::new("A] and more"));
    let clean = redactor.text("first-secret and more");
    assert!(!clean.contains("A] and more"), "{clean}");
}

#[test]
fn numbers_and_short_values() {
    let mut value = json!({"pin": 12_345_678_901_u64, "n": 7});
    assert!(knows("12345678901").json(&mut value));
    assert_eq!(value, json!({"pin": "[redacted HOUSE]", "n": 7}));
    assert_eq!(knows("short").text("a short text"), "a short text");
    assert_eq!(
        knows("as a file\n").text("as a file has it"),
        "[redacted HOUSE] has it"
    );
    assert_eq!(knows("correct horse").known("a correct%20horse"), Some("HOUSE"));
    assert_eq!(
        knows("correct horse").known("sk-ant-api03-AbCd0123456789efghij"),
        None
    );
    assert_eq!(
        Redactor::none().text("sk-ant-api03-AbCd0123456789efghij"),
        "sk-ant-api03-AbCd0123456789efghij"
    );
}

#[test]
fn a_redactor_shows_nothing_of_what_it_knows() {
    let shown = format!("{:?}", knows("correct horse"));
    assert_eq!(shown, "Redactor(1 secrets)");
}

#[test]
fn a_secret_over_large_pieces_is_found() {
    let redactor = knows("correct horse");
    for length in [256 << 10, 300 << 10] {
        for before in [1, 12] {
            let mut text = vec![b' '; 2 * length + 1];
            let at = length - before;
            text[at..at + 13].copy_from_slice(b"correct horse");
            let clean = in_pieces(redactor.stream(), &text, &[length]);
            assert!(
                !has(&clean, b"correct"),
                "{before} bytes of it in a piece of {length}"
            );
            assert!(
                !has(&clean, b"horse"),
                "{before} bytes of it in a piece of {length}"
            );
        }
    }
}

#[test]
fn a_long_value_is_looked_through_as_it_is_written() {
    let redactor = knows("correct horse");
    for length in [10_usize, 140_000] {
        let blank = "x ".repeat(length);
        let value = crate::Value::new(blank.clone());
        let same = redactor.value(value.clone());
        assert!(same.is(&value), "{length}: nothing was to be done");
        // Where a piece ends, wherever that is.
        for at in [262_140, 2 * length] {
            let mut text = blank.clone();
            text.insert_str(at.min(2 * length), "correct horse");
            let clean = redactor.value(crate::Value::new(text));
            let clean = clean.take::<String>().expect("it is text");
            assert_eq!(
                clean.len(),
                2 * length + "[redacted HOUSE]".len(),
                "{length}, {at}"
            );
        }
    }
}
