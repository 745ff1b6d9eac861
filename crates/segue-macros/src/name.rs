//! Names that end up in files, logs and requests: how they are formed, and how one is made from a Rust identifier.
//!
//! The rule is that of the file format, checked here so that a name a pipeline file could not say does not compile.

use syn::LitStr;
use syn::ext::IdentExt;

/// Letters, digits, `_` and `-` of one part of a name.
const MAX_LEN: usize = 64;

/// Whether `name` is formed as `[a-z][a-z0-9_-]{0,63}`, the names of arms and steps.
pub(crate) fn is_plain(name: &str) -> bool {
    name.len() <= MAX_LEN
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

/// Whether `name` is one or more plain names joined by dots, the names of tools.
pub(crate) fn is_dotted(name: &str) -> bool {
    name.split('.').all(is_plain)
}

/// The identifier as written, without `r#`.
pub(crate) fn of(ident: &syn::Ident) -> String {
    ident.unraw().to_string()
}

/// `HttpError` and `HTTPError` both become `http_error`.
pub(crate) fn snake_case(ident: &syn::Ident) -> String {
    let written: Vec<char> = of(ident).chars().collect();
    let mut name = String::with_capacity(written.len() + 4);
    for (at, &c) in written.iter().enumerate() {
        let after_word = at > 0 && !written[at - 1].is_uppercase() && written[at - 1] != '_';
        let ends_acronym = at > 0
            && written[at - 1].is_uppercase()
            && written.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_word || ends_acronym) {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// Reads `name = "…"`, given twice or not.
pub(crate) fn set_once(slot: &mut Option<LitStr>, meta: &syn::meta::ParseNestedMeta<'_>) -> syn::Result<()> {
    let value: LitStr = meta.value()?.parse()?;
    if slot.replace(value).is_some() {
        return Err(meta.error("`name` is given twice"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_follow_the_file_format() {
        for good in ["a", "short", "very-long", "a1_b", &"a".repeat(64)] {
            assert!(is_plain(good), "{good}");
        }
        for bad in ["", "A", "1a", "_a", "-a", "a.b", "a b", "é", &"a".repeat(65)] {
            assert!(!is_plain(bad), "{bad}");
        }
    }

    #[test]
    fn dotted_names_are_plain_names_joined() {
        assert!(is_dotted("price") && is_dotted("app.price") && is_dotted("a.b.c"));
        assert!(!is_dotted("") && !is_dotted("app.") && !is_dotted(".price") && !is_dotted("app..price"));
    }

    #[test]
    fn variants_become_snake_case() {
        for (variant, arm) in [
            ("Short", "short"),
            ("VeryLong", "very_long"),
            ("HTTPError", "http_error"),
            ("HttpError", "http_error"),
            ("Top10", "top10"),
            ("A", "a"),
            ("OK", "ok"),
            ("Very_Long", "very_long"),
        ] {
            let ident = quote::format_ident!("{variant}");
            assert_eq!(snake_case(&ident), arm, "{variant}");
        }
        assert_eq!(snake_case(&quote::format_ident!("r#Box")), "box");
    }
}
