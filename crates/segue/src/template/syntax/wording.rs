//! Says what is wrong with a source the parser refused, in the words of its author rather than the parser's.

use minijinja::machinery::{Token, tokenize};

use super::super::fault::{Fault, Place, Problem};
use super::super::suggest::suggest;
use super::super::value::cut;
use super::{config, place};

const STATEMENTS: [&str; 6] = ["filter", "for", "if", "raw", "set", "with"];
const ENDS: [&str; 7] = [
    "elif",
    "else",
    "endfilter",
    "endfor",
    "endif",
    "endset",
    "endwith",
];
/// Statements of other template languages; no spelling of ours is meant by them.
const REFUSED: [&str; 10] = [
    "autoescape",
    "block",
    "break",
    "call",
    "continue",
    "do",
    "extends",
    "from",
    "import",
    "include",
];

/// The fault of a source MiniJinja's parser refused.
pub(super) fn fault(error: &minijinja::Error, source: &str, bare: bool) -> Fault {
    let at = error_place(error, source);
    let message = error.detail().unwrap_or("the template cannot be read");
    let problem = |message: String| Problem::new("template_syntax", message);
    if let Some(keyword) = message.strip_prefix("unknown statement ") {
        return statement(keyword, at);
    }
    let written = source.get(at.offset..at.end()).unwrap_or_default();
    match message {
        "unexpected character" => {
            let problem = problem(format!("unexpected character `{}`", cut(written)));
            match operator_hint(&source[at.offset..]) {
                Some(hint) => problem.hint(hint).fault(at),
                None => problem.fault(at),
            }
        }
        _ if message.starts_with("unexpected end of input") && !bare => match open_block(source) {
            Some((keyword, opened)) => problem(format!("`{keyword}` is not closed"))
                .hint(format!("end it with `{{% end{keyword} %}}`"))
                .fault(opened),
            None => problem(message.to_owned()).fault(at),
        },
        _ if written == "=" => problem(message.to_owned()).hint("`==` compares").fault(at),
        _ => problem(message.to_owned()).fault(at),
    }
}

fn statement(keyword: &str, at: Place) -> Fault {
    let shown = cut(keyword);
    if ENDS.contains(&keyword) {
        return Problem::new("template_syntax", format!("`{shown}` has nothing to close")).fault(at);
    }
    let problem = Problem::new("template_syntax", format!("there is no statement `{shown}`"));
    if REFUSED.contains(&keyword) || keyword == "macro" {
        return problem
            .hint("statements are `for`, `if`, `with`, `set`, `filter` and `raw`")
            .fault(at);
    }
    let known: Vec<&str> = ENDS.into_iter().chain(STATEMENTS).collect();
    let (hint, suggestion) = suggest(keyword, &known);
    Fault {
        hint,
        suggestion,
        ..problem.fault(at)
    }
}

fn operator_hint(rest: &str) -> Option<&'static str> {
    match rest.as_bytes() {
        [b'&', ..] => Some("write `and`"),
        [b'!', ..] => Some("write `not`"),
        _ => None,
    }
}

/// The parser's place, widened to whole characters; it is empty only at the end of the source.
fn error_place(error: &minijinja::Error, source: &str) -> Place {
    let range = error.range().unwrap_or(source.len()..source.len());
    let start = source.floor_char_boundary(range.start);
    let end = source.ceil_char_boundary(range.end);
    let first = source[start..].chars().next().map_or(0, char::len_utf8);
    Place::between(start, end.max(start + first))
}

/// The innermost block that is still open at the end of the source.
fn open_block(source: &str) -> Option<(&str, Place)> {
    let mut open = Vec::new();
    let mut set = None;
    let mut keyword_next = false;
    for (token, span) in tokenize(source, false, config()).map_while(Result::ok) {
        match token {
            Token::BlockStart => keyword_next = true,
            Token::Ident(keyword) if std::mem::take(&mut keyword_next) => match keyword {
                "set" => set = Some((keyword, place(span))),
                "for" | "if" | "with" | "filter" => open.push((keyword, place(span))),
                "endfor" | "endif" | "endwith" | "endfilter" | "endset" => {
                    open.pop();
                }
                _ => {}
            },
            Token::Assign => set = None,
            Token::BlockEnd => open.extend(set.take()),
            _ => {}
        }
    }
    open.pop()
}

#[cfg(test)]
mod tests {
    use super::super::{expression, template};

    #[test]
    fn refused_sources_are_explained() {
        for (source, message, hint, at) in [
            (
                "a {% if x %}b",
                "`if` is not closed",
                Some("end it with `{% endif %}`"),
                "if",
            ),
            (
                "{% set x %}b",
                "`set` is not closed",
                Some("end it with `{% endset %}`"),
                "set",
            ),
            (
                "{% for a in b %}{% if x %}{% endif %}",
                "`for` is not closed",
                Some("end it with `{% endfor %}`"),
                "for",
            ),
            ("{% endif %}", "`endif` has nothing to close", None, "endif"),
            (
                "{% iff x %}",
                "there is no statement `iff`",
                Some("did you mean `if`?"),
                "iff",
            ),
            (
                "{% include 'x' %}",
                "there is no statement `include`",
                Some("statements are `for`, `if`, `with`, `set`, `filter` and `raw`"),
                "include",
            ),
            (
                "{{ x && y }}",
                "unexpected character `&`",
                Some("write `and`"),
                "&",
            ),
            ("{{ é }}", "unexpected character `é`", None, "é"),
            (
                "{{ 1 = 2 }}",
                "unexpected `=`, expected end of variable block",
                Some("`==` compares"),
                "=",
            ),
        ] {
            let fault = template(source).expect_err(source).remove(0);
            assert_eq!(
                (fault.message.as_str(), fault.hint.as_deref()),
                (message, hint),
                "{source}"
            );
            assert_eq!(&source[fault.offset..fault.offset + fault.len], at, "{source}");
        }
        assert_eq!(
            expression("a = b").expect_err("no assignment")[0].hint.as_deref(),
            Some("`==` compares")
        );
    }
}
